"""Intervals against formulas, printed tables of the t distribution, simulation and scikit-learn."""

import numpy as np
import pytest
from sklearn import metrics

from scae.evaluation import intervals

T_975 = {2: 4.302653, 4: 2.776445, 9: 2.262157}  # printed tables of Student's t, by degrees of freedom


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_the_interval_is_students_and_covers_95_percent(n_seeds):
    tables = np.random.default_rng(n_seeds).normal(0.6, 0.03, size=(20_000, n_seeds))
    mean, sd, low, high = intervals.over_seeds(tables)
    assert 0.94 < np.mean((low < 0.6) & (high > 0.6)) < 0.96
    values = tables[0]
    expected_mean = sum(values) / n_seeds
    expected_sd = (sum((value - expected_mean) ** 2 for value in values) / (n_seeds - 1)) ** 0.5
    half = T_975[n_seeds - 1] * expected_sd / n_seeds**0.5
    expected = (expected_mean, expected_sd, expected_mean - half, expected_mean + half)
    assert (mean[0], sd[0], low[0], high[0]) == pytest.approx(expected, abs=1e-6)


def test_one_seed_has_no_spread_and_two_have_no_interval():
    one, two = intervals.over_seeds([0.5]), intervals.over_seeds([0.5, 0.7])
    assert one.mean == 0.5
    assert np.isnan([one.sd, one.low, one.high]).all()
    assert two[:2] == pytest.approx((0.6, 0.02**0.5))
    assert np.isnan([two.low, two.high]).all()


@pytest.mark.parametrize(
    ("p", "adjusted"),
    [
        ([0.04, 0.01, 0.03, 0.02], [0.06, 0.04, 0.06, 0.06]),  # sorted times 4 3 2 1: .04 .06 .06 .04, then monotone
        ([0.5, 0.9], [1, 1]),
        ([0.01, np.nan, 0.02], [0.02, np.nan, 0.02]),  # NaN does not count
    ],
)
def test_holm_by_hand(p, adjusted):
    assert intervals.holm(p) == pytest.approx(adjusted, nan_ok=True)


@pytest.mark.parametrize("p", [[0.04, 0.01, 0.03, 0.02], [0.001, 0.9, 0.012], [0.001, np.nan, 0.02], [np.nan]])
def test_the_level_of_each_test_gives_holms_decision(p):
    p = np.array(p)
    levels = intervals.holm_levels(p)
    assert (np.isnan(levels) == np.isnan(p)).all()
    assert ((p < levels) == (intervals.holm(p) < 0.05)).all()


@pytest.mark.parametrize(
    ("values", "sizes"),
    [
        ([1.0, 0.64, 0.99, 1.0, 0.98], (1, 4)),
        ([0.1, 0.9, 0.12, 0.91], (2, 2)),
        ([0.5, 0.6, 0.7], None),  # even
        ([0.9, 0.91, 0.80, 0.9], None),  # apart by .1 only
        ([0.1, 0.9], None),
    ],
)
def test_two_groups_of_seeds(values, sizes):
    found = intervals.two_groups(values)
    assert (found and tuple(map(len, found))) == sizes
    assert found is None or found[0].max() < found[1].min()


def recall(labels, assigned):
    return np.mean([np.mean(assigned[labels == name] == name) for name in np.unique(labels)])


def test_the_spread_over_cells_is_binomial():
    labels = np.repeat(["a", "b"], [400, 100])
    assigned = np.where(np.arange(500) % 5 == 0, "a", labels)  # one cell of five is called "a"
    found, same, other = (intervals.over_cells(recall, labels, assigned, 2_000, seed) for seed in (0, 0, 1))
    assert found == same != other
    assert found.mean == pytest.approx((1 + 0.8) / 2)
    assert found.sd == pytest.approx((0.8 * 0.2 / 100) ** 0.5 / 2, rel=0.1)  # "a" is right in each draw
    assert (found.low, found.high) == pytest.approx(
        (found.mean - 1.96 * found.sd, found.mean + 1.96 * found.sd), abs=0.004
    )


@pytest.mark.parametrize("agreement", [0, 0.1, 0.6])
@pytest.mark.parametrize("name", ["nmi", "ari"])
def test_the_interval_holds_the_score_of_these_and_of_other_cells(name, agreement):
    """Plain quantiles exclude both near 0, since drawing a cell twice makes it agree with itself."""
    score, lowest, source = getattr(intervals, name), intervals.OVER_CELLS[name], np.random.default_rng(0)
    types = np.repeat(np.arange(10), 50)

    def clusters():
        return np.where(source.random(500) < agreement, types, source.integers(0, 10, 500))

    others = np.mean([score(types, clusters()) for _ in range(100)])
    found = [intervals.over_cells(score, types, clusters(), lowest=lowest) for _ in range(20)]
    assert all(lowest <= interval.low <= interval.mean <= interval.high <= 1 for interval in found)
    assert sum(interval.low <= others <= interval.high for interval in found) >= 15  # of 20


def test_each_draw_has_the_same_number_of_cells_of_each_type():
    seen = []

    def score(labels, assigned):
        seen.append(dict(zip(*np.unique(labels, return_counts=True), strict=True)))
        return 0.0

    intervals.over_cells(score, np.array(list("aaab")), np.arange(4), resamples=20)
    assert seen == [{"a": 3, "b": 1}] * 21


def test_spreads_over_cells_are_those_of_the_scores():
    source = np.random.default_rng(0)
    labels = np.array(list("aabbbc") * 20)
    clusters = np.where(source.random(120) < 0.7, np.unique(labels, return_inverse=True)[1], 0)
    predicted = np.where(source.random(120) < 0.8, labels, "b")
    table, draws = intervals.cell_spreads(labels, clusters, labels, predicted)
    table = table.set_index("metric")
    expected = {
        "nmi": intervals.over_cells(metrics.normalized_mutual_info_score, labels, clusters),
        "ari": intervals.over_cells(metrics.adjusted_rand_score, labels, clusters),
        "knn_accuracy": intervals.over_cells(metrics.balanced_accuracy_score, labels, predicted),
    }
    assert list(table.index) == list(expected)
    for name, interval in expected.items():
        assert tuple(table.loc[name]) == pytest.approx(interval)
        bias = draws[name].mean() - interval.mean
        assert np.quantile(draws[name], [0.025, 0.975]) - bias == pytest.approx(interval[2:])
    assert all(table.empty for table in intervals.cell_spreads(labels, clusters, labels, None))
    names = np.where(np.arange(120) == 0, "single", labels)  # a type of one cell has no recall
    alone = intervals.cell_spreads(names, clusters, names, predicted)[0].set_index("metric")
    expected = metrics.balanced_accuracy_score(labels[1:], predicted[1:])
    assert alone.loc["knn_accuracy", "mean"] == pytest.approx(expected)


def partitions(seed):
    random = np.random.default_rng(seed)
    n_cells, n_types, n_clusters = random.integers([2, 1, 1], [3_000, 25, 25])
    types = random.integers(0, n_types, n_cells)
    return types, np.where(random.random(n_cells) < random.random(), types % n_clusters, n_clusters - 1)


@pytest.mark.parametrize(
    ("types", "clusters"),
    [([0, 0], [0, 0]), ([0, 0], [0, 1]), ([0, 1], [0, 0]), ([0, 1], [1, 0]), *map(partitions, range(100))],
)
def test_nmi_and_ari_are_bit_identical_to_scikit_learn(types, clusters):
    types, clusters = np.array(types), np.array(clusters)
    assert intervals.nmi(types, clusters) == metrics.normalized_mutual_info_score(types, clusters)
    assert intervals.ari(types, clusters) == metrics.adjusted_rand_score(types, clusters)
