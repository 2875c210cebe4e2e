"""Quality control in Seurat's order and with its strictness, LogNormalize, and nothing of the labels in the result."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.data import preprocessing
from scae.errors import UserError

NO_LIMITS = {
    **{"min_cells": 0, "min_genes": 0, "max_genes": None, "max_pct_mito": None},
    **{"mito_prefix": "auto", "mito_genes": None, "mad": {"genes": None, "counts": None, "pct_mito": None}},
}


def data_of(matrix, cells=None, genes=None, **obs):
    matrix = sparse.csr_matrix(matrix, dtype=np.float32)
    cells = list(cells or (f"cell{number}" for number in range(matrix.shape[0])))
    genes = list(genes or (f"g{number}" for number in range(matrix.shape[1])))
    return anndata.AnnData(matrix, obs=pd.DataFrame(obs, index=cells), var=pd.DataFrame(index=genes))


def preprocess(data, values="counts", scale_factor=10_000.0, **qc):
    data.uns["values"] = values
    return preprocessing.preprocess(data, NO_LIMITS | qc, scale_factor)


@pytest.fixture
def counts():
    random = np.random.default_rng(0)
    return random.poisson(1.0, (12, 9)) + np.eye(12, 9, dtype=int)


@pytest.mark.parametrize("scale_factor", [1.0, 100.0, 10_000.0])
def test_log_normalize_is_log1p_of_the_share_times_the_factor(scale_factor, counts):
    found = preprocessing.log_normalize(sparse.csr_matrix(counts, dtype=np.float32), scale_factor)
    expected = np.empty(counts.shape)
    for cell in range(len(counts)):
        for gene in range(counts.shape[1]):
            expected[cell, gene] = np.log(1 + counts[cell, gene] / sum(counts[cell]) * scale_factor)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-6)
    assert found.format == "csr"
    assert found.dtype == np.float32


def test_log_normalize_keeps_the_zeros_empty(counts):
    assert preprocessing.log_normalize(sparse.csr_matrix(counts), 1e4).nnz == np.count_nonzero(counts)


def test_large_counts_are_summed_exactly():
    counts = sparse.csr_matrix(np.array([[2**24, 1, 1]], dtype=np.float32))
    found = preprocessing.log_normalize(counts, 1.0).toarray()[0]
    np.testing.assert_allclose(found[0], np.log1p(2**24 / (2**24 + 2)), rtol=1e-7)


def test_quality_control_keeps_the_order_and_strictness_of_seurat():
    cells = {
        "kept1": "g0 g1 g2",
        "kept2": "g0 g1 g2",
        "kept3": "g0 g1 g2 g4",
        "exactly_min_genes": "g0 g1",
        "too_few_genes": "g3",
        "min_genes_after_the_gene_filter": "g0 g1 g3",
        "exactly_max_genes": "g0 g1 g2 g4 g5",
        "also_max_genes": "g0 g1 g2 g4 g5",
    }
    genes = [f"g{number}" for number in range(7)]
    matrix = [[int(gene in present.split()) for gene in genes] for present in cells.values()]
    result = preprocess(data_of(matrix, cells, genes), min_cells=2, min_genes=2, max_genes=5)
    assert list(result.obs_names) == ["kept1", "kept2", "kept3"]
    assert list(result.var_names) == ["g0", "g1", "g2", "g4", "g5"]
    np.testing.assert_array_equal(
        result.layers["counts"].toarray(), [[1, 1, 1, 0, 0], [1, 1, 1, 0, 0], [1, 1, 1, 1, 0]]
    )


def test_a_cell_with_min_genes_still_counts_for_min_cells():
    matrix = [[1, 1, 1], [1, 1, 1], [1, 0, 1], [1, 1, 0]]
    result = preprocess(data_of(matrix), min_cells=3, min_genes=2)
    assert list(result.obs_names) == ["cell0", "cell1"]
    assert result.n_vars == 3


@pytest.mark.parametrize(("limit", "kept"), [(5.0, ["low"]), (5.1, ["low", "five"]), (None, ["low", "five", "high"])])
def test_mitochondrial_percentage_must_stay_below_the_limit(limit, kept):
    matrix = [[96, 2, 2], [95, 5, 0], [50, 0, 50]]
    data = data_of(matrix, ["low", "five", "high"], ["ACTB", "MT-CO1", "MT-ND1"])
    result = preprocess(data, max_pct_mito=limit)
    assert list(result.obs_names) == kept
    np.testing.assert_allclose(result.obs["pct_mito"], [4, 5, 50][: len(kept)])


def test_mitochondrial_genes_are_those_with_the_prefix():
    data = data_of([[8, 1, 1], [9, 0, 1]], genes=["mt-Co1", "MT-CO1", "AMT-X"])
    np.testing.assert_allclose(preprocess(data, mito_prefix="mt-").obs["pct_mito"], [80, 90])
    np.testing.assert_allclose(preprocess(data, mito_prefix="MT-").obs["pct_mito"], [10, 0])


def test_mitochondrial_percentage_is_of_the_genes_that_are_kept():
    matrix = [[10, 0, 80, 10], [10, 0, 0, 10], [10, 1, 0, 0]]
    data = data_of(matrix, genes=["A", "B", "rare", "MT-X"])
    result = preprocess(data, min_cells=2)
    assert list(result.var_names) == ["A", "MT-X"]
    np.testing.assert_allclose(result.obs["pct_mito"], [50, 50, 0])


def with_stored_zeros():
    values = np.array([1, 2, 0, 0, 3, 4, 5], dtype=np.float32)
    genes, starts = np.array([0, 1, 2, 3, 0, 1, 2]), np.array([0, 4, 7])
    return data_of(sparse.csr_matrix((values, genes, starts), shape=(2, 4)))


def test_stored_zeros_are_no_genes_of_a_cell():
    result = preprocess(with_stored_zeros(), min_genes=2)
    assert list(result.obs_names) == ["cell1"]
    assert result.obs["n_genes"].tolist() == [3]


def test_stored_zeros_are_no_cells_of_a_gene():
    result = preprocess(with_stored_zeros(), min_cells=1)
    assert list(result.var_names) == ["g0", "g1", "g2"]


def test_cells_without_counts_are_dropped_without_any_limit():
    result = preprocess(data_of([[1, 2], [0, 0], [3, 0]]))
    assert list(result.obs_names) == ["cell0", "cell2"]
    assert np.isfinite(result.X.toarray()).all()


def test_corrected_counts_are_normalised_like_counts(counts):
    corrected = counts * 0.9 + (counts > 0) * 0.05
    result = preprocess(data_of(corrected), values="corrected_counts")
    expected = np.log1p(corrected / corrected.sum(axis=1, keepdims=True) * 1e4)
    np.testing.assert_allclose(result.X.toarray(), expected, rtol=1e-5)
    np.testing.assert_allclose(result.layers["counts"].toarray(), corrected, rtol=1e-6)


def test_of_normalised_values_only_the_logarithm_is_taken(counts):
    cpm = counts / counts.sum(axis=1, keepdims=True) * 1e6
    result = preprocess(data_of(cpm), values="normalized")
    np.testing.assert_allclose(result.X.toarray(), np.log1p(cpm), rtol=1e-6)
    assert "counts" not in result.layers
    assert result.X.dtype == np.float32


def test_a_limit_that_needs_counts_is_refused_for_logarithms(counts):
    with pytest.raises(UserError, match=r"qc\.max_pct_mito: needs counts") as caught:
        preprocess(data_of(np.log1p(counts)), values="log_normalized", max_pct_mito=5.0)
    assert "\n" not in str(caught.value)


def test_whole_numbers_of_any_type_are_counts(counts):
    for dtype in (np.int64, np.float64, np.float32):
        data = data_of(counts)
        data.X = sparse.csr_matrix(counts.astype(dtype))
        assert preprocess(data).X.dtype == np.float32


@pytest.mark.parametrize(
    "qc", [{"min_genes": 9}, {"min_genes": 99}, {"min_cells": 99}, {"max_genes": 1}, {"max_pct_mito": 1e-9}]
)
def test_a_filter_that_nothing_passes_is_named(qc, counts):
    data = data_of(counts, genes=[f"MT-{number}" for number in range(9)])
    with pytest.raises(UserError, match="no cell") as caught:
        preprocess(data, **qc)
    assert next(iter(qc)) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", ["counts", "log_normalized"])
def test_no_annotation_of_the_source_reaches_the_expression(values, counts):
    labels = [f"type{number % 3}" for number in range(12)]
    data = data_of(counts, bulk_labels=labels, n_genes=[99] * 12)
    data.var["highly_variable"] = True
    data.uns["markers"] = {"type0": ["g0"]}
    data.obsm["X_pca"] = np.ones((12, 2))
    data.obsp["connectivities"] = sparse.eye_array(12, format="csr")
    data.layers["scaled"] = np.ones((12, 9), dtype=np.float32)
    data.raw = data.copy()
    result = preprocess(data, values)
    assert set(result.obs) == {"n_genes"} | ({"total", "pct_mito"} if values == "counts" else set())
    assert not len(result.var.columns)
    assert not result.uns
    assert not result.obsm
    assert not result.obsp
    assert set(result.layers) <= {"counts"}
    assert result.raw is None
    assert (result.obs["n_genes"] != 99).all()


def test_counts_give_the_logarithms_and_keep_the_counts(counts):
    result = preprocess(data_of(counts), scale_factor=500.0)
    np.testing.assert_array_equal(result.layers["counts"].toarray(), counts)
    np.testing.assert_allclose(
        result.X.toarray(), np.log1p(counts / counts.sum(axis=1, keepdims=True) * 500), rtol=1e-6
    )
    assert result.X.format == "csr"
    assert result.X.dtype == np.float32
    np.testing.assert_array_equal(result.obs["n_genes"], (counts > 0).sum(axis=1))
    np.testing.assert_allclose(result.obs["total"], counts.sum(axis=1))


def test_log_normalized_values_pass_through_untouched(counts):
    values = np.log1p(counts * 1.37).astype(np.float32)
    result = preprocess(data_of(values), values="log_normalized", min_cells=1, min_genes=2)
    keep = (values > 0).sum(axis=1) > 2
    np.testing.assert_array_equal(result.X.toarray(), values[keep])
    assert "counts" not in result.layers


def test_the_source_is_left_as_it_was(counts):
    data = data_of(counts, bulk_labels=["a"] * 12)
    preprocess(data, min_genes=3)
    np.testing.assert_array_equal(data.X.toarray(), counts)
    assert list(data.obs) == ["bulk_labels"]
