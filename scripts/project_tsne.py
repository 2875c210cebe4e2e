"""Project the latent with t-SNE."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import tsne

with runtime.job(snakemake):
    latent = tables.read_points(snakemake.input.latent)
    dimensions = int(snakemake.wildcards.dimensions)
    points = tsne.tsne(latent.to_numpy(), dimensions, snakemake.params.tsne, seed=int(snakemake.wildcards.seed))
    tables.write_points(points, "xyz"[:dimensions], latent.index, snakemake.output.tsne)
