"""Score the clusters and the neighbours of each space against the cell types and the input."""

import scae.workflow.runtime as runtime

import numpy as np
import pandas as pd

from scae import tables
from scae.evaluation import intervals, metrics, mixing, neighbors

with runtime.job(snakemake):
    cells = tables.read_labels(snakemake.input.labels)
    labels = tables.scored(cells)
    clusters = tables.read_points(snakemake.input.clusters, cells=cells.index)
    distances = np.load(snakemake.input.distances)
    ranked = cells.index.get_indexer(distances["cells"])
    batches = tables.read_batches(snakemake.input.batches) if snakemake.input.batches else None
    voting = labels.iloc[neighbors.sample(labels)]
    scores, recalls, spreads = [], [], []
    for space in clusters.columns:
        points = tables.read_points(snakemake.input[space], cells=cells.index)
        found = clusters[space][labels.index]
        around = neighbors.look(points, cells, voting, ranked, distances["squared"])
        if batches is not None:
            around |= mixing.look(points, voting, batches)
        scores.append(metrics.score(labels, found, points.loc[labels.index], **around).assign(space=space))
        recalls.append(neighbors.recalls(voting, around["voted"]).assign(space=space))
        spreads.append(intervals.cell_spreads(labels, found, voting, around["voted"]).assign(space=space))
    for rows, columns, path in (
        (scores, ["labels", "space", "metric", "value"], snakemake.output.metrics),
        (recalls, ["labels", "space", "label", "cells", "recall"], snakemake.output.recalls),
        (spreads, ["labels", "space", "metric", "mean", "sd", "low", "high"], snakemake.output.spreads),
    ):
        tables.write(pd.concat(rows).assign(labels=snakemake.params.label_set)[columns], path)
