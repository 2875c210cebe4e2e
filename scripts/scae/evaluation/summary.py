"""From scores to what tables and pictures show: names, means over seeds, who owns a cluster."""

import numpy as np
import pandas as pd

SPACE_NAMES = {"tsne2d": "2-D t-SNE", "latent": "latent"}
NO_SPACE = "labels"  # of a reference, which no representation enters
REFERENCES = {  # rows of scae.evaluation.baselines
    "shuffled": "labels, shuffled",
    "other_seed": "labels clustered again, other seeds",
    "lower_resolution": "labels clustered again, lower resolution",
    "higher_resolution": "labels clustered again, higher resolution",
}


def score_rows(metrics, published):
    """Mean and standard deviation over the seeds of every score, and published scores beside them.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value.
        published: {dataset: {"citation": str, "scores": {model: {metric: value}}}}.

    Returns:
        pandas.DataFrame: index (dataset, model, source, labels), source "" for measured rows and the citation for
        published ones, which stand below the measured rows of the first set of labels of their data set; columns
        (space, metric, statistic), statistic ``mean`` or ``sd`` (sample standard deviation; NaN for one seed).
    """
    blocks = []
    columns = list(metrics[["space", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    sets = metrics.groupby("dataset", sort=False)["labels"].unique()
    for dataset, labels in ((dataset, labels) for dataset, of_dataset in sets.items() for labels in of_dataset):
        of_set = metrics[(metrics["dataset"] == dataset) & (metrics["labels"] == labels)]
        rows = {}
        for model, of_model in of_set.groupby("model", sort=False):
            by_score = of_model.groupby(["space", "metric"])["value"]
            rows[dataset, model, "", labels] = {
                **{(*score, "mean"): value for score, value in by_score.mean().items()},
                **{(*score, "sd"): value for score, value in by_score.std().items()},
            }
        scores = published.get(dataset, {}).get("scores", {}) if labels == sets[dataset][0] else {}
        measured = list(of_set["model"].unique())
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


def of_references(references):
    """The table as one of scores, with the reference as the model and `NO_SPACE` as the space."""
    found = references.rename(columns={"reference": "model"}).assign(space=NO_SPACE)
    return found[["dataset", "model", "seed", "labels", "space", "metric", "value"]]


def of_representations(scores):
    """The rows of a table of scores that are of a representation."""
    return scores[scores["space"] != NO_SPACE]


def models_first(metrics, roles):
    """A long table of scores with what models are held against below them; {model: "model" or another role}."""
    is_model = metrics["model"].map(roles) == "model"
    return pd.concat([metrics[is_model], metrics[~is_model]])


def with_references(scores, references):
    """A long table of scores and below them the references, in each space since they are of none."""
    if references.empty:
        return scores
    found = of_references(references).assign(model=references["reference"].map(REFERENCES))
    return pd.concat([scores, *(found.assign(space=space) for space in scores["space"].unique())], ignore_index=True)


def score_columns(rows, described):
    """The (space, metric) columns of `score_rows` that the heatmap shows, in order: scores with 1 as their best.

    ``described`` is what scae.evaluation.metrics.described says of the metrics.
    """
    columns = dict.fromkeys((space, metric) for space, metric, _ in rows.columns)
    return [(space, metric) for space, metric in columns if _in_heatmap(described[metric])]


def _in_heatmap(metric):
    return metric["heatmap"] and metric["high"] == 1 and metric["up"]


def row_names(rows):
    """Text of each row of `score_rows`; with the set of labels where a data set has several."""
    sets = rows.index.to_frame(index=False).groupby("dataset")["labels"].nunique()
    return [
        f"{model} · {source}" if source else f"{model} · {dataset}{f', {labels}' if sets[dataset] > 1 else ''}"
        for dataset, model, source, labels in rows.index
    ]


def cluster_owners(labels, clusters):
    """The cell type that owns each cluster: its most frequent one, the first in alphabetical order among equals.

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
