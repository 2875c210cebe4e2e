"""The main figures show what the tables say: best first, controls apart, intervals, the same colours."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from scae import style
from scae.evaluation.metrics import described
from scae.plots import scores
from scae.report.contents import MAIN_SCORES, ordered

ROLES = {"dae": "model", "vae": "model", "pca": "pca", "random": "floor"}
MEANS = {"dae": 0.4, "vae": 0.6, "pca": 0.7, "random": 0.1}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def intervals_of(means=MEANS, labels="obs"):
    rows = [
        (model, labels, space, metric, over, mean, mean - width, mean + width)
        for model, mean in means.items()
        for space, metric in MAIN_SCORES
        for over, width in (("seeds", 0.05), ("cells", 0.02))
    ]
    rows += [("shuffled", labels, "labels", "ari", "seeds", 0.0, -0.01, 0.01)]
    return pd.DataFrame(rows, columns=["model", "labels", "space", "metric", "over", "mean", "low", "high"])


def test_models_stand_before_controls_and_the_best_first():
    assert ordered(intervals_of(), ROLES, ("latent", "ari")) == (["vae", "dae"], ["pca", "random", "shuffled"])


def test_each_score_has_a_dot_with_its_intervals():
    figure = scores.scores(intervals_of(), ROLES, described(), {"obs": "obs"})
    assert len(figure.axes) == len(MAIN_SCORES)
    panel = figure.axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["vae", "dae", "pca", "random"]
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in panel.lines if line.get_marker() not in ("None", None)}
    assert [dots[place] for place in sorted(dots)] == [0.6, 0.4, 0.7, 0.1]
    ends = sorted(tuple(line.get_xdata()) for line in panel.lines if line.get_linewidth() == 4)
    assert np.allclose(ends, sorted((mean - 0.05, mean + 0.05) for mean in MEANS.values()))


def test_chance_is_a_line_where_it_is_known():
    ari, vote, *_ = scores.scores(intervals_of(), ROLES, described(), {"obs": "obs"}).axes
    dotted = [[line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] for axes in (ari, vote)]
    assert dotted == [[0.0], []]


def test_each_set_of_labels_has_a_row_of_its_own():
    both = pd.concat([intervals_of(), intervals_of({"dae": 0.9, "vae": 0.2}, labels="markers")])
    figure = scores.scores(both, ROLES, described(), {"obs": "obs", "markers": "markers"})
    assert len(figure.axes) == 2 * len(MAIN_SCORES)
    lower = figure.axes[len(MAIN_SCORES)]
    assert [text.get_text() for text in lower.get_yticklabels()] == ["dae", "vae"]


def test_without_an_interval_there_are_dots_alone():
    alone = intervals_of().assign(low=np.nan, high=np.nan)
    panel = scores.scores(alone, ROLES, described(), {"obs": "obs"}).axes[0]
    assert not [line for line in panel.lines if line.get_linewidth() == 4]


def test_side_by_side_each_type_has_the_colour_it_has_elsewhere():
    labels = np.array(["B", "T", ""] * 5, object)
    points = np.random.default_rng(0).normal(size=(15, 2))
    figure = scores.embeddings({"dae": points, "pca": points + 1}, labels)
    looks = style.styles(["B", "T"])
    for axes in figure.axes[:2]:
        colors = [to_hex(group.get_facecolor()[0]).upper() for group in axes.collections]
        assert colors == [style.UNSCORED_COLOR, looks["B"][0].upper(), looks["T"][0].upper()]
        assert sum(len(group.get_offsets()) for group in axes.collections) == 15
    assert [axes.get_title() for axes in figure.axes[:2]] == ["dae", "pca"]


def test_recalls_are_means_over_seeds_with_the_largest_type_on_top():
    rows = [
        (model, seed, "obs", label, cells, value + 0.1 * seed)
        for model, value in (("dae", 0.2), ("pca", 0.6))
        for seed in (0, 1)
        for label, cells in (("rare", 3), ("common", 90))
    ]
    table = pd.DataFrame(rows, columns=["model", "seed", "labels", "label", "cells", "recall"])
    panel = scores.recalls(table, intervals_of(), ROLES, "obs").axes[0]
    assert [text.get_text() for text in panel.get_yticklabels()] == ["common (90)", "rare (3)"]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["dae", "pca"]
    np.testing.assert_allclose(panel.images[0].get_array(), [[0.25, 0.65]] * 2)


def test_without_labels_the_figures_say_so():
    nothing = pd.DataFrame(columns=["model", "seed", "labels", "label", "cells", "recall"])
    texts = scores.recalls(nothing, intervals_of(), ROLES, "obs").axes[0].texts
    assert [text.get_text() for text in texts] == ["no cell type to be recalled"]
    scores.scores(intervals_of().assign(labels="other"), ROLES, described(), {"none": "none"}).canvas.draw()
