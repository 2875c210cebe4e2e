"""Draw the loss terms over the epochs."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import plotting

with runtime.job(snakemake):
    history = tables.read(snakemake.input.history)
    figure = plotting.losses(history, title=plotting.title(snakemake.wildcards))
    plotting.save(figure, snakemake.output[0])
