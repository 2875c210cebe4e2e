"""Stability over seeds against plain loops and scikit-learn."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import CCA
from sklearn.metrics import adjusted_rand_score

from scae.evaluation import stability
from scae.plots import stability as stability_plot


def test_agreement_is_the_mean_over_pairs_of_seeds():
    source = np.random.default_rng(0)
    clusters = [source.integers(0, 3, 40) for _ in range(3)]
    expected = np.mean([adjusted_rand_score(clusters[a], clusters[b]) for a, b in ((0, 1), (0, 2), (1, 2))])
    assert stability.agreement(clusters) == pytest.approx(expected)
    assert stability.agreement([clusters[0], 2 - clusters[0]]) == 1
    assert np.isnan(stability.agreement(clusters[:1]))


def test_a_cell_keeps_the_mates_that_it_has_under_both_seeds():
    source = np.random.default_rng(0)
    clusters = [source.integers(0, 4, 30) for _ in range(3)]
    expected = np.zeros(30)
    for first, second in ((0, 1), (0, 2), (1, 2)):
        for cell in range(30):
            mine = set(np.flatnonzero(clusters[first] == clusters[first][cell]))
            theirs = set(np.flatnonzero(clusters[second] == clusters[second][cell]))
            expected[cell] += len(mine & theirs) / len(mine | theirs) / 3
    np.testing.assert_allclose(stability.of_cells(clusters), expected)
    assert (stability.of_cells([clusters[0], 9 - clusters[0]]) == 1).all()
    assert np.isnan(stability.of_cells(clusters[:1])).all()


def test_canonical_correlation_is_that_of_scikit_learn():
    source = np.random.default_rng(0)
    first = source.normal(size=(200, 3))
    second = np.column_stack([first[:, 0] + source.normal(size=200), source.normal(size=(200, 2))])
    scores = CCA(3, scale=False, max_iter=5_000, tol=1e-12).fit_transform(first, second)
    expected = np.mean([np.corrcoef(scores[0][:, i], scores[1][:, i])[0, 1] for i in range(3)])
    assert stability.shared_subspace([first, second]) == pytest.approx(expected, abs=1e-3)


def test_the_same_space_turned_and_stretched_is_the_same():
    source = np.random.default_rng(0)
    first = source.normal(size=(100, 4))
    assert stability.shared_subspace([first, first @ source.normal(size=(4, 4)) + 7]) == pytest.approx(1)


def test_what_does_not_vary_spans_nothing():
    source = np.random.default_rng(0)
    first = source.normal(size=(100, 2))
    padded = np.column_stack([first, np.full(100, 3.0)])
    assert stability.shared_subspace([first, padded]) == pytest.approx(1)
    assert stability.shared_subspace([first, np.ones((100, 2))]) == 0
    assert np.isnan(stability.shared_subspace([first]))


def frame(values, columns):
    return pd.DataFrame(values, columns=columns, index=[f"c{number}" for number in range(len(values))])


def test_tables_hold_each_model_and_each_cell():
    source = np.random.default_rng(0)
    seeds = [
        (frame(source.integers(0, 3, (20, 2)), ["tsne2d", "latent"]), frame(source.normal(size=(20, 4)), list("abcd")))
        for _ in range(2)
    ]
    of_models, of_cells = stability.measure({"dae": seeds, "pca": seeds[:1]})
    value = of_models.set_index(["model", "space", "measure"])
    ids = [clusters["latent"] for clusters, _ in seeds]
    assert value["value"]["dae", "latent", "ari"] == pytest.approx(adjusted_rand_score(*ids))
    assert 0 < value["value"]["dae", "latent", "canonical_correlation"] < 1
    assert value["pairs"].groupby("model").unique().explode().to_dict() == {"dae": 1, "pca": 0}
    assert value["value"]["pca"].isna().all()
    kept = of_cells[of_cells["model"] == "dae"]
    assert list(kept["cell"]) == [f"c{number}" for number in range(20)]
    np.testing.assert_allclose(kept["kept_latent"], stability.of_cells(ids))
    assert of_cells[of_cells["model"] == "pca"]["kept_tsne2d"].isna().all()


def test_the_picture_shows_what_each_cell_keeps_and_says_where_nothing_is_known(tmp_path):
    source = np.random.default_rng(0)
    clusters = [frame(source.integers(0, 3, (20, 2)), ["tsne2d", "latent"]) for _ in range(2)]
    seeds = [(ids, frame(source.normal(size=(20, 3)), list("abc"))) for ids in clusters]
    of_models, of_cells = stability.measure({"dae": seeds, "pca": seeds[:1]})
    points = {model: frame(source.normal(size=(20, 2)), ["x", "y"]) for model in ("dae", "pca")}
    figure = stability_plot.stability(of_models, of_cells, points, "stability on toy")
    first, second, *_ = figure.axes
    np.testing.assert_array_equal(first.collections[0].get_array(), of_cells["kept_latent"][:20])
    ari = adjusted_rand_score(*(ids["latent"] for ids in clusters))
    assert f"ARI between seeds {ari:.2f}" in first.get_title()
    assert second.get_title() == "pca\none seed: nothing is known"
    plt.close(figure)
