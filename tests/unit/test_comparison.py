"""Tables of intervals and differences, against pandas and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scae import results
from scae.evaluation import comparison, intervals

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


def test_an_interval_is_cut_at_the_range_of_its_score():
    metrics = scores(3).assign(value=[1.0, 0.9, 1.0, 0.95, 0.64, 0.02] * len(ROLES))
    table = comparison.over_seeds(metrics).set_index(["model", "metric"])
    assert list(table["high"]) == pytest.approx([1.0] * len(table))
    values = np.array([0.9, 0.95, 0.02])
    assert table.loc[("dae", "nmi"), "low"] == 0  # Student's t gives less
    assert stats.t.interval(0.95, 2, values.mean(), stats.sem(values))[0] < 0
    assert np.isnan(comparison.over_seeds(scores(2))["high"]).all()


MEANS = {"dae": 0.5, "vae": 0.6, "pca": 0.55, "pca10": 0.7, "random": 0.1}
SIZES = {"dae": 6, "vae": 10, "pca": 6, "pca10": 10, "random": 6}


def test_each_model_is_tested_against_the_pca_of_its_size_and_the_best_one():
    chance = {(name, "random"): comparison.CHANCE for name in ("dae", "vae", "pca", "pca10")}
    found = comparison.questions(MEANS, ROLES, SIZES)
    against = {("dae", "pca"): comparison.SAME_SIZE, ("dae", "pca10"): comparison.BEST}
    assert found == against | {("vae", "pca10"): comparison.BOTH} | chance
    assert ("dae", "pca") not in comparison.questions(MEANS, ROLES, SIZES | {"pca": 5})
    assert set(found) <= set(comparison.pairs(ROLES))
    assert ("dae", "vae") in comparison.pairs(ROLES)
    assert comparison.questions({"dae": np.nan}, {"dae": "model"}, {}) == {}


def draws(metrics, spread):
    """Bootstrap samples: the same noise over the cells for all, and some of its own for each model."""
    keys, rows = ["dataset", "model", "seed", "labels", "space"], []
    for key in metrics[keys].drop_duplicates().itertuples(index=False, name=None):
        noise = np.random.default_rng(0).normal(size=200)
        noise = noise + spread * np.random.default_rng(sum(map(ord, key[1]))).normal(size=200)
        rows.append(
            pd.DataFrame(dict.fromkeys(intervals.OVER_CELLS, noise)).assign(**dict(zip(keys, key, strict=True)))
        )
    return pd.concat(rows)


def rows_of(metrics, spread=None, fixed=(), metric="ari", recalls=None):
    """Rows of one score by pair."""
    cells = None if spread is None else draws(metrics, spread)
    table = comparison.differences(metrics, ROLES, {"toy": SIZES}, fixed, cells, recalls)
    return table[table["metric"] == metric].set_index(["first", "second"])


MAIN = [comparison.SAME_SIZE, comparison.BEST, comparison.BOTH]


def seed_noise(main):
    """Standard errors over five seeds and their degrees of freedom: at least the mean variance over the models."""
    variances = (main["sd"] ** 2).groupby("first").mean()
    df = variances.sum() ** 2 / (variances**2 / 4).sum()
    return np.sqrt(np.maximum(main["sd"] ** 2, variances.mean()) / 5), df


def test_differences_are_paired_by_seed_and_adjusted_within_a_question():
    metrics = scores(vae=0.2)
    table = rows_of(metrics)
    values = metrics[metrics["metric"] == "ari"].pivot_table(index="seed", columns="model", values="value")
    for pair in table.index:
        apart = values[pair[0]] - values[pair[1]]
        assert (table.loc[pair, "mean"], table.loc[pair, "sd"]) == pytest.approx((apart.mean(), apart.std()))
    best, same = ("pca10", "pca") if values["pca10"].mean() > values["pca"].mean() else ("pca", "pca10")
    main = table[table["question"].isin(MAIN)]
    assert set(main.index) == {("dae", "pca"), ("vae", "pca10"), ("dae", best), ("vae", best)}, same
    error, df = seed_noise(main)
    assert list(main["p"]) == pytest.approx(list(2 * stats.t.sf(abs(main["mean"]) / error, df)))
    assert list(main["low"]) == pytest.approx(list(main["mean"] - stats.t.ppf(0.975, df) * error))
    assert main["p_holm"].min() == pytest.approx(len(main) * main["p"].min())
    assert {pair for pair, row in main.iterrows() if intervals.shown(row)} == {("vae", "pca"), ("vae", "pca10")} & set(
        main.index
    )
    assert np.isnan(table.loc[("dae", "vae"), "p_holm"])  # not asked
    assert np.isfinite(table.loc[("dae", "vae"), "low"])


def test_a_representation_that_is_the_same_for_every_seed_does_not_borrow_noise():
    metrics = scores(vae=0.2)
    metrics.loc[metrics["model"].isin(["dae", "pca", "pca10"]), "value"] = 0.5
    assert np.isfinite(rows_of(metrics).loc[("dae", "pca"), "p_seeds"])
    assert np.isnan(rows_of(metrics, fixed=("dae", "pca", "pca10")).loc[("dae", "pca"), "p_seeds"])


def test_the_difference_over_cells_is_that_of_the_same_samples():
    metrics = scores(vae=0.2)
    table = rows_of(metrics, spread=0.05)
    own = [0.05 * np.random.default_rng(sum(map(ord, name))).normal(size=200) for name in ("vae", "pca10")]
    error = np.std(own[0] - own[1], ddof=1)  # what both share is gone
    row = table.loc[("vae", "pca10")]
    assert (row["cells_low"], row["cells_high"]) == pytest.approx(
        (row["mean"] - 1.96 * error, row["mean"] + 1.96 * error), abs=1e-4
    )
    assert row["p_cells"] == pytest.approx(2 * stats.norm.sf(row["mean"] / error))
    main = table[table["question"].isin(MAIN)]
    over_seeds, df = seed_noise(main)
    over_seeds = over_seeds[("vae", "pca10")]
    both = np.hypot(over_seeds, error)
    together = 2 * stats.t.sf(row["mean"] / both, df * (both / over_seeds) ** 4)
    assert row["p"] == pytest.approx(max(row["p_seeds"], together))
    assert row["p"] > max(row["p_seeds"], row["p_cells"])  # the variances add up
    one = rows_of(scores(1, vae=0.2), spread=0.05).loc[("vae", "pca10")]
    assert np.isnan(one["p_seeds"])
    assert one["p"] == one["p_cells"] > 0


def test_few_cells_that_all_agree_are_not_certain():
    metrics = scores(vae=0.2).replace({"metric": {"ari": "knn_accuracy"}})
    keys = metrics[["dataset", "model", "seed", "labels", "space"]].drop_duplicates()
    recalls = pd.concat(
        [keys.assign(label=label, cells=cells, recall=1.0) for label, cells in (("B", 4), ("T", 2), ("x", 1))]
    )
    row = rows_of(metrics, spread=0, metric="knn_accuracy", recalls=recalls).loc[("vae", "pca10")]
    error = np.sqrt(1 / 4**2 + 1 / 2**2) / 2  # one cell of each type turned; a type of one cell is not judged
    assert row["cells_high"] - row["mean"] == pytest.approx(1.96 * error, abs=1e-4)


def test_the_adjusted_interval_excludes_0_where_a_difference_is_shown_and_nowhere_else():
    shown = 0
    for shift in (0.0, 0.02, 0.05, 0.2):
        table = rows_of(scores(3, vae=shift, dae=-shift), spread=0.01)
        for row in table.dropna(subset=["p_holm"]).to_dict("records"):
            excludes = row["adjusted_low"] > 0 or row["adjusted_high"] < 0
            assert excludes == intervals.shown(row)
            assert excludes == (abs(row["mean"]) > row["detectable"])
            shown += excludes
    assert shown


def test_the_seeds_that_would_show_a_difference():
    row = rows_of(scores(3, vae=0.03)).loc[("vae", "pca10")]
    assert not intervals.shown(row)
    assert 3 < row["seeds_needed"] < 100
    clearer = rows_of(scores(3, vae=0.04)).loc[("vae", "pca10")]
    assert clearer["seeds_needed"] < row["seeds_needed"]
    assert rows_of(scores(3, vae=2)).loc[("vae", "pca10"), "seeds_needed"] == 3
    assert np.isnan(rows_of(scores(3, vae=0.03), spread=1.0).loc[("vae", "pca10"), "seeds_needed"])  # cells are too few


def test_a_difference_is_shown_by_its_adjusted_p():
    rows = [{"p": 0.01, "p_holm": p_holm} for p_holm in (0.049, 0.051, np.nan)]
    assert [intervals.shown(row) for row in rows] == [True, False, False]


def test_only_seeds_of_both_are_compared_and_two_are_too_few():
    metrics = scores(vae=5)
    metrics = metrics[~((metrics["model"] == "dae") & (metrics["seed"] > 1))]
    table = rows_of(metrics)
    assert (table.loc[("dae", "pca"), "n"], table.loc[("vae", "pca10"), "n"]) == (2, 5)
    assert np.isnan(table.loc[("dae", "pca"), "p"])
    assert intervals.shown(table.loc[("vae", "pca10")])


def test_each_score_has_the_source_of_its_labels():
    metrics = pd.concat([scores(3), scores(3).assign(labels="gates"), scores(3).assign(dataset="other")])
    table = comparison.over_seeds(metrics)
    sources = {"toy": {"hand": "csv", "gates": "markers"}, "other": {"hand": "obs"}}
    found = comparison.with_label_sources(table, sources)
    assert list(found.columns[2:4]) == ["labels", "origin"]
    pd.testing.assert_frame_equal(found.drop(columns="origin"), table)
    rows = set(found[["dataset", "labels", "origin"]].itertuples(index=False, name=None))
    assert rows == {("toy", "hand", "csv"), ("toy", "gates", "markers"), ("other", "hand", "obs")}


DIFFERENCES = results.BY_NAME["differences"].column_names


@pytest.mark.parametrize("seeds", [1, 3])
def test_a_single_representation_has_no_difference(seeds):
    rows = [("toy", "vae", seed, "obs", "latent", "ari", 0.5) for seed in range(seeds)]
    metrics = pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])
    found = comparison.differences(metrics, {"vae": "model"})
    assert found.empty
    assert list(comparison.with_label_sources(found, {"toy": {"obs": "obs"}}).columns) == DIFFERENCES
