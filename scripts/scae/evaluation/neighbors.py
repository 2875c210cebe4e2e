"""Scores of nearest neighbours, which do not depend on k-means.

Do the neighbours of a cell have its type (kNN accuracy, Leiden clustering)? Are they its neighbours in the input
(recall, trustworthiness, continuity, distances between types)? The latter need the squared distances between cells in
the input, which `scae.evaluation.input_distances` computes once per data set.
"""

import random

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from scae.tables import UNSCORED

K = 15  # neighbours that predict a type, and that make the graph
FEWEST_CELLS = K // 2 + 2  # of a type that 15 neighbours can find: 8 of them are then its own
RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)  # of Leiden clustering, from few to many clusters
SCORED_CELLS = 20_000  # above it the scores are of a fixed sample of about as many cells, stratified by type


def compare(points, labels, knn_labels, ranked, input_distances):
    """Compare the neighbours in a space with the cell types and with the input, for the metrics that read it.

    Args:
        points: DataFrame (cells, dimensions).
        labels: Series, `tables.UNSCORED` for unlabelled cells; same index as ``points``.
        knn_labels: the labels of the cells to predict.
        ranked: (ranked cells,) positions of the cells in ``input_distances``.
        input_distances: squared distances in the input, (ranked cells, ranked cells).

    Returns:
        dict: ``knn_labels`` and ``knn_predicted``, their true and predicted types; ``leiden_ari``, (resolutions,);
        ``input_distances`` and ``distances``, squared distances in the input and in this space; ``distance_labels``,
        the labels of these cells. ``knn_predicted`` and ``leiden_ari`` are None with fewer than two types.
    """
    chosen = points.loc[knn_labels.index]
    has_types = len(set(knn_labels)) > 1
    return {
        "knn_labels": knn_labels.to_numpy(),
        "knn_predicted": knn_predict(chosen, knn_labels) if has_types else None,
        "leiden_ari": leiden_ari(chosen, knn_labels) if has_types else None,
        "input_distances": input_distances,
        "distances": squared_distances(points.iloc[ranked]),
        "distance_labels": labels.iloc[ranked].to_numpy(),
    }


def nearest(points, k, of=None):
    """The nearest other cells of each cell, nearest first; (cells, min(k, cells - 1)) int.

    Cells are searched in a fixed random order, so that ties (many cells at one point) do not follow the file's order.

    Args:
        points: (cells, dimensions).
        k: number of neighbours.
        of: positions of the cells whose neighbours are searched; None searches those of all.
    """
    points = np.asarray(points, dtype=float)
    order, k = np.random.default_rng(0).permutation(len(points)), min(k, len(points) - 1)
    with threadpool_limits(1):
        search = NearestNeighbors(n_neighbors=k).fit(points[order])
        found = order[search.kneighbors()[1] if of is None else search.kneighbors(points[of], k + 1)[1]]
    if of is None:
        result = np.empty_like(found)
        result[order] = found
        return result
    others = found != of[:, None]
    others[others.all(axis=1), -1] = False  # a cell that others at its very place have pushed out
    return found[others].reshape(len(of), k)


def knn_predict(points, labels, k=K):
    """Predict the type of each cell as the most frequent one of its k nearest others (leave-one-out); (cells,).

    Ties go to the first type in alphabetical order. A type of fewer than 9 cells could never win among 15 neighbours,
    so for its cells only the nearest half as many as the type has count.
    """
    names, types = np.unique(np.asarray(labels), return_inverse=True)
    neighbors = types[nearest(points, k)]  # (cells, k)
    counts = _counts(neighbors, len(names))
    sizes = np.bincount(types)
    for number in np.flatnonzero(sizes < FEWEST_CELLS):
        cells = types == number
        counts[cells] = _counts(neighbors[cells, : max(1, sizes[number] // 2)], len(names))
    return names[counts.argmax(axis=1)]


def _counts(neighbors, n_types):
    """Number of neighbours of each type: (cells, types)."""
    return np.stack([(neighbors == number).sum(axis=1) for number in range(n_types)], axis=1)


def recalls(labels, predicted):
    """Recall of each type: the share of its cells that are predicted correctly.

    Args:
        labels: (cells,) types.
        predicted: (cells,) types, or None.

    Returns:
        pandas.DataFrame: label (in alphabetical order), cells (their number), recall (NaN for a type of one cell, which
        has no other cell to be found by); empty without predictions.
    """
    if predicted is None:
        return pd.DataFrame({"label": [], "cells": [], "recall": []})
    correct = pd.Series(np.asarray(predicted) == np.asarray(labels)).groupby(np.asarray(labels))
    cells = correct.size()
    table = pd.DataFrame({"cells": cells, "recall": correct.mean().where(cells > 1)})
    return table.rename_axis("label").reset_index()


def balanced_accuracy(labels, predicted):
    """Mean recall over the types of two or more cells: rare types count as much as common ones."""
    return float(recalls(labels, predicted)["recall"].mean())


def leiden_ari(points, labels, seed=0):
    """Adjusted Rand index of Leiden clusters (Traag et al. 2019) with the types, at each resolution; (resolutions,).

    The clusters are of the graph that joins each cell with its 15 nearest. Unlike k-means, Leiden is not given their
    number. The best resolution is chosen by the types, so its score is optimistic; the median is not.
    """
    graph = _graph(points, K)
    return np.array([adjusted_rand_score(labels, _leiden(graph, resolution, seed)) for resolution in RESOLUTIONS])


def _graph(points, k):
    import igraph

    neighbors = nearest(points, k)
    pairs = np.column_stack([np.repeat(np.arange(len(neighbors)), neighbors.shape[1]), neighbors.ravel()])
    return igraph.Graph(n=len(neighbors), edges=np.unique(np.sort(pairs, axis=1), axis=0))


def _leiden(graph, resolution, seed):
    import igraph

    igraph.set_random_number_generator(random.Random(seed))
    found = graph.community_leiden(objective_function="modularity", resolution=resolution, n_iterations=-1)
    return np.array(found.membership)


def squared_distances(points):
    """Squared Euclidean distances between all cells, (cells, cells); zero diagonal."""
    points = np.asarray(points, dtype=float)
    points = points - points.mean(axis=0)
    with threadpool_limits(1):
        return from_products(points @ points.T)


def from_products(products):
    """Squared distances from the scalar products of all cells, (cells, cells)."""
    norms = np.diag(products).copy()
    distances = np.maximum(norms[:, None] + norms[None] - 2 * products, 0)
    np.fill_diagonal(distances, 0)
    return distances


def neighbor_recall(first, second, k):
    """Share of a cell's k nearest in one space that are among its k nearest in the other, mean over cells.

    Args:
        first, second: squared distances between the same cells, each (cells, cells).
        k: number of neighbours.
    """
    k = min(k, len(first) - 1)
    member = np.zeros(first.shape, bool)
    np.put_along_axis(member, _near(first, k), True, axis=1)
    return float(np.take_along_axis(member, _near(second, k), axis=1).mean())


def trustworthiness(input_distances, distances, k=K):
    """Whether a cell's k nearest in a space are also near in the input, from 0 to 1 (Venna & Kaski 2001).

    With swapped arguments it is the continuity: whether its nearest in the input are also near in the space.

    Args:
        input_distances, distances: squared distances between the same cells, each (cells, cells).
        k: number of neighbours, below half of the cells.

    Returns:
        float: NaN with too few cells.
    """
    n_cells = len(input_distances)
    if k >= n_cells / 2:
        return float("nan")
    near = _near(distances, k)
    ordered = np.sort(_without_self(input_distances), axis=1)
    chosen = np.take_along_axis(input_distances, near, axis=1)
    ranks = np.empty(chosen.shape)
    for cell in range(n_cells):  # ranks from 1; equal distances share their mean rank
        below, upto = (np.searchsorted(ordered[cell], chosen[cell], side=side) for side in ("left", "right"))
        ranks[cell] = (below + upto + 1) / 2
    return float(1 - 2 / (n_cells * k * (2 * n_cells - 3 * k - 1)) * np.maximum(ranks - k, 0).sum())


def _near(distances, k):
    """The k nearest other cells of each cell, in any order; (cells, k)."""
    return np.argpartition(_without_self(distances), k - 1, axis=1)[:, :k]


def _without_self(distances):
    distances = distances.copy()
    np.fill_diagonal(distances, np.inf)
    return distances


def type_distances(distances, labels):
    """Distances between the means of the types, from squared distances between cells: (types, types).

    König-Huygens: the squared distance of two means is the mean squared distance between their cells, less half the
    mean squared distance within each type.
    """
    names, types = np.unique(np.asarray(labels), return_inverse=True)
    member = np.equal.outer(np.arange(len(names)), types).astype(float)
    member /= member.sum(axis=1, keepdims=True)
    between = member @ distances.astype(float) @ member.T
    within = np.diag(between) / 2
    return np.sqrt(np.maximum(between - within[:, None] - within[None], 0))


def distance_agreement(input_distances, distances, labels):
    """Rank correlation of the distances between types in a space with those in the input; NaN below 3 types.

    Unlabelled cells do not count.
    """
    labels = np.asarray(labels)
    scored = labels != UNSCORED
    labels, pairs = labels[scored], np.ix_(scored, scored)
    if len(set(labels)) < 3:
        return float("nan")
    upper = np.triu_indices(len(set(labels)), 1)
    here, there = (type_distances(table[pairs], labels)[upper] for table in (distances, input_distances))
    if np.ptp(here) == 0 or np.ptp(there) == 0:
        return float("nan")
    return float(stats.spearmanr(here, there).statistic)
