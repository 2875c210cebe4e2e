"""Scores that do not hang on k-means: what the nearest neighbours of a cell in a space tell.

Two questions. Do the neighbours of a cell have its type (votes, graph clustering)? And are they the neighbours that it
has in the input (recall, trustworthiness, continuity, distances between types)? The second needs a reference: squared
distances between cells in the input, which reference.py makes once for a data set.
"""

import random

import numpy as np
import pandas as pd
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from scae.tables import UNSCORED

K = 15  # neighbours that vote, and that make the graph
RESOLUTIONS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0)  # of the graph clustering, from few clusters to many
SCORED_CELLS = 20_000  # above it a fixed sample of about as many, stratified by type


def look(points, cells, voting, ranked, reference):
    """What the scores of neighbours read, of one space.

    Args:
        points: DataFrame (cells, dimensions).
        cells: Series of all labels, `tables.UNSCORED` where there is none; index as ``points``.
        voting: the labels of the cells that vote, as `sample` chooses them.
        ranked: (ranked cells,) numbers of the cells that the reference has.
        reference: squared distances between those in the input, (ranked cells, ranked cells).

    Returns:
        dict: ``voting`` and ``voted``, the type that the vote gives each of these cells; ``agreement``, as from
        `graph_agreement`; ``reference`` and ``distances``, squared distances in the input and in this space;
        ``ranked``, the labels of these cells. None for what takes two types and has fewer.
    """
    of_voting = points.loc[voting.index]
    enough = len(set(voting)) > 1
    return {
        "voting": voting.to_numpy(),
        "voted": votes(of_voting, voting) if enough else None,
        "agreement": graph_agreement(of_voting, voting) if enough else None,
        "reference": reference,
        "distances": squared_distances(points.iloc[ranked]),
        "ranked": cells.iloc[ranked].to_numpy(),
    }


def nearest(points, k):
    """The nearest other cells of each cell, nearest first; (cells, min(k, cells - 1)) int.

    Cells are taken in a fixed random order, so that where many lie on one point none is a neighbour for its place in
    the file.
    """
    points = np.asarray(points, dtype=float)
    order = np.random.default_rng(0).permutation(len(points))
    with threadpool_limits(1):
        found = NearestNeighbors(n_neighbors=min(k, len(points) - 1)).fit(points[order]).kneighbors()[1]
    result = np.empty_like(found)
    result[order] = order[found]
    return result


def votes(points, labels, k=K):
    """The type that most of a cell's nearest others have, the first in alphabetical order among equals; (cells,).

    Each cell is left out of its own vote: cross-validation with one cell at a time.
    """
    names, types = np.unique(np.asarray(labels), return_inverse=True)
    neighbors = types[nearest(points, k)]  # (cells, k)
    counts = np.stack([(neighbors == number).sum(axis=1) for number in range(len(names))], axis=1)
    return names[counts.argmax(axis=1)]


def recalls(labels, voted):
    """Which types are lost: the share of each type's cells that the vote gives this type.

    Args:
        labels: (cells,) types.
        voted: (cells,), or None where there was no vote.

    Returns:
        pandas.DataFrame: label (in alphabetical order), cells (their number), recall; no row where there was no vote.
    """
    if voted is None:
        return pd.DataFrame({"label": [], "cells": [], "recall": []})
    right = pd.Series(np.asarray(voted) == np.asarray(labels)).groupby(np.asarray(labels))
    return pd.DataFrame({"cells": right.size(), "recall": right.mean()}).rename_axis("label").reset_index()


def balanced_accuracy(labels, voted):
    """Mean over the types of the share of cells that the vote gives their type: a rare type counts as a common one."""
    return float(recalls(labels, voted)["recall"].mean())


def graph_clusters(points, resolution, k=K, seed=0):
    """Leiden clustering (Traag et al. 2019) of the graph that joins each cell with its k nearest; (cells,) int."""
    return _leiden(_graph(points, k), resolution, seed)


def graph_agreement(points, labels, seed=0):
    """Adjusted Rand index of Leiden clusters with the types, at each of `RESOLUTIONS`; (resolutions,).

    The number of clusters is not given, unlike that of k-means. The best over the resolutions is found with the help of
    the types and flatters; the median is not.
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


def trustworthiness(reference, distances, k=K):
    """How few of a cell's k nearest in a space come from far away in the reference, 0 to 1 (Venna & Kaski 2001).

    With the arguments swapped it is the continuity: how few of its nearest in the reference went far away.

    Args:
        reference, distances: squared distances between the same cells, each (cells, cells).
        k: number of neighbours; below half of the cells.

    Returns:
        float: NaN where there are too few cells.
    """
    n_cells = len(reference)
    if k >= n_cells / 2:
        return float("nan")
    near = _near(distances, k)
    ordered, chosen = np.sort(_without_self(reference), axis=1), np.take_along_axis(reference, near, axis=1)
    ranks = np.empty(chosen.shape)
    for cell in range(n_cells):  # from 1; the mean of the ranks they share where distances are equal
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
    """Distances between the means of the types, from distances between cells: (types, types).

    The squared distance of two means is that of their cells on average, less half of that within each (König-Huygens).
    """
    names, types = np.unique(np.asarray(labels), return_inverse=True)
    member = np.equal.outer(np.arange(len(names)), types).astype(float)
    member /= member.sum(axis=1, keepdims=True)
    between = member @ distances.astype(float) @ member.T
    within = np.diag(between) / 2
    return np.sqrt(np.maximum(between - within[:, None] - within[None], 0))


def distance_agreement(reference, distances, labels):
    """Rank correlation of the distances between types in a space with those in the reference; NaN below 3 types.

    Cells without a label do not count.
    """
    labels = np.asarray(labels)
    scored = labels != UNSCORED
    labels, reference, distances = labels[scored], reference[np.ix_(scored, scored)], distances[np.ix_(scored, scored)]
    if len(set(labels)) < 3:
        return float("nan")
    pairs = np.triu_indices(len(set(labels)), 1)
    ours, theirs = type_distances(distances, labels)[pairs], type_distances(reference, labels)[pairs]
    if np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return float("nan")
    return float(stats.spearmanr(ours, theirs).statistic)


def sample(labels, limit=SCORED_CELLS):
    """Numbers of the cells to score, ascending: all, or of more than ``limit`` a fixed sample stratified by type."""
    labels = np.asarray(labels)
    if len(labels) <= limit:
        return np.arange(len(labels))
    source = np.random.default_rng(0)
    chosen = []
    for name in np.unique(labels):
        cells = np.flatnonzero(labels == name)
        chosen.append(source.choice(cells, -(-len(cells) * limit // len(labels)), replace=False))
    return np.sort(np.concatenate(chosen))
