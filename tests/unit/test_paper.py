"""Figures for a paper are one column wide, their text is readable there and stays text."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scae.evaluation.metrics import metric_info
from scae.plots import drawing, paper

ROLES = {"dae": "model", "a_model_with_quite_a_long_name": "model", "pca": "pca"}
MEANS = {"dae": 0.4, "a_model_with_quite_a_long_name": 0.6, "pca": 0.7}
LABELS = np.array(["B", "", "T", "CD4+/CD45RA+/CD25- Naive T", "T"] * 4, object)
STYLES = dict.fromkeys(sorted(set(LABELS) - {""}), ("#332288", "o", "circle"))
POINTS = np.random.default_rng(0).normal(size=(20, 2))


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def intervals_of(means=MEANS, low=0.05):
    rows = [
        (model, "obs", *score, over, mean, mean - low, mean + low)
        for model, mean in means.items()
        for score in paper.SHOWN
        for over in ("seeds", "cells")
    ]
    return pd.DataFrame(rows, columns=["model", "labels", "space", "metric", "over", "mean", "low", "high"])


FIGURES = {
    "scores": lambda: paper.scores(intervals_of(), ROLES, metric_info(), "obs"),
    "one seed": lambda: paper.scores(intervals_of({"dae": 0.1}, np.nan), ROLES, metric_info(), "obs"),
    "no scores": lambda: paper.scores(intervals_of(), ROLES, metric_info(), "other"),
    "embeddings": lambda: paper.embeddings(dict.fromkeys("abcd", POINTS), LABELS, STYLES),
    "no labels": lambda: paper.embeddings({"a": POINTS}, np.full(20, "", object), {}),
}


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_a_column_wide_with_readable_text_inside(name, tmp_path):
    figure = FIGURES[name]()
    drawing.save(figure, tmp_path / "a.pdf", editable=True, is_exact=True)
    content = (tmp_path / "a.pdf").read_bytes()
    width = float(content.split(b"/MediaBox [ 0 0 ")[1].split()[0])
    assert width == pytest.approx(89 / 25.4 * 72, abs=0.1)
    assert b"/Type /Font" in content
    texts = [text for text in figure.findobj(plt.Text) if text.get_text() and text.get_visible()]
    assert min((text.get_fontsize() for text in texts), default=7) >= 6
    edges = figure.get_tightbbox()
    assert edges.x0 >= -0.01
    assert edges.x1 <= figure.get_figwidth() + 0.01


def test_models_are_above_baselines_and_the_best_is_on_top():
    panel = FIGURES["scores"]().axes[0]
    names = [text.get_text() for text in panel.get_yticklabels()]
    assert names == ["a_model_with_quite_a_long_name", "dae", "pca"]
    ends = [tuple(np.round(line.get_xdata(), 2)) for line in panel.lines if len(line.get_xdata()) == 2]
    assert set(ends) == {(0.55, 0.65), (0.35, 0.45), (0.65, 0.75)}


def test_fonts_of_other_figures_are_unchanged():
    before = plt.rcParams["font.size"]
    FIGURES["scores"]()
    assert plt.rcParams["font.size"] == before
