"""Give every score its intervals, and every pair of representations the interval of its difference."""

import scae.workflow.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import comparison

with runtime.job(snakemake):
    metrics = tables.read(snakemake.input.metrics)
    spreads = tables.collect(snakemake.input.spreads)
    both = [comparison.over_seeds(metrics), comparison.over_cells(spreads)]
    tables.write(pd.concat(both), snakemake.output.intervals)
    compared = comparison.pairs(snakemake.params.roles)
    tables.write(comparison.differences(metrics, compared), snakemake.output.differences)
