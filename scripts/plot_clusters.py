"""Draw the 2-D t-SNE by cell type beside the k-means partition."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import palette, plotting

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    points = tables.read_points(snakemake.input.tsne2d, cells=labels.index)
    clusters = tables.read_points(snakemake.input.clusters, cells=labels.index)["tsne2d"]
    looks, title = palette.read(snakemake.input.colors), plotting.title(snakemake.wildcards)
    figure = plotting.clusters(points.to_numpy(), labels, clusters, title, looks)
    plotting.save(figure, snakemake.output[0])
