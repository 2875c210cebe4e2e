"""Expression is read as written, standardised without becoming dense, and kept on disk if memory is short."""

import logging

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from toy import ENGINES, KINDS, dense_of, settings_of

from scae.data import expression
from scae.errors import UserError
from scae.training import fitting

N_CELLS, N_GENES = 60, 25
CONSTANT, SILENT, RARE = 3, 7, 11  # genes: the same in every cell, in no cell, in one cell


def table_of():
    random = np.random.default_rng(0)
    table = random.gamma(2.0, 1.0, (N_CELLS, N_GENES)) * (random.random((N_CELLS, N_GENES)) < 0.2)
    table[:, CONSTANT], table[:, SILENT], table[:, RARE] = 1.1, 0, 0
    table[5, RARE] = 40
    table[9] = 0
    table[9, CONSTANT] = 1.1  # all that this cell has
    return table.astype(np.float32)


def write(path, matrix):
    anndata.AnnData(
        matrix,
        obs=pd.DataFrame({"type": "B"}, index=[f"cell-{number}" for number in range(matrix.shape[0])]),
        var=pd.DataFrame(index=[f"ß{number}" for number in range(matrix.shape[1])]),
        layers={"counts": matrix},
    ).write_h5ad(path)
    return path


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write(tmp_path_factory.mktemp("expression") / "expression.h5ad", sparse.csr_matrix(table_of()))


@pytest.fixture(params=[1 << 24, 7], ids=["one chunk", "many chunks"])
def chunks(request, monkeypatch):
    monkeypatch.setattr(expression, "READ_ENTRIES", request.param)


@pytest.mark.usefixtures("chunks")
def test_expression_is_what_anndata_reads(path):
    found, expected = expression.read(path), anndata.read_h5ad(path)
    assert found.shape == expected.shape == (N_CELLS, N_GENES)
    assert found.cells.tolist() == expected.obs_names.tolist()
    assert found.genes.tolist() == expected.var_names.tolist()
    np.testing.assert_array_equal(found.indptr, expected.X.indptr)
    np.testing.assert_array_equal(found.indices, expected.X.indices)
    np.testing.assert_array_equal(found.data, expected.X.data)
    assert not found.offset.any()
    assert (found.indptr.dtype, found.indices.dtype) == (np.int64, np.int32)
    assert (found.data.dtype, found.offset.dtype) == (np.float32, np.float32)


def test_size_and_density_are_those_of_the_non_zeros(path, tmp_path, caplog):
    caplog.set_level(logging.INFO, "scae")
    found, n_entries = expression.read(path), np.count_nonzero(table_of())
    assert found.density == pytest.approx(n_entries / (N_CELLS * N_GENES))
    assert found.nbytes == 8 * n_entries + 8 * (N_CELLS + 1)
    for times, on_disk in ((1.9, True), (2.1, False)):  # of the matrix
        found = expression.read(path, memory_mb=times * n_entries * 8 / 1e6, scratch=tmp_path)
        assert isinstance(found.data, np.memmap) == on_disk
    size = f"60 cells x 25 genes, {n_entries} non-zeros"
    assert caplog.messages == [size, f"{size}, on disk", size]


def z_scores():
    table = table_of().astype(float)
    sd = table.std(axis=0, ddof=1)
    varies = np.ptp(table, axis=0) > 0
    scores = np.zeros_like(table)
    scores[:, varies] = (table[:, varies] - table[:, varies].mean(axis=0)) / sd[varies]
    return scores.clip(-10, 10)


@pytest.mark.usefixtures("chunks")
def test_scaled_expression_is_the_z_score_clipped_at_10(path):
    np.testing.assert_allclose(dense_of(expression.read(path, scale=True)), z_scores(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sign", [1, -1])
def test_scores_beyond_10_standard_deviations_are_clipped(sign, tmp_path):
    table = np.zeros((400, 2), np.float32)
    table[:, 0] = np.random.default_rng(0).normal(size=400)
    table[17, 0] = sign * 1000
    path = write(tmp_path / "wide.h5ad", sparse.csr_matrix(table))
    assert abs((table[17, 0] - table[:, 0].mean()) / table[:, 0].std(ddof=1)) > 15
    assert dense_of(expression.read(path, scale=True))[17, 0] == pytest.approx(sign * 10)


def test_a_gene_in_nearly_every_cell_has_its_missing_value_clipped(tmp_path):
    table = np.full((400, 1), 5, np.float32) + np.random.default_rng(0).random((400, 1), np.float32) / 100
    table[3] = 0
    path = write(tmp_path / "rare.h5ad", sparse.csr_matrix(table))
    found = expression.read(path, scale=True)
    assert found.offset.tolist() == [-10]
    expected = ((table.astype(float) - table.mean(dtype=float)) / table.std(ddof=1, dtype=float)).clip(-10, 10)
    np.testing.assert_allclose(dense_of(found), expected, rtol=1e-5, atol=1e-6)


def test_constant_genes_and_a_single_cell_are_scaled_to_zero(path, tmp_path):
    assert not dense_of(expression.read(path, scale=True))[:, [CONSTANT, SILENT]].any()
    path = write(tmp_path / "one.h5ad", sparse.csr_matrix(table_of()[:1]))
    assert not dense_of(expression.read(path, scale=True)).any()


def test_scaled_expression_is_as_sparse_as_before(path):
    plain, scaled = expression.read(path), expression.read(path, scale=True)
    np.testing.assert_array_equal(scaled.indptr, plain.indptr)
    np.testing.assert_array_equal(scaled.indices, plain.indices)
    assert scaled.nbytes == plain.nbytes


@pytest.mark.usefixtures("chunks")
@pytest.mark.parametrize("scale", [False, True])
def test_expression_on_disk_is_that_in_memory(scale, path, tmp_path):
    scratch = tmp_path / "scratch"
    found, expected = expression.read(path, scale, 1e-3, scratch), expression.read(path, scale)
    assert list(scratch.iterdir()) == []
    for name in ("data", "indices"):
        assert isinstance(getattr(found, name), np.memmap)
        assert not isinstance(getattr(expected, name), np.memmap)
        assert getattr(found, name).dtype == getattr(expected, name).dtype
    for name in ("indptr", "indices", "data", "offset", "cells", "genes"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_cells_without_any_expression_can_be_read_from_disk(tmp_path):
    path = write(tmp_path / "empty.h5ad", sparse.csr_matrix((3, 4), dtype=np.float32))
    found = expression.read(path, memory_mb=0, scratch=tmp_path / "scratch")
    assert found.shape == (3, 4)
    assert len(found.data) == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_training_from_disk_gives_the_same_weights(engine, path, tmp_path):
    weights = []
    for memory_mb in (None, 1e-3):
        data = expression.read(path, True, memory_mb, tmp_path)
        model, history, _ = fitting.fit(data, "beta_vae", KINDS["beta_vae"], settings_of(engine=engine), 0)
        weights.append((torch.cat([weight.flatten() for weight in model.state_dict().values()]), history))
    assert torch.equal(weights[0][0], weights[1][0])
    assert weights[0][1] == weights[1][1]


def test_batches_are_numbered_by_name(path):
    data, batches = expression.read(path), ["b", "a", "c"] * 20
    found, names = expression.with_batches(data, batches)
    assert names == ["a", "b", "c"]
    assert found.batch_index.tolist() == [1, 0, 2] * 20
    assert expression.with_batches(data, batches, ["c", "b", "a"])[0].batch_index.tolist() == [1, 2, 0] * 20
    for bad, known, says in (
        (["a", ""] * 30, None, "30 of 60 cells have no batch"),
        (["a"] * 60, None, "one batch"),
        (batches, ["a", "b"], 'not trained on cells of "c"'),
    ):
        with pytest.raises(UserError, match=says):
            expression.with_batches(data, bad, known)


def test_a_full_disk_is_named(path, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(expression.os, "posix_fallocate", full)
    with pytest.raises(UserError, match="no room for the expression"):
        expression.read(path, memory_mb=0, scratch=tmp_path)
