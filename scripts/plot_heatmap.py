"""Draw the heatmap of all scores."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import plotting

with runtime.job(snakemake):
    figure = plotting.heatmap(
        tables.read(snakemake.input.metrics), snakemake.params.published, snakemake.params.described
    )
    plotting.save(figure, snakemake.output.png)
    plotting.save(figure, snakemake.output.svg)
