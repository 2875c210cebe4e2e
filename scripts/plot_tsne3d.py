"""Draw the 3-D t-SNE by cell type."""

import scae.jobs.runtime as runtime

from scae import style, tables
from scae.plots import drawing

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    points = tables.read_points(snakemake.input.tsne3d, cells=labels.index)
    looks, title = style.read(snakemake.input.colors), drawing.title(snakemake.wildcards)
    figure = drawing.tsne3d(points.to_numpy(), labels, title, looks)
    drawing.save(figure, snakemake.output[0])
