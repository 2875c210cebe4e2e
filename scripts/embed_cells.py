"""Embed every cell in the latent space of a trained model."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import expression
from scae.training import trained, weights

with runtime.job(snakemake):
    resources = snakemake.resources
    data = expression.read(
        snakemake.input.expression, snakemake.params.expression["scale"], resources.mem_mb, resources.tmpdir
    )
    model = weights.load(snakemake.input.model, data.genes)
    latent = trained.embed(model, data, snakemake.params.latent["estimate"], seed=int(snakemake.wildcards.seed))
    names = [f"z{number}" for number in range(1, latent.shape[1] + 1)]
    tables.write_points(latent, names, data.cells, snakemake.output.latent)
