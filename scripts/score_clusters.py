"""Score the clusters of each space against the cell types."""

import scae.workflow.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import metrics

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    clusters = tables.read_points(snakemake.input.clusters, cells=labels.index)
    scores = []
    for space in clusters.columns:
        points = tables.read_points(snakemake.input[space], cells=labels.index)
        scores.append(metrics.score(labels, clusters[space], points).assign(space=space))
    tables.write(pd.concat(scores)[["space", "metric", "value"]], snakemake.output.metrics)
