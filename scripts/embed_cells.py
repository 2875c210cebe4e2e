"""Embed every cell in the latent space of a trained model."""

import anndata

from scae import runtime, tables, training

with runtime.job(snakemake):
    expression = anndata.read_h5ad(snakemake.input.expression)
    model = training.load(snakemake.input.model, expression.var_names)
    latent = training.embed(
        model, expression.X, snakemake.params.latent["estimate"], seed=int(snakemake.wildcards.seed)
    )
    names = [f"z{number}" for number in range(1, latent.shape[1] + 1)]
    tables.write_points(latent, names, expression.obs_names, snakemake.output.latent)
