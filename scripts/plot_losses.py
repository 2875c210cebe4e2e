"""Draw the loss terms over the epochs."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing

with runtime.job(snakemake):
    history = tables.read(snakemake.input.history)
    figure = drawing.losses(history, title=drawing.title(snakemake.wildcards))
    drawing.save(figure, snakemake.output[0])
