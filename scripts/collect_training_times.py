"""Put the training times of all data sets, models and seeds into one table."""

import scae.jobs.runtime as runtime

from scae import tables

COLUMNS = ["dataset", "model", "seed", "epochs", "seconds", "cells_per_second", "device", "threads"]

with runtime.job(snakemake):
    times = tables.collect(snakemake.input)  # none, where no representation of the run is trained
    tables.write(times.reindex(columns=COLUMNS), snakemake.output[0])
