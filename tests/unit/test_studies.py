"""Smoke test of studies/: the documents from made-up tables. `make models-page` runs the studies."""

import sys

import numpy as np
import pandas as pd
import pytest
from places import ROOT

sys.path.insert(0, str(ROOT / "studies"))
import error_rates
import models
import simulated
import without_labels


def test_intervals_contain_the_true_mean_as_often_as_promised():
    for name, draw, truth in error_rates.COVERED[:4:2]:
        assert 0.93 < error_rates.coverage(draw, truth, 5, n_tables=20_000) < 0.97, name


def made_up(ahead):
    """A table as of simulated.py for two data sets; count_vae is ahead by so much, and 20 components are chosen."""
    rows = []
    for name in ("rare", "twenty"):
        for draw in range(simulated.DRAWS):
            noise = np.random.default_rng(draw)
            pcas = [("pca", size, 0) for size in (6, 10, 20)]
            for molecules, trainings in simulated.plan(draw).items():
                for model, size, seed in [*pcas, *trainings]:
                    score = 0.5 + ahead * (model == "count_vae") + noise.normal(0, 1e-3)
                    scores = dict.fromkeys(["knn_accuracy", "ari"], score) | {"seconds": 1.0}
                    row = {"dataset": name, "draw": draw, "molecules": molecules, "model": model} | scores
                    row |= {"n_latent": size, "seed": seed}
                    if molecules == simulated.HALF:
                        row |= {"held_out": score * 100, "size": float(size == 20), "chosen": float(model == "pca")}
                    rows.append(row)
    return pd.DataFrame(rows)


def test_models_states_what_is_shown_over_the_draws():
    runs = [("rna", model, seed, m, 0.6) for model in models.MODELS for seed in range(3) for m in models.SCORES]
    runs += [("rna", model, seed, "held_out", 40.0) for model in models.MODELS for seed in range(3)]
    real = models.over_seeds(pd.DataFrame(runs, columns=["dataset", "model", "seed", "metric", "value"]))
    real = real.rename(index={"rna": "rna_mixtures"})
    text = models.document(made_up(0.2), real, real.loc[["ari"]].loc[[("ari", "rna_mixtures", "count_vae")]], "- none")
    assert "- `count_vae` against `pca10`: ahead on rare, twenty." in text
    assert "- `dae` against `pca`: no difference is shown." in text
    assert "| `rare` | 20 20 20 20 20 / " in text
    assert "- rna_mixtures, ARI of k-means: 0.60; without: 0.60" in text


def test_sizes_are_right_within_the_tolerance():
    half = without_labels.on_half(made_up(0.0))
    assert "| `pca` | 10 | 100% |" in without_labels.choices(half)


@pytest.mark.parametrize("name", ["twenty", "nuisance"])
def test_held_out_molecules_rank_sizes_as_the_true_types_do(name):
    table = simulated.measure(name, 0, simulated.settings(), {simulated.ALL: [], simulated.HALF: []})
    half = without_labels.on_half(table)
    assert half["held_out"].rank().corr(half["knn_accuracy"].rank()) >= 0.8
    assert (without_labels.losses(half) <= without_labels.WITHIN).all()
