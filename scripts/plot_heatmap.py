"""Draw the heatmap of all scores."""

from scae import tables
from scae.report import plotting
from scae.workflow import runtime

with runtime.job(snakemake):
    figure = plotting.heatmap(tables.read(snakemake.input.metrics), snakemake.params.published)
    plotting.save(figure, snakemake.output.png)
    plotting.save(figure, snakemake.output.svg)
