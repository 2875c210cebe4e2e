"""Score the clusters and the neighbours of each space against the cell types and the input."""

import scae.jobs.runtime as runtime

import numpy as np
import pandas as pd

from scae import tables
from scae.evaluation import batch_mixing, intervals, metrics, neighbors

with runtime.job(snakemake):
    inputs = snakemake.input
    paths = dict(zip(snakemake.params.label_sets, [inputs.labels, *inputs.more_labels], strict=True))
    sets = {name: tables.read_labels(path) for name, path in paths.items()}
    first = next(iter(sets))
    clusters = tables.read_points(inputs.clusters, cells=sets[first].index)
    distances = np.load(inputs.distances)
    batches = tables.read_batches(inputs.batches) if inputs.batches else None
    scores, recalls, spreads = [], [], []
    for name, cells in sets.items():
        about = {"labels": name}
        labels = tables.scored(cells)
        ranked = cells.index.get_indexer(distances["cells"])
        voting = labels.iloc[neighbors.sample(labels)]
        for space in clusters.columns:
            about["space"] = space
            points = tables.read_points(inputs[space], cells=cells.index)
            found = clusters[space][labels.index]
            around = neighbors.look(points, cells, voting, ranked, distances["squared"])
            if batches is not None:
                mixed = voting if len(voting) else cells.iloc[neighbors.sample(cells)]  # batches mix without labels too
                around |= batch_mixing.look(points, mixed, batches)
            scored = metrics.score(labels, found, points.loc[labels.index], without_labels=name == first, **around)
            scores.append(scored.assign(**about))
            recalls.append(neighbors.recalls(voting, around["voted"]).assign(**about))
            spreads.append(intervals.cell_spreads(labels, found, voting, around["voted"]).assign(**about))
    for rows, columns, path in (
        (scores, ["labels", "space", "metric", "value"], snakemake.output.metrics),
        (recalls, ["labels", "space", "label", "cells", "recall"], snakemake.output.recalls),
        (spreads, ["labels", "space", "metric", "mean", "sd", "low", "high"], snakemake.output.spreads),
    ):
        tables.write(pd.concat(rows)[columns], path)
