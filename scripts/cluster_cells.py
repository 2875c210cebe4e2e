"""Cluster the cells in each space with k-means."""

import scae.jobs.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import kmeans

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    scored, settings = tables.scored(labels), snakemake.params.kmeans
    clusters = pd.DataFrame(index=labels.index)
    for space in ("tsne2d", "latent"):
        points = tables.read_points(snakemake.input[space], cells=labels.index)
        clusters[space] = kmeans.kmeans(
            points.to_numpy(),
            settings["k"] or scored.nunique(),
            settings,
            seed=int(snakemake.wildcards.seed),
            chosen=labels.index.isin(scored.index),
        )
    tables.write(clusters.reset_index(), snakemake.output.clusters)
