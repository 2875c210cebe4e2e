"""Put the training times of all data sets, models and seeds into one table."""

from scae import runtime, tables

with runtime.job(snakemake):
    tables.write(tables.collect(snakemake.input).drop(columns="engine"), snakemake.output[0])
