"""Tables of intervals and differences, held against pandas and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scae import tables
from scae.evaluation import comparison

ROLES = {"dae": "model", "pca": "pca", "pca10": "pca", "random": "floor", "vae": "model"}


def scores(n_seeds=5, **offsets):
    """A long table of two metrics: noise of standard deviation 0.02 around 0.5, and more for some models."""
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
        low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
        assert (row["n"], row["mean"], row["sd"]) == (5, pytest.approx(values.mean()), pytest.approx(values.std()))
        assert (row["low"], row["high"]) == pytest.approx((low, high))


def test_spreads_over_cells_are_averaged_over_the_seeds_and_called_so():
    spreads = scores(2).drop(columns="value").assign(mean=0.5, sd=0.1, low=0.3, high=[0.6, 0.6, 0.8, 0.8] * len(ROLES))
    table = comparison.over_cells(spreads)
    assert list(table.columns) == list(comparison.over_seeds(scores()).columns)
    assert set(table["over"]) == {"cells"}
    assert table[["n", "mean", "sd", "low"]].drop_duplicates().to_numpy().tolist() == [[2, 0.5, 0.1, 0.3]]
    assert table["high"].to_numpy() == pytest.approx(0.7)


def test_models_are_compared_with_each_pca_and_among_themselves():
    assert comparison.pairs(ROLES) == [
        ("dae", "pca"),
        ("dae", "pca10"),
        ("vae", "pca"),
        ("vae", "pca10"),
        ("dae", "vae"),
    ]
    assert comparison.pairs({"pca": "pca", "random": "floor"}) == []


def test_differences_are_paired_and_adjusted_within_a_score():
    metrics = scores(vae=0.2)
    table = comparison.differences(metrics, comparison.pairs(ROLES))
    for _, of_score in table.groupby("metric"):
        chosen = metrics[metrics["metric"] == of_score["metric"].iloc[0]]
        values = {
            model: of_model.sort_values("seed")["value"].to_numpy() for model, of_model in chosen.groupby("model")
        }
        expected = [
            stats.ttest_rel(values[first], values[second]).pvalue
            for first, second in zip(of_score["first"], of_score["second"], strict=True)
        ]
        assert list(of_score["p"]) == pytest.approx(expected)
        smallest = of_score["p"].idxmin()
        assert of_score["p_holm"][smallest] == pytest.approx(5 * of_score["p"][smallest])
    found = {(row["first"], row["second"]) for _, row in table.iterrows() if comparison.shown(row)}
    assert found == {("vae", "pca"), ("vae", "pca10"), ("dae", "vae")}


def test_only_seeds_that_both_have_are_compared():
    metrics = scores()
    metrics = metrics[~((metrics["model"] == "dae") & (metrics["seed"] > 2))]
    table = comparison.differences(metrics, [("dae", "pca"), ("vae", "pca")])
    assert list(table["n"]) == [3, 5, 3, 5]


def test_each_score_says_where_its_labels_come_from():
    metrics = pd.concat([scores(3), scores(3).assign(labels="gates"), scores(3).assign(dataset="other")])
    origins = {"toy": {"hand": "csv", "gates": "markers"}, "other": {"hand": "obs"}}
    for table in (comparison.over_seeds(metrics), comparison.differences(metrics, [("dae", "pca")])):
        found = comparison.with_origins(table, origins)
        assert list(found.columns[found.columns.get_indexer(["labels"])[0] :][:2]) == ["labels", "origin"]
        pd.testing.assert_frame_equal(found.drop(columns="origin"), table)
        rows = set(found[["dataset", "labels", "origin"]].itertuples(index=False, name=None))
        assert rows == {("toy", "hand", "csv"), ("toy", "gates", "markers"), ("other", "hand", "obs")}


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_below_three_seeds_nothing_is_shown(n_seeds):
    table = comparison.differences(scores(n_seeds, vae=5), comparison.pairs(ROLES))
    assert not any(comparison.shown(row) for _, row in table.iterrows())


def test_what_a_table_lacks_is_read_as_nothing(tmp_path):
    for table in (comparison.over_seeds(scores(1)), comparison.differences(scores(1), comparison.pairs(ROLES))):
        tables.write(table, tmp_path / "table.csv")
        pd.testing.assert_frame_equal(tables.read(tmp_path / "table.csv"), table)
    tables.write(comparison.differences(scores(), []), tmp_path / "table.csv")
    assert tables.read(tmp_path / "table.csv").empty
