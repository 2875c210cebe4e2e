"""Sweeps: an entry with lists is a model for each combination, named after its values; a bad one is one line."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from settings import changed, load, problem

from scae.config import sweeps
from scae.evaluation.metrics import described
from scae.plots import sweep
from scae.report.contents import MAIN_SCORES

SWEPT = {"kind": "beta_vae", "sweep": {"beta": [0.25, 1, 4], "n_latent": [6, 20]}}
OFF = {"batch": False, "calibrated": False, "free_nats": 0.0, "kl_warmup": 0}


@pytest.fixture
def swept(config):
    config["models"]["vae"] = SWEPT
    return config


def test_each_combination_is_a_model_with_its_values_in_its_name(swept):
    found = load(swept)
    names = [f"vae_beta{beta}_n_latent{latents}" for beta in ("0.25", "1", "4") for latents in (6, 20)]
    assert found["run"]["models"] == sorted(names)
    assert found["models"]["vae_beta0.25_n_latent6"] == {"kind": "beta_vae", "beta": 0.25, "n_latent": 6} | OFF
    assert found["models"]["vae_beta4_n_latent20"] == {"kind": "beta_vae", "beta": 4.0, "n_latent": 20} | OFF
    assert "vae" not in found["models"]
    assert list(found["sweeps"]["vae"]) == names  # as they are written
    assert found["sweeps"]["vae"]["vae_beta1_n_latent20"] == {"beta": 1.0, "n_latent": 20}


def test_a_model_of_a_sweep_is_the_one_that_could_be_written_out(swept):
    written = load(swept)
    alone = changed(swept, "models.vae", {"kind": "beta_vae", "sweep": {"beta": [4.0]}, "n_latent": 20})
    assert load(alone)["models"]["vae_beta4"] == written["models"]["vae_beta4_n_latent20"]
    by_hand = changed(swept, "models", {"vae_beta4": {"kind": "beta_vae", "beta": 4, "n_latent": 20}})
    by_hand["run"]["models"] = ["vae_beta4"]
    assert load(by_hand)["models"] == {"vae_beta4": written["models"]["vae_beta4_n_latent20"]}


def test_a_longer_list_leaves_the_models_of_the_shorter_one_as_they_are(swept):
    before, after = load(swept)["models"], load(changed(swept, "models.vae.sweep.beta", [16, 4, 1, 0.25]))["models"]
    assert len(after) == len(before) + 2
    assert before.items() <= after.items()


def test_some_models_of_a_sweep_can_be_run_by_name(swept):
    swept["run"]["models"] = ["vae_beta1_n_latent6", "plain"]
    found = load(swept)
    assert found["run"]["models"] == ["plain", "vae_beta1_n_latent6"]
    assert found["sweeps"] == {"vae": {"vae_beta1_n_latent6": {"beta": 1.0, "n_latent": 6}}}
    swept["run"]["models"] = ["vae_beta1_n_latent6", "vae"]
    assert len(load(swept)["run"]["models"]) == 6


def test_without_a_sweep_that_is_run_there_is_none(config, swept):
    swept["run"]["models"] = ["plain"]
    assert "sweeps" not in load(swept)
    assert "vae_beta1_n_latent6" in load(swept)["models"]


def test_words_and_truths_are_set_apart_in_a_name():
    written = {"models": {"m": {"kind": "nothing", "sweep": {"word": ["clamp"], "on": [True, None], "n": [2.0, 1e-5]}}}}
    assert list(sweeps.expand(written)["m"]) == [
        "m_word-clamp_on-true_n2",
        "m_word-clamp_on-true_n1e-05",
        "m_word-clamp_on-none_n2",
        "m_word-clamp_on-none_n1e-05",
    ]


def test_the_order_of_a_run_is_kept():
    points = {"vae": {"vae_beta4": {}, "vae_beta1": {}}}
    assert sweeps.spelled_out(["pca", "vae", "dae"], points) == ["pca", "vae_beta4", "vae_beta1", "dae"]
    assert sweeps.spelled_out(["pca", "pca"], points) == ["pca", "pca"]  # told by the schema


def test_a_sweep_takes_the_place_of_a_value_of_an_earlier_layer(layered, config):
    config["models"]["vae"] = {"kind": "beta_vae", "beta": 2.0, "n_latent": 4}
    found = layered({"models": {"vae": {"sweep": {"beta": [1, 3]}}}})
    assert found["models"]["vae_beta3"] == {"kind": "beta_vae", "beta": 3.0, "n_latent": 4} | OFF
    found = layered(command_line={"models": {"vae": {"sweep": {"beta": ["0.25", "3"]}}}})
    assert found["models"]["vae_beta0.25"] == {"kind": "beta_vae", "beta": 0.25, "n_latent": 4} | OFF


def test_another_kind_takes_the_sweep_of_the_old_one_along(layered, config):
    config["models"]["vae"] = SWEPT
    assert layered({"models": {"vae": {"kind": "dae"}}})["models"]["vae"] == {
        "kind": "dae",
        "n_latent": 6,
        "batch": False,
    }


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("sweep", {}, "models.vae.sweep: needs lists of values by hyperparameter"),
        ("sweep", [1, 2], "models.vae.sweep: needs lists of values by hyperparameter"),
        ("sweep", None, "models.vae.sweep: needs lists of values by hyperparameter"),
        ("sweep.beta", [], "models.vae.sweep.beta: needs a list of values"),
        ("sweep.beta", 3, "models.vae.sweep.beta: needs a list of values"),
        ("sweep.gamma", [1, 2], "models.vae.sweep.gamma: beta_vae has no such hyperparameter; it has "),
        ("sweep.kind", ["dae"], "models.vae.sweep.kind: beta_vae has no such hyperparameter"),
        ("kind", "dae", "models.vae.sweep.beta: dae has no such hyperparameter; it has "),
        ("beta", 2.0, "models.vae.sweep.beta: beta has a value beside the sweep as well"),
        ("sweep.beta", [1, 1.0], "models.vae.sweep.beta: 1.0 stands twice"),
        ("sweep.beta", [[1, 2]], "models.vae.sweep.beta: [1, 2] is no value to sweep"),
        ("sweep.n_latent", list(range(1, 101)), "models.vae.sweep: makes 300 models, and a sweep may make 100"),
    ],
)
def test_a_bad_sweep_is_one_line(key, value, line, swept):
    assert problem(changed(swept, f"models.vae.{key}", value)).startswith(line)


def test_a_value_out_of_range_names_the_key_of_the_sweep(swept):
    message = problem(changed(swept, "models.vae.sweep.beta", [1, -1]))  # of two models
    assert message == "models.vae.sweep.beta: -1.0 is less than the minimum of 0"


def test_a_value_beside_the_sweep_is_told_once_below_the_entry(swept):
    message = problem(changed(swept, "models.vae.calibrated", 3))
    assert message == "models.vae.calibrated: 3 is not of type boolean"


def test_a_key_of_obsm_that_is_swept_without_an_obsm_names_the_sweep(swept):
    given = changed(swept, "models.vae", {"kind": "given", "sweep": {"key": ["X_one", "X_two"]}})
    message = problem(changed(given, "datasets.toy.source", "https://example.org/counts.csv"))
    assert message.startswith("models.vae.sweep.key: only an .h5ad has obsm")


def test_keys_of_other_sections_stand_as_they_are():
    points = {"vae": {"vae_beta4": {"beta": 4.0}}}
    assert sweeps.as_written(["datasets", "vae_beta4", "beta"], points) == ["datasets", "vae_beta4", "beta"]
    assert sweeps.as_written(["models"], points) == ["models"]
    assert sweeps.as_written(["models", "vae_beta4"], points) == ["models", "vae"]
    assert sweeps.as_written(["models", "vae_beta4", "beta", 0], points) == ["models", "vae", "sweep", "beta", 0]


def test_a_name_that_is_taken_is_one_line(swept):
    swept["models"]["vae_beta1_n_latent6"] = {"kind": "dae"}
    assert problem(swept).startswith('models.vae.sweep: makes a model "vae_beta1_n_latent6", which there is already')


def test_an_unknown_kind_is_told_as_ever(swept):
    assert problem(changed(swept, "models.vae.kind", "gan")).startswith("models.vae.kind: 'gan' is not one of")


# The picture


ROLES = {"vae_beta1": "model", "vae_beta4": "model", "vae_beta32": "model", "pca": "pca", "other": "model"}
POINTS = {f"vae_beta{beta}": {"beta": float(beta)} for beta in (1, 32, 4)}
MEANS = {"vae_beta1": 0.5, "vae_beta4": 0.7, "vae_beta32": 0.2, "pca": 0.6, "other": 0.1}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def intervals_of(width=0.05, labels=("obs",), means=MEANS):
    return pd.DataFrame(
        [
            (model, name, space, metric, over, mean, mean - width, mean + width)
            for name in labels
            for model, mean in means.items()
            for space, metric in MAIN_SCORES
            for over in ("seeds", "cells")
        ],
        columns=["model", "labels", "space", "metric", "over", "mean", "low", "high"],
    )


def draw(points, table, labels=("obs",)):
    return sweep.sweep(table, points, ROLES, described(), dict.fromkeys(labels, "obs"))


def test_a_curve_goes_through_the_means_in_the_order_of_the_values():
    panel = draw(POINTS, intervals_of()).axes[0]
    [curve] = [line for line in panel.lines if line.get_marker() == "o"]
    assert list(curve.get_xdata()) == [1, 4, 32]
    assert list(curve.get_ydata()) == [0.5, 0.7, 0.2]
    assert panel.get_xscale() == "log"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["1", "4", "32"]


def test_the_band_is_the_interval_over_seeds_and_none_where_there_is_none():
    panel = draw(POINTS, intervals_of()).axes[0]
    [band] = panel.collections
    corners = band.get_paths()[0].vertices
    for place, mean in ((1, 0.5), (4, 0.7), (32, 0.2)):
        assert np.isclose(corners[corners[:, 0] == place, 1].min(), mean - 0.05)
        assert np.isclose(corners[corners[:, 0] == place, 1].max(), mean + 0.05)
    assert not draw(POINTS, intervals_of(width=np.nan)).axes[0].collections


def test_controls_are_lines_and_other_models_are_not_drawn():
    panel = draw(POINTS, intervals_of()).axes[0]
    assert [line.get_ydata()[0] for line in panel.lines if line.get_marker() != "o"] == [0.6]
    assert [text.get_text() for text in panel.texts] == ["pca"]


def test_the_parameter_with_the_most_values_is_the_axis_and_the_others_are_curves():
    points = {
        f"m{beta}{latents}{word}": {"beta": beta, "n_latent": latents, "word": word}
        for beta in (1.0, 2.0)
        for latents in (4, 6, 8)
        for word in ("a", "b")
    }
    figure = draw(points, intervals_of(means=dict.fromkeys(points, 0.5)))
    assert figure.axes[0].get_xlabel() == "n_latent"
    assert figure.axes[0].get_xscale() == "linear"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "beta 1, word a",
        "beta 1, word b",
        "beta 2, word a",
        "beta 2, word b",
    ]


def test_words_stand_side_by_side():
    points = {"m-b": {"word": "b"}, "m-a": {"word": "a"}, "m-none": {"word": None}}
    panel = draw(points, intervals_of(means={"m-b": 0.2, "m-a": 0.1, "m-none": 0.3})).axes[0]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["none", "a", "b"]
    assert list(panel.lines[0].get_ydata()) == [0.3, 0.1, 0.2]


def test_each_set_of_labels_has_a_row():
    assert len(draw(POINTS, intervals_of(labels=("one", "two")), ("one", "two")).axes) == 2 * len(MAIN_SCORES)


def test_without_a_score_the_panels_stay_empty():
    assert len(draw(POINTS, intervals_of(means={})).axes) == len(MAIN_SCORES)
