"""Score the clusters of each space against the cell types."""

import scae.workflow.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import metrics

with runtime.job(snakemake):
    cells = tables.read_labels(snakemake.input.labels)
    labels = tables.scored(cells)
    clusters = tables.read_points(snakemake.input.clusters, cells=cells.index).loc[labels.index]
    scores = []
    for space in clusters.columns:
        points = tables.read_points(snakemake.input[space], cells=cells.index).loc[labels.index]
        scores.append(metrics.score(labels, clusters[space], points).assign(space=space))
    tables.write(pd.concat(scores)[["space", "metric", "value"]], snakemake.output.metrics)
