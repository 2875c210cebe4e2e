"""The scores of a data set with their intervals, and the recall of each cell type."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from scae.evaluation import label_source, summary
from scae.evaluation.main_scores import MAIN_SCORES, ordered, score_rows, select
from scae.plots import drawing
from scae.plots.drawing import BASELINE_COLOR, MODEL_COLOR

CHARACTERS_PER_INCH = 14  # of text of 9 points
BELOW = 0.28  # of its row, where the seeds are drawn
REFERENCES = {  # scores of the labels themselves: line style and legend
    "shuffled": (":", "chance (shuffled labels)"),
    "other_seed": ("--", "labels clustered again: upper bound"),
}


def scores(intervals, roles, metric_info, label_sources, metrics=None):
    """A dot with its interval for each representation and main score: models above, baselines below, best first.

    The dot is the mean over seeds, the thick line its 95 % CI over seeds, the thin one the 95 % range over cells. Small
    dots are the seeds: a score with two modes has an interval that says little.

    Args:
        intervals: intervals.csv of one data set; scores of the labels themselves are vertical lines.
        roles: {model: "model", "pca" or "floor"}.
        metric_info: as from `scae.evaluation.metrics.metric_info`.
        label_sources: {label set: where it comes from}; one row of panels each.
        metrics: metrics.csv of the data set, with a value for each seed; None draws no seeds.
    """
    references = select(intervals, space=summary.NO_SPACE, over="seeds")
    intervals = summary.representation_scores(intervals)
    sets = [name for name in label_sources if (intervals["labels"] == name).any()]
    n_names = intervals["model"].nunique()
    figure, panels = plt.subplots(
        max(1, len(sets)),
        len(MAIN_SCORES),
        figsize=(11, max(1, len(sets)) * (1.2 + 0.36 * n_names) + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for row, name in zip(panels, sets, strict=False):
        of_labels = select(intervals, labels=name)
        models, baselines = ordered(of_labels, roles, MAIN_SCORES[0])
        for panel, score in zip(row, MAIN_SCORES, strict=True):
            seeds = None if metrics is None else score_rows(select(metrics, labels=name), score)
            _dots(panel, score_rows(of_labels, score), models, baselines, seeds)
            for found in select(references, labels=name, metric=score[1]).itertuples():
                if found.model in REFERENCES and np.isfinite(found.mean):
                    line = {"linestyle": REFERENCES[found.model][0], "color": BASELINE_COLOR, "linewidth": 1}
                    panel.axvline(found.mean, **line)
            panel.xaxis.set_major_locator(MaxNLocator(4))
            panel.set_title(score_name(score, metric_info), fontsize=10)
        for panel in row[1:]:
            panel.set_yticklabels([])
        if len(sets) > 1:
            heading = f"labels from {label_source.WORDS.get(label_sources[name], name)}"
            width = int(CHARACTERS_PER_INCH * 0.36 * (n_names + 1))
            row[0].set_ylabel(textwrap.fill(heading, width), fontsize=9)
    handles = [
        Line2D([], [], color=MODEL_COLOR, marker="o", linewidth=4, alpha=1, label="model"),
        Line2D([], [], color=BASELINE_COLOR, marker="D", markerfacecolor="white", linewidth=4, label="baseline"),
        Line2D([], [], color="#333333", linewidth=4, label="95 % CI over seeds"),
        Line2D([], [], color="#333333", linewidth=1, label="95 % range over cells"),
    ]
    if metrics is not None and metrics["seed"].nunique() > 1:
        handles.append(Line2D([], [], color="#333333", marker=".", linewidth=0, label="single seeds"))
    for reference, (line, text) in REFERENCES.items():
        if (references["model"] == reference).any():
            handles.append(Line2D([], [], color=BASELINE_COLOR, linestyle=line, label=text))
    figure.legend(handles=handles, loc="outside lower center", ncols=3 if len(handles) > 4 else 4, fontsize=9)
    return figure


def score_name(score, metric_info):
    """Heading of a panel: the metric above its space."""
    space, metric = score
    heading = metric_info[metric]["heading"] if metric in metric_info else metric
    return f"{heading}\n{summary.SPACE_NAMES.get(space, space)}"


def _dots(panel, rows, models, baselines, seeds=None):
    gap = 0.6 if models and baselines else 0
    places = {name: place for place, name in enumerate(models)}
    places |= {name: len(models) + gap + place for place, name in enumerate(baselines)}
    for over, width in (("cells", 1), ("seeds", 4)):
        for found in select(rows, over=over).itertuples():
            color = MODEL_COLOR if found.model in models else BASELINE_COLOR
            if np.isfinite(found.low):
                ends = {"solid_capstyle": "butt", "alpha": 0.45 if over == "seeds" else 1}
                panel.plot([found.low, found.high], [places[found.model]] * 2, color=color, linewidth=width, **ends)
            if over == "seeds" and np.isfinite(found.mean):
                marker = {"marker": "o"} if found.model in models else {"marker": "D", "markerfacecolor": "white"}
                panel.plot(found.mean, places[found.model], color=color, markersize=6, zorder=3, **marker)
    for model, values in () if seeds is None or not len(seeds) else seeds.groupby("model")["value"]:
        if model in places and len(values) > 1:
            color = MODEL_COLOR if model in models else BASELINE_COLOR
            panel.scatter(values, [places[model] + BELOW] * len(values), s=7, color=color, alpha=0.8, linewidths=0)
    if gap:
        panel.axhline(len(models) - 1 + (1 + gap) / 2, color="#bbbbbb", linewidth=0.8)
    panel.set_yticks(list(places.values()), list(places))
    panel.set_ylim(len(places) + gap - 0.4, -0.6)
    panel.grid(axis="x", color="#e5e7eb", linewidth=0.8)
    panel.set_axisbelow(True)


def recalls(table, intervals, roles, labels):
    """kNN recall of each cell type in the latent, mean over seeds: types in rows, largest first.

    Args:
        table: recalls.csv of one data set, in the latent.
        intervals: intervals.csv of the data set, for the order: models left of baselines, best first.
        roles: {model: "model", "pca" or "floor"}.
        labels: the label set to show.
    """
    table = select(table, labels=labels)
    if not len(table):
        return drawing.message("no cell types to recall")
    models, baselines = ordered(select(intervals, labels=labels), roles, MAIN_SCORES[1])
    means = table.pivot_table(index="label", columns="model", values="recall", aggfunc="mean", dropna=False)
    cells = table.groupby("label")["cells"].first().sort_values(ascending=False, kind="stable")
    means = means.loc[cells.index, [name for name in [*models, *baselines] if name in means]]
    values = means.to_numpy(dtype=float)
    figure, panel = plt.subplots(figsize=(3.4 + 0.9 * means.shape[1], 1.4 + 0.32 * len(means)), layout="constrained")
    image = panel.imshow(np.ma.masked_invalid(values), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for place, value in np.ndenumerate(values):
        if np.isfinite(value):
            color = "black" if value > 0.5 else "white"
            panel.annotate(f"{value:.2f}", place[::-1], ha="center", va="center", fontsize=8.5, color=color)
    panel.set_xticks(range(means.shape[1]), means.columns, rotation=30, ha="left", rotation_mode="anchor")
    panel.xaxis.tick_top()
    panel.set_yticks(range(len(means)), [f"{drawing.shortened(name)} ({cells[name]:,})" for name in means.index])
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    figure.colorbar(image, ax=panel, shrink=0.8, label="recall", pad=0.02)
    return figure
