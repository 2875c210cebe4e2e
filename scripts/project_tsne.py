"""Project the latent with t-SNE."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import tsne

with runtime.job(snakemake):
    latent, settings = tables.read_points(snakemake.input.latent), dict(snakemake.params.tsne)
    cells = {"tsne2d": settings.pop("max_cells"), "tsne3d": settings.pop("max_cells_3d", None)}
    for space, path in snakemake.output.items():
        dimensions, chosen = int(space[4]), settings | {"max_cells": cells[space]}
        points = tsne.tsne(latent.to_numpy(), dimensions, chosen, seed=int(snakemake.wildcards.seed))
        tables.write_points(points, "xyz"[:dimensions], latent.index, path)
