"""The heatmap of all scores (figure 4 of the original study)."""

import matplotlib.pyplot as plt
import numpy as np

from scae.evaluation import summary
from scae.plots.drawing import BASELINE_COLOR


def heatmap(metrics, published, metric_info, roles):
    """Scores of all models: a block per data set, a row per model, a column per metric and space.

    With several seeds a cell shows the mean ± standard deviation.

    Args:
        metrics: metrics.csv.
        published: {data set: {"citation": …, "scores": {model: {metric: value}}}}, drawn as additional rows.
        metric_info: as from `scae.evaluation.metrics.metric_info`; metrics whose best value is 1 are drawn.
        roles: {model: "model", "pca" or "floor"}; baselines are below the models, with grey names.
    """
    rows = summary.score_rows(summary.models_first(metrics, roles), published)
    shown = summary.score_columns(rows, metric_info)
    values, spread = (rows.xs(name, axis=1, level="statistic")[shown].to_numpy(dtype=float) for name in ("mean", "sd"))
    figure, panel = plt.subplots(figsize=(1.6 + 0.95 * len(shown) + 1.2, 1.6 + 0.5 * len(rows)), layout="constrained")
    lowest, highest = np.nanmin(values, initial=1.0), np.nanmax(values, initial=0.0)
    lowest, highest = (lowest, highest) if lowest < highest else (0, 1)
    image = panel.imshow(np.ma.masked_invalid(values), cmap="cividis", vmin=lowest, vmax=highest, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if np.isnan(value):
            continue
        sd = spread[row, column]
        text = f"{value:.2f}" if np.isnan(sd) else f"{value:.2f}\n± {sd:.2f}"
        color = "black" if image.norm(value) > 0.5 else "white"
        panel.annotate(text, (column, row), ha="center", va="center", fontsize=8.5, color=color)
    names = [metric_info[metric]["heading"] for _, metric in shown]
    panel.set_xticks(range(len(shown)), names, rotation=35, ha="left", rotation_mode="anchor")
    panel.xaxis.tick_top()
    panel.set_yticks(range(len(rows)), summary.row_names(rows))
    for (_, name, source, _), text in zip(rows.index, panel.get_yticklabels(), strict=True):
        if not source and roles.get(name) != "model":
            text.set(style="italic", color=BASELINE_COLOR)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    spaces = [space for space, _ in shown]
    for space in dict.fromkeys(spaces):
        columns = [column for column, name in enumerate(spaces) if name == space]
        text = f"k-means on the {summary.SPACE_NAMES.get(space, space)}"
        place = (np.mean(columns), len(rows) - 0.4)
        panel.annotate(text, place, ha="center", va="top", annotation_clip=False)
        if columns[0]:
            panel.axvline(columns[0] - 0.5, color="white", linewidth=4)
    datasets = rows.index.get_level_values("dataset")
    for row in range(1, len(rows)):
        if datasets[row] != datasets[row - 1]:
            panel.axhline(row - 0.5, color="white", linewidth=4)
    figure.colorbar(image, ax=panel, shrink=0.8, label="score", pad=0.02)
    return figure
