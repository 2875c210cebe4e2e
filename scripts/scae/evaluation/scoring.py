"""Cluster and score one representation: k-means in each space, and all metrics for each label set."""

from typing import NamedTuple

import pandas as pd

from scae import results, tables
from scae.data import sampling
from scae.evaluation import batch_mixing, intervals, kmeans, metrics, neighbors

COLUMNS = {
    "metrics": results.BY_NAME["metrics"].column_names,
    "recalls": results.BY_NAME["recalls"].column_names,
    "spreads": results.BY_NAME["spreads"].column_names,
    "resamples": results.BY_NAME["resamples"].column_names,
}


class Scores(NamedTuple):
    """The tables of one run, each a DataFrame with the columns of its file in `scae.results.CONTRACT`."""

    clusters: pd.DataFrame
    metrics: pd.DataFrame
    recalls: pd.DataFrame
    spreads: pd.DataFrame
    resamples: pd.DataFrame


def score(spaces, label_sets, distances, settings, seed, batches=None):
    """Cluster the cells in each space and score each space against each label set, the input and the batches.

    Args:
        spaces: {"tsne2d", "latent": DataFrame (cells, dimensions), index cell}.
        label_sets: {name: Series of labels by cell, `tables.UNSCORED` for unlabelled cells}. The first set decides the
            number of clusters and which cells the clusters are fitted to.
        distances: {"cells": names, "squared": (cells, cells)}, the content of distances.npz.
        settings: dict with k (None is the number of types) and n_init.
        seed: of k-means.
        batches: Series of batches by cell; None for a data set without batches.

    Returns:
        Scores

    Raises:
        UserError: if there are fewer cells than clusters.
    """
    first = next(iter(label_sets))
    clusters = cluster(spaces, label_sets[first], settings, seed)
    found = {table: [] for table in COLUMNS}
    for name, all_labels in label_sets.items():
        labels = tables.scored(all_labels)
        ranked = all_labels.index.get_indexer(distances["cells"])
        knn_labels = _sample(labels)
        mixed = knn_labels if len(knn_labels) else _sample(all_labels)  # mixing needs no labels
        for space, points in spaces.items():
            values = neighbors.compare(points, all_labels, knn_labels, ranked, distances["squared"])
            if batches is not None:
                values |= batch_mixing.select(points, mixed, batches)
            ids, predicted = clusters[space][labels.index], values["knn_predicted"]
            scored = metrics.score(labels, ids, points.loc[labels.index], without_labels=name == first, **values)
            recalls = neighbors.recalls(knn_labels, predicted)
            over_cells = intervals.cell_spreads(labels, ids, knn_labels, predicted)
            for table, rows in zip(COLUMNS, (scored, recalls, *over_cells), strict=True):
                found[table].append(rows.assign(labels=name, space=space))
    stacked = {table: pd.concat(rows)[COLUMNS[table]] for table, rows in found.items()}
    return Scores(clusters.reset_index(), **stacked)


def cluster(spaces, labels, settings, seed):
    """k-means in each space, as many clusters as types; unlabelled cells join the nearest cluster.

    Args:
        spaces, settings, seed, errors: as of `score`.
        labels: Series by cell.

    Returns:
        pandas.DataFrame: index cell; a column of cluster ids for each space.
    """
    scored = tables.scored(labels)
    n_clusters, chosen = settings["k"] or scored.nunique(), labels.index.isin(scored.index)
    clusters = pd.DataFrame(index=labels.index)
    for space, points in spaces.items():
        clusters[space] = kmeans.kmeans(points.to_numpy(), n_clusters, settings, seed, chosen)
    return clusters


def _sample(labels):
    return labels.iloc[sampling.stratified(labels, neighbors.SCORED_CELLS)]
