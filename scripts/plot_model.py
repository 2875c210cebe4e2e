"""Draw the cells and the genes of the latent dimensions of a model, first seed."""

import scae.jobs.runtime as runtime

from scae import style, tables
from scae.data import expression
from scae.evaluation import latent_genes
from scae.evaluation.main_scores import select
from scae.plots import cells, drawing, latents

with runtime.job(snakemake):
    wildcards, params, resources = snakemake.wildcards, snakemake.params, snakemake.resources
    inputs, outputs = (tables.Files(paths) for paths in (snakemake.input, snakemake.output))
    labels, styles = tables.read_labels(inputs.path("labels")), style.read(inputs.path("colors"))
    batches = tables.read_batches(inputs.path("batches"))[labels.index] if inputs.all("batches") else None
    for run, path in outputs.all("clusters_png"):
        points = tables.read_points(inputs.path("tsne2d", **run), cells=labels.index).to_numpy()
        clusters = tables.read_points(inputs.path("clusters", **run), cells=labels.index)["tsne2d"]
        title = drawing.run_title(**run)
        drawing.save(cells.clusters(points, labels, clusters, title, styles, batches), path)
    seed = params.seeds[0]
    table = latents.shown(select(inputs.read("latent_genes"), seed=seed))
    data = expression.read(inputs.path("expression"), False, resources.mem_mb, resources.tmpdir)
    means, shares = latent_genes.by_type(data, list(dict.fromkeys(table["gene"])), labels[data.cells])
    curves = select(inputs.read("latent_traversals"), seed=seed)
    title = drawing.run_title(wildcards.model, wildcards.dataset, seed)
    drawing.save(latents.draw(table, means, shares, curves, title), outputs.path("latents_png"))
