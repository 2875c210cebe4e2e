"""Put all that is known of the cells of a data set into one .h5ad."""

import scae.jobs.runtime as runtime

import anndata

from scae import style, tables
from scae.data import genes, row_blocks
from scae.evaluation import h5ad_export

with runtime.job(snakemake), row_blocks.opened(snakemake.input.expression) as expression:
    inputs = snakemake.input
    labels = tables.read_labels(inputs.labels)
    further = dict(zip(snakemake.params.label_sets[1:], map(tables.read_labels, inputs.more_labels), strict=True))
    runs = {}
    for number, (run, about) in enumerate(snakemake.params.runs.items()):
        points = {name: inputs[name][number] for name in ("clusters", "latent", "tsne2d", "tsne3d")}
        runs[run] = {name: tables.read_points(path, cells=labels.index) for name, path in points.items()}
        runs[run] |= {"metrics": tables.read(inputs.metrics[number]), "about": about}
    source = anndata.read_h5ad(inputs.counts, backed="r")
    data = h5ad_export.assemble(
        expression,
        source,
        genes.name(source.var, snakemake.params.genes["genes"]["names"]),
        labels,
        further,
        runs,
        {name: look[0] for name, look in style.read(inputs.colors).items()},
    )
    row_blocks.rewrite(snakemake.output.embeddings, data)
