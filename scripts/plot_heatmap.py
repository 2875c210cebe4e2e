"""Draw the heatmap of all scores."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.evaluation import summary
from scae.report import plotting

with runtime.job(snakemake):
    params = snakemake.params
    scores = summary.with_references(tables.read(snakemake.input.metrics), tables.read(snakemake.input.references))
    figure = plotting.heatmap(scores, params.published, params.described, params.roles)
    plotting.save(figure, snakemake.output.png)
    plotting.save(figure, snakemake.output.svg)
