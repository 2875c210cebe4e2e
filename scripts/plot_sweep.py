"""Draw the scores of a data set over the values of a sweep."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import plotting, sweep_picture

with runtime.job(snakemake):
    params, dataset = snakemake.params, snakemake.wildcards.dataset
    intervals = tables.read(snakemake.input.intervals)
    figure = sweep_picture.sweep(
        intervals[intervals["dataset"] == dataset],
        params.points,
        params.roles,
        params.described,
        params.origins[dataset],
    )
    for path in (snakemake.output.svg, snakemake.output.pdf):
        plotting.save(figure, path, editable=True)
