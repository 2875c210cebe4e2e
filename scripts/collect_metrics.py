"""Put the scores of all data sets, models and seeds into one table, and the recalls of the cell types into another."""

import scae.jobs.runtime as runtime

from scae import tables

with runtime.job(snakemake):
    tables.write(tables.collect(snakemake.input.metrics), snakemake.output.metrics)
    tables.write(tables.collect(snakemake.input.recalls), snakemake.output.recalls)
