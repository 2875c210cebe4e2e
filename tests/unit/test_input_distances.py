"""Distances between cells in the input."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA
from toy import dense_of, expression_of

from scae.evaluation import input_distances

TABLE = np.random.default_rng(0).poisson(1.5, (90, 70)).astype(np.float32)


@pytest.mark.parametrize("genes_at_once", [7, 2_048])
def test_distances_in_the_expression(monkeypatch, genes_at_once):
    monkeypatch.setattr(input_distances, "GENES_AT_ONCE", genes_at_once)
    expression = expression_of(TABLE, np.linspace(0, 1, 70))
    cells, found = input_distances.distances(expression, "expression")
    np.testing.assert_allclose(found, cdist(dense_of(expression), dense_of(expression), "sqeuclidean"), rtol=1e-4)
    assert list(cells) == list(range(90))
    assert found.dtype == np.float32


def test_distances_in_principal_components():
    _, found = input_distances.distances(expression_of(TABLE), "pca50")
    points = PCA(50, svd_solver="full").fit_transform(TABLE)
    np.testing.assert_allclose(found, cdist(points, points, "sqeuclidean"), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("space", ["expression", "pca50"])
def test_above_the_limit_a_fixed_sample_is_used(space):
    cells, found = input_distances.distances(expression_of(TABLE), space, limit=12)
    assert len(set(cells)) == 12
    assert (np.diff(cells) > 0).all()
    _, everything = input_distances.distances(expression_of(TABLE), space)
    np.testing.assert_allclose(found, everything[np.ix_(cells, cells)], rtol=1e-5)
