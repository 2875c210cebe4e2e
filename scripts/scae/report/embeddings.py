"""What does it look like: the t-SNE of every representation, small, and its points for the interactive plots."""

import numpy as np

from scae import tables
from scae.data import sampling
from scae.plots import cells as drawn_cells
from scae.plots import drawing
from scae.report import html
from scae.report.contents import NO_LABEL, run_id
from scae.style import UNSCORED_COLOR

SHOWN_CELLS = 20_000  # points of the interactive plot of the first seed; the pictures show all cells
SHOWN_CELLS_LATER = 1_000  # of each later seed
FEWEST_OF_A_TYPE = 50  # cells
COLORS = 32  # of a small picture


def embeddings(study, dataset):
    """A small picture of each representation, first seed, and the legend with the number of cells of each type."""
    labels, styles = study.labels[dataset], study.styles[dataset]
    counts = labels.value_counts()
    legend = [{"name": name, "color": styles[name][0], "shape": styles[name][2]} for name in styles]
    if (labels == tables.UNSCORED).any():
        legend.append({"name": tables.UNSCORED, "color": UNSCORED_COLOR, "shape": "circle"})
    legend = [one | {"n_cells": int(counts[one["name"]])} for one in legend]
    return {
        "cards": [_card(study, dataset, model) for model in study.models],
        "legend": [one | {"name": one["name"] or NO_LABEL} for one in legend],
        "seed": study.seeds[0],
    }


def _card(study, dataset, model):
    run = {"dataset": dataset, "model": model, "seed": study.seeds[0]}
    labels = study.labels[dataset].to_numpy()
    figure = drawn_cells.thumbnail(study.points("tsne2d", run).to_numpy(), labels, study.styles[dataset])
    return {
        "name": model,
        "panel": f"{dataset}.{model}",
        "run": run_id(run),
        "is_baseline": study.roles.get(model, "model") != "model",
        "src": html.source(html.few_colors(drawing.pixels(figure), COLORS), "webp"),
        "alt": f"2-D t-SNE of {model} on {dataset}, seed {run['seed']}, by label",
    }


def points(study):
    """Points of the interactive plots: packed arrays and what the browser needs to draw them."""
    datasets, packed = {}, {}
    for dataset, labels in study.labels.items():
        labels = labels.to_numpy()
        styles = {tables.UNSCORED: (UNSCORED_COLOR, None, "circle")} if (labels == tables.UNSCORED).any() else {}
        styles |= study.styles[dataset]
        number = {name: place for place, name in enumerate(styles)}
        numbers = np.array([number[name] for name in labels])
        chosen = [interactive(labels, is_first) for is_first in (True, False)]
        datasets[dataset] = {
            "types": [
                {"name": name or NO_LABEL, "color": color, "symbol": symbol}
                for name, (color, _, symbol) in styles.items()
            ],
            "labels": [html.packed(numbers[cells], np.uint16) for cells in chosen],
            "cells": len(labels),
        }
        for run in [run for run in study.runs if run["dataset"] == dataset]:
            sample = int(run["seed"] != study.seeds[0])
            cells = chosen[sample]
            clusters, *spaces = (study.points(name, run) for name in ("clusters", "tsne2d", "tsne3d"))
            two, three = (
                html.packed_points(space.to_numpy()[cells]) if space is not None else None for space in spaces
            )
            clusters = html.packed(clusters["tsne2d"].to_numpy()[cells], np.uint16)
            packed[run_id(run)] = (
                run | {"labels": sample, "clusters": clusters, "two": two} | ({"three": three} if three else {})
            )
    return {"datasets": datasets, "runs": packed}


def interactive(labels, is_first):
    """Positions of the cells that an interactive plot shows, rare types whole."""
    limit = SHOWN_CELLS if is_first else SHOWN_CELLS_LATER
    return sampling.stratified(labels, limit, FEWEST_OF_A_TYPE, up=False)
