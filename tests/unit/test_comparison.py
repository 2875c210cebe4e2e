"""Tables of intervals and differences, against pandas and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scae.evaluation import comparison

ROLES = {"dae": "model", "pca": "pca", "pca10": "pca", "random": "floor", "vae": "model"}


def scores(n_seeds=5, **offsets):
    """A long table of two metrics: noise of standard deviation 0.02 around 0.5, plus an offset for some models."""
    random = np.random.default_rng(0)
    rows = [
        ("toy", model, seed, "hand", "latent", metric, 0.5 + offsets.get(model, 0) + random.normal(0, 0.02))
        for model in ROLES
        for seed in range(n_seeds)
        for metric in ("ari", "nmi")
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


def test_each_score_has_mean_sd_and_interval():
    metrics = scores()
    table = comparison.over_seeds(metrics)
    assert len(table) == len(ROLES) * 2
    assert set(table["over"]) == {"seeds"}
    for _, row in table.iterrows():
        values = metrics[(metrics["model"] == row["model"]) & (metrics["metric"] == row["metric"])]["value"]
        interval = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        expected = (5, values.mean(), values.std(), *interval)
        assert tuple(row[["n", "mean", "sd", "low", "high"]]) == pytest.approx(expected)


def test_spreads_over_cells_are_averaged_over_the_seeds():
    spreads = scores(2).drop(columns="value").assign(mean=0.5, sd=0.1, low=0.3, high=[0.6, 0.6, 0.8, 0.8] * len(ROLES))
    table = comparison.over_cells(spreads)
    assert list(table.columns) == list(comparison.over_seeds(scores()).columns)
    assert set(table["over"]) == {"cells"}
    assert table[["n", "mean", "sd", "low"]].drop_duplicates().to_numpy().tolist() == [[2, 0.5, 0.1, 0.3]]
    assert table["high"].to_numpy() == pytest.approx(0.7)


def test_models_are_compared_with_each_pca_and_with_each_other():
    with_pca = [("dae", "pca"), ("dae", "pca10"), ("vae", "pca"), ("vae", "pca10")]
    assert comparison.pairs(ROLES) == [*with_pca, ("dae", "vae")]
    assert comparison.pairs({"pca": "pca", "random": "floor"}) == []


def test_differences_are_paired_by_seed_and_adjusted_within_a_score():
    metrics = scores(vae=0.2)
    table = comparison.differences(metrics, comparison.pairs(ROLES))
    for metric, rows in table.groupby("metric"):
        values = metrics[metrics["metric"] == metric].pivot_table(index="seed", columns="model", values="value")
        pairs = list(zip(rows["first"], rows["second"], strict=True))
        assert list(rows["mean"]) == pytest.approx([(values[a] - values[b]).mean() for a, b in pairs])
        assert list(rows["p"]) == pytest.approx([stats.ttest_rel(values[a], values[b]).pvalue for a, b in pairs])
        assert rows["p_holm"].min() == pytest.approx(5 * rows["p"].min())
    found = {(row["first"], row["second"]) for _, row in table.iterrows() if comparison.shown(row)}
    assert found == {("vae", "pca"), ("vae", "pca10"), ("dae", "vae")}


def test_a_difference_is_shown_by_its_adjusted_p():
    rows = [{"p": 0.01, "p_holm": p_holm} for p_holm in (0.049, 0.051, np.nan)]
    assert [comparison.shown(row) for row in rows] == [True, False, False]


def test_only_seeds_of_both_are_compared_and_two_are_too_few():
    metrics = scores(vae=5)
    metrics = metrics[~((metrics["model"] == "dae") & (metrics["seed"] > 1))]
    table = comparison.differences(metrics, [("dae", "pca"), ("vae", "pca")])
    assert list(table["n"]) == [2, 5, 2, 5]
    assert [comparison.shown(row) for _, row in table.iterrows()] == [False, True] * 2


def test_each_score_has_the_source_of_its_labels():
    metrics = pd.concat([scores(3), scores(3).assign(labels="gates"), scores(3).assign(dataset="other")])
    table = comparison.over_seeds(metrics)
    sources = {"toy": {"hand": "csv", "gates": "markers"}, "other": {"hand": "obs"}}
    found = comparison.with_label_sources(table, sources)
    assert list(found.columns[2:4]) == ["labels", "origin"]
    pd.testing.assert_frame_equal(found.drop(columns="origin"), table)
    rows = set(found[["dataset", "labels", "origin"]].itertuples(index=False, name=None))
    assert rows == {("toy", "hand", "csv"), ("toy", "gates", "markers"), ("other", "hand", "obs")}
