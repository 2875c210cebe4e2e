"""Put the stability of all data sets into one table."""

import scae.jobs.runtime as runtime

from pathlib import Path

import pandas as pd

from scae import tables

with runtime.job(snakemake):
    found = [(Path(path).parent.name, tables.read(path)) for path in snakemake.input]
    for dataset, table in found:
        table.insert(0, "dataset", dataset)
    tables.write(pd.concat([table for _, table in found]), snakemake.output[0])
