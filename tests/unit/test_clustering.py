"""k-means finds what is apart, the same each time."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from scae.errors import UserError
from scae.evaluation import kmeans

GROUPS = np.repeat(np.arange(4), 15)


def blobs(dimensions):
    centers = 20 * np.random.default_rng(1).normal(size=(4, dimensions))
    return centers[GROUPS] + np.random.default_rng(2).normal(size=(60, dimensions))


@pytest.mark.parametrize("dimensions", [2, 3, 6])
def test_groups_far_apart_are_found(dimensions):
    found = kmeans.kmeans(blobs(dimensions), 4, {"n_init": 10}, seed=0)
    assert found.shape == (60,)
    assert set(found) == {0, 1, 2, 3}
    assert adjusted_rand_score(GROUPS, found) == 1


def test_every_cell_belongs_to_the_nearest_mean():
    points = np.random.default_rng(0).normal(size=(80, 2))
    found = kmeans.kmeans(points, 5, {"n_init": 5}, seed=3)
    means = np.array([points[found == cluster].mean(axis=0) for cluster in range(5)])
    distances = ((points[:, None] - means[None]) ** 2).sum(axis=2)
    np.testing.assert_array_equal(distances.argmin(axis=1), found)


def test_the_same_seed_gives_the_same_clusters():
    points = np.random.default_rng(0).normal(size=(200, 2))
    first, second = (kmeans.kmeans(points, 7, {"n_init": 1}, seed=5) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_another_seed_starts_elsewhere():
    points = np.random.default_rng(0).normal(size=(200, 2))
    found = {tuple(kmeans.kmeans(points, 7, {"n_init": 1}, seed=seed)) for seed in range(3)}
    assert len(found) == 3


def test_more_starts_give_a_tighter_clustering():
    points = np.random.default_rng(0).normal(size=(200, 2))

    def inertia(n_init):
        found = kmeans.kmeans(points, 9, {"n_init": n_init}, seed=0)
        return sum(
            ((points[found == cluster] - points[found == cluster].mean(axis=0)) ** 2).sum() for cluster in range(9)
        )

    assert inertia(30) < inertia(1)


def test_cells_that_are_not_chosen_make_no_cluster_and_join_the_nearest():
    points = np.concatenate([blobs(2), 1000 + np.zeros((30, 2)), blobs(2)[:1]])
    chosen = np.arange(91) < 60
    found = kmeans.kmeans(points, 4, {"n_init": 10}, seed=0, chosen=chosen)
    np.testing.assert_array_equal(found[:60], kmeans.kmeans(blobs(2), 4, {"n_init": 10}, seed=0))
    assert len(set(found[60:90])) == 1
    assert found[90] == found[0]


def test_choosing_no_cell_is_choosing_all():
    found = kmeans.kmeans(blobs(2), 4, {"n_init": 2}, seed=0, chosen=np.zeros(60, bool))
    np.testing.assert_array_equal(found, kmeans.kmeans(blobs(2), 4, {"n_init": 2}, seed=0))


def test_one_cluster_and_a_cluster_for_each_cell_are_possible():
    points = blobs(2)[::15]
    assert set(kmeans.kmeans(points, 1, {"n_init": 2}, seed=0)) == {0}
    assert sorted(kmeans.kmeans(points, 4, {"n_init": 2}, seed=0)) == [0, 1, 2, 3]


def test_fewer_cells_than_cell_types_are_named():
    with pytest.raises(UserError, match="5 clusters but only 4 cells") as caught:
        kmeans.kmeans(blobs(2)[::15], 5, {"n_init": 2}, seed=0)
    assert "\n" not in str(caught.value)
