"""Agreement between seeds against plain loops and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import CCA
from sklearn.metrics import adjusted_rand_score

from scae.evaluation import stability

PAIRS = ((0, 1), (0, 2), (1, 2))
CLUSTERS = [np.random.default_rng(seed).integers(0, 4, 30) for seed in range(3)]


def test_agreement_is_the_mean_over_pairs_of_seeds():
    expected = np.mean([adjusted_rand_score(CLUSTERS[first], CLUSTERS[second]) for first, second in PAIRS])
    assert stability.agreement(CLUSTERS) == pytest.approx(expected)
    assert np.isnan(stability.agreement(CLUSTERS[:1]))


def test_a_cell_keeps_the_mates_that_it_has_under_both_seeds():
    expected = np.zeros(30)
    for pair in PAIRS:
        for cell in range(30):
            mine, theirs = (set(np.flatnonzero(CLUSTERS[seed] == CLUSTERS[seed][cell])) for seed in pair)
            expected[cell] += len(mine & theirs) / len(mine | theirs) / 3
    np.testing.assert_allclose(stability.kept_mates(CLUSTERS), expected)
    assert (stability.kept_mates([CLUSTERS[0], 9 - CLUSTERS[0]]) == 1).all()
    assert np.isnan(stability.kept_mates(CLUSTERS[:1])).all()


def test_canonical_correlation():
    source = np.random.default_rng(0)
    first = source.normal(size=(200, 3))
    second = np.column_stack([first[:, 0] + source.normal(size=200), source.normal(size=(200, 2))])
    scores = CCA(3, scale=False, max_iter=5_000, tol=1e-12).fit_transform(first, second)
    expected = np.mean([np.corrcoef(scores[0][:, i], scores[1][:, i])[0, 1] for i in range(3)])
    assert stability.shared_subspace([first, second]) == pytest.approx(expected, abs=1e-3)
    assert stability.shared_subspace([first, first @ source.normal(size=(3, 3)) + 7]) == pytest.approx(1)
    assert stability.shared_subspace([first, np.column_stack([first, np.full(200, 3.0)])]) == pytest.approx(1)
    assert stability.shared_subspace([first, np.ones((200, 2))]) == 0
    assert np.isnan(stability.shared_subspace([first]))


def test_tables_of_models_and_cells():
    cells = [f"c{number}" for number in range(30)]
    seeds = [
        (
            pd.DataFrame({"tsne2d": CLUSTERS[2], "latent": CLUSTERS[seed]}, index=cells),
            pd.DataFrame(np.random.default_rng(seed).normal(size=(30, 4)), index=cells),
        )
        for seed in range(2)
    ]
    models, kept = stability.measure({"dae": seeds, "pca": seeds[:1]})
    value = models.set_index(["model", "space", "measure"])["value"]
    assert value["dae", "latent", "ari"] == pytest.approx(adjusted_rand_score(*CLUSTERS[:2]))
    assert value["dae", "tsne2d", "ari"] == 1
    assert value["dae", "latent", "canonical_correlation"] == stability.shared_subspace([seeds[0][1], seeds[1][1]])
    assert models.groupby("model")["pairs"].unique().explode().to_dict() == {"dae": 1, "pca": 0}
    assert value["pca"].isna().all()
    dae, pca = (kept[kept["model"] == model] for model in ("dae", "pca"))
    assert list(dae["cell"]) == cells
    np.testing.assert_allclose(dae["kept_latent"], stability.kept_mates(CLUSTERS[:2]))
    assert (dae["kept_tsne2d"] == 1).all()
    assert pca["kept_tsne2d"].isna().all()
