"""Can I trust it: seeds, lost types, training, labels, batches; one click deeper stability, training and latents."""

import numpy as np
import pandas as pd

from scae import tables
from scae.evaluation import diagnostics, generated_cells, intervals, label_source, summary
from scae.evaluation.main_scores import KEPT, listed, select
from scae.report import html
from scae.report.contents import NO_BATCH, NO_LABEL
from scae.report.scoreboard import labels_from, recalls
from scae.style import UNSCORED_COLOR

MEASURES = {"ari": "ARI between seeds", "canonical_correlation": "canonical correlation"}  # of stability.csv
DIAGNOSTICS = {  # of the latent as a whole and its training: heading and unit
    "steps": ("gradient steps", ""),
    "still_falling": ("loss fell", "% of its decline in the last tenth"),
    "latents": ("latent dimensions", ""),
    "active": ("active", ""),
    "used": ("used", "by the decoder"),
    "effective_dimension": ("effective dimension", ""),
    "reconstruction": ("squared error", "per cell, decoder"),
    "reconstruction_trained": ("squared error", "training cells"),
    "reconstruction_held_out": ("squared error", "held-out cells"),
    "unexplained": ("squared error", "best linear decoder"),
}
GENERATED = {  # (statistic, column of generated.csv): heading and unit
    ("mean", "correlation"): ("mean", "r over genes"),
    ("variance", "correlation"): ("variance", "r over genes"),
    ("variance", "ratio"): ("variance ratio", "decoded / real"),
    ("zeros", "correlation"): ("zeros", "r over genes"),
    ("zeros", "ratio"): ("zeros ratio", "decoded / real"),
}


def trust(study, dataset):
    """The checks in words, the recall of each cell type, and what stands one click deeper."""
    return {
        "checks": [
            check
            for function in (_seeds, _types, _training, _labels, _batches, _quality)
            for check in [function(study, dataset)]
            if check
        ],
        "types": types(study, dataset),
        "stability": stability(study, dataset),
        "training": training(study, dataset),
        "generated": generated(study, dataset),
        "batches": batches(study, dataset),
        "notes": study.notes,
    }


# The checks: a question, whether the answer is a caution, and the answer


def _check(question, caution, *said):
    return {"question": question, "caution": bool(caution), "said": " ".join(text for text in said if text)}


def _seeds(study, dataset):
    n_seeds = len(study.seeds)
    if n_seeds == 1:
        return _check(
            "Seeds", True, f"One run (seed {study.seeds[0]}), so no score has a confidence interval: set run.seeds to",
            f"{intervals.FEWEST_SEEDS} or more seeds."
        )  # fmt: skip
    rows = study.table("all_stability", dataset=dataset, space="latent", measure="ari")
    models = rows[rows["model"].map(study.roles) == "model"] if len(rows) else rows
    agreement = models.set_index("model")["value"].dropna() if len(models) else []
    return _check(
        "Seeds",
        n_seeds < intervals.FEWEST_SEEDS,
        f"{n_seeds} seeds ({', '.join(map(str, study.seeds))}).",
        f"Between seeds, the clusters of the models agree with ARI {agreement.min():.2f} ({agreement.idxmin()}) to "
        f"{agreement.max():.2f} ({agreement.idxmax()})."
        if len(agreement) > 1
        else "",
        f"That {n_seeds} seeds agree leaves room for up to {unseen_share(n_seeds)} % of seeds with another score.",
    )


def unseen_share(n_seeds):
    """Largest share of seeds, in percent, that n seeds miss with a probability of 5 %."""
    return round(100 * (1 - 0.05 ** (1 / n_seeds)))


def _types(study, dataset):
    means = recalls(study, dataset, study.first_labels(dataset))
    if means is None:
        return None
    n_cells = tables.scored(study.labels[dataset]).value_counts()
    learned = [name for name in means if study.roles[name] != "floor"] or list(means)
    scored = means[learned].dropna(how="all")
    lost = scored < KEPT
    everywhere = [name for name in scored.index if lost.loc[name].all()]
    somewhere = [name for name in scored.index if lost.loc[name].any() and name not in everywhere]
    single = [name for name in means.index if name not in scored.index]
    named = listed(f"{name} ({html.cells(n_cells[name])})" for name in everywhere)
    aside = [name for name in means if name not in learned]
    said = (
        [f"No representation keeps {named}."] if everywhere else ["Every type is kept by at least one representation."]
    )
    said += [f"Some lose {listed(somewhere)}."] if somewhere else []
    said += [f"{listed(aside)} {'is' if len(aside) == 1 else 'are'} not counted here."] if aside else []
    said += [f"Not scored, with 1 cell each: {listed(single)}."] if single else []
    return _check("Lost types", everywhere, *said)


def _training(study, dataset):
    rows = select(study.table("all_health", dataset=dataset), latent=diagnostics.WHOLE)
    steps, falling = (select(rows, measure=name) for name in ("steps", "still_falling"))
    if not len(steps):
        return None
    few = diagnostics.short(rows)
    still = falling[falling["value"] > diagnostics.STILL_FALLING]
    said = [f"{html.span(steps['value'])} gradient steps."]
    if len(few):
        named = listed(dict.fromkeys(few["model"]))
        said.append(f"Short: with so few steps a model may have learned little ({named}).")
    said.append(
        f"The loss was still falling at the end of {len(still)} of {len(steps)} trainings "
        f"({listed(dict.fromkeys(still['model']))}): more epochs may change the scores."
        if len(still)
        else "The loss had levelled off in every training."
    )
    return _check("Training", len(few) or len(still), *said)


def _labels(study, dataset):
    sources = study.label_sources[dataset]
    labels = study.labels[dataset]
    if not study.n_types(dataset):
        return _check("Labels", True, "None, so nothing is scored against cell types.")
    said = [f"{study.n_types(dataset)} {study.types(dataset)}:"]
    said.append(f"{listed(labels_from(study, dataset, name) for name in sources)}.")
    may_favour = not set(sources.values()).isdisjoint(label_source.MAY_FAVOUR_PCA)
    if may_favour:
        said.append("Most annotations name clusters of principal components, which favours PCA.")
    if unlabelled := int((labels == tables.UNSCORED).sum()):
        said.append(f"{html.cells(unlabelled)} without a label: trained on, drawn in grey, not scored.")
    return _check("Labels", may_favour or not set(sources.values()).isdisjoint(label_source.FAVOURS_PCA), *said)


def _batches(study, dataset):
    if not study.files.all("batches", dataset=dataset):
        return _check("Batches", False, "None given, so their mixing is not scored.")
    rows = study.table("intervals", dataset=dataset, space="latent", metric="ilisi", over="seeds")
    mixing = rows.drop_duplicates("model").set_index("model")["mean"].dropna() if len(rows) else []
    said = f"Mixing in the latent (iLISI, 1 = best): {listed(f'{name} {value:.2f}' for name, value in mixing.items())}."
    return _check(
        "Batches", False, said if len(mixing) else "", "Only batch-conditioned models correct for batches."
    )  # fmt: skip


def _quality(study, dataset):
    removed_by = study.files.read("cells", dataset=dataset)["removed_by"]
    n_read, n_kept = len(removed_by), int((removed_by == "").sum())
    return _check("Cells", n_kept < n_read / 2, f"{n_kept:,} of {html.cells(n_read)} passed quality control.")


# Tables and pictures


def types(study, dataset):
    """Every cell type with its colour, its number of cells and its kNN recall in each representation."""
    labels, styles = study.labels[dataset], study.styles[dataset]
    counts = tables.scored(labels).value_counts()
    means = recalls(study, dataset, study.first_labels(dataset))
    shown = [] if means is None else list(means)
    rows = []
    for name in counts.index:
        swatch = {"color": styles[name][0], "shape": styles[name][2]}
        line = [
            html.cell(name, swatch=swatch),
            html.count(counts[name]),
            html.score(100 * counts[name] / len(labels), 1),
        ]
        rows.append(
            line + [_shaded(means.loc[name, model]) if name in means.index else html.cell("") for model in shown]
        )
    if unscored := len(labels) - counts.sum():
        swatch = {"color": UNSCORED_COLOR, "shape": "circle"}
        share = html.score(100 * unscored / len(labels), 1)
        rows.append([html.cell(NO_LABEL, swatch=swatch), html.count(unscored), share, *(html.cell("") for _ in shown)])
    recall = (
        ": share of the cells whose 15 nearest neighbours in the latent are mostly of their own type" if shown else ""
    )
    return html.table(
        f"{study.types(dataset).capitalize()} of {dataset}{recall}",
        [html.column("label"), html.column("cells"), html.column("share", "%")]
        + [html.column(model) for model in shown],
        rows,
    )


def _shaded(recall):
    if not np.isfinite(recall):
        return html.cell(html.NONE, "")
    return html.score(recall) | {"style": f"--share: {recall:.2f}", "mark": bool(recall < KEPT)}


def training(study, dataset):
    """Training and latent of each representation, over the seeds; None if nothing was measured."""
    rows = select(study.table("all_health", dataset=dataset), latent=diagnostics.WHOLE)
    if not len(rows):
        return None
    shown = [name for name in DIAGNOSTICS if (rows["measure"] == name).any()]
    epochs = study.table("training_times", dataset=dataset)
    lines = []
    for model in [name for name in study.models if (rows["model"] == name).any()]:
        line = [html.cell(model)]
        times = select(epochs, model=model)
        line.append(
            html.cell(html.span(times["epochs"]), times["epochs"].mean()) if len(times) else html.cell(html.NONE, "")
        )
        for name in shown:
            values = select(rows, model=model, measure=name)["value"] * (100 if name == "still_falling" else 1)
            digits = 1 if name in ("still_falling", "effective_dimension") else 0
            line.append(
                html.cell(html.span(values, digits), values.mean()) if len(values) else html.cell(html.NONE, "")
            )
        lines.append(line)
    seeds = f", range over {len(study.seeds)} seeds" if len(study.seeds) > 1 else ""
    return html.table(
        f"Training and latent of each representation of {dataset}{seeds}",
        [html.column("representation"), html.column("epochs"), *(html.column(*DIAGNOSTICS[name]) for name in shown)],
        lines,
    )


def stability(study, dataset):
    """Agreement between seeds; None for a single seed."""
    rows = study.table("all_stability", dataset=dataset)
    if not len(rows) or not rows["value"].notna().any():
        return None
    means = rows.pivot_table(index="model", columns=["space", "measure"], values="value", sort=False)
    models = [name for name in study.models if name in means.index]
    shown = [name for name in means.columns if name[1] in MEASURES]
    alt = f"2-D t-SNE of {listed(models)} on {dataset}; colour: overlap of a cell's clusters between seeds."
    columns = [html.column(MEASURES[name], summary.SPACE_NAMES.get(space, space)) for space, name in shown]
    return {
        "picture": study.picture("stability_png", alt, colors=32, dataset=dataset),
        "table": html.table(
            f"Agreement between seeds on {dataset}, mean over pairs of seeds",
            [html.column("representation"), *columns],
            [[html.cell(model), *(html.score(means.loc[model, name]) for name in shown)] for model in models],
        ),
    }


def generated(study, dataset):
    """Reconstructed and generated cells of each model against real ones; None without a decoder."""
    n_seeds, rows = len(study.seeds), []
    for model in study.models:
        where = {"dataset": dataset, "model": model}
        if not study.files.all("generated_png", **where):
            continue  # only models that the workflow trains have a decoder
        found = study.files.read("generated", **where)
        for kind in (generated_cells.RECONSTRUCTED, generated_cells.GENERATED):
            of_kind = select(found, cells=kind)
            if len(of_kind):
                values = [select(of_kind, statistic=name)[column].to_numpy() for name, column in GENERATED]
                rows.append([html.cell(f"{model}: {kind} cells"), *map(_mean_and_interval, values)])
    if not rows:
        return None
    over = f", mean over {n_seeds} seeds" if n_seeds > 1 else ""
    over += " with 95 % CI" if n_seeds >= intervals.FEWEST_SEEDS else ""
    columns = [html.column("cells"), *(html.column(*heading) for heading in GENERATED.values())]
    return html.table(f"Decoded cells against real cells of {dataset}{over}", columns, rows)


def _mean_and_interval(values):
    found = intervals.over_seeds(values)
    ci = f"{html.number(found.low)} to {html.number(found.high)}" if np.isfinite(found.low) else ""
    return html.cell(html.number(found.mean), float(found.mean), note=ci)


def batches(study, dataset):
    """Cells by type and batch; None for a data set without batches."""
    if not study.files.all("batches", dataset=dataset):
        return None
    labels = study.labels[dataset]
    known = tables.read_batches(study.files.path("batches", dataset=dataset))[labels.index]
    counts = pd.crosstab(
        labels.replace(tables.UNSCORED, NO_LABEL).to_numpy(), known.replace(tables.UNSCORED, NO_BATCH).to_numpy()
    )
    return html.table(
        f"Cells of {dataset} by label and batch",
        [html.column("label"), *map(html.column, counts.columns)],
        [[html.cell(name), *map(html.count, line)] for name, line in counts.iterrows()],
    )
