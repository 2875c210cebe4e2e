"""The html of the report on the cells of a data set: types, quality control, side by side, what is lost."""

import pandas as pd

from scae import tables
from scae.evaluation import label_source, summary
from scae.report import html
from scae.report.contents import MAIN_SCORES, NO_BATCH, NO_LABEL, ordered, value_rank, value_text
from scae.report.sections_scores import from_
from scae.style import UNSCORED_COLOR

STABLE = {"ari": "ARI between seeds", "canonical_correlation": "shared subspace"}  # measures of stability.csv


def types(study, dataset):
    """The labels with their colours and numbers of cells."""
    labels = study.labels[dataset]
    scored = tables.scored(labels)
    looks, counts = study.looks[dataset], scored.value_counts()
    rows = [_type(name, looks[name], int(counts[name]), len(labels)) for name in looks]
    if unscored := len(labels) - len(scored):
        grey = (UNSCORED_COLOR, "o", "circle")
        rows.append(_type("no label: trained and drawn in grey, not scored", grey, unscored, len(labels)))
    return {
        "table": html.table(
            f"{study.types(dataset).capitalize()} of {dataset}; each keeps its colour throughout",
            [html.column("label"), html.column("cells"), html.column("share", "%")],
            rows,
        ),
        "n_cells": len(labels),
        "n_types": len(looks),
        "what": study.types(dataset),
        "favours_pca": next(iter(study.origins[dataset].values())) in label_source.FAVOURS_PCA,
    }


def batches(study, dataset):
    """The cells of each type in each batch; None for a data set without batches."""
    if dataset not in study.batches:
        return None
    labels = study.labels[dataset]
    known = study.batches[dataset][labels.index].replace(tables.UNSCORED, NO_BATCH)
    counts = pd.crosstab(labels.replace(tables.UNSCORED, NO_LABEL).to_numpy(), known.to_numpy())
    return {
        "table": html.table(
            f"Cells of each type in each batch of {dataset}",
            [html.column("label"), *map(html.column, counts.columns)],
            [[html.cell(name), *map(html.count, line)] for name, line in counts.iterrows()],
        )
    }


def sweeps(study, dataset):
    """Scores over the values of each sweep; None where nothing is swept."""
    found = [sweep for sweep in study.sweeps if sweep.dataset == dataset]
    return {"sweeps": [_sweep(study, sweep) for sweep in found]} if found else None


def _sweep(study, sweep):
    labels = next(iter(study.origins[sweep.dataset]))
    rows = study.intervals[(study.intervals["dataset"] == sweep.dataset) & (study.intervals["labels"] == labels)]
    rows = rows[rows["over"] == "seeds"].set_index(["model", "space", "metric"])
    parameters = list(next(iter(sweep.points.values())))
    of_scores = [score for score in MAIN_SCORES if any((model, *score) in rows.index for model in sweep.points)]
    lines = []
    for model, values in sorted(sweep.points.items(), key=lambda point: [*map(value_rank, point[1].values())]):
        means = [rows["mean"].get((model, *score), float("nan")) for score in of_scores]
        cells = [html.cell(value_text(values[name])) for name in parameters]
        lines.append([html.cell(model), *cells, *(html.cell(html.number(mean), mean) for mean in means)])
    columns = [html.column("model"), *(html.column(name, text=True) for name in parameters)]
    columns += [
        html.column(f"{study.described[metric]['heading']} {html.UP}", summary.SPACE_NAMES.get(space, space))
        for space, metric in of_scores
    ]
    alt = f"Scores on {sweep.dataset} over {html.listed(parameters)} of {sweep.name}; the table has the means."
    return {
        "name": sweep.name,
        "picture": html.picture(sweep.picture, alt),
        "table": html.table(f"Sweep {sweep.name} on {sweep.dataset}, mean over seeds", columns, lines),
    }


def stability(study, dataset):
    """What comes out the same with another seed; None for a single seed."""
    table = study.stability
    rows = table[table["dataset"] == dataset] if len(table) else table
    if not len(rows) or not rows["value"].notna().any():
        return None
    means = rows.pivot_table(index="model", columns=["space", "measure"], values="value", sort=False)
    models = [name for name in study.models_of(dataset) if name in means.index]
    shown = [name for name in means.columns if name[1] in STABLE]
    ari = means["latent", "ari"].dropna() if ("latent", "ari") in means else means.iloc[:, 0]
    alt = f"2-D t-SNE of {html.listed(models)} on {dataset}, each cell by how much of its cluster another seed keeps."
    if len(ari):
        best, least = ari.idxmax(), ari.idxmin()
        alt += f" Clusters are kept best by {best} (ARI {ari[best]:.2f}) and least by {least} ({ari[least]:.2f})."
    return {
        "picture": html.picture(study.figures[dataset]["stability"], alt, colors=32),
        "table": html.table(
            f"What another seed gives again on {dataset}, mean over pairs of seeds",
            [
                html.column("representation"),
                *(html.column(STABLE[name], summary.SPACE_NAMES.get(space, space)) for space, name in shown),
            ],
            [
                [
                    html.cell(model),
                    *(html.cell(html.number(means.loc[model, name]), means.loc[model, name]) for name in shown),
                ]
                for model in models
            ],
        ),
    }


def _type(name, look, cells, all_cells):
    share, swatch = 100 * cells / all_cells, {"color": look[0], "shape": look[2]}
    return [html.cell(name, swatch=swatch), html.count(cells), html.cell(html.number(share, 1), share)]


def quality(study, dataset):
    """What quality control kept, and how many cells each limit removed."""
    of_dataset = study.quality[dataset]
    removed = of_dataset.cells["removed_by"]
    n_read, n_kept = len(removed), int((removed == "").sum())
    rows = [
        [
            html.cell(limit.limit + (f" of {limit.sample}" if limit.sample else "")),
            html.cell(html.bound(limit.lower), limit.lower),
            html.cell(html.bound(limit.upper), limit.upper),
            html.count(limit.breaks_it),
            html.count(limit.breaks_only_it),
        ]
        for limit in of_dataset.limits.itertuples()
    ]
    biggest = of_dataset.limits.sort_values("breaks_it", ascending=False, kind="stable")
    alt = f"Quality control of {dataset}: {n_kept:,} of {n_read:,} cells are kept."
    if len(biggest) and biggest["breaks_it"].iloc[0]:
        alt += f" Most of those removed, {int(biggest['breaks_it'].iloc[0]):,}, are beyond {biggest['limit'].iloc[0]}."
    return {
        "n_read": n_read,
        "n_kept": n_kept,
        "picture": html.picture(of_dataset.picture, alt, colors=64),
        "table": html.table(
            f"Limits of quality control of {dataset} and the cells that they remove",
            [
                html.column("limit"),
                html.column("more than"),
                html.column("less than"),
                html.column("cells beyond it"),
                html.column("beyond it alone"),
            ],
            rows,
        ),
    }


def side_by_side(study, dataset):
    """All representations of the first seed at a glance."""
    models = study.models_of(dataset)
    alt = (
        f"2-D t-SNE of {html.listed(models)} on {dataset}, seed {study.seeds[0]}, side by side with the same colours. "
        "What lies together in each is told with its own picture below."
    )
    return {
        "picture": html.picture(study.figures[dataset]["embeddings"], alt),
        "links": [{"name": model, "to": f"{dataset}.{model}"} for model in models],
        "seed": study.seeds[0],
    }


def lost(study, dataset):
    """Which types a vote of their neighbours finds; None without labels."""
    labels = next(iter(study.origins[dataset]))
    table = study.recalls
    rows = table[(table["dataset"] == dataset) & (table["labels"] == labels)] if len(table) else table
    rows = rows[rows["space"] == "latent"] if len(rows) else rows
    if not len(rows) or not rows["recall"].notna().any():
        return None
    means = rows.pivot_table(index="label", columns="model", values="recall", aggfunc="mean")
    models, controls = ordered(
        study.intervals[(study.intervals["dataset"] == dataset) & (study.intervals["labels"] == labels)],
        study.roles,
        MAIN_SCORES[1],
    )
    order = [name for name in [*models, *controls] if name in means]
    cells = rows.groupby("label")["cells"].first()
    best, worst = means.mean(axis=1).idxmax(), means.mean(axis=1).idxmin()
    alt = (
        f"Recall of each type of {dataset} by the vote of its 15 nearest neighbours in the latent. Found best over all "
        f"representations: {best} ({means.loc[best].mean():.2f}); least: {worst} ({means.loc[worst].mean():.2f})."
    )
    body = [
        [html.cell(name), html.count(cells[name])]
        + [html.cell(html.number(means.loc[name, model]), means.loc[name, model]) for model in order]
        for name in cells.sort_values(ascending=False, kind="stable").index
    ]
    return {
        "picture": html.picture(study.figures[dataset]["recalls"], alt),
        "origin": from_(study, dataset, labels),
        "table": html.table(
            f"Recall of each type of {dataset} in the latent, mean over seeds",
            [html.column("label"), html.column("cells"), *(html.column(model, html.UP) for model in order)],
            body,
        ),
    }
