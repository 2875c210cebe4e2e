"""Tables of all scores with their intervals, and of the differences between representations."""

import itertools

import numpy as np
import pandas as pd

from scae.evaluation import intervals

FAMILY = ["dataset", "labels", "space", "metric"]  # the comparisons that Holm's adjustment is over share these
RUNS = ["dataset", "model", "labels", "space", "metric"]  # the scores that intervals are over share these


def over_seeds(metrics):
    """Mean, standard deviation and 95 % CI over the seeds of each score.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.

    Returns:
        pandas.DataFrame: dataset, model, labels, space, metric, over (``seeds``), n (seeds), mean, sd, low, high; in
        the order of ``metrics``.
    """
    rows = [
        (*keys, "seeds", len(scores), *intervals.over_seeds(scores["value"]))
        for keys, scores in metrics.groupby(RUNS, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*RUNS, "over", "n", *intervals.Interval._fields])


def over_cells(spreads):
    """Spread over cells of each score that has one, mean over the seeds.

    Args:
        spreads: DataFrame with dataset, model, seed, labels, space, metric, mean, sd, low, high.

    Returns:
        pandas.DataFrame: as `over_seeds`, with over = ``cells``; n is the number of averaged seeds.
    """
    by_score = spreads.groupby(RUNS, sort=False)
    table = by_score[[*intervals.Interval._fields]].mean()
    table.insert(0, "over", "cells")
    table.insert(1, "n", by_score.size())
    return table.reset_index()


def pairs(roles):
    """The pairs of representations to compare: each model with each PCA, and the models with each other.

    Args:
        roles: {name: "model", "pca" or "floor"}; floors are not compared, nor PCAs with each other.

    Returns:
        list[(str, str)]
    """
    models = [name for name, role in roles.items() if role == "model"]
    controls = [name for name, role in roles.items() if role == "pca"]
    return [*itertools.product(models, controls), *itertools.combinations(models, 2)]


def differences(metrics, compared):
    """Differences between representations, paired by seed; p values adjusted (Holm) over all pairs of a score.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.
        compared: list of (first, second), names of models.

    Returns:
        pandas.DataFrame: dataset, labels, space, metric, first, second, n (seeds), mean of first - second, sd, low,
        high, p, p_holm; NaN if nothing can be tested (fewer than three seeds, or no spread).
    """
    rows = []
    for keys, scores in metrics.groupby(FAMILY, sort=False):
        by_seed = scores.pivot_table(index="seed", columns="model", values="value", dropna=False)
        both = [by_seed[[*pair]].dropna() for pair in compared]
        found = [intervals.difference(*values.to_numpy().T) for values in both]
        adjusted = intervals.holm([difference.p for difference in found])
        for pair, values, difference, p in zip(compared, both, found, adjusted, strict=True):
            rows.append((*keys, *pair, len(values), *difference, p))
    return pd.DataFrame(rows, columns=[*FAMILY, "first", "second", "n", *intervals.Difference._fields, "p_holm"])


def with_label_sources(table, label_sources):
    """Insert a column ``origin``, the source of the labels, after the column ``labels``.

    Args:
        table: DataFrame with dataset and labels.
        label_sources: {dataset: {label set: source}}.
    """
    sources = [
        label_sources[dataset][labels] for dataset, labels in zip(table["dataset"], table["labels"], strict=True)
    ]
    table = table.copy()
    table.insert(table.columns.get_loc("labels") + 1, "origin", sources)
    return table


def shown(difference):
    """Whether a row of `differences` shows a difference at the 95 % level, adjusted over its family."""
    return bool(np.isfinite(difference["p_holm"]) and difference["p_holm"] < 1 - intervals.LEVEL)
