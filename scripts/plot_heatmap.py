"""Draw the heatmap of all scores."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import summary
from scae.plots import drawing

with runtime.job(snakemake):
    params = snakemake.params
    scores = summary.with_references(tables.read(snakemake.input.metrics), tables.read(snakemake.input.references))
    figure = drawing.heatmap(scores, params.published, params.described, params.roles)
    drawing.save(figure, snakemake.output.png)
    drawing.save(figure, snakemake.output.svg)
