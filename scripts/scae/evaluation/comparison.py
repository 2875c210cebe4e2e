"""Tables of all scores with their intervals, and of the differences between representations."""

import itertools

import numpy as np
import pandas as pd
from scipy import stats

from scae import results
from scae.evaluation import intervals
from scae.evaluation.main_scores import BEST, BOTH, CHANCE, SAME_SIZE
from scae.evaluation.metrics import METRICS

FAMILY = ["dataset", "labels", "space", "metric"]  # the comparisons that Holm's adjustment is over share these
COLUMNS = [name for name in results.BY_NAME["differences"].column_names if name != "origin"]
OVER_CELLS = (*intervals.OVER_CELLS, "held_out")  # scores with bootstrap samples of the cells
NO_NOISE = 1e-12  # a standard deviation at most this is none
MOST_SEEDS = 1_000
RUNS = ["dataset", "model", "labels", "space", "metric"]  # the scores that intervals are over share these


def over_seeds(metrics):
    """Mean, standard deviation and 95 % CI over the seeds of each score, cut at the ends of the score's range.

    The true mean lies within the range, so the cut takes nothing from the coverage.

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
    table = pd.DataFrame(rows, columns=[*RUNS, "over", "n", *intervals.Interval._fields])
    ranges = {metric.name: (metric.low, metric.high) for metric in METRICS}
    for end, (column, cut) in enumerate((("low", np.fmax), ("high", np.fmin))):
        bounds = table["metric"].map({name: found[end] for name, found in ranges.items()}).to_numpy(dtype=float)
        table[column] = table[column].where(table[column].isna(), cut(table[column], bounds))
    return table


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
    """All pairs of representations with a difference in differences.csv, tested or not.

    Args:
        roles: {name: "model", "pca" or "floor"}.

    Returns:
        list[(str, str)]: each model with each baseline, each PCA with each floor, and the models with each other.
    """
    models, pcas, floors = ([name for name in roles if roles[name] == role] for role in ("model", "pca", "floor"))
    baselines = [*itertools.product(models, pcas), *itertools.product([*models, *pcas], floors)]
    return [*baselines, *itertools.combinations(models, 2)]


def questions(means, roles, sizes):
    """The pairs to test: each model against the PCA of its size and the best PCA; models and PCAs against each floor.

    Args:
        means: {name: mean score over the seeds, or NaN}.
        roles: {name: "model", "pca" or "floor"}.
        sizes: {name: number of latents}.

    Returns:
        dict: {(first, second): `SAME_SIZE`, `BEST`, `BOTH` or `CHANCE`}.
    """
    pcas = [name for name, role in roles.items() if role == "pca" and np.isfinite(means.get(name, np.nan))]
    best = max(pcas, key=lambda name: means[name], default=None)
    found = {}
    for name, role in roles.items():
        if role == "model" and pcas:
            same = next((pca for pca in pcas if sizes.get(pca) == sizes.get(name, np.nan)), None)
            if same and same != best:
                found[name, same] = SAME_SIZE
            found[name, best] = BOTH if same == best else BEST
        if role != "floor":
            found |= {(name, floor): CHANCE for floor, other in roles.items() if other == "floor"}
    return found


def sizes(health):
    """{dataset: {model: number of latents}} from the diagnostics of all runs."""
    whole = health[health["measure"] == "latents"]
    return {
        dataset: {model: int(value) for model, value in rows.groupby("model", sort=False)["value"].first().items()}
        for dataset, rows in whole.groupby("dataset", sort=False)
    }


def differences(metrics, roles, sizes=None, fixed=(), resamples=None, recalls=None):
    """Differences between representations, over seeds and over cells.

    A difference must hold over the seeds, and over seeds and cells together: the larger p value counts. Without a
    spread over seeds, the cells alone are tested.

    Over seeds: Student's t of the paired differences. A few seeds may be alike by chance, so the variance is at least
    the mean variance over the models of the score, with Satterthwaite's (1946) degrees of freedom. Representations that
    are the same for every seed (``fixed``) are left out of this mean.

    Over cells: the normal distribution with the bootstrap's standard deviation of the difference, which is averaged
    over the seeds first. Together: the sum of both variances, with Satterthwaite's degrees of freedom.

    Holm's adjustment (1979) is over the tested pairs of a score; those against a floor are a family of their own.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.
        roles: {name: "model", "pca" or "floor"}.
        sizes: {dataset: {name: number of latents}}.
        fixed: names of representations that are the same for every seed.
        resamples: DataFrame with dataset, model, seed, labels, space, draw, and a column for each score over cells.
        recalls: DataFrame with dataset, model, seed, labels, space, label, cells, recall.

    Returns:
        pandas.DataFrame: columns as in differences.csv, without origin; the interval ``low`` to ``high`` is over seeds.
        NaN for what is not tested.
    """
    draws, coarse = _draws(resamples), _coarseness(recalls)
    rows = []
    for keys, scores in metrics.groupby(FAMILY, sort=False):
        dataset, labels, space, metric = keys
        by_seed = scores.pivot_table(index="seed", columns="model", values="value", dropna=False)
        there = {name: role for name, role in roles.items() if name in by_seed}
        if not pairs(there):
            continue
        asked = questions(by_seed.mean(), there, (sizes or {}).get(dataset, {}))
        table = pd.DataFrame(
            [(*pair, asked.get(pair, ""), *_over_seeds(by_seed, pair)) for pair in pairs(there)],
            columns=["first", "second", "question", "n", "mean", "sd"],
        )
        noise = _seed_noise(table, fixed)
        floor = coarse.get((dataset, labels, space), 0.0) if metric == "knn_accuracy" else 0.0
        over_cells = [
            np.sqrt(_cell_variance(draws, (dataset, labels, space), metric, by_seed, pair) + floor)
            for pair in zip(table["first"], table["second"], strict=True)
        ]
        rows.append(
            _tested(table, noise, np.array(over_cells, dtype=float)).assign(**dict(zip(FAMILY, keys, strict=True)))
        )
    return pd.concat(rows)[COLUMNS] if rows else pd.DataFrame(columns=COLUMNS)


def _over_seeds(by_seed, pair):
    """Seeds of both, mean and standard deviation of their differences."""
    both = by_seed[[*pair]].dropna()
    apart = both[pair[0]] - both[pair[1]]
    return len(both), apart.mean(), apart.std()


def _seed_noise(table, fixed):
    """Standard error of each mean over the seeds, and its degrees of freedom: (pairs, 2), NaN where untested."""
    variance, df = table["sd"].to_numpy() ** 2, table["n"].to_numpy() - 1.0
    varies = ~table["first"].isin(fixed) & (table["n"] >= intervals.FEWEST_SEEDS)
    counted = table[varies & table["question"].isin([SAME_SIZE, BEST, BOTH])]
    per_model = (counted["sd"] ** 2).groupby(counted["first"]).mean()
    if per_model.sum() > 0:
        each = counted.groupby("first")["n"].first() - 1
        pooled = per_model.mean()
        variance = np.where(varies, np.maximum(variance, pooled), variance)
        df = np.where(varies, per_model.sum() ** 2 / (per_model**2 / each).sum(), df)
    known = (table["n"] >= intervals.FEWEST_SEEDS) & (variance > NO_NOISE**2)
    return np.where(known, [np.sqrt(variance / np.maximum(table["n"], 1)), df], np.nan).T


def _draws(resamples):
    """{(dataset, labels, space, model, seed): DataFrame (draws, scores)}."""
    if resamples is None or not len(resamples):
        return {}
    keys = ["dataset", "labels", "space", "model", "seed"]
    return {
        key: rows[[name for name in OVER_CELLS if name in rows]] for key, rows in resamples.groupby(keys, sort=False)
    }


def _cell_variance(draws, where, metric, by_seed, pair):
    """Variance over the bootstrap samples of the cells of a difference, mean over the seeds; NaN without samples."""
    if metric not in OVER_CELLS:
        return np.nan
    found = [[draws.get((*where, model, seed)) for model in pair] for seed in by_seed[[*pair]].dropna().index]
    if not found or any(table is None for tables in found for table in tables):
        return np.nan
    first, second = (np.mean([tables[place][metric].to_numpy() for tables in found], axis=0) for place in (0, 1))
    return float(np.var(first - second, ddof=1))


def _coarseness(recalls):
    """{(dataset, labels, space): variance of a mean recall if one cell of each type turned}.

    A few cells that all agree have no variance, but the next cell of their type may disagree.
    """
    if recalls is None or not len(recalls):
        return {}
    judged = recalls[recalls["cells"] > 1].drop_duplicates(["dataset", "labels", "space", "label"])
    return {
        where: float((1.0 / cells**2).sum() / len(cells) ** 2)
        for where, cells in judged.groupby(["dataset", "labels", "space"])["cells"]
    }


def _tested(table, noise, cell_error):
    """The table with intervals, p values, their adjustment, and how much could have been shown."""
    mean, (error, df) = table["mean"].to_numpy(), noise.T
    both, both_df = _together(error, df, cell_error)
    level = 1 - intervals.LEVEL
    reach, cell_reach = stats.t.isf(level / 2, df) * error, stats.norm.isf(level / 2) * cell_error
    table = table.assign(
        low=mean - reach,
        high=mean + reach,
        p_seeds=_p(mean, error, df),
        cells_low=mean - cell_reach,
        cells_high=mean + cell_reach,
        p_cells=_p(mean, cell_error, np.inf),
        p=np.fmax(_p(mean, error, df), _p(mean, both, both_df)),
    )
    found = np.full((len(table), 5), np.nan)  # p_holm, adjusted_low, adjusted_high, detectable, seeds_needed
    for family in (table["question"] == CHANCE, table["question"].isin([SAME_SIZE, BEST, BOTH])):
        rows = np.flatnonzero(family & table["p"].notna())
        p = table["p"].to_numpy()[rows]
        for row, p_holm, level in zip(rows, intervals.holm(p), intervals.holm_levels(p), strict=True):
            half = _reach(level, error[row], df[row], cell_error[row])
            needed = _seeds_needed(abs(mean[row]), table["n"].iloc[row], error[row], df[row], cell_error[row], level)
            found[row] = p_holm, mean[row] - half, mean[row] + half, half, needed
    return table.assign(**dict(zip(COLUMNS[-5:], found.T, strict=True)))


def _together(error, df, cell_error):
    """Standard error over seeds and cells together, and its degrees of freedom (Satterthwaite 1946)."""
    seeds, cells = np.nan_to_num(error), np.asarray(cell_error, dtype=float)
    both = np.hypot(seeds, cells)
    with np.errstate(divide="ignore", invalid="ignore"):
        return both, np.where(seeds > 0, both**4 / (seeds**4 / df), np.inf)


def _p(mean, error, df):
    """Two-sided p value; NaN without an error, but 1 if the difference is 0 too."""
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.where(error > NO_NOISE, 2 * stats.t.sf(np.abs(mean) / error, df), np.nan)
    return np.where((error <= NO_NOISE) & (np.abs(mean) <= NO_NOISE), 1.0, p)


def _reach(level, error, df, cell_error):
    """Half width of the interval: the wider one of that over seeds, and over seeds and cells."""
    both, both_df = _together(error, df, cell_error)
    return np.fmax(stats.t.isf(level / 2, df) * error, stats.t.isf(level / 2, both_df) * both)


def _seeds_needed(mean, n, error, df, cell_error, level):
    """Seeds that would show this difference at this noise; NaN if no number up to 1,000 would."""
    if not np.isfinite(error):
        return np.nan
    seeds = np.arange(intervals.FEWEST_SEEDS, MOST_SEEDS + 1)
    enough = seeds[mean > _reach(level, error * np.sqrt(n / seeds), df * (seeds - 1) / (n - 1), cell_error)]
    return float(enough[0]) if len(enough) else np.nan


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
