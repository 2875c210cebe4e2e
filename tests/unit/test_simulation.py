"""Simulated cells: moments of their counts, their ground truth, and scores that follow the signal."""

import numpy as np
import pytest
import yaml
from places import ROOT
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import threadpool_limits

from scae.sources import simulation

SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text(encoding="utf-8"))
KEYS = SCHEMA["properties"]["datasets"]["additionalProperties"]["properties"]["simulation"]["properties"]
SETTINGS = {key: entry["default"] for key, entry in KEYS.items()} | {
    **{"cells": 300, "genes": 200, "types": 4, "program_genes": 20},
}


def simulate(**changes):
    return simulation.simulate(SETTINGS | changes)


def agreement(data):
    """Adjusted Rand index of k-means on principal components with the true types."""
    table = data.X.toarray()
    table = np.log1p(1e4 * table / table.sum(axis=1, keepdims=True))
    with threadpool_limits(1):
        points = PCA(6, svd_solver="arpack", random_state=0).fit_transform(table)
        clusters = KMeans(data.obs["type"].nunique(), n_init=10, random_state=0).fit_predict(points)
    return adjusted_rand_score(data.obs["type"], clusters)


def test_the_same_seed_draws_the_same_bytes_whatever_the_threads(tmp_path):
    changes = {"cycle": 2, "nuisance": 2, "batches": 2, "dropout": 0.1, "cells": 1_200}
    for name, limit in (("first", 1), ("again", 2)):
        with threadpool_limits(limit):
            simulate(**changes).write_h5ad(tmp_path / name, compression="gzip")
    assert (tmp_path / "first").read_bytes() == (tmp_path / "again").read_bytes()


@pytest.mark.parametrize("key", KEYS)
def test_every_key_changes_what_is_drawn(key):
    base = {"batches": 2, "nuisance": 1}
    changed = {"types": [3, 1, 1, 1], "seed": 1, "batches": 3}.get(key, (SETTINGS | base)[key] + 1)
    changed = 0.5 if key == "dropout" else changed
    first, other = simulate(**base), simulate(**base | {key: changed})
    assert first.shape != other.shape or (first.X != other.X).nnz > 0


def test_counts_are_integers_of_the_given_depth():
    data = simulate(depth=5_000, cells=600)
    assert (data.X.data == data.X.data.round()).all()
    assert data.X.dtype == np.float32
    assert data.X.sum(axis=1).mean() == pytest.approx(5_000, rel=0.05)
    assert simulate(depth=500, depth_sd=1.0, cells=3_000).obs["depth"].mean() == pytest.approx(500, rel=0.15)
    shallow = simulate(depth=500, depth_sd=0.0)
    assert np.asarray(shallow.X.sum(axis=1)).std() < 0.15 * 500


@pytest.mark.parametrize("dispersion", [0.0, 0.5])
def test_counts_have_the_moments_of_a_gamma_poisson(dispersion):
    expected = np.full((200_000, 1), 3.0)
    settings = SETTINGS | {"dispersion": dispersion}
    counts = simulation._counts(expected, settings, np.random.default_rng(0))
    assert counts.mean() == pytest.approx(3, rel=0.02)
    assert counts.var() == pytest.approx(3 + dispersion * 9, rel=0.03)


def test_dropout_is_more_frequent_for_small_counts():
    settings = SETTINGS | {"dispersion": 0.0, "dropout": 0.8}
    for mean, lost in ((0.5, 0.8 * np.exp(-0.5)), (4.0, 0.8 * np.exp(-4))):
        counts = simulation._counts(np.full((100_000, 1), mean), settings, np.random.default_rng(0))
        zero = lost + (1 - lost) * np.exp(-mean)
        assert (counts == 0).mean() == pytest.approx(zero, rel=0.03)


def test_types_have_their_sizes_and_none_is_missing():
    counts = simulate(cells=2_000, types=[70, 20, 9, 1]).obs["type"].value_counts()
    assert list(counts.index) == ["Type 1", "Type 2", "Type 3", "Type 4"]
    assert counts["Type 1"] / 2_000 == pytest.approx(0.7, abs=0.04)
    assert simulate(cells=40, types=[1_000, 1, 1, 1]).obs["type"].nunique() == 4


def test_the_true_programs_say_which_genes_and_cells_they_change():
    data = simulate(programs_per_type=2, nuisance=3)
    programs, activity = data.varm["true_programs"], data.obsm["true_programs"]
    assert programs.shape == (200, 8)
    assert ((programs != 0).sum(axis=0) == 20).all()
    assert (programs[programs != 0] > 0).mean() == pytest.approx(0.8, abs=0.1)
    assert np.abs(programs[programs != 0]).mean() == pytest.approx(1, abs=0.15)
    own = [set(data.obs["type"][activity[:, number] != 0]) for number in range(8)]
    assert own == [{f"Type {1 + number // 2}"} for number in range(8)]
    assert (data.obsm["true_nuisance"] != 0).all()
    assert data.varm["true_nuisance"].shape == (200, 3)
    moved = programs[:, 0] > 1
    mine, others = ((data.obs["type"] == "Type 1").to_numpy() == own for own in (True, False))
    counts = data.X.toarray()
    assert counts[mine][:, moved].mean() > 1.5 * counts[others][:, moved].mean()
    assert "true_nuisance" not in simulate().obsm


def test_scores_rise_with_the_signal_and_are_zero_without():
    scores = [agreement(simulate(signal=signal)) for signal in (0.0, 0.5, 1.0)]
    assert abs(scores[0]) < 0.03
    assert scores[0] < scores[1] < scores[2]
    assert scores[2] > 0.95


@pytest.mark.parametrize(
    "changes",
    [{"batches": 3, "batch_effect": 1.0}, {"nuisance": 6, "nuisance_signal": 1.5}, {"cycle": 6, "nuisance_signal": 2}],
)
def test_variation_unrelated_to_types_lowers_the_scores(changes):
    assert agreement(simulate(signal=0.8, **changes)) < agreement(simulate(signal=0.8)) - 0.1


def test_batches_are_independent_of_types():
    data = simulate(cells=2_000, batches=2)
    shares = data.obs.groupby("type", observed=True)["batch"].apply(lambda of_type: (of_type == "Batch 1").mean())
    assert shares.between(0.42, 0.58).all()


def test_a_trajectory_passes_the_types_in_turn_along_a_curve():
    data = simulate(trajectory=4, cells=1_000)
    ordered = data.obs.sort_values("pseudotime")
    assert list(dict.fromkeys(ordered["type"])) == ["Type 1", "Type 2", "Type 3", "Type 4"]
    activity = data.obsm["true_programs"][np.argsort(data.obs["pseudotime"].to_numpy())]
    length = np.linalg.norm(np.diff(activity, axis=0), axis=1).sum()
    assert length > 3 * np.linalg.norm(activity[-1] - activity[0])  # the way is long, its ends are near
    assert "pseudotime" not in simulate().obs


def test_a_cycle_is_a_closed_curve_outside_any_low_dimensional_subspace():
    data = simulate(cycle=8, cells=1_000)
    activity = data.obsm["true_nuisance"][np.argsort(data.obs["phase"].to_numpy())]
    steps = np.linalg.norm(np.diff(activity, axis=0, append=activity[:1]), axis=1)
    assert steps.max() < 0.5 * np.linalg.norm(activity, axis=1).min()  # neighbours in phase are near, the ends too
    variance = np.linalg.svd(activity - activity.mean(axis=0), compute_uv=False) ** 2
    assert variance[:6].sum() < 0.5 * variance.sum()


def test_cells_can_be_described_without_drawing_counts():
    settings = SETTINGS | {"cycle": 2, "trajectory": 2, "batches": 2}
    data = simulation.simulate(settings)
    assert simulation.cells(settings).equals(data.obs)
    assert simulation.genes(settings).index.equals(data.var_names)
