"""Scores of clusterings small enough to score by hand."""

import math
import re

import numpy as np
import pandas as pd
import pytest

from scae import tables
from scae.evaluation import metrics, neighbors

LINE = np.arange(6.0)[:, None]


def score(labels, clusters, points=None):
    points = np.arange(float(len(labels)))[:, None] if points is None else points
    table = metrics.score(labels, clusters, points)
    assert list(table.columns) == ["metric", "value"]
    return dict(zip(table["metric"], table["value"], strict=True))


def test_the_metrics_are_those_of_the_contract():
    found = score(["a", "a", "b", "b"], [0, 0, 1, 1])
    of_clusters = [metric.name for metric in metrics.METRICS if metric.reads == ("labels", "clusters", "points")]
    assert list(found) == of_clusters
    assert len(of_clusters) == 6
    assert {"nmi", "ari", "homogeneity", "completeness", "silhouette", "detected_types"} <= set(found)
    assert all(type(value) is float for value in found.values())


@pytest.mark.parametrize(("labels", "clusters"), [(["a", "a"], [0, 1]), ([], [])])
def test_fewer_than_two_types_have_no_scores(labels, clusters):
    assert all(math.isnan(value) for value in score(labels, clusters).values())


@pytest.mark.parametrize("metric", metrics.METRICS, ids=lambda metric: metric.name)
def test_every_metric_says_what_it_is_and_keeps_to_its_range(metric):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", metric.name)
    assert metric.heading
    assert metric.says[-1] != "."
    random = np.random.default_rng(0)
    for _ in range(20):
        labels, clusters, points = random.integers(4, size=40), random.integers(3, size=40), random.normal(size=(40, 2))
        distances = [neighbors.squared_distances(random.normal(size=(40, 3))) for _ in range(2)]
        given = {"labels": labels, "clusters": clusters, "points": points, "voting": labels, "voted": clusters}
        given |= {"agreement": random.uniform(-0.1, 1, 8), "ranked": labels}
        given |= {"placed": points, "typed": labels, "batches": clusters}
        given |= dict(zip(("reference", "distances"), distances, strict=True))
        value = float(metric.of(*(given[name] for name in metric.reads)))
        assert metric.low is None or value >= metric.low
        assert metric.high is None or value <= metric.high


def test_no_two_metrics_have_one_name():
    assert len(metrics.described()) == len(metrics.METRICS)


def test_a_perfect_clustering_scores_one():
    found = score(["a", "a", "b", "b", "c", "c"], [2, 2, 0, 0, 1, 1])
    for name in ("nmi", "ari", "homogeneity", "completeness"):
        assert found[name] == pytest.approx(1)
    assert found["detected_types"] == 3


def test_all_cells_in_one_cluster_tell_nothing():
    found = score(["a", "a", "a", "b", "b", "c"], [0] * 6)
    assert found["ari"] == pytest.approx(0)
    assert found["nmi"] == pytest.approx(0)
    assert found["homogeneity"] == pytest.approx(0)
    assert found["completeness"] == pytest.approx(1)
    assert found["detected_types"] == 1


def test_the_names_of_the_clusters_do_not_matter():
    labels = ["a", "b", "a", "c", "c", "b"]
    clusters = np.array([0, 1, 0, 1, 2, 2])
    assert score(labels, clusters) == pytest.approx(score(labels, np.array([7, 3, 5])[clusters]))


def entropy(*counts):
    return -sum(count / sum(counts) * math.log(count / sum(counts)) for count in counts if count)


def test_nmi_homogeneity_and_completeness_are_ratios_of_entropies():
    labels, clusters = list("aaabbc"), [0, 0, 1, 1, 1, 1]
    of_labels, of_clusters = entropy(3, 2, 1), entropy(2, 4)
    labels_given_clusters = 2 / 6 * entropy(2) + 4 / 6 * entropy(1, 2, 1)
    clusters_given_labels = 3 / 6 * entropy(2, 1) + 2 / 6 * entropy(2) + 1 / 6 * entropy(1)
    mutual = of_labels - labels_given_clusters
    assert mutual == pytest.approx(of_clusters - clusters_given_labels)
    found = score(labels, clusters)
    assert found["homogeneity"] == pytest.approx(1 - labels_given_clusters / of_labels)
    assert found["completeness"] == pytest.approx(1 - clusters_given_labels / of_clusters)
    assert found["nmi"] == pytest.approx(2 * mutual / (of_labels + of_clusters))


def test_ari_counts_pairs_of_cells():
    labels, clusters = list("aaabbc"), [0, 0, 1, 1, 1, 1]
    pairs = [(i, j) for i in range(6) for j in range(i)]
    both = sum(labels[i] == labels[j] and clusters[i] == clusters[j] for i, j in pairs)
    same_label = sum(labels[i] == labels[j] for i, j in pairs)
    same_cluster = sum(clusters[i] == clusters[j] for i, j in pairs)
    assert (both, same_label, same_cluster) == (2, 4, 7)
    chance = 4 * 7 / 15
    assert score(labels, clusters)["ari"] == pytest.approx((2 - chance) / ((4 + 7) / 2 - chance))


def test_ari_of_an_exact_opposite_is_negative():
    assert score(["a", "a", "b", "b"], [0, 1, 0, 1])["ari"] == pytest.approx(-0.5)


def test_detected_types_counts_the_types_that_own_a_cluster():
    labels = ["a"] * 5 + ["b"] * 4 + ["c"]
    assert score(labels, [0, 0, 0, 1, 1, 2, 2, 2, 2, 2])["detected_types"] == 2


def test_a_type_that_owns_two_clusters_counts_once():
    assert score(["a", "a", "a", "a", "b"], [0, 0, 1, 1, 1])["detected_types"] == 1


@pytest.mark.parametrize(("labels", "detected"), [(["b", "a", "c", "a"], 1), (["b", "c", "a", "c"], 2)])
def test_a_tied_cluster_belongs_to_the_first_type_in_the_alphabet(labels, detected):
    assert score(labels, [0, 0, 1, 1])["detected_types"] == detected


def test_silhouette_is_the_mean_width_of_the_cell_types():
    points = np.array([[0.0, 0.0], [0.0, 1.0], [4.0, 0.0], [4.0, 1.0]])
    other = (4 + math.sqrt(17)) / 2
    found = score(["a", "a", "b", "b"], [0, 1, 0, 1], points)
    assert found["silhouette"] == pytest.approx((other - 1) / other)


def test_silhouette_of_mixed_types_is_negative():
    points = np.array([[0.0], [1.0], [2.0], [3.0]])
    widths = [(1 - 2) / 2 if side else (2 - 2) / 2 for side in (0, 1, 1, 0)]
    found = score(["a", "b", "a", "b"], [0, 0, 0, 0], points)["silhouette"]
    assert found == pytest.approx(np.mean(widths))


@pytest.mark.parametrize("labels", [["a"] * 4, ["a", "b", "c", "d"]])
def test_silhouette_is_undefined_without_two_types_of_several_cells(labels):
    assert math.isnan(score(labels, [0, 0, 1, 1])["silhouette"])


def test_silhouette_of_many_cells_is_that_of_a_fixed_sample(monkeypatch):
    random = np.random.default_rng(0)
    labels = np.repeat(["a", "b"], 300)
    points = random.normal(size=(600, 2)) + 6 * (labels == "a")[:, None]
    whole = score(labels, np.zeros(600, int), points)["silhouette"]
    monkeypatch.setattr(metrics, "SILHOUETTE_CELLS", 200)
    sampled = [score(labels, np.zeros(600, int), points)["silhouette"] for _ in range(2)]
    assert sampled[0] == sampled[1] != whole
    assert sampled[0] == pytest.approx(whole, abs=0.05)


@pytest.mark.parametrize("types", [["a", "b", "c"], ["a", ""]])
def test_all_metrics_are_made_from_what_the_neighbours_tell(types):
    source = np.random.default_rng(0)
    cells = pd.Series(np.array(types)[np.arange(60) % len(types)], index=[f"c{number}" for number in range(60)])
    points = pd.DataFrame(source.normal(size=(60, 3)), index=cells.index)
    labels = tables.scored(cells)
    around = neighbors.look(points, cells, labels, np.arange(0, 60, 2), neighbors.squared_distances(points[::2]) * 2)
    table = metrics.score(labels, source.integers(0, 3, len(labels)), points.loc[labels.index], **around)
    found = table.set_index("metric")["value"]
    assert list(found.index) == [metric.name for metric in metrics.METRICS if not metric.of_batches]
    kept = ["knn_recall_15", "knn_recall_50"]
    assert (found[kept] == 1).all()  # the input is the space itself, twice as large
    assert found.drop(kept).notna().any() == (len(labels) == 60)
    if len(labels) == 60:
        assert found["leiden_median"] <= found["leiden_best"]
        assert found["type_distances"] == pytest.approx(1)
