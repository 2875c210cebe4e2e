"""Uncertainty of a score: intervals over seeds and over cells, and of differences between representations.

The two spreads answer different questions and are never mixed. Over *seeds*: how a score varies with the random seed of
training, t-SNE and k-means, for the same cells. Over *cells*: how it would vary with other cells of the same types, for
the same representation and clusters.
"""

from math import log
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

LEVEL = 0.95
FEWEST_SEEDS = 3  # with two seeds the interval is 13 times as wide as their standard deviation
RESAMPLES = 200  # of the cells; estimates their standard deviation to within 5 %
FAR, TIMES = 0.15, 5  # a gap between seeds that separates two groups: this large, and so many times the others
OVER_CELLS = {"nmi": 0.0, "ari": -0.5, "knn_accuracy": 0.0}  # scores with a spread over cells: their lowest value


class Interval(NamedTuple):
    """A mean with its spread; numbers or arrays."""

    mean: float
    sd: float
    low: float  # the 95 % interval; NaN if undefined
    high: float


def over_seeds(values):
    """Mean, sample standard deviation and 95 % confidence interval by Student's t (1908).

    With 3 and 5 seeds a percentile bootstrap would cover the truth in only 73 and 84 %.

    Args:
        values: (..., seeds); the same seeds for all.

    Returns:
        Interval: each (...). The interval is NaN below 3 seeds, the standard deviation below 2.
    """
    values = np.asarray(values, dtype=float)
    n_seeds = values.shape[-1]
    mean = values.mean(axis=-1)
    sd = values.std(axis=-1, ddof=1) if n_seeds > 1 else np.full_like(mean, np.nan)[()]
    reach = stats.t.ppf((1 + LEVEL) / 2, n_seeds - 1) / np.sqrt(n_seeds) if n_seeds >= FEWEST_SEEDS else np.nan
    return Interval(mean, sd, mean - reach * sd, mean + reach * sd)


def two_groups(values):
    """Split scores into two groups that lie far apart.

    Args:
        values: (seeds,).

    Returns:
        (numpy.ndarray, numpy.ndarray): the lower and the higher values, if the largest gap between neighbouring values
        is at least 0.15 and five times the mean of the other gaps; else None. With two seeds there is no other gap.
    """
    ordered = np.sort(np.asarray(values, dtype=float))
    gaps = np.diff(ordered)
    if len(gaps) < 2:
        return None
    place = int(gaps.argmax())
    if gaps[place] < FAR or gaps[place] < TIMES * np.delete(gaps, place).mean():
        return None
    return ordered[: place + 1], ordered[place + 1 :]


def holm(p):
    """Adjust the p values of a family to control its family-wise error rate (Holm 1979).

    Args:
        p: (comparisons,); NaN is not tested and does not count.

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


def holm_levels(p, level=1 - LEVEL):
    """The level at which Holm's procedure tests each hypothesis: (comparisons,), NaN where p is NaN.

    An interval at this level excludes 0 exactly if `holm` rejects. A hypothesis that is not rejected has the level at
    which the procedure stopped.
    """
    p = np.asarray(p, dtype=float)
    tested = (~np.isnan(p)).sum()
    ranks = np.full(p.shape, np.nan)
    ranks[np.argsort(p, kind="stable")[:tested]] = np.arange(tested)  # NaN is last
    rejected = holm(p) < level
    return level / (tested - np.minimum(ranks, rejected.sum()))


def resample(score, labels, assigned, resamples=RESAMPLES, seed=0):
    """A score in bootstrap samples of the cells, drawn within each type (Efron 1979).

    Each cell keeps its cluster or predicted type: training, t-SNE and k-means are not repeated. The same labels and
    seed give the same samples, so the scores of two representations can be subtracted sample by sample.

    Args:
        score: function of (labels, assigned), each (cells,), to a number.
        labels: (cells,) type of each cell.
        assigned: (cells,) cluster, or predicted type.
        resamples: number of bootstrap samples.
        seed: of the bootstrap.

    Returns:
        numpy.ndarray: (resamples,).
    """
    labels, assigned = np.asarray(labels), np.asarray(assigned)
    random = np.random.default_rng(seed)
    types = [np.flatnonzero(labels == name) for name in np.unique(labels)]
    values = np.empty(resamples)
    for draw in range(resamples):
        cells = np.concatenate([random.choice(cells, len(cells)) for cells in types])
        values[draw] = score(labels[cells], assigned[cells])
    return values


def over_cells(score, labels, assigned, resamples=RESAMPLES, seed=0, lowest=-np.inf):
    """Spread of a score over cells.

    Drawing cells with replacement raises NMI and ARI, since copies of a cell agree with each other: near 0, all draws
    can lie above the score itself. The quantiles are therefore shifted by the bias of the bootstrap (the mean of the
    draws minus the score). In a simulation (240, 700 and 2,700 cells, 3 and 10 types, 6 degrees of agreement, 80 data
    sets each) such intervals always contain the score, and on average contain the expected score of other cells in 94 %
    (NMI) and 95 % (ARI) of data sets; plain quantiles in 70 and 79 %, reflected ones (basic bootstrap) in 67 and 73 %.

    Args:
        score, labels, assigned, resamples, seed: as of `resample`.
        lowest: value of the score; the highest is 1.

    Returns:
        Interval: the score of all cells; standard deviation over the bootstrap; its 2.5 and 97.5 % quantiles, minus
        its bias.
    """
    values = resample(score, labels, assigned, resamples, seed)
    return spread(score(np.asarray(labels), np.asarray(assigned)), values, lowest, highest=1.0)


def spread(value, values, lowest=-np.inf, highest=np.inf):
    """A score of all cells, and the spread of its values in the bootstrap samples: Interval, as of `over_cells`."""
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - (values.mean() - value)
    low, high = max(min(low, value), lowest), min(max(high, value), highest)
    return Interval(float(value), float(values.std(ddof=1)), float(low), float(high))


def cell_spreads(labels, clusters, knn_labels, knn_predicted):
    """Spread over cells of NMI, ARI and kNN accuracy, and these scores in each bootstrap sample.

    Args:
        labels, clusters: (cells,).
        knn_labels, knn_predicted: (predicted cells,) true and predicted types; None without predictions.

    Returns:
        (pandas.DataFrame, pandas.DataFrame): metric, mean, sd, low, high; and draw, nmi, ari, knn_accuracy. Both empty
        without predictions.
    """
    if knn_predicted is None:
        return pd.DataFrame(columns=["metric", *Interval._fields]), pd.DataFrame(columns=["draw", *OVER_CELLS])
    numbers = {name: number for number, name in enumerate(np.unique(labels))}  # numbers compare faster than text
    clusters = np.unique(clusters, return_inverse=True)[1]
    types, true, predicted = (
        np.array([numbers[name] for name in names]) for names in (labels, knn_labels, knn_predicted)
    )
    judged = np.bincount(true)[true] > 1  # a type of one cell has no recall
    scores = {"nmi": (nmi, types, clusters), "ari": (ari, types, clusters)}
    if judged.any():
        scores["knn_accuracy"] = (_mean_recall, true[judged], predicted[judged])
    draws = pd.DataFrame({name: resample(*arguments) for name, arguments in scores.items()}, columns=[*OVER_CELLS])
    found = {
        name: spread(score(*cells), draws[name].to_numpy(), OVER_CELLS[name], highest=1.0)
        for name, (score, *cells) in scores.items()
    }
    rows = pd.DataFrame.from_dict(found, orient="index", columns=Interval._fields)
    return rows.rename_axis("metric").reset_index(), draws.rename_axis("draw").reset_index()


def nmi(types, clusters):
    """Normalised mutual information, bit-identical to sklearn's, whose input checks take 20 times as long.

    Args:
        types, clusters: (cells,) numbers from 0.
    """
    shared = _shared(types, clusters)
    if shared.shape == (1, 1):
        return 1.0
    if 1 in shared.shape:
        return 0.0
    type_sizes, cluster_sizes, n_cells = shared.sum(axis=1), shared.sum(axis=0), shared.sum()
    row, column = np.nonzero(shared)
    cells = shared[row, column]
    log_ratios = -np.log(type_sizes[row] * cluster_sizes[column]) + log(n_cells) + log(n_cells)
    parts = cells / n_cells * (np.log(cells) - log(n_cells)) + cells / n_cells * log_ratios
    information = max(0.0, np.where(np.abs(parts) < np.finfo(float).eps, 0.0, parts).sum())
    return float(information / np.mean([_entropy(type_sizes), _entropy(cluster_sizes)]))


def ari(types, clusters):
    """Adjusted Rand index, bit-identical to sklearn's; see `nmi`."""
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
    """Contingency table, (types, clusters), without empty rows and columns."""
    shape = types.max() + 1, clusters.max() + 1
    shared = np.bincount(types * shape[1] + clusters, minlength=shape[0] * shape[1]).reshape(shape)
    return shared[shared.any(axis=1)][:, shared.any(axis=0)]


def _entropy(cells):
    return -np.sum(cells / cells.sum() * (np.log(cells) - log(cells.sum())))


def _mean_recall(types, predicted):
    cells = np.bincount(types)
    return (np.bincount(types, predicted == types)[cells > 0] / cells[cells > 0]).mean()


def shown(difference):
    """Whether a row of differences.csv shows a difference at the 95 % level, adjusted over its family."""
    return bool(np.isfinite(difference["p_holm"]) and difference["p_holm"] < 1 - LEVEL)
