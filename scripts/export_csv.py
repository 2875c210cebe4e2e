"""Write expression and labels as the pair of CSV files that the original study read."""

import scae.jobs.runtime as runtime

import shutil

from scae.data import export, row_blocks

with runtime.job(snakemake), row_blocks.opened(snakemake.input.expression) as expression:
    export.write_csv(expression, snakemake.output.expression)
    shutil.copyfile(snakemake.input.labels, snakemake.output.labels)
