"""Put the scores of all data sets, models and seeds into one table."""

from scae import runtime, tables

with runtime.job(snakemake):
    tables.write(tables.collect(snakemake.input), snakemake.output[0])
