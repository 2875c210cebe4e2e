"""Scores as tables and figures show them: names, means over seeds, the majority type of a cluster."""

import numpy as np
import pandas as pd

SPACE_NAMES = {"tsne2d": "2-D t-SNE", "latent": "latent"}
NO_SPACE = "labels"  # of a baseline, which has no representation
REFERENCES = {  # the rows of scae.evaluation.baselines in words
    "shuffled": "labels, shuffled",
    "other_seed": "labels clustered again, other seeds",
    "lower_resolution": "labels clustered again, lower resolution",
    "higher_resolution": "labels clustered again, higher resolution",
}


def score_rows(metrics, published):
    """Mean and standard deviation over the seeds of each score, and published scores.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.
        published: {dataset: {"citation": str, "scores": {model: {metric: value}}}}.

    Returns:
        pandas.DataFrame: index (dataset, model, source, labels), source "" for measured rows and the citation for
        published ones, which follow the measured rows of the first label set of their data set; columns (space,
        metric, statistic), statistic ``mean`` or ``sd`` (sample standard deviation; NaN for one seed).
    """
    blocks = []
    columns = list(metrics[["space", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    sets = metrics.groupby("dataset", sort=False)["labels"].unique()
    for dataset, labels in ((dataset, labels) for dataset, names in sets.items() for labels in names):
        chosen = metrics[(metrics["dataset"] == dataset) & (metrics["labels"] == labels)]
        rows = {}
        for model, values in chosen.groupby("model", sort=False):
            by_score = values.groupby(["space", "metric"])["value"]
            rows[dataset, model, "", labels] = {
                **{(*score, "mean"): value for score, value in by_score.mean().items()},
                **{(*score, "sd"): value for score, value in by_score.std().items()},
            }
        scores = published.get(dataset, {}).get("scores", {}) if labels == sets[dataset][0] else {}
        measured = list(chosen["model"].unique())
        for model in sorted(scores, key=lambda name: measured.index(name) if name in measured else len(measured)):
            rows[dataset, model, published[dataset]["citation"], labels] = {
                ("tsne2d", metric, "mean"): value for metric, value in scores[model].items()
            }
        blocks.append(pd.DataFrame.from_dict(rows, orient="index"))
    table = pd.concat(blocks)
    table.index = pd.MultiIndex.from_tuples(table.index, names=["dataset", "model", "source", "labels"])
    order = pd.MultiIndex.from_tuples(
        [(*column, statistic) for column in columns for statistic in ("mean", "sd")],
        names=["space", "metric", "statistic"],
    )
    return table.reindex(columns=order)


def baseline_scores(references):
    """The table of baselines as a table of scores, with the baseline as model and `NO_SPACE` as space."""
    found = references.rename(columns={"reference": "model"}).assign(space=NO_SPACE)
    return found[["dataset", "model", "seed", "labels", "space", "metric", "value"]]


def representation_scores(scores):
    """The rows of a table of scores that are not of a baseline."""
    return scores[scores["space"] != NO_SPACE]


def with_held_out(collected, held_out, resamples, label_sources):
    """The tables of all runs with the score of held-out molecules, as a score of the latent.

    Args:
        collected: DataFrames like metrics.csv, spreads.csv and resamples.csv of all runs.
        held_out, resamples: DataFrames like held_out.csv and held_out_resamples.csv of all data sets.
        label_sources: {dataset: {label set: source}}; a score without labels stands with the first label set.

    Returns:
        tuple: the three tables.
    """
    metrics, spreads, draws = collected
    first = {dataset: next(iter(sets)) for dataset, sets in label_sources.items()}
    scores, resamples = (
        table.assign(labels=table["dataset"].map(first), space="latent") for table in (held_out, resamples)
    )
    values = scores.rename(columns={"mean": "value"})
    keys = ["dataset", "model", "seed", "labels", "space", "draw"]
    return (
        pd.concat([metrics, values[metrics.columns]], ignore_index=True),
        pd.concat([spreads, scores[spreads.columns]], ignore_index=True),
        draws.merge(resamples, on=keys, how="outer"),
    )


def mean_recalls(recalls):
    """Mean recall over the seeds: DataFrame (cell types, representations).

    Args:
        recalls: rows of recalls.csv of one data set, label set and space.
    """
    return recalls.pivot_table(index="label", columns="model", values="recall", aggfunc="mean", dropna=False)


def enough(table, column):
    """The first setting, by this column, that is less than one standard error below the best one by held-out molecules.

    Args:
        table: DataFrame with ``below`` and ``below_sd``, as of held_out_sizes.csv.
        column: of the settings.
    """
    return table.loc[(table["below"] <= table["below_sd"]).idxmax(), column]


def models_first(metrics, roles):
    """Sort a long table of scores: models first, then controls; roles is {model: "model" or another role}."""
    is_model = metrics["model"].map(roles) == "model"
    return pd.concat([metrics[is_model], metrics[~is_model]])


def with_references(scores, references):
    """A long table of scores followed by the baselines, repeated for each space."""
    if references.empty:
        return scores
    found = baseline_scores(references).assign(model=references["reference"].map(REFERENCES))
    return pd.concat([scores, *(found.assign(space=space) for space in scores["space"].unique())], ignore_index=True)


def score_columns(rows, metric_info):
    """The (space, metric) columns of `score_rows` that the heatmap shows, in order: scores with 1 as their best.

    ``metric_info`` is from `scae.evaluation.metrics.metric_info`.
    """
    columns = dict.fromkeys((space, metric) for space, metric, _ in rows.columns)
    return [(space, metric) for space, metric in columns if _in_heatmap(metric_info[metric])]


def _in_heatmap(metric):
    return metric["heatmap"] and metric["high"] == 1 and metric["up"]


def cluster_owners(labels, clusters):
    """The majority cell type of each cluster; ties go to the first type in alphabetical order.

    Returns:
        pandas.DataFrame: index cluster; label, owned_cells (cells of that type in it) and share (of the cluster).
    """
    if not len(labels):
        return pd.DataFrame(columns=["label", "owned_cells", "share"])
    counts = pd.crosstab(np.asarray(clusters), np.asarray(labels))
    return pd.DataFrame(
        {
            "label": counts.idxmax(axis=1),
            "owned_cells": counts.max(axis=1),
            "share": counts.max(axis=1) / counts.sum(axis=1),
        }
    )
