"""Scores along a sweep: each main score over the values of a parameter, with its interval over seeds."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D

from scae.evaluation import label_source, summary
from scae.evaluation.main_scores import HELD_OUT, MAIN_SCORES, is_number, score_rows, select, value_rank, value_text
from scae.plots.drawing import BASELINE_COLOR
from scae.plots.scores import score_name
from scae.style import COLORS

WIDE = 10  # ratio of the largest value to the smallest from which the axis is logarithmic


def sweep(intervals, points, roles, metric_info, label_sources):
    """A row of panels per label set, a panel per main score and for held-out molecules, a curve per combination of the
    other parameters.

    The band is the 95 % CI over seeds (from three seeds on); grey lines are the means of the baselines.

    Args:
        intervals: intervals.csv of one data set.
        points: {model: {parameter: value}}.
        roles: {model: "model", "pca" or "floor"}.
        metric_info: as from `scae.evaluation.metrics.metric_info`.
        label_sources: {label set: where it comes from}.
    """
    parameter = along(points)
    places, scale = _axis(sorted({values[parameter] for values in points.values()}, key=value_rank))
    curves = _curves(points, parameter)
    rows = intervals[(intervals["over"] == "seeds") & (intervals["space"] != summary.NO_SPACE)]
    sets = [name for name in label_sources if (rows["labels"] == name).any()]
    baselines = [name for name in sorted(set(rows["model"]) - set(points)) if roles.get(name) != "model"]
    scores = [*MAIN_SCORES, *([HELD_OUT] if len(score_rows(rows, HELD_OUT)) else [])]
    figure, panels = plt.subplots(
        max(1, len(sets)),
        len(scores),
        figsize=(2.75 * len(scores), 2.7 * max(1, len(sets)) + 0.7),
        squeeze=False,
        layout="constrained",
    )
    for line, name in zip(panels, sets, strict=False):
        of_labels = select(rows, labels=name)
        for panel, score in zip(line, scores, strict=True):
            found = score_rows(of_labels, score).set_index("model")
            for baseline in baselines:
                if baseline in found.index:
                    panel.axhline(found.loc[baseline, "mean"], color=BASELINE_COLOR, linewidth=0.8, linestyle=":")
                    panel.annotate(
                        baseline,
                        (1, found.loc[baseline, "mean"]),
                        xycoords=("axes fraction", "data"),
                        fontsize=7,
                        color=BASELINE_COLOR,
                        ha="right",
                        va="bottom",
                    )
            for color, of_curve in zip(_colors(curves), curves.values(), strict=True):
                shown = [model for model in of_curve if model in found.index]
                _curve(panel, [places[points[model][parameter]] for model in shown], found.loc[shown], color)
            panel.set_xscale(scale)
            panel.set_xticks(list(places.values()), [value_text(value) for value in places], fontsize=8)
            panel.minorticks_off()
            panel.set_title(score_name(score, metric_info), fontsize=10)
            panel.set_xlabel(parameter)
            panel.grid(axis="y", color="#e5e7eb", linewidth=0.8)
            panel.set_axisbelow(True)
        if len(sets) > 1:
            line[0].set_ylabel(f"labels from {label_source.WORDS.get(label_sources[name], name)}", fontsize=9)
    handles = [
        Line2D([], [], color=color, marker="o", label=name or "mean and 95 % CI over seeds")
        for color, name in zip(_colors(curves), curves, strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(4, len(handles)), fontsize=9)
    return figure


def along(points):
    """The parameter on the axis: a numeric one if there is one, then the one with the most values."""
    parameters = list(next(iter(points.values())))
    values = {name: {of_model[name] for of_model in points.values()} for name in parameters}
    return max(parameters, key=lambda name: (all(map(is_number, values[name])), len(values[name])))


def _curves(points, parameter):
    """{values of the other parameters as text: models in the order of the axis}."""
    curves = {}
    others = {
        model: {name: one for name, one in values.items() if name != parameter} for model, values in points.items()
    }
    for model in sorted(
        points,
        key=lambda name: ([value_rank(one) for one in others[name].values()], value_rank(points[name][parameter])),
    ):
        name = ", ".join(f"{key} {value_text(value)}" for key, value in others[model].items())
        curves.setdefault(name, []).append(model)
    return curves


def _colors(curves):
    return [COLORS[number % len(COLORS)] for number in range(len(curves))]


def _curve(panel, places, rows, color):
    mean, low, high = (rows[name].to_numpy(dtype=float) for name in ("mean", "low", "high"))
    panel.plot(places, mean, color=color, marker="o", markersize=4)
    if np.isfinite(low).any():
        panel.fill_between(places, low, high, color=color, alpha=0.18, linewidth=0)


def _axis(values):
    """({value: place}, scale) of the values along the axis."""
    if not all(map(is_number, values)):
        return {value: place for place, value in enumerate(values)}, "linear"
    scale = "log" if values[0] > 0 and values[-1] / values[0] >= WIDE else "linear"
    return {value: value for value in values}, scale
