"""Put the scores of all data sets, models and seeds into one table."""

from scae import tables
from scae.workflow import runtime

with runtime.job(snakemake):
    tables.write(tables.collect(snakemake.input), snakemake.output[0])
