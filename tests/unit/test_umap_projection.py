"""UMAP is drawn where it can be, and is the same at each call."""

import numpy as np
import pytest

from scae.evaluation.umap_projection import project

LATENT = np.random.default_rng(0).normal(size=(60, 4)).astype(np.float32)


def test_it_is_the_same_at_each_call_and_keeps_groups_apart():
    latent = LATENT + 20 * (np.arange(60) % 2)[:, None]
    points = project(latent)
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points, project(latent))
    middles = [points[number::2].mean(axis=0) for number in range(2)]
    assert np.linalg.norm(middles[0] - middles[1]) > points[::2].std()


@pytest.mark.parametrize("latent", [LATENT[:20], LATENT[:, :1], np.zeros((60, 4), np.float32)])
def test_there_is_none_of_few_cells_one_dimension_or_a_collapsed_latent(latent):
    assert project(latent) is None


def test_there_is_none_without_umap_learn(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "umap", None)
    assert project(LATENT) is None
