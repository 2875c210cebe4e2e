"""Put the health of the latents of all data sets, models and seeds into one table."""

import scae.jobs.runtime as runtime

from scae import tables

with runtime.job(snakemake):
    tables.write(tables.collect(snakemake.input), snakemake.output[0])
