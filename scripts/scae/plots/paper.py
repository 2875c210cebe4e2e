"""Two figures at the width of a journal's column, with text that is readable there: scores and embeddings."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from scae import style, tables
from scae.evaluation import summary
from scae.evaluation.main_scores import MAIN_SCORES, ordered, score_rows, select
from scae.plots import drawing
from scae.plots.drawing import BASELINE_COLOR, MODEL_COLOR
from scae.plots.scores import score_name

WIDTH = 89 / 25.4  # inches, of one column
FONTS = {"font.size": 7, "axes.titlesize": 7, "legend.fontsize": 6.5, "axes.linewidth": 0.6}
SHOWN = MAIN_SCORES[:2]
PANELS_IN_A_ROW = 3
LEGEND_WIDTH = 66  # characters


def scores(intervals, roles, metric_info, labels):
    """The two main scores of each representation: mean and 95 % CI over seeds, 95 % range over cells, best first.

    Args:
        intervals, roles, metric_info: as for `scae.plots.scores.scores`.
        labels: the label set to show.
    """
    table = select(summary.representation_scores(intervals), labels=labels)
    models, baselines = ordered(table, roles, SHOWN[0])
    names = [*models, *baselines]
    with plt.rc_context(FONTS):
        figure, panels = plt.subplots(
            1, len(SHOWN), figsize=(WIDTH, 0.9 + 0.17 * max(2, len(names))), sharey=True, layout="constrained"
        )
        for panel, score in zip(panels, SHOWN, strict=True):
            for over, width in (("cells", 0.7), ("seeds", 2.5)):
                for found in select(score_rows(table, score), over=over).itertuples():
                    is_model, place = found.model in models, names.index(found.model)
                    color = MODEL_COLOR if is_model else BASELINE_COLOR
                    if np.isfinite(found.low):
                        line = {"solid_capstyle": "butt", "alpha": 0.45 if over == "seeds" else 1}
                        panel.plot([found.low, found.high], [place] * 2, color=color, linewidth=width, **line)
                    if over == "seeds" and np.isfinite(found.mean):
                        filled = {} if is_model else {"markerfacecolor": "white"}
                        shape = "o" if is_model else "D"
                        panel.plot(found.mean, place, shape, color=color, markersize=3.5, markeredgewidth=0.8, **filled)
            panel.set_title(score_name(score, metric_info))
            panel.xaxis.set_major_locator(MaxNLocator(4))
            panel.grid(axis="x", color="#e5e7eb", linewidth=0.5)
            panel.tick_params(width=0.6, length=2)
        panels[0].set_yticks(range(len(names)), [drawing.shortened(name) for name in names])
        panels[0].set_ylim(len(names) - 0.4, -0.6)
        point = {"markersize": 3.5, "linewidth": 0}
        handles = [
            Line2D([], [], color=MODEL_COLOR, marker="o", label="model", **point),
            Line2D(
                [], [], color=BASELINE_COLOR, marker="D", markersize=3.5, linewidth=0, label="baseline", mfc="white"
            ),
            Line2D([], [], color="#333333", linewidth=2.5, alpha=0.6, label="95 % CI over seeds"),
            Line2D([], [], color="#333333", linewidth=0.7, label="95 % range over cells"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=2)
        figure.draw_without_rendering()
    return figure


def embeddings(runs, labels, styles):
    """The 2-D t-SNE of every representation, one seed each.

    Args:
        runs, labels, styles: as for `scae.plots.cells.embeddings`.
    """
    labels = np.asarray(labels)
    rows, longest = -(-max(1, len(runs)) // PANELS_IN_A_ROW), max([0, *map(len, styles)])
    columns = max(1, min(3, LEGEND_WIDTH // (min(longest, drawing.LONGEST_NAME) + 3)))
    with plt.rc_context(FONTS):
        figure, panels = plt.subplots(
            rows,
            PANELS_IN_A_ROW,
            figsize=(WIDTH, rows * (WIDTH / PANELS_IN_A_ROW + 0.1) + 0.14 * (len(styles) // columns + 2)),
            squeeze=False,
            layout="constrained",
        )
        for panel in panels.flat:
            panel.set_axis_off()
        points_of = {"s": drawing.point_size(len(labels), 900, 0.15, 2), "linewidths": 0, "rasterized": True}
        for panel, (name, points) in zip(panels.flat, runs.items(), strict=False):
            panel.scatter(*points[labels == tables.UNSCORED].T, c=style.UNSCORED_COLOR, **points_of)
            for label, (color, marker, _) in styles.items():
                panel.scatter(*points[labels == label].T, c=color, marker=marker, **points_of)
            panel.set_title(drawing.shortened(name), pad=2)
        shown = {name: (marker, color) for name, (color, marker, _) in styles.items()}
        if (labels == tables.UNSCORED).any():
            shown["no label"] = ("o", style.UNSCORED_COLOR)
        handles = [
            Line2D([], [], linestyle="", marker=marker, color=color, markersize=3.5, label=drawing.shortened(name))
            for name, (marker, color) in shown.items()
        ]
        if handles:
            figure.legend(
                handles=handles, loc="outside lower center", ncols=columns, columnspacing=1, handletextpad=0.2
            )
        figure.draw_without_rendering()
    return figure
