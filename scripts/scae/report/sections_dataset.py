"""The sections of the report on a data set, from its labels and quality control to recalls and stability."""

import pandas as pd

from scae import tables
from scae.evaluation import label_source, summary
from scae.evaluation.main_scores import MAIN_SCORES, listed, ordered, select, value_rank, value_text
from scae.report import html
from scae.report.contents import NO_BATCH, NO_LABEL
from scae.report.sections_scores import labels_from
from scae.style import UNSCORED_COLOR

MEASURES = {"ari": "ARI between seeds", "canonical_correlation": "canonical correlation"}  # of stability.csv


def cells(study, dataset):
    """The labels with their colours and numbers of cells."""
    labels, styles = study.labels[dataset], study.styles[dataset]
    counts = tables.scored(labels).value_counts()
    rows = [_label(name, styles[name], int(counts[name]), len(labels)) for name in styles]
    if unscored := len(labels) - counts.sum():
        grey = (UNSCORED_COLOR, "o", "circle")
        rows.append(_label("no label: used for training, drawn in grey, not scored", grey, unscored, len(labels)))
    types = study.types(dataset)
    return {
        "table": html.table(
            f"{types.capitalize()} of {dataset}, with their colour in every picture",
            [html.column("label"), html.column("cells"), html.column("share", "%")],
            rows,
        ),
        "n_cells": len(labels),
        "n_types": len(styles),
        "types": types,
        "favours_pca": study.label_sources[dataset][study.first_labels(dataset)] in label_source.FAVOURS_PCA,
    }


def _label(name, style, n_cells, total):
    swatch = {"color": style[0], "shape": style[2]}
    return [html.cell(name, swatch=swatch), html.count(n_cells), html.score(100 * n_cells / total, 1)]


def batches(study, dataset):
    """Cells by type and batch; None for a data set without batches."""
    if not study.files.all("batches", dataset=dataset):
        return None
    labels = study.labels[dataset]
    known = tables.read_batches(study.files.path("batches", dataset=dataset))[labels.index]
    counts = pd.crosstab(
        labels.replace(tables.UNSCORED, NO_LABEL).to_numpy(), known.replace(tables.UNSCORED, NO_BATCH).to_numpy()
    )
    return {
        "table": html.table(
            f"Cells of {dataset} by label and batch",
            [html.column("label"), *map(html.column, counts.columns)],
            [[html.cell(name), *map(html.count, line)] for name, line in counts.iterrows()],
        )
    }


def quality(study, dataset):
    """How many cells quality control kept, and how many each limit removed."""
    removed_by = study.files.read("cells", dataset=dataset)["removed_by"]
    limits = study.files.read("limits", dataset=dataset)
    n_read, n_kept = len(removed_by), int((removed_by == "").sum())
    rows = [
        [
            html.cell(limit.limit + (f" of {limit.sample}" if limit.sample else "")),
            html.cell(html.bound(limit.lower), limit.lower),
            html.cell(html.bound(limit.upper), limit.upper),
            html.count(limit.breaks_it),
            html.count(limit.breaks_only_it),
        ]
        for limit in limits.itertuples()
    ]
    alt = f"Quality control of {dataset}: {n_kept:,} of {n_read:,} cells kept."
    strictest = limits.sort_values("breaks_it", ascending=False, kind="stable").head(1)
    if strictest["breaks_it"].any():
        alt += f" Most removed cells, {int(strictest['breaks_it'].iloc[0]):,}, fail {strictest['limit'].iloc[0]}."
    return {
        "n_read": n_read,
        "n_kept": n_kept,
        "picture": study.picture("quality_png", alt, colors=64, dataset=dataset),
        "table": html.table(
            f"Quality-control limits of {dataset} and the cells that fail them",
            [
                html.column("limit"),
                html.column("lower limit"),
                html.column("upper limit"),
                html.column("cells that fail it"),
                html.column("fail only it"),
            ],
            rows,
        ),
    }


def embeddings(study, dataset):
    """The 2-D t-SNE of every representation, first seed."""
    seed = study.seeds[0]
    alt = (
        f"2-D t-SNE of {listed(study.models)} on {dataset}, seed {seed}, side by side with the same colours. "
        "The picture of each representation below describes its clusters in words."
    )
    return {
        "picture": study.picture("embeddings_svg", alt, dataset=dataset),
        "links": [{"name": model, "to": f"{dataset}.{model}"} for model in study.models],
        "seed": seed,
    }


def sweeps(study, dataset):
    """Scores over the values of each sweep; None if nothing is swept."""
    found = [_sweep(study, dataset, name, points) for name, points in study.sweeps.items()]
    return {"sweeps": found} if found else None


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


def recalls(study, dataset):
    """kNN recall of each type in the latent, mean over seeds; None without labels."""
    labels = study.first_labels(dataset)
    rows = study.table("all_recalls", dataset=dataset, labels=labels, space="latent")
    if not len(rows) or not rows["recall"].notna().any():
        return None
    means = rows.pivot_table(index="label", columns="model", values="recall", aggfunc="mean")
    models, baselines = ordered(study.scores(dataset, labels), study.roles, MAIN_SCORES[1])
    shown = [name for name in [*models, *baselines] if name in means]
    n_cells = rows.groupby("label")["cells"].first().sort_values(ascending=False, kind="stable")
    overall = means.mean(axis=1)
    best, worst = overall.idxmax(), overall.idxmin()
    alt = (
        f"kNN recall of each type of {dataset} in the latent. Mean over representations: highest for {best} "
        f"({overall[best]:.2f}), lowest for {worst} ({overall[worst]:.2f})."
    )
    return {
        "picture": study.picture("recalls_svg", alt, dataset=dataset),
        "labels_from": labels_from(study, dataset, labels),
        "table": html.table(
            f"kNN recall of each type of {dataset} in the latent, mean over seeds",
            [html.column("label"), html.column("cells"), *(html.column(model, html.UP) for model in shown)],
            [
                [html.cell(name), html.count(n_cells[name]), *(html.score(means.loc[name, model]) for model in shown)]
                for name in n_cells.index
            ],
        ),
    }


def stability(study, dataset):
    """Agreement between seeds; None for a single seed."""
    rows = study.table("all_stability", dataset=dataset)
    if not len(rows) or not rows["value"].notna().any():
        return None
    means = rows.pivot_table(index="model", columns=["space", "measure"], values="value", sort=False)
    models = [name for name in study.models if name in means.index]
    shown = [name for name in means.columns if name[1] in MEASURES]
    alt = f"2-D t-SNE of {listed(models)} on {dataset}; colour: overlap of a cell's clusters between seeds."
    if ("latent", "ari") in means and len(ari := means["latent", "ari"].dropna()):
        most, least = ari.idxmax(), ari.idxmin()
        alt += f" Most stable: {most} (ARI {ari[most]:.2f}); least: {least} ({ari[least]:.2f})."
    columns = [html.column(MEASURES[name], summary.SPACE_NAMES.get(space, space)) for space, name in shown]
    return {
        "picture": study.picture("stability_png", alt, colors=32, dataset=dataset),
        "table": html.table(
            f"Agreement between seeds on {dataset}, mean over pairs of seeds",
            [html.column("representation"), *columns],
            [[html.cell(model), *(html.score(means.loc[model, name]) for name in shown)] for model in models],
        ),
    }
