"""Put expression, labels, clusters, latents and t-SNE of a data set into one .h5ad."""

import scae.workflow.runtime as runtime

import anndata
import pandas as pd

from scae import tables

with runtime.job(snakemake):
    data = anndata.read_h5ad(snakemake.input.expression)
    data.obs["label"] = pd.Categorical(tables.read_labels(snakemake.input.labels).loc[data.obs_names])
    inputs = snakemake.input
    for run, clusters, latent, tsne2d, tsne3d in zip(
        snakemake.params.runs, inputs.clusters, inputs.latent, inputs.tsne2d, inputs.tsne3d, strict=True
    ):
        for space, ids in tables.read_points(clusters, cells=data.obs_names).items():
            data.obs[f"{run}_{space}"] = pd.Categorical(ids)
        for name, path in (("", latent), ("_tsne2d", tsne2d), ("_tsne3d", tsne3d)):
            data.obsm[f"X_{run}{name}"] = tables.read_points(path, cells=data.obs_names).to_numpy()
    data.write_h5ad(snakemake.output.embeddings)
