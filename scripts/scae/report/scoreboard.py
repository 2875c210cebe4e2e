"""Which is best: the verdict, a scoreboard with a row for each representation, and one click deeper all scores."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from scae.evaluation import diagnostics, intervals, label_source, summary
from scae.evaluation.main_scores import (
    BEST,
    BOTH,
    HELD_OUT,
    KEPT,
    MAIN_SCORES,
    listed,
    ordered,
    score_rows,
    select,
    value_rank,
    value_text,
)
from scae.report import html

AGAINST = {  # in the order of the tables
    "types": "clusters and neighbours against the labels",
    "input": "neighbours and distances against the input",
    "molecules": "prediction of held-out molecules",
    "batches": "mixing of batches and separation of types",
}
FIRST = [MAIN_SCORES[0], HELD_OUT]  # the first of these that was measured decides the order
ABOUT = {  # the scores of the scoreboard for someone who has not met them
    "ari": "ARI compares k-means clusters with the labels; 0 is chance, 1 is perfect.",
    "knn_accuracy": "kNN accuracy is the share of cells whose 15 nearest neighbours are mostly of their own type, "
    "averaged over types; 1 is perfect.",
    "held_out": "Held-out molecules: how well the nearest cells predict molecules that the representation has not "
    "seen, in nats per 1,000 molecules above the overall profile; it needs no labels.",
}
NO_LABELS = "These cells have no labels, so no representation can be scored against cell types."
NOTHING = "There is nothing to compare."
LEAD = re.compile(r".*?(?=[.;:]? \(|[.;:] |$)")  # the beginning of the verdict, in bold


def verdict(study):
    """[{name, lead, rest, others}] of each data set: its sentences in verdict.txt, the first one being the headline."""
    found = {dataset: [] for dataset in study.datasets}
    for line in Path(study.files.path("verdict")).read_text(encoding="utf-8").splitlines():
        dataset, _, sentence = line.partition(": ")
        found[dataset].append(sentence)
    answers = []
    for dataset, sentences in found.items():
        scores = study.scores(dataset, study.first_labels(dataset))
        if not study.n_types(dataset) and not len(score_rows(scores, FIRST[1])):
            sentences = [NO_LABELS, *sentences]
        headline, *others = sentences or [NOTHING]
        lead = LEAD.match(headline)[0]
        answers.append({"name": dataset, "lead": lead, "rest": headline[len(lead) :], "others": others})
    return answers


def best(study, dataset):
    """The scoreboard of each label set, the picture of the main scores, and all scores."""
    sets = study.label_sources[dataset]
    first, *others = [scoreboard(study, dataset, labels) for labels in sets]
    alt = f"Main scores of each representation of {dataset} with intervals; the scoreboard has the same in numbers."
    return {
        "scoreboard": first,
        "others": others,
        "picture": study.picture("scores_svg", alt, dataset=dataset),
        "differences": differences(study, dataset),
        "sweeps": [_sweep(study, dataset, name, points) for name, points in study.sweeps.items()],
        "all": [table for labels in sets for table in all_scores(study, dataset, labels)],
        "metrics": [metric | {"range": value_range(metric)} for metric in study.metric_info.values()],
        "published": study.published.get(dataset, {}).get("citation"),
    }


# The scoreboard


def score(space, metric):
    """Column of a score: mean, 95 % CI over seeds, and a bar with it (thick) and the spread over cells (thin)."""

    def column(study, dataset, labels):
        rows = score_rows(study.scores(dataset, labels), (space, metric))
        seeds = select(rows, over="seeds").dropna(subset=["mean"])
        if not len(seeds):
            return None
        info = study.metric_info[metric]
        digits = 3 if info["high"] == 1 else 1
        by_model = {over: select(rows, over=over).set_index("model") for over in ("seeds", "cells")}
        names = list(seeds["model"])
        ends = {"low": ("seeds", "low"), "high": ("seeds", "high"), "from": ("cells", "low"), "to": ("cells", "high")}
        means = by_model["seeds"].loc[names, "mean"]
        places = [
            {"mean": means[name]}
            | {
                end: by_model[over].loc[name, side]
                for end, (over, side) in ends.items()
                if len(by_model[over]) and name in by_model[over].index
            }
            for name in names
        ]
        top = means.max() if info["up"] else means.min()
        cells = {
            name: html.cell(
                html.number(means[name], digits),
                means[name],
                bar=bar,
                note=html.interval(by_model["seeds"].loc[name], digits)["text"].replace(html.NONE, ""),
                mark=bool(means[name] == top),
            )
            for name, bar in zip(names, html.bars(places), strict=True)
        }
        where = summary.SPACE_NAMES.get(space, space)
        return html.column(f"{info['heading']} {arrow(info)}", where) | {"about": ABOUT.get(metric, "")}, cells

    return column


def against_pca(study, dataset, labels):
    """Column of each model's difference from the best PCA by the score that decides, and whether it is shown."""
    score = deciding(study, dataset, labels)
    rows = score_rows(study.table("differences", dataset=dataset, labels=labels), score) if score else pd.DataFrame()
    rows = [row for row in rows.to_dict("records") if row["question"] in (BEST, BOTH)]
    if not rows:
        return None
    digits = 3 if study.metric_info[score[1]]["high"] == 1 else 1
    cells = {
        row["first"]: html.cell(f"{row['mean']:+.{digits}f}".replace("-", html.MINUS), row["mean"], note=_shown(row))
        for row in rows
    }
    heading = study.metric_info[score[1]]["heading"]
    return html.column(f"{heading} against {rows[0]['second']}", "the best PCA"), cells


def _shown(row):
    """Whether a difference is shown, in words."""
    return "not tested" if not np.isfinite(row["p_holm"]) else "shown" if intervals.shown(row) else "not shown"


def types_lost(study, dataset, labels):
    """Column of the number of cell types with a mean kNN recall below 0.5 in the latent."""
    means = recalls(study, dataset, labels)
    if means is None:
        return None
    lost = (means < KEPT).sum()
    n_types = means.notna().sum()
    cells = {name: html.cell(f"{lost[name]} of {n_types[name]}", int(lost[name])) for name in means}
    return html.column("types lost", f"kNN recall below {KEPT:g}"), cells


def active_dimensions(study, dataset, labels):
    """Column of the number of latent dimensions that are neither constant nor collapsed, over the seeds."""
    rows = select(study.table("all_health", dataset=dataset), latent=diagnostics.WHOLE)
    rows = rows[rows["measure"].isin(["active", "latents"])] if len(rows) else rows
    if not len(rows):
        return None
    cells = {}
    for model, found in rows.groupby("model", sort=False):
        active, latents = (select(found, measure=name)["value"] for name in ("active", "latents"))
        cells[model] = html.cell(f"{html.span(active)} of {latents.max():.0f}", float(active.mean()))
    return html.column("active dimensions"), cells


def training_time(study, dataset, labels):
    """Column of the duration of a training, mean over the seeds."""
    table = study.table("training_times", dataset=dataset)
    if not len(table):
        return None
    means = table.groupby("model", sort=False)["seconds"].mean()
    return html.column("training", "per seed"), {
        name: html.cell(html.duration(seconds), seconds) for name, seconds in means.items()
    }


# The columns in order; a further one is one entry. One that has nothing to show is left out.
COLUMNS = [
    score("latent", "ari"),
    score("latent", "knn_accuracy"),
    score(*HELD_OUT),
    against_pca,
    types_lost,
    active_dimensions,
    training_time,
]


def scoreboard(study, dataset, labels):
    """A row for each representation, best first by the score that decides, baselines apart below the models."""
    found = [column(study, dataset, labels) for column in COLUMNS]
    columns = [column for column in found if column]
    models, baselines = best_first(study, dataset, labels)
    names = [name for name in [*models, *baselines] if name in study.models]
    names += sorted((name for name in study.models if name not in names), key=lambda name: study.roles[name] != "model")
    lines = []
    for name in names:
        is_baseline = study.roles[name] != "model"
        first = html.cell(name, link=f"{dataset}.{name}", role="baseline" if is_baseline else "")
        cells = [cells.get(name, html.cell(html.NONE, "")) for _, cells in columns]
        lines.append({"cells": [first, *cells], "kind": "baseline" if is_baseline else ""})
    over = f"mean over {len(study.seeds)} seeds" if len(study.seeds) > 1 else f"one run (seed {study.seeds[0]})"
    over += " and 95 % CI" if len(study.seeds) >= intervals.FEWEST_SEEDS else ""
    source = "no labels" if study.label_sources[dataset][labels] == "none" else labels_from(study, dataset, labels)
    return html.table(
        f"{dataset}: {over}, {source}",
        [html.column("representation"), *(column for column, _ in columns)],
        lines,
    )


def deciding(study, dataset, labels):
    """The (space, metric) that decides the order; None if it was measured for no representation."""
    scores = select(study.scores(dataset, labels), over="seeds")
    return next((score for score in FIRST if score_rows(scores, score)["mean"].notna().any()), None)


def best_first(study, dataset, labels):
    """(models, baselines), the best first."""
    return ordered(study.scores(dataset, labels), study.roles, deciding(study, dataset, labels) or FIRST[0])


def recalls(study, dataset, labels):
    """kNN recall in the latent, mean over seeds: DataFrame (cell types, representations); None without labels.

    Types with most cells first. A type of 1 cell has no recall.
    """
    rows = study.table("all_recalls", dataset=dataset, labels=labels, space="latent")
    if not len(rows) or not rows["recall"].notna().any():
        return None
    means = summary.mean_recalls(rows)
    n_cells = rows.groupby("label")["cells"].first().sort_values(ascending=False, kind="stable")
    models, baselines = best_first(study, dataset, labels)
    return means.loc[n_cells.index, [name for name in [*models, *baselines] if name in means]]


def labels_from(study, dataset, labels):
    """Where a label set comes from: "labels from …"."""
    return label_source.words(labels, study.label_sources[dataset])


def arrow(info):
    return html.UP if info["up"] else html.DOWN


# One click deeper


def differences(study, dataset):
    """Tested differences between representations, over cells and over seeds; None if none was computed."""
    rows = study.table("differences", dataset=dataset)
    tested = [
        row
        for row in rows.to_dict("records")
        if (row["space"], row["metric"]) in MAIN_SCORES and row["metric"] in study.metric_info and row["question"]
    ]
    if not tested:
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
            html.cell(_shown(row)),
            html.score(row["detectable"], 3),
            html.score(row["seeds_needed"], 0),
        ]
        for row in tested
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
            html.column("difference", text=True),
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
            shown = [one for one in found if one[0] == space and study.metric_info[one[1]]["against"] == against]
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
    columns = [html.column("representation"), *(html.column(info["heading"], arrow(info)) for info in columns)]
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


def _sweep(study, dataset, sweep, points):
    rows = select(study.scores(dataset, study.first_labels(dataset)), over="seeds")
    means = rows.set_index(["model", "space", "metric"])["mean"]
    parameters = list(next(iter(points.values())))
    scores = [score for score in MAIN_SCORES if any((model, *score) in means.index for model in points)]
    lines = []
    for model, values in sorted(points.items(), key=lambda point: [*map(value_rank, point[1].values())]):
        settings = [html.cell(value_text(values[name])) for name in parameters]
        lines.append(
            [html.cell(model), *settings, *(html.score(means.get((model, *score), float("nan"))) for score in scores)]
        )
    columns = [html.column("model"), *(html.column(name, text=True) for name in parameters)]
    columns += [
        html.column(f"{study.metric_info[metric]['heading']} {html.UP}", summary.SPACE_NAMES.get(space, space))
        for space, metric in scores
    ]
    alt = f"Scores on {dataset} over {listed(parameters)} of {sweep}; the table has the means."
    return {
        "name": sweep,
        "picture": study.picture("sweep_svg", alt, dataset=dataset, sweep=sweep),
        "table": html.table(f"Sweep {sweep} on {dataset}, mean over seeds", columns, lines),
    }
