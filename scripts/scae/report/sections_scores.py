"""The parts of the report that compare representations: the answer, the main picture, the tables of scores."""

import numpy as np

from scae.evaluation import label_source, summary
from scae.report import html
from scae.report.contents import MAIN_SCORES

AGAINST_INPUT = "neighbours and distances of the input"
AGAINST_TYPES = "clusters and neighbours against the labels"
MIXING = "whether batches mix and types stay apart; nothing was corrected but by models that are told the batch"
ROLES = {"model": "model", "pca": "control", "floor": "control"}


def answer(study):
    """The verdict, the picture that shows it, and in a sentence for each label set who has the highest mean."""
    lines = [line.partition(": ")[::2] for line in study.verdict]
    return {
        "datasets": [
            {
                "name": dataset,
                "sentences": [sentence for name, sentence in lines if name == dataset],
                "highest": [highest(study, dataset, labels) for labels in study.origins[dataset]],
                "picture": _main_picture(study, dataset),
            }
            for dataset in study.datasets
        ],
        "notes": study.notes,
    }


def of_labels(study, dataset, labels):
    """Rows of intervals.csv of a data set and a label set."""
    table = study.intervals
    return table[(table["dataset"] == dataset) & (table["labels"] == labels)]


def highest(study, dataset, labels):
    """Which representation has the highest mean by the first score, and how far the next is behind it."""
    space, metric = MAIN_SCORES[0]
    rows = of_labels(study, dataset, labels)
    rows = rows[(rows["space"] == space) & (rows["metric"] == metric) & (rows["over"] == "seeds")].dropna(
        subset=["mean"]
    )
    if study.origins[dataset][labels] == "none":
        return "These cells have no labels, so nothing is scored."
    if not len(rows):
        return f"No {metric.upper()} could be computed {from_(study, dataset, labels)}."
    rows = rows.sort_values("mean", ascending=False, kind="stable")
    heading, first = study.described[metric]["heading"], rows.iloc[0]
    said = (
        f"Highest mean {heading} of k-means on the latent {from_(study, dataset, labels)}: "
        f"{first['model']} with {html.number(first['mean'], 3)}{_between(first)}"
    )
    if len(rows) > 1:
        behind = first["mean"] - rows.iloc[1]["mean"]
        said += f"; next is {rows.iloc[1]['model']}, {html.number(behind, 3)} lower"
    best = next((row for _, row in rows.iterrows() if study.roles.get(row["model"]) == "model"), None)
    if best is not None and study.roles.get(first["model"]) != "model":
        said += f"; the best model is {best['model']} with {html.number(best['mean'], 3)}{_between(best)}"
    return said + "."


def from_(study, dataset, labels):
    """Where a label set comes from, in words."""
    origin = study.origins[dataset][labels]
    tilt = ", which favours PCA" if origin in label_source.FAVOURS_PCA else ""
    which = f" ({labels})" if list(study.origins[dataset].values()).count(origin) > 1 else ""
    return f"on labels from {label_source.WORDS.get(origin, origin)}{which}{tilt}"


def _between(row):
    if not np.isfinite(row["low"]):
        return ""
    return f" (95 % interval over seeds {html.number(row['low'], 3)} to {html.number(row['high'], 3)})"


def comparison(study):
    """The main picture of each data set, the same numbers as tables, and all other scores below."""
    return {
        "datasets": [_comparison(study, dataset) for dataset in study.datasets],
        "heatmap": html.picture(
            study.heatmap,
            "Heatmap of the mean scores, a row for each representation; the tables above have the same numbers.",
            colors=64,
        ),
        "fixed": [name for name, model in study.models.items() if model["deterministic"]],
        "seeds": study.seeds,
        "metrics": [metric | {"span": span(metric)} for metric in study.described.values()],
        "has_published": bool(study.published),
        "epochs": _epochs(study.settings.get("training", {})),
    }


def _epochs(training):
    return f"{'at most ' if training.get('early_stopping') else ''}{training.get('epochs')}"


def _main_picture(study, dataset):
    said = [highest(study, dataset, labels) for labels in study.origins[dataset]]
    alt = f"Scores of each representation of {dataset} with their intervals: models above, controls below, best first."
    return html.picture(study.figures[dataset]["scores"], " ".join([alt, *said]))


def _comparison(study, dataset):
    sets = list(study.origins[dataset])
    first, *rest = [
        best_first(study, dataset, labels, score)
        for labels in sets
        for score in MAIN_SCORES
        if len(_rows(study, dataset, labels, score))
    ] or [None]
    return {
        "name": dataset,
        "first": first,
        "rest": rest,
        "differences": differences(study, dataset),
        "all": [table for labels in sets for table in all_scores(study, dataset, labels)],
    }


def _rows(study, dataset, labels, score):
    rows = of_labels(study, dataset, labels)
    return rows[(rows["space"] == score[0]) & (rows["metric"] == score[1])]


def best_first(study, dataset, labels, score):
    """One score of each representation with its intervals, the best first."""
    rows = _rows(study, dataset, labels, score)
    about = study.described[score[1]]
    seeds, cells = (rows[rows["over"] == over].set_index("model") for over in ("seeds", "cells"))
    seeds = seeds.sort_values("mean", ascending=not about["up"], kind="stable")
    best = seeds["mean"].iloc[0] if len(seeds) else float("nan")
    lines = [
        [
            html.cell(name),
            html.cell(ROLES.get(study.roles.get(name), "model")),
            html.cell(html.number(row["mean"], 3), row["mean"]),
            html.cell(_range(row), row["low"]),
            html.cell(html.number(row["sd"], 3), row["sd"]),
            html.cell(_range(cells.loc[name]), cells.loc[name]["low"]) if name in cells.index else html.cell("–", ""),
            html.cell(html.number(best - row["mean"], 3), best - row["mean"]),
        ]
        for name, row in seeds.iterrows()
    ]
    space = summary.SPACE_NAMES.get(score[0], score[0])
    arrow = html.UP if about["up"] else html.DOWN
    return html.table(
        f"{dataset}: {about['heading']} in the {space}, {from_(study, dataset, labels)}",
        [
            html.column("representation"),
            html.column("what it is", text=True),
            html.column("mean", arrow),
            html.column("95 % interval", "over seeds"),
            html.column("deviation", "over seeds"),
            html.column("95 % interval", "over cells"),
            html.column("behind the best"),
        ],
        lines,
    )


def _range(row):
    return f"{html.number(row['low'], 3)} to {html.number(row['high'], 3)}" if np.isfinite(row["low"]) else html.NONE


def differences(study, dataset):
    """Differences between representations over the seeds; None where none was computed."""
    table = study.differences
    rows = table[table["dataset"] == dataset] if len(table) else table
    shown = [
        row for row in rows.itertuples() if (row.space, row.metric) in MAIN_SCORES and row.metric in study.described
    ]
    if not shown:
        return None
    several = len(study.origins[dataset]) > 1
    lines = [
        [
            html.cell(f"{row.first} − {row.second}"),
            html.cell(
                f"{study.described[row.metric]['heading']}, {summary.SPACE_NAMES.get(row.space, row.space)}"
                + (f", {row.labels}" if several else "")
            ),
            html.cell(html.number(row.mean, 3), row.mean),
            html.cell(
                f"{html.number(row.low, 3)} to {html.number(row.high, 3)}" if np.isfinite(row.low) else html.NONE,
                row.low,
            ),
            html.cell(html.number(row.p_holm, 3), row.p_holm),
        ]
        for row in shown
    ]
    return html.table(
        f"{dataset}: differences between representations, paired by seed",
        [
            html.column("pair"),
            html.column("score", text=True),
            html.column("mean difference"),
            html.column("95 % interval", "over seeds"),
            html.column("p", "adjusted by Holm"),
        ],
        lines,
    )


def all_scores(study, dataset, labels):
    """Mean ± standard deviation of every score: for each space a table against the labels and one against the input."""
    metrics = study.metrics
    of_set = metrics[(metrics["dataset"] == dataset) & (metrics["labels"] == labels)]
    published = study.published if labels == next(iter(study.origins[dataset])) else {}
    references = study.references
    if len(references):
        references = references[(references["dataset"] == dataset) & (references["labels"] == labels)]
    of_set = summary.models_first(summary.with_references(of_set, references), study.roles)
    rows = summary.score_rows(of_set, published)
    found = list(dict.fromkeys((space, metric) for space, metric, _ in rows.columns))
    tables = []
    for space in dict.fromkeys(space for space, _ in found):
        for about in (AGAINST_TYPES, AGAINST_INPUT, MIXING):
            shown = [score for score in found if score[0] == space and about_what(study.described[score[1]]) == about]
            if shown:
                name = summary.SPACE_NAMES.get(space, space)
                caption = f"{dataset}: {about}, in the {name}" + (
                    f", {from_(study, dataset, labels)}" if about == AGAINST_TYPES else ""
                )
                tables.append(_scores(study, caption, rows, shown))
    return tables


def about_what(metric):
    """What a score holds a representation against; `metric` is its entry in `described`."""
    if metric["of_batches"]:
        return MIXING
    return AGAINST_TYPES if metric["heatmap"] or metric["heading"].startswith("Leiden") else AGAINST_INPUT


def _scores(study, caption, rows, shown):
    lines = []
    for index, row in rows.iterrows():
        means = [row[space, metric, "mean"] for space, metric in shown]
        is_measured = not index[2] and index[1] in study.models
        if not is_measured and not np.isfinite(np.array(means, dtype=float)).any():
            continue  # a publication, or labels without a representation, have none of these
        name = f"{index[1]}, {index[2]}" if index[2] else index[1]
        cells = [score_cell(row, space, metric, study.described[metric]) for space, metric in shown]
        kind = "published" if index[2] else "" if study.roles.get(index[1]) == "model" else "control"
        lines.append({"cells": [html.cell(name), *cells], "kind": kind})
    columns = [html.column("representation")]
    for _, metric in shown:
        about = study.described[metric]
        columns.append(html.column(about["heading"], html.UP if about["up"] else html.DOWN))
    return html.table(caption, columns, lines)


def score_cell(row, space, metric, about):
    """A mean with its deviation over the seeds; a number of something has no decimals of its own."""
    mean, sd = row[space, metric, "mean"], row[space, metric, "sd"]
    is_number_of_something = about["high"] is None
    digits = 2 if not is_number_of_something else 0 if not np.isfinite(sd) else 1
    text = html.number(mean, digits) + (f" ± {html.number(sd, digits)}" if np.isfinite(sd) else "")
    return html.cell(text, mean)


def span(metric):
    """The range of a metric in words."""
    low, high = (f"{end:g}".replace("-", "−") if end is not None else "" for end in (metric["low"], metric["high"]))
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"{low} or more" if low else "any number"
