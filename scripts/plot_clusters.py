"""Draw the 2-D t-SNE by cell type beside the k-means partition."""

import scae.jobs.runtime as runtime

from scae import style, tables
from scae.plots import drawing

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    points = tables.read_points(snakemake.input.tsne2d, cells=labels.index)
    clusters = tables.read_points(snakemake.input.clusters, cells=labels.index)["tsne2d"]
    looks, title = style.read(snakemake.input.colors), drawing.title(snakemake.wildcards)
    figure = drawing.clusters(points.to_numpy(), labels, clusters, title, looks)
    drawing.save(figure, snakemake.output[0])
