"""The sections of the report that compare representations: the answer, the main picture, the tables of scores."""

from pathlib import Path

import numpy as np

from scae.evaluation import intervals, label_source, summary
from scae.evaluation.main_scores import MAIN_SCORES, score_rows, select
from scae.report import html

AGAINST = {  # in the order of the tables
    "types": "clusters and neighbours against the labels",
    "input": "neighbours and distances against the input",
    "batches": "mixing of batches and separation of types",
}


def verdict(study):
    """The best representation by label set, the main picture and the sentences of verdict.txt."""
    lines = Path(study.files.path("verdict")).read_text(encoding="utf-8").splitlines()
    sentences = [line.partition(": ")[::2] for line in lines]
    return {
        "datasets": [
            {
                "name": dataset,
                "sentences": [sentence for name, sentence in sentences if name == dataset],
                "best": [best(study, dataset, labels) for labels in study.label_sources[dataset]],
                "picture": _main_picture(study, dataset),
            }
            for dataset in study.datasets
        ],
        "notes": study.notes,
        "seeds": len(study.seeds),
        "unseen": unseen_share(len(study.seeds)),
        "annotated": [
            name
            for name, sources in study.label_sources.items()
            if not set(sources.values()).isdisjoint(label_source.MAY_FAVOUR_PCA)
        ],
    }


def unseen_share(n_seeds):
    """Largest share of seeds, in percent, that n seeds miss with a probability of 5 %; None with one seed."""
    return round(100 * (1 - 0.05 ** (1 / n_seeds))) if n_seeds > 1 else None


def best(study, dataset, labels):
    """Which representation has the highest mean of the first main score, and by how much.

    Returns:
        (str, str): the statement, and its numbers.
    """
    metric = MAIN_SCORES[0][1]
    heading = study.metric_info[metric]["heading"]
    source = labels_from(study, dataset, labels)
    if study.label_sources[dataset][labels] == "none":
        return "These cells have no labels", "so no representation can be scored against cell types."
    rows = select(score_rows(study.scores(dataset, labels), MAIN_SCORES[0]), over="seeds").dropna(subset=["mean"])
    if not len(rows):
        return f"No {heading} could be computed", f"({source})."
    rows = rows.sort_values("mean", ascending=False, kind="stable")
    first, *others = rows.to_dict("records")
    numbers = f"by {heading} of k-means on the latent: {_with_interval(first)}"
    if others:
        numbers += f", {html.number(first['mean'] - others[0]['mean'], 3)} ahead of {others[0]['model']}"
    if study.roles.get(first["model"]) != "model":
        numbers += "".join(
            f". Best model: {row['model']}, {_with_interval(row)}"
            for row in [row for row in others if study.roles.get(row["model"]) == "model"][:1]
        )
    return f"{first['model']} ranks first", f"{numbers}. {source[0].upper()}{source[1:]}."


def _with_interval(row):
    ci = f" (95 % CI {html.interval(row)['text']})" if np.isfinite(row["low"]) else ""
    return html.number(row["mean"], 3) + ci


def labels_from(study, dataset, labels):
    """Where a label set comes from: "labels from …"."""
    source = study.label_sources[dataset][labels]
    bias = ", which favours PCA" if source in label_source.FAVOURS_PCA else ""
    name = f" ({labels})" if list(study.label_sources[dataset].values()).count(source) > 1 else ""
    return f"labels from {label_source.WORDS.get(source, source)}{name}{bias}"


def _main_picture(study, dataset):
    alt = f"Scores of each representation of {dataset} with intervals: models above, baselines below, best first."
    said = [" ".join(best(study, dataset, labels)) for labels in study.label_sources[dataset]]
    return study.picture("scores_svg", " ".join([alt, *said]), dataset=dataset)


def scores(study):
    """The main scores as tables, all other scores below, and the heatmap."""
    alt = "Heatmap of the mean scores, one row per representation; the tables above have the same numbers."
    training = study.settings.get("training", {})
    return {
        "datasets": [_dataset(study, dataset) for dataset in study.datasets],
        "heatmap": study.picture("heatmap_png", alt, colors=64),
        "fixed": [name for name, model in study.models.items() if model["deterministic"]],
        "seeds": study.seeds,
        "metrics": [metric | {"range": value_range(metric)} for metric in study.metric_info.values()],
        "has_published": bool(study.published),
        "epochs": f"{'at most ' if training.get('early_stopping') else ''}{training.get('epochs')}",
    }


def _dataset(study, dataset):
    sets = study.label_sources[dataset]
    first, *rest = [
        ranking(study, dataset, labels, score)
        for labels in sets
        for score in MAIN_SCORES
        if len(score_rows(study.scores(dataset, labels), score))
    ] or [None]
    return {
        "name": dataset,
        "first": first,
        "rest": rest,
        "differences": differences(study, dataset),
        "all": [table for labels in sets for table in all_scores(study, dataset, labels)],
    }


def ranking(study, dataset, labels, score):
    """One score of each representation with its intervals, best first."""
    rows = score_rows(study.scores(dataset, labels), score)
    info = study.metric_info[score[1]]
    seeds, cells = (select(rows, over=over).set_index("model") for over in ("seeds", "cells"))
    seeds = seeds.sort_values("mean", ascending=not info["up"], kind="stable")
    lines = [
        [
            html.cell(name),
            html.cell("model" if study.roles.get(name) == "model" else "baseline"),
            html.score(row["mean"], 3),
            html.interval(row),
            html.score(row["sd"], 3),
            html.interval(cells.loc[name]) if name in cells.index else html.cell(html.NONE, ""),
            html.score(seeds["mean"].iloc[0] - row["mean"], 3),
        ]
        for name, row in seeds.iterrows()
    ]
    space = summary.SPACE_NAMES.get(score[0], score[0])
    return html.table(
        f"{dataset}: {info['heading']} in the {space}, {labels_from(study, dataset, labels)}",
        [
            html.column("representation"),
            html.column("type", text=True),
            html.column("mean", _arrow(info)),
            html.column("95 % CI", "over seeds"),
            html.column("SD", "over seeds"),
            html.column("95 % range", "over cells"),
            html.column("behind the best"),
        ],
        lines,
    )


def _arrow(info):
    return html.UP if info["up"] else html.DOWN


def differences(study, dataset):
    """Tested differences between representations, over cells and over seeds; None if none was computed."""
    rows = study.table("differences", dataset=dataset)
    shown = [
        row
        for row in rows.to_dict("records")
        if (row["space"], row["metric"]) in MAIN_SCORES and row["metric"] in study.metric_info and row["question"]
    ]
    if not shown:
        return None
    several = len(study.label_sources[dataset]) > 1
    lines = [
        [
            html.cell(f"{row['first']} − {row['second']}"),
            html.cell(
                f"{study.metric_info[row['metric']]['heading']}, "
                f"{summary.SPACE_NAMES.get(row['space'], row['space'])}" + (f", {row['labels']}" if several else "")
            ),
            html.cell(row["question"]),
            html.score(row["mean"], 3),
            html.interval({"low": row["adjusted_low"], "high": row["adjusted_high"]}),
            html.score(row["p_holm"], 3),
            html.cell("not tested" if not np.isfinite(row["p_holm"]) else "yes" if intervals.shown(row) else "no"),
            html.interval(row),
            html.interval({"low": row["cells_low"], "high": row["cells_high"]}),
            html.score(row["detectable"], 3),
            html.score(row["seeds_needed"], 0),
        ]
        for row in shown
    ]
    return html.table(
        f"{dataset}: differences between representations",
        [
            html.column("pair"),
            html.column("score", text=True),
            html.column("against", text=True),
            html.column("mean difference"),
            html.column("95 % CI", "adjusted"),
            html.column("p", "Holm-adjusted"),
            html.column("shown", text=True),
            html.column("95 % CI", "over seeds"),
            html.column("95 % CI", "over cells"),
            html.column("detectable", "difference"),
            html.column("seeds needed", "to show it"),
        ],
        lines,
    )


def all_scores(study, dataset, labels):
    """Mean ± standard deviation of every score: a table for each space and reference (labels, input, batches)."""
    published = study.published if labels == study.first_labels(dataset) else {}
    references = study.table("references", dataset=dataset, labels=labels)
    metrics = summary.with_references(study.table("all_metrics", dataset=dataset, labels=labels), references)
    rows = summary.score_rows(summary.models_first(metrics, study.roles), published)
    found = list(dict.fromkeys((space, metric) for space, metric, _ in rows.columns))
    tables = []
    for space in dict.fromkeys(space for space, _ in found):
        for against, heading in AGAINST.items():
            shown = [
                score for score in found if score[0] == space and study.metric_info[score[1]]["against"] == against
            ]
            if shown:
                caption = f"{dataset}: {heading}, in the {summary.SPACE_NAMES.get(space, space)}"
                caption += f", {labels_from(study, dataset, labels)}" if against == "types" else ""
                tables.append(_scores(study, caption, rows, shown))
    return tables


def _scores(study, caption, rows, shown):
    lines = []
    for (_, model, source, _), row in rows.iterrows():
        is_measured = not source and model in study.models
        if not is_measured and not any(np.isfinite(row[space, metric, "mean"]) for space, metric in shown):
            continue  # neither publications nor scores of the labels themselves have these
        cells = [_mean_and_sd(row, space, metric, study.metric_info[metric]) for space, metric in shown]
        kind = "published" if source else "" if study.roles.get(model) == "model" else "baseline"
        lines.append({"cells": [html.cell(f"{model}, {source}" if source else model), *cells], "kind": kind})
    columns = [study.metric_info[metric] for _, metric in shown]
    columns = [html.column("representation"), *(html.column(info["heading"], _arrow(info)) for info in columns)]
    return html.table(caption, columns, lines)


def _mean_and_sd(row, space, metric, info):
    """A mean ± standard deviation over seeds; a count (without an upper end) has no decimals of its own."""
    mean, sd = row[space, metric, "mean"], row[space, metric, "sd"]
    digits = 2 if info["high"] is not None else int(np.isfinite(sd))
    text = html.number(mean, digits) + (f" ± {html.number(sd, digits)}" if np.isfinite(sd) else "")
    return html.cell(text, mean)


def value_range(metric):
    """The range of a metric as text."""
    low, high = (f"{end:g}".replace("-", "−") if end is not None else "" for end in (metric["low"], metric["high"]))
    if low and high:
        return f"{low} to {high}"
    return f"up to {high}" if high else f"{low} or more" if low else "any number"
