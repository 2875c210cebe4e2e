"""Scores of clusterings small enough to score by hand."""

import math

import numpy as np
import pytest

from scae.evaluation import metrics, neighbors


def score(labels, clusters, points=None):
    points = np.arange(float(len(labels)))[:, None] if points is None else np.asarray(points)
    return metrics.score(labels, clusters, points).set_index("metric")["value"].to_dict()


def test_scores_of_labels_and_clusters_are_those_of_the_contract():
    found = score(["a", "a", "b", "b"], [0, 0, 1, 1])
    assert list(found) == ["nmi", "ari", "homogeneity", "completeness", "silhouette", "detected_types"]
    assert all(type(value) is float for value in found.values())
    for labels, clusters in ((["a", "a"], [0, 1]), ([], [])):
        assert all(math.isnan(value) for value in score(labels, clusters).values())


@pytest.mark.parametrize("metric", metrics.METRICS, ids=lambda metric: metric.name)
def test_every_metric_keeps_to_its_range(metric):
    random = np.random.default_rng(0)
    for _ in range(20):
        labels, clusters, points = random.integers(4, size=40), random.integers(3, size=40), random.normal(size=(40, 2))
        distances = [neighbors.squared_distances(random.normal(size=(40, 3))) for _ in range(2)]
        given = {"labels": labels, "clusters": clusters, "points": points}
        given |= {"knn_labels": labels, "knn_predicted": clusters, "leiden_ari": random.uniform(-0.1, 1, 8)}
        given |= {"input_distances": distances[0], "distances": distances[1], "distance_labels": labels}
        given |= {"held_out_nats": random.normal(size=40), "held_out_molecules": np.full(40, 9.0)}
        given |= {"mixing_points": points, "mixing_labels": labels, "mixing_batches": clusters}
        value = float(metric.function(*(given[name] for name in metric.reads)))
        assert metric.low is None or value >= metric.low
        assert metric.high is None or value <= metric.high


def test_every_metric_is_described_once():
    info = metrics.metric_info()
    assert len(info) == len(metrics.METRICS)
    assert {metric["against"] for metric in info.values()} == {"types", "input", "batches", "molecules"}
    from_labels = {metric.name for metric in metrics.METRICS if metric.uses_labels}
    against_types = {name for name, metric in info.items() if metric["against"] == "types"}
    assert from_labels == against_types | {"type_distances", "clisi", "graph_connectivity"}


def test_a_perfect_clustering_scores_1_whatever_the_names_of_the_clusters():
    found = score(["a", "a", "b", "b", "c", "c"], [2, 2, 0, 0, 1, 1])
    assert [found[name] for name in ("nmi", "ari", "homogeneity", "completeness")] == pytest.approx([1] * 4)
    assert found["detected_types"] == 3


def test_one_cluster_scores_0():
    found = score(["a", "a", "a", "b", "b", "c"], [0] * 6)
    assert [found[name] for name in ("nmi", "ari", "homogeneity", "completeness")] == pytest.approx([0, 0, 0, 1])
    assert found["detected_types"] == 1


def test_ari_counts_pairs_of_cells():
    # of 15 pairs, 4 share a type, 7 a cluster and 2 both
    chance = 4 * 7 / 15
    assert score(list("aaabbc"), [0, 0, 1, 1, 1, 1])["ari"] == pytest.approx((2 - chance) / ((4 + 7) / 2 - chance))
    assert score(["a", "a", "b", "b"], [0, 1, 0, 1])["ari"] == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("labels", "clusters", "detected"),
    [
        ("aaaaabbbbc", [0, 0, 0, 1, 1, 2, 2, 2, 2, 2], 2),
        ("aaaab", [0, 0, 1, 1, 1], 1),  # a type with two clusters counts once
        ("baca", [0, 0, 1, 1], 1),  # ties go to the first type in the alphabet
        ("bcac", [0, 0, 1, 1], 2),
    ],
)
def test_detected_types(labels, clusters, detected):
    assert score(list(labels), clusters)["detected_types"] == detected


def test_silhouette_is_the_mean_width_of_the_cell_types():
    other = (4 + math.sqrt(17)) / 2
    square = [[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]]
    assert score(list("aabb"), [0, 1, 0, 1], square)["silhouette"] == pytest.approx((other - 1) / other)
    mixed = score(list("abab"), [0, 0, 0, 0], [[0.0], [1.0], [2.0], [3.0]])["silhouette"]
    assert mixed == pytest.approx(np.mean([0, (1 - 2) / 2, (1 - 2) / 2, 0]))
    assert math.isnan(score(list("abcd"), [0, 0, 1, 1])["silhouette"])


def test_silhouette_of_many_cells_is_that_of_a_fixed_sample(monkeypatch):
    labels = np.repeat(["a", "b"], 300)
    points = np.random.default_rng(0).normal(size=(600, 2)) + 6 * (labels == "a")[:, None]
    whole = score(labels, np.zeros(600, int), points)["silhouette"]
    monkeypatch.setattr(metrics, "SILHOUETTE_CELLS", 200)
    sampled = [score(labels, np.zeros(600, int), points)["silhouette"] for _ in range(2)]
    assert sampled[0] == sampled[1] != whole
    assert sampled[0] == pytest.approx(whole, abs=0.05)
