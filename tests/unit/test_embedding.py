"""t-SNE keeps groups apart, gives the same embedding each time, and says what perplexity the cells allow."""

import numpy as np
import pytest

from scae.errors import UserError
from scae.evaluation import tsne

GROUPS = np.repeat([0, 1, 2], 20)
SETTINGS = {"perplexity": 8, "iterations": 150, "early_exaggeration_iterations": 50, "max_cells": 1000}


@pytest.fixture(scope="module")
def latent():
    random = np.random.default_rng(0)
    return (30 * np.eye(3, 6)[GROUPS] + random.normal(size=(60, 6))).astype(np.float32)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_groups_stay_apart(dimensions, latent):
    points = tsne.tsne(latent, dimensions, SETTINGS, seed=0)
    assert points.shape == (60, dimensions)
    assert np.isfinite(points).all()
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    np.testing.assert_array_equal(GROUPS[distances.argmin(axis=1)], GROUPS)
    means = np.array([points[group == GROUPS].mean(axis=0) for group in range(3)])
    nearest = np.linalg.norm(points[:, None] - means[None], axis=2).argmin(axis=1)
    np.testing.assert_array_equal(nearest, GROUPS)


def test_the_same_latent_gives_the_same_embedding(latent):
    first, second = (tsne.tsne(latent, 2, SETTINGS, seed=0) for _ in range(2))
    assert first.tobytes() == second.tobytes()


def test_the_embedding_does_not_depend_on_the_random_state_around_it(latent):
    np.random.seed(1)  # noqa: NPY002
    first = tsne.tsne(latent, 2, SETTINGS, seed=0)
    np.random.seed(2)  # noqa: NPY002
    np.testing.assert_array_equal(first, tsne.tsne(latent, 2, SETTINGS, seed=0))


@pytest.mark.parametrize("key", ["perplexity", "iterations", "early_exaggeration_iterations"])
def test_every_setting_counts(key, latent):
    changed = SETTINGS | {key: SETTINGS[key] // 2}
    assert not np.allclose(tsne.tsne(latent, 2, SETTINGS, seed=0), tsne.tsne(latent, 2, changed, seed=0))


@pytest.mark.parametrize(("n_latent", "dimensions"), [(1, 2), (1, 3), (2, 3)])
def test_a_latent_may_have_fewer_columns_than_the_picture(n_latent, dimensions, latent):
    first, second = (tsne.tsne(latent[:, :n_latent], dimensions, SETTINGS, seed=0) for _ in range(2))
    assert first.shape == (60, dimensions)
    assert (np.ptp(first, axis=0) > 1).all()
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize(("n_cells", "perplexity", "highest"), [(60, 20, 19), (10, 40, 3), (31, 10.5, 10)])
def test_too_few_cells_for_the_perplexity_say_what_is_possible(n_cells, perplexity, highest, latent):
    with pytest.raises(UserError, match=r"tsne\.perplexity") as caught:
        tsne.tsne(latent[:n_cells], 2, SETTINGS | {"perplexity": perplexity}, seed=0)
    message = str(caught.value)
    assert f"there are {n_cells}" in message
    assert f"set it to {highest} or less" in message
    assert "\n" not in message
    assert tsne.tsne(latent[:n_cells], 2, SETTINGS | {"perplexity": highest}, seed=0).shape == (n_cells, 2)


@pytest.mark.parametrize("n_cells", [1, 2, 5])
def test_advice_for_very_few_cells_is_not_impossible_to_follow(n_cells, latent):
    with pytest.raises(UserError, match="perplexity") as caught:
        tsne.tsne(latent[:n_cells], 2, SETTINGS, seed=0)
    assert "set it to 0 or less" not in str(caught.value)
    assert "set it to 1 or less" not in str(caught.value)


def test_a_latent_that_is_the_same_for_all_cells_gives_no_gaps():
    message = ""
    try:
        points = tsne.tsne(np.zeros((40, 6), dtype=np.float32), 2, SETTINGS, seed=0)
    except UserError as error:
        points, message = None, str(error)
    assert "latent" in message if points is None else np.isfinite(points).all()


def many(n_common=3_000, n_rare=12):
    """Two common kinds of cells and a rare one, and which is which."""
    source = np.random.default_rng(1)
    kinds = np.array([0] * n_common + [1] * n_common + [2] * n_rare)
    source.shuffle(kinds)
    return (20 * np.eye(3, 4)[kinds] + source.normal(size=(len(kinds), 4))).astype(np.float32), kinds


@pytest.mark.parametrize("n_cells", [50, 200, 5_000])
def test_a_sketch_has_as_many_cells_as_asked_for_and_rare_kinds_among_them(n_cells):
    latent, kinds = many()
    chosen = tsne.sketch(latent, n_cells)
    assert chosen.sum() == n_cells
    share = (kinds[chosen] == 2).mean()
    assert share > (kinds == 2).mean()  # as a sample at random would have
    np.testing.assert_array_equal(chosen, tsne.sketch(latent, n_cells))
    assert tsne.sketch(latent, len(latent)).all()


@pytest.mark.parametrize("latent", [np.zeros((50, 3)), np.repeat(np.eye(3), 20, axis=0)])
def test_a_sketch_of_cells_that_lie_on_each_other(latent):
    assert tsne.sketch(latent, 10).sum() == 10


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cells_that_are_not_projected_lie_among_their_kind(dimensions):
    latent, kinds = many(150, 20)
    settings = SETTINGS | {"max_cells": 100}
    points = tsne.tsne(latent, dimensions, settings, seed=0)
    assert points.shape == (320, dimensions)
    assert np.isfinite(points).all()
    means = np.array([points[kinds == kind].mean(axis=0) for kind in range(3)])
    nearest = np.linalg.norm(points[:, None] - means[None], axis=2).argmin(axis=1)
    assert (nearest == kinds).mean() > 0.98
    chosen = tsne.sketch(latent, 100)
    alone = tsne.tsne(latent[chosen], dimensions, settings, seed=0)
    np.testing.assert_array_equal(points[chosen], alone)
    np.testing.assert_array_equal(points, tsne.tsne(latent, dimensions, settings, seed=0))


def test_approximate_neighbours_of_many_cells_give_the_same_embedding_each_time(latent, monkeypatch):
    monkeypatch.setattr(tsne, "EXACT_CELLS", 50)
    monkeypatch.setattr(tsne, "EXACT_LATENTS", 5)
    first, second = (tsne.tsne(latent, 2, SETTINGS, seed=0) for _ in range(2))
    assert first.tobytes() == second.tobytes()
    means = np.array([first[group == GROUPS].mean(axis=0) for group in range(3)])
    assert (np.linalg.norm(first[:, None] - means[None], axis=2).argmin(axis=1) == GROUPS).all()
