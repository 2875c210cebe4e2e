"""Draw the scores of a data set over the values of a sweep."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing, sweep

with runtime.job(snakemake):
    params, dataset = snakemake.params, snakemake.wildcards.dataset
    intervals = tables.read(snakemake.input.intervals)
    figure = sweep.sweep(
        intervals[intervals["dataset"] == dataset],
        params.points,
        params.roles,
        params.described,
        params.origins[dataset],
    )
    for path in (snakemake.output.svg, snakemake.output.pdf):
        drawing.save(figure, path, editable=True)
