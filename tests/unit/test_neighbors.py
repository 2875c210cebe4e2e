"""Neighbour scores against scikit-learn, plain loops, and arrangements whose score is known."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from sklearn.manifold import trustworthiness
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from toy import dense_of, expression_of

from scae.evaluation import input_distances, neighbors


@pytest.fixture(scope="module")
def cells():
    """Three overlapping types of different size in four dimensions: points and labels."""
    source = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], [60, 30, 12])
    return source.normal(size=(102, 4)) + np.repeat(source.normal(size=(3, 4)), [60, 30, 12], axis=0), labels


def test_the_nearest_are_those_of_a_plain_search(cells):
    points, _ = cells
    distances = cdist(points, points) + np.diag([np.inf] * len(points))
    assert (neighbors.nearest(points, 7) == distances.argsort(axis=1)[:, :7]).all()
    assert neighbors.nearest(points[:4], 9).shape == (4, 3)


def test_votes_and_their_balanced_accuracy_are_those_of_scikit_learn(cells):
    points, labels = cells
    expected = cross_val_predict(KNeighborsClassifier(15), points, labels, cv=LeaveOneOut())
    voted = neighbors.votes(points, labels)
    assert (voted == expected).all()
    assert neighbors.balanced_accuracy(labels, voted) == pytest.approx(balanced_accuracy_score(labels, expected))
    found = neighbors.recalls(labels, voted)
    assert found[["label", "cells"]].to_numpy().tolist() == [["a", 60], ["b", 30], ["c", 12]]
    assert found["recall"][1] == np.mean(expected[labels == "b"] == "b")


def test_a_collapsed_space_does_not_tell_types_by_the_order_of_the_file():
    labels = np.repeat(["a", "b"], 200)
    voted = neighbors.votes(np.zeros((400, 3)), labels)
    assert neighbors.balanced_accuracy(labels, voted) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("k", [3, 15, 40])
def test_trustworthiness_and_continuity_are_those_of_scikit_learn(cells, k):
    points, _ = cells
    flat = points[:, :2] + np.random.default_rng(1).normal(size=(102, 2))
    above, below = neighbors.squared_distances(points), neighbors.squared_distances(flat)
    assert neighbors.trustworthiness(above, below, k) == pytest.approx(trustworthiness(points, flat, n_neighbors=k))
    assert neighbors.trustworthiness(below, above, k) == pytest.approx(trustworthiness(flat, points, n_neighbors=k))


def test_equal_distances_share_their_ranks(cells):
    points, _ = cells
    given, collapsed = neighbors.squared_distances(points), np.zeros((102, 102))
    assert neighbors.trustworthiness(given, given) == 1
    assert neighbors.trustworthiness(collapsed, given) < 0.75  # the continuity of a space that kept nothing
    assert np.isnan(neighbors.trustworthiness(given, collapsed, k=51))


@pytest.mark.parametrize("k", [1, 15, 50])
def test_neighbor_recall_is_a_share_of_sets(cells, k):
    points, _ = cells
    flat = points[:, :2]
    sets = [
        [set(row[1 : k + 1]) for row in cdist(space, space).argsort(axis=1)] for space in (points, flat)
    ]  # the first is the cell itself
    expected = np.mean([len(mine & theirs) / k for mine, theirs in zip(*sets, strict=True)])
    found = neighbors.neighbor_recall(neighbors.squared_distances(points), neighbors.squared_distances(flat), k)
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("genes_at_once", [7, 2_048])
def test_reference_distances_are_those_of_the_expression(monkeypatch, genes_at_once):
    monkeypatch.setattr(input_distances, "GENES_AT_ONCE", genes_at_once)
    table = np.random.default_rng(0).poisson(1.5, (40, 30)).astype(np.float32)
    expression = expression_of(table, np.linspace(0, 1, 30))
    numbers, found = input_distances.distances(expression, "expression")
    np.testing.assert_allclose(found, cdist(dense_of(expression), dense_of(expression), "sqeuclidean"), rtol=1e-4)
    assert list(numbers) == list(range(40))
    assert found.dtype == np.float32


def test_reference_distances_in_principal_components():
    table = np.random.default_rng(0).poisson(1.5, (90, 70)).astype(np.float32)
    _, found = input_distances.distances(expression_of(table), "pca50")
    points = PCA(50, svd_solver="full").fit_transform(table)
    np.testing.assert_allclose(found, cdist(points, points, "sqeuclidean"), rtol=1e-4, atol=1e-3)


def test_of_many_cells_a_fixed_sample_is_ranked():
    expression = expression_of(np.random.default_rng(0).poisson(1.5, (40, 30)))
    numbers, found = input_distances.distances(expression, "expression", limit=12)
    assert len(set(numbers)) == 12
    assert (np.diff(numbers) > 0).all()
    _, everything = input_distances.distances(expression, "expression")
    np.testing.assert_array_equal(found, everything[np.ix_(numbers, numbers)])


def test_distances_between_types_are_those_of_their_means(cells):
    points, labels = cells
    means = np.array([points[labels == name].mean(axis=0) for name in "abc"])
    found = neighbors.type_distances(neighbors.squared_distances(points), labels)
    np.testing.assert_allclose(found, cdist(means, means), atol=1e-7)


def test_distances_between_types_agree_by_rank():
    labels = np.array(list("aabbcc"))
    line = np.array([0, 0, 1, 1, 3, 3.0])[:, None]  # a-b 1, b-c 2, a-c 3
    other = np.array([0, 0, 2, 2, 1, 1.0])[:, None]  # a-b 2, b-c 1, a-c 1: ranks 3, 1.5, 1.5
    given = neighbors.squared_distances(line)
    assert neighbors.distance_agreement(given, neighbors.squared_distances(line**2), labels) == pytest.approx(1)
    found = neighbors.distance_agreement(given, neighbors.squared_distances(other), labels)
    assert found == pytest.approx(np.corrcoef([1, 2, 3], [3, 1.5, 1.5])[0, 1])
    assert np.isnan(neighbors.distance_agreement(given[:4, :4], given[:4, :4], labels[:4]))
    assert np.isnan(neighbors.distance_agreement(given, np.zeros((6, 6)), labels))


def test_leiden_finds_islands_at_some_resolution_and_nothing_where_there_is_nothing():
    source = np.random.default_rng(0)
    labels = np.repeat(["a", "b", "c"], 50)
    islands = source.normal(size=(150, 2)) + np.repeat([[0, 0], [30, 0], [0, 30]], 50, axis=0)
    found = neighbors.graph_agreement(islands, labels)
    assert len(found) == len(neighbors.RESOLUTIONS)
    assert found.max() == 1
    assert np.median(found) <= 1
    assert abs(neighbors.graph_agreement(source.normal(size=(150, 2)), labels)).max() < 0.1


def test_leiden_has_more_clusters_at_higher_resolution_and_the_same_with_the_same_seed(cells):
    points, _ = cells
    few, many, again = (neighbors.graph_clusters(points, resolution) for resolution in (0.1, 2.0, 2.0))
    assert len(set(few)) < len(set(many))
    assert (many == again).all()


def test_the_sample_is_fixed_and_keeps_the_shares_of_the_types():
    labels = np.repeat(["a", "b", "c"], [700, 290, 10])
    chosen = neighbors.sample(labels, limit=100)
    assert dict(zip(*np.unique(labels[chosen], return_counts=True), strict=True)) == {"a": 70, "b": 29, "c": 1}
    assert (chosen == neighbors.sample(labels, limit=100)).all()
    assert (np.diff(chosen) > 0).all()
    assert (neighbors.sample(labels, limit=1_000) == np.arange(1_000)).all()
