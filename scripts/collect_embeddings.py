"""Put everything about the cells of a data set into one .h5ad."""

import scae.jobs.runtime as runtime

import anndata

from scae import style, tables
from scae.data import genes, row_blocks
from scae.evaluation import h5ad_export, umap_projection

with runtime.job(snakemake), row_blocks.opened(snakemake.input.expression) as expression:
    inputs, params = snakemake.input, snakemake.params
    files, labels = tables.Files(inputs), tables.read_labels(inputs.labels)
    more = dict(zip(params.label_sets[1:], map(tables.read_labels, inputs.more_labels), strict=True))
    runs, first = {}, {}
    for run, about in params.runs.items():
        of_run = {"model": about["model"], "seed": about["seed"]}
        spaces = [name for name in ("clusters", "latent", "tsne2d", "tsne3d") if files.all(name, **of_run)]
        points = {name: tables.read_points(files.path(name, **of_run), labels.index) for name in spaces}
        runs[run] = points | {"metrics": files.read("metrics", **of_run), "about": about}
        first.setdefault(about["model"], runs[run])
    source = anndata.read_h5ad(inputs.counts, backed="r")
    seeds = h5ad_export.assemble_seeds(expression.obs_names, labels, more, runs)
    data = h5ad_export.assemble(
        expression,
        source,
        genes.name(source.var, params.genes["genes"]["names"]),
        labels,
        more,
        first,
        {name: look[0] for name, look in style.read(inputs.colors).items()},
        umap_projection.project,
    )
    row_blocks.rewrite(snakemake.output.embeddings, data)
    seeds.write_h5ad(snakemake.output.embeddings_seeds, compression="gzip")
