"""Give every score its intervals, and every pair of representations the interval of its difference."""

import scae.jobs.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import comparison, summary

with runtime.job(snakemake):
    metrics, origins = tables.read(snakemake.input.metrics), snakemake.params.origins
    spreads = tables.collect(snakemake.input.spreads)
    of_references = summary.of_references(tables.read(snakemake.input.references))
    found = [comparison.over_seeds(metrics), comparison.over_cells(spreads), comparison.over_seeds(of_references)]
    found = pd.concat([table for table in found if len(table)])
    tables.write(comparison.with_origins(found, origins), snakemake.output.intervals)
    compared = comparison.pairs(snakemake.params.roles)
    found = comparison.differences(metrics, compared)
    tables.write(comparison.with_origins(found, origins), snakemake.output.differences)
