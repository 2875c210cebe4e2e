"""Draw the 3-D t-SNE by cell type."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import palette, plotting

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    points = tables.read_points(snakemake.input.tsne3d, cells=labels.index)
    looks, title = palette.read(snakemake.input.colors), plotting.title(snakemake.wildcards)
    figure = plotting.tsne3d(points.to_numpy(), labels, title, looks)
    plotting.save(figure, snakemake.output[0])
