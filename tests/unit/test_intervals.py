"""Intervals against formulas written out, tables of the t distribution, and tables whose truth is known."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics

from scae.evaluation import intervals

T_975 = {2: 4.302653, 4: 2.776445, 9: 2.262157}  # printed tables of Student's t, by degrees of freedom


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_the_interval_is_students(n_seeds):
    values = np.random.default_rng(n_seeds).normal(size=n_seeds)
    mean = sum(values) / n_seeds
    sd = (sum((value - mean) ** 2 for value in values) / (n_seeds - 1)) ** 0.5
    half = T_975[n_seeds - 1] * sd / n_seeds**0.5
    assert intervals.over_seeds(values) == pytest.approx((mean, sd, mean - half, mean + half), abs=1e-6)


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_95_of_100_intervals_hold_the_truth(n_seeds):
    tables = np.random.default_rng(n_seeds).normal(0.6, 0.03, size=(20_000, n_seeds))
    _, _, low, high = intervals.over_seeds(tables)
    assert 0.93 < np.mean((low < 0.6) & (high > 0.6)) < 0.97


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_without_a_difference_5_of_100_pairs_differ(n_seeds):
    random = np.random.default_rng(n_seeds)
    p = np.array([intervals.difference(*random.normal(size=(2, n_seeds))).p for _ in range(2_000)])
    assert 0.035 < np.mean(p < 0.05) < 0.065


def test_one_seed_has_no_spread_and_two_have_no_interval():
    one, two = intervals.over_seeds([0.5]), intervals.over_seeds([0.5, 0.7])
    assert one.mean == 0.5
    assert np.isnan([one.sd, one.low, one.high]).all()
    assert two[:2] == pytest.approx((0.6, 0.02**0.5))
    assert np.isnan([two.low, two.high]).all()


def test_a_difference_is_that_of_pairs():
    first, second = np.array([0.60, 0.65, 0.58, 0.61]), np.array([0.55, 0.61, 0.52, 0.60])
    found, expected = intervals.difference(first, second), stats.ttest_rel(first, second)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))
    assert found.mean == pytest.approx(0.04)
    assert found.p < stats.ttest_ind(first, second).pvalue


@pytest.mark.parametrize(("first", "second"), [([0.5] * 4, [0.4] * 4), ([0.5, 0.6], [0.1, 0.3])])
def test_without_spread_or_seeds_a_difference_is_not_tested(first, second):
    found = intervals.difference(first, second)
    assert np.isnan([found.p, found.low, found.high]).all()
    assert found.mean > 0


def test_holm_by_hand():
    # Sorted .01 .02 .03 .04, times 4 3 2 1: .04 .06 .06 .04, and none below the one before
    assert intervals.holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert intervals.holm([0.5, 0.9]) == pytest.approx([1, 1])


def test_what_was_not_tested_does_not_count_in_holm():
    adjusted = intervals.holm([0.01, np.nan, 0.02])
    assert adjusted[[0, 2]] == pytest.approx([0.02, 0.02])
    assert np.isnan(adjusted[1])


def test_holm_keeps_the_family_at_its_level():
    p = np.random.default_rng(1).uniform(size=(4_000, 6))
    assert 0.04 < np.mean([(intervals.holm(family) < 0.05).any() for family in p]) < 0.06


def recall(labels, assigned):
    return np.mean([np.mean(assigned[labels == name] == name) for name in np.unique(labels)])


def test_the_spread_over_cells_is_that_of_the_binomial():
    labels = np.repeat(["a", "b"], [400, 100])
    assigned = np.where(np.arange(500) % 5 == 0, "a", labels)  # in both types one cell of five is called "a"
    found = intervals.over_cells(recall, labels, assigned, resamples=2_000)
    assert found.mean == pytest.approx((1 + 0.8) / 2)
    assert found.sd == pytest.approx((0.8 * 0.2 / 100) ** 0.5 / 2, rel=0.1)  # "a" is right in each draw
    assert found.low == pytest.approx(found.mean - 1.96 * found.sd, abs=0.004)
    assert found.high == pytest.approx(found.mean + 1.96 * found.sd, abs=0.004)


def test_every_draw_has_as_many_cells_of_each_type():
    seen = []

    def score(labels, assigned):
        seen.append(dict(zip(*np.unique(labels, return_counts=True), strict=True)))
        return 0.0

    intervals.over_cells(score, np.array(list("aaab")), np.arange(4), resamples=20)
    assert seen == [{"a": 3, "b": 1}] * 21


def test_the_same_seed_draws_the_same_cells():
    labels, assigned = np.array(list("aabb") * 9), np.array(list("abab") * 9)
    first, again, other = (intervals.over_cells(recall, labels, assigned, seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_spreads_over_cells_are_those_of_the_scores():
    source = np.random.default_rng(0)
    labels = np.array(list("aabbbc") * 20)
    clusters = np.where(source.random(120) < 0.7, np.unique(labels, return_inverse=True)[1], 0)
    voted = np.where(source.random(120) < 0.8, labels, "b")
    table = intervals.cell_spreads(labels, clusters, labels, voted).set_index("metric")
    assert table["mean"]["ari"] == pytest.approx(metrics.adjusted_rand_score(labels, clusters))
    assert table["mean"]["nmi"] == pytest.approx(metrics.normalized_mutual_info_score(labels, clusters))
    assert table["mean"]["knn_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(labels, voted))
    expected = intervals.over_cells(metrics.adjusted_rand_score, labels, clusters)
    assert tuple(table.loc["ari"]) == pytest.approx(expected)
    assert (table["low"] <= table["mean"]).all()
    assert (table["mean"] <= table["high"]).all()


@pytest.mark.parametrize("seed", range(20))
def test_scores_of_draws_are_those_of_sklearn_to_the_last_bit(seed):
    random = np.random.default_rng(seed)
    for _ in range(10):
        n_cells, n_types, n_clusters = random.integers([2, 1, 1], [3_000, 25, 25])
        types = random.integers(0, n_types, n_cells)
        clusters = np.where(random.random(n_cells) < random.random(), types % n_clusters, n_clusters - 1)
        assert intervals.nmi(types, clusters) == metrics.normalized_mutual_info_score(types, clusters)
        assert intervals.ari(types, clusters) == metrics.adjusted_rand_score(types, clusters)


@pytest.mark.parametrize(
    ("types", "clusters"), [([0, 0], [0, 0]), ([0, 0], [0, 1]), ([0, 1], [0, 0]), ([0, 1], [1, 0])]
)
def test_scores_of_one_type_or_one_cluster_are_those_of_sklearn(types, clusters):
    types, clusters = np.array(types), np.array(clusters)
    assert intervals.nmi(types, clusters) == metrics.normalized_mutual_info_score(types, clusters)
    assert intervals.ari(types, clusters) == metrics.adjusted_rand_score(types, clusters)
