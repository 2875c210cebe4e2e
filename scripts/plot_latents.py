"""Draw the genes that the latents of the first seed move, over the cell types and along the move."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import expression
from scae.evaluation import latent_genes
from scae.plots import drawing, latents

with runtime.job(snakemake):
    inputs, resources, wildcards = snakemake.input, snakemake.resources, snakemake.wildcards
    labels, table = tables.read_labels(inputs.labels), tables.read(inputs.latent_genes)
    table = latents.shown(table[table["seed"] == snakemake.params.seed])
    data = expression.read(inputs.expression, False, resources.mem_mb, resources.tmpdir)
    means, shares = latent_genes.by_type(data, list(dict.fromkeys(table["gene"])), labels[data.cells])
    title = f"{wildcards.model} on {wildcards.dataset}, seed {snakemake.params.seed}"
    curves = tables.read(inputs.latent_traversals)
    curves = curves[curves["seed"] == snakemake.params.seed]
    drawing.save(latents.draw(table, means, shares, curves, title), snakemake.output[0])
