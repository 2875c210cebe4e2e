"""Tables of all scores with their intervals, and of the differences between representations."""

import itertools

import numpy as np
import pandas as pd

from scae.evaluation import intervals

SCORE = ["dataset", "labels", "space", "metric"]  # what a family of comparisons shares


def over_seeds(metrics):
    """Mean, standard deviation and interval over the seeds of every score.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.

    Returns:
        pandas.DataFrame: dataset, model, labels, space, metric, over (``seeds``), n, mean, sd, low, high; in the order
        of ``metrics``.
    """
    rows = []
    for keys, of_score in metrics.groupby(["dataset", "model", "labels", "space", "metric"], sort=False):
        interval = intervals.over_seeds(of_score["value"])
        rows.append((*keys, "seeds", len(of_score), *interval))
    return pd.DataFrame(
        rows, columns=["dataset", "model", "labels", "space", "metric", "over", "n", *intervals.Interval._fields]
    )


def over_cells(spreads):
    """The spread over cells of every score that has one: the mean over the seeds of what each seed's cells give.

    Args:
        spreads: DataFrame with dataset, model, seed, labels, space, metric, mean, sd, low, high.

    Returns:
        pandas.DataFrame: as `over_seeds`, with over = ``cells``; n is the number of seeds that were averaged.
    """
    by_score = spreads.groupby(["dataset", "model", "labels", "space", "metric"], sort=False)
    table = by_score[[*intervals.Interval._fields]].mean()
    table.insert(0, "over", "cells")
    table.insert(1, "n", by_score.size())
    return table.reset_index()


def pairs(roles):
    """The pairs of representations to compare: each model with each PCA, and the models among themselves.

    Args:
        roles: {name: "model", "pca" or "floor"}; a floor is compared with nothing, and no control with another.

    Returns:
        list[(str, str)]
    """
    models = [name for name, role in roles.items() if role == "model"]
    controls = [name for name, role in roles.items() if role == "pca"]
    return [*itertools.product(models, controls), *itertools.combinations(models, 2)]


def differences(metrics, compared):
    """Differences between representations, paired by seed; Holm over all pairs of one score.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.
        compared: list of (first, second), names of models.

    Returns:
        pandas.DataFrame: dataset, labels, space, metric, first, second, n (seeds), mean of first - second, sd, low,
        high, p, p_holm; NaN where nothing can be tested: below three seeds, or without any spread.
    """
    rows = []
    for keys, of_score in metrics.groupby(SCORE, sort=False):
        by_seed = of_score.pivot_table(index="seed", columns="model", values="value", dropna=False)
        both = [by_seed[[*pair]].dropna() for pair in compared]
        found = [intervals.difference(*values.to_numpy().T) for values in both]
        adjusted = intervals.holm([difference.p for difference in found])
        for pair, values, difference, p in zip(compared, both, found, adjusted, strict=True):
            rows.append((*keys, *pair, len(values), *difference, p))
    return pd.DataFrame(rows, columns=[*SCORE, "first", "second", "n", *intervals.Difference._fields, "p_holm"])


def with_origins(table, origins):
    """A table of scores with a column ``origin`` behind its ``labels``: where that set of labels comes from.

    Args:
        table: DataFrame with dataset and labels.
        origins: {dataset: {label set: origin}}.
    """
    of_rows = [origins[dataset][labels] for dataset, labels in zip(table["dataset"], table["labels"], strict=True)]
    table = table.copy()
    table.insert(table.columns.get_loc("labels") + 1, "origin", of_rows)
    return table


def shown(difference):
    """Whether a row of `differences` shows a difference: at the level of the whole family, by Holm."""
    return bool(np.isfinite(difference["p_holm"]) and difference["p_holm"] < 1 - intervals.LEVEL)
