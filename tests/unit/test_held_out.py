"""The score of held-out molecules against its formula written out, and what it must tell apart."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.evaluation import held_out, metrics, neighbors, summary


def halves(n_cells=120, n_genes=50, seed=0):
    """Two types of cells, their latent, and both halves of Poisson counts."""
    random = np.random.default_rng(seed)
    types = np.arange(n_cells) % 2
    rate = np.where(types[:, None] == 0, random.gamma(2, 1, n_genes), random.gamma(2, 1, n_genes))
    train, test = (sparse.csr_matrix(random.poisson(rate), dtype=np.float32) for _ in range(2))
    return types[:, None] * 10 + random.normal(size=(n_cells, 3)), held_out.Half(train, test)


def test_a_cell_has_the_log_likelihood_of_its_test_molecules_above_the_overall_profile():
    points, half = halves()
    nearest = neighbors.nearest(points, held_out.K)
    train, test = half.train.toarray(), half.test.toarray()
    overall = train.sum(axis=0) / train.sum()
    for cell, nats in enumerate(held_out.nats(points, half)):
        pooled = train[nearest[cell]].sum(axis=0)
        share = 0.8 * pooled / pooled.sum() + 0.2 * overall
        chosen = test[cell] > 0
        assert nats == pytest.approx(
            (test[cell] * np.log(share / overall, where=chosen, out=0 * share)).sum(), rel=1e-5
        )


def test_the_types_predict_noise_does_not_and_a_cell_is_not_its_own_neighbour():
    points, half = halves()
    noise = np.random.default_rng(1).normal(size=points.shape)
    n_molecules = held_out.molecules(half.test)
    types, nothing = (metrics.held_out(held_out.nats(one, half), n_molecules) for one in (points, noise))
    assert types > 100
    assert nothing < 5
    own = held_out.nats(np.random.default_rng(2).permutation(len(points))[:, None].astype(float), half)
    assert metrics.held_out(own, n_molecules) < 5


def test_above_a_limit_a_sample_of_the_cells_is_scored_among_all(monkeypatch):
    points, half = halves()
    everything = held_out.nats(points, half)
    monkeypatch.setattr(held_out, "SCORED_CELLS", 40)
    cells = held_out.chosen(120)
    assert len(cells) == 40
    assert np.array_equal(held_out.nats(points, held_out.Half(half.train, half.test[cells])), everything[cells])
    monkeypatch.setattr(held_out, "CELLS_AT_ONCE", 7)
    assert np.array_equal(held_out.nats(points, held_out.Half(half.train, half.test[cells])), everything[cells])


def test_a_cell_with_many_others_at_its_place_has_k_neighbours_that_are_not_itself():
    found = neighbors.nearest(np.zeros((30, 2)), 5, np.array([3, 17]))
    assert found.shape == (2, 5)
    assert not (found == [[3], [17]]).any()


def test_standard_errors_over_cells_are_those_of_repeated_draws_of_cells():
    random = np.random.default_rng(0)
    molecules = random.poisson(500, 4_000).astype(float)
    nats = {"good": molecules * random.normal(0.1, 0.2, 4_000), "poor": molecules * random.normal(0.08, 0.2, 4_000)}
    table = held_out.below_best(nats, molecules)
    draws = [random.integers(4_000, size=4_000) for _ in range(400)]
    scores = {name: [metrics.held_out(one[cells], molecules[cells]) for cells in draws] for name, one in nats.items()}
    assert table.loc["good", "sd"] == pytest.approx(np.std(scores["good"]), rel=0.15)
    apart = np.subtract(scores["good"], scores["poor"])
    assert table.loc["poor", "below"] == pytest.approx(apart.mean(), abs=0.5)
    assert table.loc["poor", "below_sd"] == pytest.approx(apart.std(), rel=0.15)
    assert table.loc["good", "below"] == 0


def test_the_smallest_size_less_than_a_standard_error_below_the_best_is_enough():
    table = pd.DataFrame({"components": [2, 4, 8], "below": [3.0, 0.9, 0.0], "below_sd": [1.0, 1.0, 0.0]})
    assert summary.enough(table, "components") == 4


def test_the_choice_prefers_the_first_model_unless_another_is_better():
    random = np.random.default_rng(0)
    molecules = np.full(500, 100.0)
    same = {(model, size): random.normal(size=500) for model in ("pca", "vae") for size in (2, 4)}
    shift = {("pca", 2): 5, ("pca", 4): 20, ("vae", 2): 19.9, ("vae", 4): 19.92}
    table = held_out.choice({key: nats + shift[key] for key, nats in same.items()}, molecules)
    chosen = table[table["chosen"] == 1]
    assert chosen[["model", "n_latent"]].to_numpy().tolist() == [["pca", 4]]
    table = held_out.choice({key: nats + shift[key] + 5.0 * (key[0] == "vae") for key, nats in same.items()}, molecules)
    take, sizes, config = held_out.sentences(table, {"pca": "pca", "vae": "count_vae"})
    assert take.startswith("take vae with 2 dimensions")
    assert "pca: 2 " in sizes
    assert config == "config: models: {vae: {kind: count_vae, n_latent: 2}}"


def test_tables_have_a_row_for_each_run_and_a_spread_within_types():
    points, half = halves()
    molecules = held_out.molecules(half.test)
    runs = {("vae", 0): held_out.nats(points, half), ("vae", 1): held_out.nats(points[:, ::-1], half)}
    scores, resamples = held_out.tables(runs, molecules, np.arange(120) % 2)
    assert scores[["model", "seed", "metric"]].to_numpy().tolist() == [["vae", 0, "held_out"], ["vae", 1, "held_out"]]
    assert (scores["low"] < scores["mean"]).all()
    assert (scores["mean"] < scores["high"]).all()
    assert len(resamples) == 400
    assert resamples.groupby("seed")["held_out"].std().to_numpy() == pytest.approx(scores["sd"])
