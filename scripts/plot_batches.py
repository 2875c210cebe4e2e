"""Draw the 2-D t-SNE by cell type beside the same by batch."""

import scae.jobs.runtime as runtime

from scae import style, tables
from scae.plots import drawing

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    batches = tables.read_batches(snakemake.input.batches)
    points = tables.read_points(snakemake.input.tsne2d, cells=labels.index)
    looks, title = style.read(snakemake.input.colors), drawing.title(snakemake.wildcards)
    figure = drawing.batches(points.to_numpy(), labels, batches[labels.index], title, looks)
    drawing.save(figure, snakemake.output[0])
