"""t-SNE keeps groups apart, is reproducible, and names the perplexity that the cells allow."""

import numpy as np
import openTSNE
import pytest

from scae.errors import UserError
from scae.evaluation import tsne

GROUPS = np.repeat([0, 1, 2], 20)
SETTINGS = {"perplexity": 8, "iterations": 150, "early_exaggeration_iterations": 50, "max_cells": 1000}


@pytest.fixture(scope="module")
def latent():
    random = np.random.default_rng(0)
    return (30 * np.eye(3, 6)[GROUPS] + random.normal(size=(60, 6))).astype(np.float32)


def share_nearest_to_own_mean(points, groups):
    means = np.array([points[groups == group].mean(axis=0) for group in range(3)])
    return (np.linalg.norm(points[:, None] - means[None], axis=2).argmin(axis=1) == groups).mean()


@pytest.mark.parametrize("dimensions", [2, 3])
def test_groups_stay_apart_and_only_the_latent_counts(dimensions, latent):
    np.random.seed(1)  # noqa: NPY002
    points = tsne.tsne(latent, dimensions, SETTINGS, seed=0)
    np.random.seed(2)  # noqa: NPY002
    assert points.tobytes() == tsne.tsne(latent, dimensions, SETTINGS, seed=0).tobytes()
    assert points.shape == (60, dimensions)
    assert share_nearest_to_own_mean(points, GROUPS) == 1


@pytest.mark.parametrize(("dimensions", "method"), [(2, "auto"), (3, "bh")])
def test_the_embedding_is_that_of_opentsne(dimensions, method, latent):
    latent = latent.astype(float)
    changes = {"n_iter": 150, "early_exaggeration_iter": 50, "negative_gradient_method": method}
    plain = openTSNE.TSNE(dimensions, 8, neighbors="exact", initialization="pca", n_jobs=1, random_state=0, **changes)
    np.testing.assert_allclose(tsne.tsne(latent, dimensions, SETTINGS, seed=0), plain.fit(latent), rtol=1e-6)


def test_every_setting_counts(latent):
    embedding = tsne.tsne(latent, 2, SETTINGS, seed=0)
    for key in ("perplexity", "iterations", "early_exaggeration_iterations"):
        changed = tsne.tsne(latent, 2, SETTINGS | {key: SETTINGS[key] // 2}, seed=0)
        assert not np.allclose(embedding, changed), key


@pytest.mark.parametrize(("n_latent", "dimensions"), [(1, 2), (2, 3)])
def test_a_latent_may_have_fewer_dimensions_than_the_embedding(n_latent, dimensions, latent):
    first, same, other = (tsne.tsne(latent[:, :n_latent], dimensions, SETTINGS, seed) for seed in (0, 0, 1))
    assert (np.ptp(first, axis=0) > 1).all()
    assert first.tobytes() == same.tobytes() != other.tobytes()  # a random start, by the seed


@pytest.mark.parametrize(("n_cells", "perplexity", "highest"), [(60, 20, 19), (10, 40, 3), (31, 10.5, 10)])
def test_too_few_cells_for_the_perplexity_are_an_error_with_the_highest(n_cells, perplexity, highest, latent):
    with pytest.raises(UserError, match=rf"tsne\.perplexity.*there are {n_cells}.*set it to {highest} or less"):
        tsne.tsne(latent[:n_cells], 2, SETTINGS | {"perplexity": perplexity}, seed=0)
    assert tsne.tsne(latent[:n_cells], 2, SETTINGS | {"perplexity": highest}, seed=0).shape == (n_cells, 2)


@pytest.mark.parametrize("n_cells", [1, 5])
def test_very_few_cells_get_no_impossible_advice(n_cells, latent):
    with pytest.raises(UserError, match="too few"):
        tsne.tsne(latent[:n_cells], 2, SETTINGS, seed=0)


def test_a_collapsed_latent_is_at_one_point():
    assert (tsne.tsne(np.ones((40, 6), np.float32), 2, SETTINGS, seed=0) == 0).all()


def many(n_common=3_000, n_rare=12):
    """Latent of two common types of cells and a rare one, and the types."""
    source = np.random.default_rng(1)
    types = np.array([0] * n_common + [1] * n_common + [2] * n_rare)
    source.shuffle(types)
    return (20 * np.eye(3, 4)[types] + source.normal(size=(len(types), 4))).astype(np.float32), types


@pytest.mark.parametrize("n_cells", [50, 5_000])
def test_a_sketch_has_the_number_of_cells_and_enriches_rare_types(n_cells):
    latent, types = many()
    chosen = tsne.sketch(latent, n_cells)
    assert chosen.sum() == n_cells
    assert (types[chosen] == 2).mean() > (types == 2).mean()
    np.testing.assert_array_equal(chosen, tsne.sketch(latent, n_cells))
    assert tsne.sketch(latent, len(latent)).all()
    assert tsne.sketch(np.zeros((50, 3)), 10).sum() == 10


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cells_outside_the_sketch_are_placed_among_their_type(dimensions):
    latent, types = many(150, 20)
    settings = SETTINGS | {"max_cells": 100}
    points = tsne.tsne(latent, dimensions, settings, seed=0)
    assert share_nearest_to_own_mean(points, types) > 0.98
    chosen = tsne.sketch(latent, 100)
    np.testing.assert_array_equal(points[chosen], tsne.tsne(latent[chosen], dimensions, settings, seed=0))
    np.testing.assert_array_equal(points, tsne.tsne(latent, dimensions, settings, seed=0))


def test_approximate_neighbours_are_reproducible(latent, monkeypatch):
    monkeypatch.setattr(tsne, "EXACT_CELLS", 50)
    monkeypatch.setattr(tsne, "EXACT_LATENTS", 5)
    first, second = (tsne.tsne(latent, 2, SETTINGS, seed=0) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    assert share_nearest_to_own_mean(first, GROUPS) == 1
