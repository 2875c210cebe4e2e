"""Give every score its interval over the seeds, and every pair of representations the interval of its difference."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.evaluation import comparison

with runtime.job(snakemake):
    metrics = tables.read(snakemake.input.metrics)
    compared = comparison.pairs(snakemake.params.roles)
    tables.write(comparison.over_seeds(metrics), snakemake.output.intervals)
    tables.write(comparison.differences(metrics, compared), snakemake.output.differences)
