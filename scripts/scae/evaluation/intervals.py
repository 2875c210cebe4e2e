"""How far a score can be trusted: intervals over seeds, over cells, and of differences between representations.

Two spreads that answer two questions and are never mixed. Over *seeds*: how much a score moves when training, t-SNE and
k-means start elsewhere, the cells being the same. Over *cells*: how much it would move with other cells of the same
types, the representation and its clusters being the same.
"""

from math import log
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.95
FEWEST_SEEDS = 3  # two seeds give an interval 13 times as wide as their standard deviation: as good as none
RESAMPLES = 200  # of the cells; the standard deviation they give is right within 5 %


class Interval(NamedTuple):
    """A mean with its spread; numbers, or arrays where there are many."""

    mean: float
    sd: float
    low: float  # the 95 % interval; NaN where there is none
    high: float


class Difference(NamedTuple):
    """A mean difference between pairs with its spread, and how often chance alone would give one as large."""

    mean: float
    sd: float
    low: float
    high: float
    p: float


def over_seeds(values):
    """Mean, sample standard deviation and 95 % interval by Student's t.

    Student (1908); with 3 and 5 seeds a percentile bootstrap holds the truth in 73 and 84 % only.

    Args:
        values: (..., seeds); the same seeds for all.

    Returns:
        Interval: each (...). Without an interval below 3 seeds, without a standard deviation below 2.
    """
    values = np.asarray(values, dtype=float)
    n_seeds = values.shape[-1]
    mean = values.mean(axis=-1)
    sd = values.std(axis=-1, ddof=1) if n_seeds > 1 else np.full_like(mean, np.nan)[()]
    reach = stats.t.ppf((1 + LEVEL) / 2, n_seeds - 1) / np.sqrt(n_seeds) if n_seeds >= FEWEST_SEEDS else np.nan
    return Interval(mean, sd, mean - reach * sd, mean + reach * sd)


def difference(first, second):
    """Mean over the seeds of first - second, with the interval and the two-sided p of Student's paired t.

    Two representations with the same seed share what the seed decides, so that their difference is what varies. Where
    it is the same with every seed (neither has any randomness that reaches the score) the seeds say nothing about it:
    no interval and no p.

    Args:
        first, second: (seeds,), in the same order.

    Returns:
        Difference: with NaN for what there is none of.
    """
    apart = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    mean, sd, low, high = over_seeds(apart)
    if len(apart) < FEWEST_SEEDS or not sd > 1e-12:
        return Difference(mean, sd, np.nan, np.nan, np.nan)
    t = mean / (sd / np.sqrt(len(apart)))
    return Difference(mean, sd, low, high, 2 * stats.t.sf(abs(t), len(apart) - 1))


def holm(p):
    """p values of one family, adjusted so that its chance of even one false finding stays below the level (Holm 1979).

    Args:
        p: (comparisons,); NaN counts as not tested.

    Returns:
        numpy.ndarray: (comparisons,), each at least its p, at most 1.
    """
    p = np.asarray(p, dtype=float)
    adjusted = np.full(p.shape, np.nan)
    order = [index for index in np.argsort(p, kind="stable") if not np.isnan(p[index])]
    largest = 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p[index]))
        adjusted[index] = largest
    return adjusted


def over_cells(score, labels, assigned, resamples=RESAMPLES, seed=0):
    """Spread of a score over cells: drawn again with replacement within each type (Efron 1979).

    The clusters (or votes) of the cells stay what they are, so this is the spread of the score itself, not of training,
    t-SNE or k-means.

    Args:
        score: function of (labels, assigned), each (cells,), to a number.
        labels: (cells,) type of each cell.
        assigned: (cells,) cluster, or type voted for.
        resamples: how often the cells are drawn.
        seed: of the draws; the same seed gives the same spread.

    Returns:
        Interval: the score of the cells themselves; standard deviation and 2.5 and 97.5 % quantiles over the draws.
    """
    labels, assigned = np.asarray(labels), np.asarray(assigned)
    random = np.random.default_rng(seed)
    of_type = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    values = np.empty(resamples)
    for draw in range(resamples):
        cells = np.concatenate([random.choice(cells, len(cells)) for cells in of_type])
        values[draw] = score(labels[cells], assigned[cells])
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(score(labels, assigned)), float(values.std(ddof=1)), float(low), float(high))


def cell_spreads(labels, clusters, voting, voted):
    """Spread over cells of the scores that are functions of the cells' types and what was found for each.

    Args:
        labels, clusters: (cells,).
        voting, voted: types of the cells that were voted on, and what the vote gives each; None without a vote.

    Returns:
        pandas.DataFrame: metric, mean, sd, low, high; without rows where there is one type only.
    """
    if voted is None:
        return pd.DataFrame(columns=["metric", *Interval._fields])
    numbers = {name: number for number, name in enumerate(np.unique(labels))}  # numbers compare faster than text
    clusters = np.unique(clusters, return_inverse=True)[1]
    types, of_voting, of_voted = (np.array([numbers[name] for name in names]) for names in (labels, voting, voted))
    found = {
        "nmi": over_cells(nmi, types, clusters),
        "ari": over_cells(ari, types, clusters),
        "knn_accuracy": over_cells(_mean_recall, of_voting, of_voted),
    }
    rows = pd.DataFrame.from_dict(found, orient="index", columns=Interval._fields)
    return rows.rename_axis("metric").reset_index()


def nmi(types, clusters):
    """Normalized mutual information, to the last bit that of sklearn, whose checks take 20 times as long as the score.

    Args:
        types, clusters: (cells,) numbers from 0.
    """
    shared = _shared(types, clusters)
    if shared.shape == (1, 1):
        return 1.0
    if 1 in shared.shape:
        return 0.0
    of_type, of_cluster, n_cells = shared.sum(axis=1), shared.sum(axis=0), shared.sum()
    row, column = np.nonzero(shared)
    cells = shared[row, column]
    of_both = -np.log(of_type[row] * of_cluster[column]) + log(n_cells) + log(n_cells)
    parts = cells / n_cells * (np.log(cells) - log(n_cells)) + cells / n_cells * of_both
    information = max(0.0, np.where(np.abs(parts) < np.finfo(float).eps, 0.0, parts).sum())
    return float(information / np.mean([_entropy(of_type), _entropy(of_cluster)]))


def ari(types, clusters):
    """Adjusted Rand index, to the last bit that of sklearn; see `nmi`."""
    shared = _shared(types, clusters)
    n_cells, same = int(shared.sum()), int((shared**2).sum())
    apart_in_types, apart_in_clusters = (int((shared.sum(axis=axis) ** 2).sum()) - same for axis in (0, 1))
    if apart_in_types == apart_in_clusters == 0:
        return 1.0
    together, apart = same - n_cells, n_cells**2 - apart_in_types - apart_in_clusters - same
    chance = (together + apart_in_clusters) * (apart_in_clusters + apart)
    chance += (together + apart_in_types) * (apart_in_types + apart)
    return 2.0 * (together * apart - apart_in_clusters * apart_in_types) / chance


def _shared(types, clusters):
    """(types, clusters) number of cells that a type and a cluster share, without empty rows and columns."""
    shape = types.max() + 1, clusters.max() + 1
    shared = np.bincount(types * shape[1] + clusters, minlength=shape[0] * shape[1]).reshape(shape)
    return shared[shared.any(axis=1)][:, shared.any(axis=0)]


def _entropy(cells):
    return -np.sum(cells / cells.sum() * (np.log(cells) - log(cells.sum())))


def _mean_recall(types, voted):
    cells = np.bincount(types)
    return (np.bincount(types, voted == types)[cells > 0] / cells[cells > 0]).mean()
