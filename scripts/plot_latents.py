"""Draw the genes that the latents of the first seed move, over the cell types and along the move."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.evaluation import effects
from scae.report import latents_picture, plotting
from scae.training import expression

with runtime.job(snakemake):
    inputs, resources, wildcards = snakemake.input, snakemake.resources, snakemake.wildcards
    labels, table = tables.read_labels(inputs.labels), tables.read(inputs.latent_genes)
    table = latents_picture.shown(table[table["seed"] == snakemake.params.seed])
    data = expression.read(inputs.expression, False, resources.mem_mb, resources.tmpdir)
    means, shares = effects.by_type(data, list(dict.fromkeys(table["gene"])), labels[data.cells])
    title = f"{wildcards.model} on {wildcards.dataset}, seed {snakemake.params.seed}"
    curves = tables.read(inputs.latent_traversals)
    curves = curves[curves["seed"] == snakemake.params.seed]
    plotting.save(latents_picture.draw(table, means, shares, curves, title), snakemake.output[0])
