"""Neighbour scores against scikit-learn, plain loops, and arrangements whose score is known."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.manifold import trustworthiness
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier

from scae.evaluation import neighbors


@pytest.fixture(scope="module")
def cells():
    """Three overlapping types of different size in four dimensions: points and labels."""
    source, sizes = np.random.default_rng(0), [60, 30, 12]
    points = source.normal(size=(102, 4)) + np.repeat(source.normal(size=(3, 4)), sizes, axis=0)
    return points, np.repeat(["a", "b", "c"], sizes)


def test_nearest_cells_are_those_of_a_plain_search(cells):
    points, _ = cells
    distances = cdist(points, points) + np.diag([np.inf] * len(points))
    assert (neighbors.nearest(points, 7) == distances.argsort(axis=1)[:, :7]).all()
    assert neighbors.nearest(points[:4], 9).shape == (4, 3)


def test_predictions_and_recalls_are_those_of_scikit_learn(cells):
    points, labels = cells
    expected = cross_val_predict(KNeighborsClassifier(15), points, labels, cv=LeaveOneOut())
    predicted = neighbors.knn_predict(points, labels)
    assert (predicted == expected).all()
    assert neighbors.balanced_accuracy(labels, predicted) == pytest.approx(balanced_accuracy_score(labels, expected))
    found = neighbors.recalls(labels, predicted)
    assert found[["label", "cells"]].to_numpy().tolist() == [["a", 60], ["b", 30], ["c", 12]]
    assert found["recall"].tolist() == [np.mean(expected[labels == name] == name) for name in "abc"]
    assert neighbors.recalls(labels, None).empty


@pytest.mark.parametrize(("n_rare", "recall"), [(1, None), (2, 1), (8, 1), (9, 1)])
def test_a_small_type_far_from_all_others_is_found(n_rare, recall):
    source = np.random.default_rng(0)
    points = source.normal(size=(60 + n_rare, 2)) + np.where(np.arange(60 + n_rare) < 60, 0, 50)[:, None]
    labels = np.repeat(["common", "rare"], [60, n_rare])
    found = neighbors.recalls(labels, neighbors.knn_predict(points, labels)).set_index("label")["recall"]
    assert found["common"] == 1
    assert found["rare"] == recall if recall is not None else np.isnan(found["rare"])
    mixed = source.normal(size=(60 + n_rare, 2))
    assert (
        not neighbors.recalls(labels, neighbors.knn_predict(mixed, labels)).set_index("label")["recall"]["rare"] > 0.5
    )
    assert neighbors.balanced_accuracy(labels, neighbors.knn_predict(points, labels)) == 1


def test_a_collapsed_space_does_not_predict_types_by_their_order_in_the_file():
    labels = np.repeat(["a", "b"], 200)
    predicted = neighbors.knn_predict(np.zeros((400, 3)), labels)
    assert neighbors.balanced_accuracy(labels, predicted) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("k", [1, 15, 40])
def test_trustworthiness_continuity_and_recall(cells, k):
    points, flat = cells[0], cells[0][:, :2] + np.random.default_rng(1).normal(size=(102, 2))
    above, below = neighbors.squared_distances(points), neighbors.squared_distances(flat)
    assert neighbors.trustworthiness(above, below, k) == pytest.approx(trustworthiness(points, flat, n_neighbors=k))
    assert neighbors.trustworthiness(below, above, k) == pytest.approx(trustworthiness(flat, points, n_neighbors=k))
    near = [cdist(space, space).argsort(axis=1)[:, 1 : k + 1] for space in (points, flat)]
    shared = np.mean([len({*mine} & {*theirs}) / k for mine, theirs in zip(*near, strict=True)])
    assert neighbors.neighbor_recall(above, below, k) == pytest.approx(shared)


def test_equal_distances_share_their_rank(cells):
    given, collapsed = neighbors.squared_distances(cells[0]), np.zeros((102, 102))
    assert neighbors.trustworthiness(given, given) == 1
    assert neighbors.trustworthiness(collapsed, given) < 0.75
    assert np.isnan(neighbors.trustworthiness(given, collapsed, k=51))


def test_distances_between_types_are_those_of_their_means(cells):
    points, labels = cells
    means = np.array([points[labels == name].mean(axis=0) for name in "abc"])
    found = neighbors.type_distances(neighbors.squared_distances(points), labels)
    np.testing.assert_allclose(found, cdist(means, means), atol=1e-7)


def test_distances_between_types_agree_by_rank():
    labels = np.array([*"aabbcc", ""])  # the unlabelled cell does not count
    line, other = (np.array(points, float)[:, None] for points in ([0, 0, 1, 1, 3, 3, 9], [0, 0, 2, 2, 1, 1, 9]))
    given = neighbors.squared_distances(line)  # a-b 1, b-c 2, a-c 3; in other 2, 1, 1, so ranks 3, 1.5, 1.5
    assert neighbors.distance_agreement(given, neighbors.squared_distances(line**2), labels) == pytest.approx(1)
    found = neighbors.distance_agreement(given, neighbors.squared_distances(other), labels)
    assert found == pytest.approx(np.corrcoef([1, 2, 3], [3, 1.5, 1.5])[0, 1])
    assert np.isnan(neighbors.distance_agreement(given[:4, :4], given[:4, :4], labels[:4]))
    assert np.isnan(neighbors.distance_agreement(given, np.zeros((7, 7)), labels))


def test_leiden_finds_islands_and_nothing_in_noise():
    source, labels = np.random.default_rng(0), np.repeat(["a", "b", "c"], 50)
    islands = source.normal(size=(150, 2)) + np.repeat([[0, 0], [30, 0], [0, 30]], 50, axis=0)
    found = neighbors.leiden_ari(islands, labels)
    assert len(found) == len(neighbors.RESOLUTIONS)
    assert found[0] == 1  # few clusters at a low resolution, many at a high one
    assert found[-1] < found[0]
    assert (found == neighbors.leiden_ari(islands, labels)).all()
    assert abs(neighbors.leiden_ari(source.normal(size=(150, 2)), labels)).max() < 0.1
