"""The heatmap of all scores."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import Normalize

from scae.evaluation import summary
from scae.plots.drawing import BASELINE_COLOR

CELL = (0.68, 0.42)  # inches, of one score


def heatmap(metrics, published, metric_info, roles):
    """Scores of all models: a panel per data set, a row per model, a column per metric and space.

    With several seeds a cell shows the mean ± standard deviation.

    Args:
        metrics: metrics.csv.
        published: {data set: {"citation": …, "scores": {model: {metric: value}}}}, drawn as additional rows.
        metric_info: as from `scae.evaluation.metrics.metric_info`; metrics whose best value is 1 are drawn.
        roles: {model: "model", "pca" or "floor"}; baselines are below the models, with grey names.
    """
    rows = summary.score_rows(summary.models_first(metrics, roles), published)
    shown = summary.score_columns(rows, metric_info)
    means = rows.xs("mean", axis=1, level="statistic")[shown].to_numpy(dtype=float)
    lowest, highest = np.nanmin(means, initial=1.0), np.nanmax(means, initial=0.0)
    norm = Normalize(*(lowest, highest) if lowest < highest else (0, 1))
    datasets = list(dict.fromkeys(rows.index.get_level_values("dataset")))
    blocks = [rows.xs(dataset, level="dataset", drop_level=False) for dataset in datasets]
    heights = [len(block) for block in blocks]
    size = (2.6 + CELL[0] * len(shown), 1.4 + CELL[1] * sum(heights) + 0.35 * (len(blocks) - 1))
    figure, panels = plt.subplots(
        len(blocks), 1, figsize=size, height_ratios=heights, squeeze=False, sharex=True, layout="constrained"
    )
    for panel, block, dataset in zip(panels[:, 0], blocks, datasets, strict=True):
        image = _block(panel, block, shown, norm, roles)
        if len(blocks) > 1:
            panel.set_title(dataset, loc="left", fontsize=10)
    names = [metric_info[metric]["heading"] for _, metric in shown]
    first, last = panels[0, 0], panels[-1, 0]
    first.set_xticks(range(len(shown)), names, rotation=35, ha="left", rotation_mode="anchor")
    first.tick_params(labeltop=True)
    spaces = [space for space, _ in shown]
    for space in dict.fromkeys(spaces):
        columns = [column for column, name in enumerate(spaces) if name == space]
        text = f"k-means on the {summary.SPACE_NAMES.get(space, space)}"
        place = (np.mean(columns), heights[-1] - 0.4)
        last.annotate(text, place, ha="center", va="top", annotation_clip=False)
        for panel in panels[:, 0] if columns[0] else ():
            panel.axvline(columns[0] - 0.5, color="white", linewidth=4)
    figure.colorbar(image, ax=panels[:, 0].tolist(), shrink=0.8, label="score", pad=0.02)
    return figure


def _block(panel, rows, shown, norm, roles):
    """The rows of one data set; returns the image for a colour bar."""
    values, spread = (rows.xs(name, axis=1, level="statistic")[shown].to_numpy(dtype=float) for name in ("mean", "sd"))
    image = panel.imshow(np.ma.masked_invalid(values), cmap="cividis", norm=norm, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        sd = spread[row, column]
        text = f"{value:.2f}" if np.isnan(sd) else f"{value:.2f}\n± {sd:.2f}"
        color = "black" if norm(value) > 0.5 else "white"
        panel.annotate(text, (column, row), ha="center", va="center", fontsize=8, color=color)
    several = rows.index.get_level_values("labels").nunique() > 1
    names = [
        f"{model}, {source}" if source else f"{model}, {labels}" if several else model
        for _, model, source, labels in rows.index
    ]
    panel.set_yticks(range(len(rows)), names)
    for (_, name, source, _), text in zip(rows.index, panel.get_yticklabels(), strict=True):
        if not source and roles.get(name) != "model":
            text.set(style="italic", color=BASELINE_COLOR)
    panel.tick_params(length=0, labelbottom=False)
    panel.spines[:].set_visible(False)
    return image
