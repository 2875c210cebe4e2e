"""The main figures of a data set, for the report and for a paper. Each function returns a matplotlib figure."""

import textwrap

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from scae import tables
from scae.evaluation import label_source as label_origins
from scae.evaluation import summary
from scae.plots import drawing
from scae.report.contents import MAIN_SCORES, ordered
from scae.style import UNSCORED_COLOR, styles

MODEL_COLOR, CONTROL_COLOR = "#332288", "#6b7280"
PANELS_IN_A_ROW = 3
CHARACTERS_AN_INCH = 14  # of text of 9 points
REFERENCES = {  # what the labels alone give, with its line
    "shuffled": (":", "labels shuffled: chance"),
    "other_seed": ("--", "labels clustered again: the most there can be"),
}


def scores(intervals, roles, described, origins):
    """A dot with its interval for each representation and main score: models above, controls below, best first.

    The dot is the mean over seeds, the thick line its 95 % interval over seeds, the thin one the spread over cells.

    Args:
        intervals: intervals.csv of one data set; what the labels alone give is drawn as lines.
        roles: {model: "model", "pca" or "floor"}.
        described: what scae.evaluation.metrics.described says of the metrics.
        origins: {label set: where it comes from}; a row of panels for each.
    """
    references = intervals[intervals["space"] == summary.NO_SPACE]
    intervals = summary.of_representations(intervals)
    sets = [name for name in origins if (intervals["labels"] == name).any()]
    n_names = intervals["model"].nunique()
    figure, panels = plt.subplots(
        max(1, len(sets)),
        len(MAIN_SCORES),
        figsize=(11, max(1, len(sets)) * (1.2 + 0.36 * n_names) + 0.5),
        squeeze=False,
        layout="constrained",
    )
    for row, name in zip(panels, sets, strict=False):
        of_set = intervals[intervals["labels"] == name]
        models, controls = ordered(of_set, roles, MAIN_SCORES[0])
        for panel, score in zip(row, MAIN_SCORES, strict=True):
            _dots(panel, of_set[(of_set["space"] == score[0]) & (of_set["metric"] == score[1])], models, controls)
            _lines(panel, references[(references["labels"] == name) & (references["metric"] == score[1])])
            panel.xaxis.set_major_locator(MaxNLocator(4))
            space = summary.SPACE_NAMES.get(score[0], score[0])
            heading = described[score[1]]["heading"] if score[1] in described else score[1]
            panel.set_title(f"{heading}\n{space}", fontsize=10)
        for panel in row[1:]:
            panel.set_yticklabels([])
        if len(sets) > 1:
            of_set = f"labels from {label_origins.WORDS.get(origins[name], name)}"
            row[0].set_ylabel(textwrap.fill(of_set, int(CHARACTERS_AN_INCH * 0.36 * (n_names + 1))), fontsize=9)
    looks = [
        Line2D([], [], color=MODEL_COLOR, marker="o", linewidth=4, alpha=1, label="model"),
        Line2D([], [], color=CONTROL_COLOR, marker="D", markerfacecolor="white", linewidth=4, label="control"),
        Line2D([], [], color="#333333", linewidth=4, label="95 % interval over seeds"),
        Line2D([], [], color="#333333", linewidth=1, label="spread over cells"),
    ]
    for reference, (style, text) in REFERENCES.items():
        if (references["model"] == reference).any():
            looks.append(Line2D([], [], color=CONTROL_COLOR, linestyle=style, label=text))
    figure.legend(handles=looks, loc="outside lower center", ncols=3 if len(looks) > 4 else 4, fontsize=9)
    return figure


def _lines(panel, references):
    for found in references[references["over"] == "seeds"].itertuples():
        if found.model in REFERENCES and np.isfinite(found.mean):
            panel.axvline(found.mean, color=CONTROL_COLOR, linestyle=REFERENCES[found.model][0], linewidth=1)


def _dots(panel, rows, models, controls):
    gap = 0.6 if models and controls else 0
    places = {name: place for place, name in enumerate(models)}
    places |= {name: len(models) + gap + place for place, name in enumerate(controls)}
    for over, width in (("cells", 1), ("seeds", 4)):
        for found in rows[rows["over"] == over].itertuples():
            color = MODEL_COLOR if found.model in models else CONTROL_COLOR
            if np.isfinite(found.low):
                ends = {"solid_capstyle": "butt", "alpha": 0.45 if over == "seeds" else 1}
                panel.plot([found.low, found.high], [places[found.model]] * 2, color=color, linewidth=width, **ends)
            if over == "seeds" and np.isfinite(found.mean):
                marker = {"marker": "o"} if found.model in models else {"marker": "D", "markerfacecolor": "white"}
                panel.plot(found.mean, places[found.model], color=color, markersize=6, zorder=3, **marker)
    if gap:
        panel.axhline(len(models) - 1 + (1 + gap) / 2, color="#bbbbbb", linewidth=0.8)
    panel.set_yticks(list(places.values()), list(places))
    panel.set_ylim(len(places) + gap - 0.4, -0.6)
    panel.grid(axis="x", color="#e5e7eb", linewidth=0.8)
    panel.set_axisbelow(True)


def embeddings(runs, labels, looks=None):
    """The 2-D t-SNE of every representation side by side, one seed, each type with the same colour throughout.

    Args:
        runs: {representation: (cells, 2)}.
        labels: (cells,).
        looks: {type: look} of all types, as in colors.csv; without, in the order of their names.
    """
    labels = np.asarray(labels)
    looks = looks or styles(labels[labels != tables.UNSCORED])
    columns = min(PANELS_IN_A_ROW, max(1, len(runs)))
    rows = -(-max(1, len(runs)) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(3.6 * columns, 3.5 * rows + 0.28 * (len(looks) // columns + 1)),
        squeeze=False,
        layout="constrained",
    )
    for panel in panels.flat[len(runs) :]:
        panel.set_axis_off()
    for panel, (name, points) in zip(panels.flat, runs.items(), strict=False):
        thumbnail(panel, points, labels, looks)
        panel.set_title(name)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=color, markersize=7, label=drawing.shortened(name))
        for name, (color, marker, _) in looks.items()
    ]
    if (labels == tables.UNSCORED).any():
        handles.append(Line2D([], [], linestyle="", marker="o", color=UNSCORED_COLOR, label="no label"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9)
    return figure


def thumbnail(panel, points, labels, looks):
    """The cells of one t-SNE, by type, without axes."""
    size = float(np.clip(3000 / max(1, len(points)), 0.6, 8))
    unscored = labels == tables.UNSCORED
    panel.scatter(*points[unscored].T, s=size, c=UNSCORED_COLOR, linewidths=0, rasterized=True)
    for name, (color, marker, _) in looks.items():
        panel.scatter(*points[labels == name].T, s=size, c=color, marker=marker, linewidths=0, rasterized=True)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)


def recalls(table, intervals, roles, labels):
    """Which types are lost: the recall of each type by the vote of its neighbours in the latent, mean over seeds.

    Args:
        table: recalls.csv of one data set, in the latent.
        intervals: intervals.csv of the data set, for the order: models left of controls, best first.
        roles: {model: "model", "pca" or "floor"}.
        labels: the label set to show.
    """
    table = table[table["labels"] == labels] if len(table) else table
    if not len(table):
        return drawing.words("no cell type to be recalled")
    models, controls = ordered(intervals[intervals["labels"] == labels], roles, MAIN_SCORES[1])
    means = table.pivot_table(index="label", columns="model", values="recall", aggfunc="mean", dropna=False)
    cells = table.groupby("label")["cells"].first().sort_values(ascending=False, kind="stable")
    means = means.loc[cells.index, [name for name in [*models, *controls] if name in means]]
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
