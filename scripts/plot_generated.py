"""Draw the genes of the cells that a model makes against those of real cells."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import generated_picture, plotting

with runtime.job(snakemake):
    wildcards = snakemake.wildcards
    table = tables.read(snakemake.input.generated_genes)
    title = f"{wildcards.model} on {wildcards.dataset}, seed {snakemake.params.seed}"
    plotting.save(generated_picture.draw(table, title), snakemake.output[0])
