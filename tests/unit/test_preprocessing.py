"""LogNormalize, and an expression without any annotation of the source."""

import anndata
import numpy as np
import pytest
from scipy import sparse
from small_data import NO_LIMITS, counts_of, preprocess

from scae.data import genes, preprocessing, quality


@pytest.fixture
def counts():
    return np.random.default_rng(0).poisson(1.0, (12, 9)) + np.eye(12, 9, dtype=int)


@pytest.mark.parametrize("scale_factor", [1.0, 10_000.0])
def test_log_normalize_is_log1p_of_the_share_times_the_factor(scale_factor, counts):
    found = preprocessing.log_normalize(sparse.csr_matrix(counts, dtype=np.float32), scale_factor)
    expected = np.empty(counts.shape)
    for cell in range(len(counts)):
        for gene in range(counts.shape[1]):
            expected[cell, gene] = np.log(1 + counts[cell, gene] / sum(counts[cell]) * scale_factor)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)
    assert (found.format, found.dtype, found.nnz) == ("csr", np.float32, np.count_nonzero(counts))


def test_large_counts_are_summed_exactly():
    found = preprocessing.log_normalize(sparse.csr_matrix(np.array([[2**24, 1, 1]], dtype=np.float32)), 1.0).toarray()
    np.testing.assert_allclose(found[0, 0], np.log1p(2**24 / (2**24 + 2)), rtol=1e-7)


@pytest.mark.parametrize("values", ["counts", "corrected_counts", "normalized", "log_normalized"])
def test_each_kind_of_values(values, counts):
    table = {
        "counts": counts,
        "corrected_counts": counts * 0.9 + (counts > 0) * 0.05,
        "normalized": counts / counts.sum(axis=1, keepdims=True) * 1e6,
        "log_normalized": np.log1p(counts * 1.37),
    }[values].astype(np.float32)
    result = preprocess(counts_of(table, values=values), scale_factor=500.0)
    expected = np.log1p(table / table.sum(axis=1, keepdims=True) * 500)
    expected = {"normalized": np.log1p(table), "log_normalized": table}.get(values, expected)
    np.testing.assert_allclose(result.X.toarray(), expected, rtol=0 if values == "log_normalized" else 1e-5)
    assert (result.X.format, result.X.dtype) == ("csr", np.float32)
    np.testing.assert_array_equal(result.obs["n_genes"], (counts > 0).sum(axis=1))
    if values.endswith("counts"):
        np.testing.assert_array_equal(result.layers["counts"].toarray(), table)
        np.testing.assert_allclose(result.obs["total"], table.sum(axis=1), rtol=1e-6)
        np.testing.assert_array_equal(result.obs["pct_mito"], 0)
    else:
        assert not result.layers
        assert list(result.obs) == ["n_genes"]


@pytest.mark.parametrize("values", ["counts", "log_normalized"])
def test_no_annotation_of_the_source_reaches_the_expression(values, counts):
    data = counts_of(
        counts, values=values, bulk_labels=[f"type{number % 3}" for number in range(12)], n_genes=[99] * 12
    )
    data.var["highly_variable"] = True
    data.uns["markers"] = {"type0": ["g0"]}
    data.obsm["X_pca"] = np.ones((12, 2))
    data.obsp["connectivities"] = sparse.eye_array(12, format="csr")
    data.layers["scaled"] = np.ones((12, 9), dtype=np.float32)
    data.raw = data.copy()
    result = preprocess(data, min_genes=3)
    assert set(result.obs) == {"n_genes"} | ({"total", "pct_mito"} if values == "counts" else set())
    assert (result.obs["n_genes"] != 99).all()
    assert not any(map(len, (result.var.columns, result.uns, result.obsm, result.obsp)))
    assert set(result.layers) <= {"counts"}
    assert result.raw is None
    np.testing.assert_array_equal(data.X.toarray(), counts)
    assert list(data.obs) == ["bulk_labels", "n_genes"]


@pytest.mark.parametrize("values", ["counts", "log_normalized"])
def test_variable_genes_are_kept_after_normalising_over_all(values, tmp_path):
    rates = np.random.default_rng(1).gamma(1.0, 3.0, (1, 40)) * np.random.default_rng(2).lognormal(0, 1, (60, 40))
    data = counts_of(np.random.default_rng(0).poisson(rates), values=values)
    if values == "log_normalized":
        data.X = np.log1p(data.X)
    passed = quality.measure(data, NO_LIMITS)
    every = preprocessing.normalize(passed, 1e4)
    chosen = genes.variable(every, 20)
    assert len(chosen) == 20
    expected = [gene for gene in every.var_names if gene in set(chosen)]
    preprocessing.write(passed, 1e4, 20, tmp_path / "written.h5ad")
    for found in (preprocessing.normalize(passed, 1e4, 20), anndata.read_h5ad(tmp_path / "written.h5ad")):
        assert list(found.var_names) == expected
        assert (found.X != every[:, expected].X).nnz == 0
