"""Draw the heatmap of all scores."""

from scae import plotting, runtime, tables

with runtime.job(snakemake):
    figure = plotting.heatmap(tables.read(snakemake.input.metrics), snakemake.params.published)
    plotting.save(figure, snakemake.output.png)
    plotting.save(figure, snakemake.output.svg)
