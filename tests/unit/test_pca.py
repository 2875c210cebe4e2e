"""PCA and random projection against numpy; the expression is never made dense."""

import numpy as np
import pytest
from scipy import sparse
from toy import dense_of, expression_of, random_table, refusal

from scae.models import pca, random_projection


@pytest.fixture(scope="module")
def expression():
    table = random_table(40, 30, density=0.4)
    table[:20, :9] *= 3
    return expression_of(table, offset=np.random.default_rng(0).normal(size=30))


@pytest.fixture
def never_dense(monkeypatch):
    for name in ("toarray", "todense"):
        monkeypatch.setattr(sparse.csr_matrix, name, lambda *_: pytest.fail("was made dense"))
    return monkeypatch


def test_pca_is_the_singular_value_decomposition_of_the_centred_matrix(expression, never_dense):
    found, *others = (pca.embed(expression, seed, n_latent=4) for seed in (0, 0, 7))
    never_dense.undo()
    assert all(other.tobytes() == found.tobytes() for other in others)
    dense = dense_of(expression)
    u, s, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :4] * s[:4]), rtol=1e-4, atol=1e-5)


def test_too_many_components_are_refused_with_the_largest_number(expression):
    assert "40 cells x 30 genes; set it to 29 or less" in refusal(pca.embed, expression, seed=0, n_latent=30)
    assert pca.embed(expression, seed=0, n_latent=29).shape == (40, 29)


@pytest.mark.filterwarnings("ignore:The number of components")
def test_a_random_projection_keeps_distances_on_average_and_follows_its_seed(expression, never_dense):
    """Johnson-Lindenstrauss: with many directions the squared distances converge to those of the expression."""
    found, again, other = (random_projection.embed(expression, seed, n_latent=20_000) for seed in (0, 0, 1))
    never_dense.undo()
    assert found.dtype == np.float32
    assert found.tobytes() == again.tobytes() != other.tobytes()
    dense = dense_of(expression)
    for i, j in ((0, 1), (3, 30), (12, 39)):
        distance = ((found[i].astype(float) - found[j]) ** 2).sum()
        assert distance == pytest.approx(((dense[i] - dense[j]) ** 2).sum(), rel=0.05)
