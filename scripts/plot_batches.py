"""Draw the 2-D t-SNE by cell type beside the same by batch."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import palette, plotting

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    batches = tables.read_batches(snakemake.input.batches)
    points = tables.read_points(snakemake.input.tsne2d, cells=labels.index)
    looks, title = palette.read(snakemake.input.colors), plotting.title(snakemake.wildcards)
    figure = plotting.batches(points.to_numpy(), labels, batches[labels.index], title, looks)
    plotting.save(figure, snakemake.output[0])
