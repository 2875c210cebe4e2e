"""k-means finds separate groups, the same ones each time."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scae.errors import UserError
from scae.evaluation.kmeans import kmeans

GROUPS = np.repeat(np.arange(4), 15)
NOISE = np.random.default_rng(0).normal(size=(200, 2))


def blobs(dimensions):
    centers = 20 * np.random.default_rng(1).normal(size=(4, dimensions))
    return centers[GROUPS] + np.random.default_rng(2).normal(size=(60, dimensions))


@pytest.mark.parametrize("dimensions", [2, 6])
def test_separate_groups_are_found(dimensions):
    found = kmeans(blobs(dimensions), 4, {"n_init": 10}, seed=0)
    assert set(found) == {0, 1, 2, 3}
    assert adjusted_rand_score(GROUPS, found) == 1


def test_the_seed_decides_and_more_starts_are_better():
    def inertia(n_init):
        found = kmeans(NOISE, 9, {"n_init": n_init}, seed=0)
        return sum(np.square(NOISE[found == n] - NOISE[found == n].mean(axis=0)).sum() for n in range(9))

    clusters = [kmeans(NOISE, 7, {"n_init": 1}, seed=seed).tolist() for seed in (0, 0, 1, 2)]
    assert clusters[0] == clusters[1]
    assert len({tuple(found) for found in clusters}) == 3
    assert inertia(30) < inertia(1)


def test_cells_that_are_not_chosen_join_the_nearest_cluster():
    points = np.concatenate([blobs(2), 1000 + np.zeros((30, 2)), blobs(2)[:1]])
    fitted = kmeans(blobs(2), 4, {"n_init": 10}, seed=0)
    found = kmeans(points, 4, {"n_init": 10}, seed=0, chosen=np.arange(91) < 60)
    np.testing.assert_array_equal(found[:60], fitted)
    assert len(set(found[60:90])) == 1
    assert found[90] == found[0]
    np.testing.assert_array_equal(kmeans(blobs(2), 4, {"n_init": 10}, seed=0, chosen=np.zeros(60, bool)), fitted)


def test_fewer_cells_than_clusters_are_an_error():
    points = blobs(2)[::15]
    assert sorted(kmeans(points, 4, {"n_init": 2}, seed=0)) == [0, 1, 2, 3]
    with pytest.raises(UserError, match="5 clusters but only 4 cells"):
        kmeans(points, 5, {"n_init": 2}, seed=0)
