"""Draw the genes of the cells that a model makes against those of real cells."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing, generated

with runtime.job(snakemake):
    wildcards = snakemake.wildcards
    table = tables.read(snakemake.input.generated_genes)
    title = f"{wildcards.model} on {wildcards.dataset}, seed {snakemake.params.seed}"
    drawing.save(generated.draw(table, title), snakemake.output[0])
