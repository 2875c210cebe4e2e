"""Reading and writing in blocks of rows gives the same bits, whatever the size of the blocks."""

import tracemalloc

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from small_data import NO_LIMITS

from scae.data import labels, preprocessing, quality, row_blocks

QC = NO_LIMITS | {"min_cells": 2, "min_genes": 3, "max_genes": 40, "max_pct_mito": 30, "mad": {"genes": 5}}
GENES = {"exclude": ["ERCC-"], "names": "auto", "variable": None}


def matrix_of(n_cells=60, n_genes=50, seed=0):
    source = np.random.default_rng(seed)
    counts = source.poisson(0.6, (n_cells, n_genes)) * source.integers(0, 2, (n_cells, 1))  # some cells are empty
    return sparse.csr_matrix(counts, dtype=np.float32)


@pytest.fixture(params=["counts", "log_normalized"])
def data(request):
    matrix = matrix_of()
    names = [f"MT-{number}" for number in range(4)] + ["ERCC-1"] + [f"g{number}" for number in range(45)]
    found = anndata.AnnData(matrix, var=pd.DataFrame(index=names), uns={"values": request.param})
    found.obs_names = [f"cell{number}" for number in range(found.n_obs)]
    if request.param == "log_normalized":
        found.X = np.log1p(found.X / 3).astype(np.float32)
    return found


def qc_for(data):
    return QC if data.uns["values"] == "counts" else QC | {"max_pct_mito": None}


@pytest.mark.parametrize("entries", [1, 70, 10**6])
@pytest.mark.parametrize("rows", [None, [0, 3, 4, 59], []])
def test_blocks_are_the_rows(entries, rows):
    matrix = matrix_of()
    matrix.data[::5] = 0
    blocks = row_blocks.RowBlocks(matrix, rows, entries)
    for _ in range(2):
        found = list(blocks)
        assert all(block.shape[0] > 0 and block.data.all() for block in found)
        assert max((block.nnz for block in found), default=0) <= max(entries, matrix.getnnz(axis=1).max())
        whole = matrix.toarray() if rows is None else matrix.toarray()[rows]
        stacked = sparse.vstack(found).toarray() if found else np.zeros((0, 50))
        np.testing.assert_array_equal(stacked, whole)
    assert (matrix.data[::5] == 0).all()  # the source is left as it was


def test_rows_of_rows():
    chosen = np.array([False, True, True, False])
    [block] = row_blocks.RowBlocks(matrix_of(), [1, 20, 21, 40]).taking(chosen)
    np.testing.assert_array_equal(block.toarray(), matrix_of().toarray()[[20, 21]])


def assert_same_bits(ours, theirs):
    """Of X and layers; whatever their annotation."""
    assert ours.layers.keys() == theirs.layers.keys()
    for one, other in ((ours.X, theirs.X), *((ours.layers[name], theirs.layers[name]) for name in ours.layers)):
        assert one.dtype == other.dtype == np.float32
        for part in ("data", "indices", "indptr"):
            np.testing.assert_array_equal(getattr(one, part), getattr(other, part))


def written(data, path, chosen=None):
    passed = quality.measure(data, qc_for(data), GENES, chosen)
    preprocessing.write(passed, 1e4, None, path)
    return passed


@pytest.mark.parametrize("dropping", [False, True])
def test_blocks_change_no_bit(data, dropping, tmp_path, monkeypatch):
    data.write_h5ad(tmp_path / "counts.h5ad")
    chosen = np.arange(60) % 7 != 3 if dropping else None
    whole = written(data, tmp_path / "whole.h5ad", chosen)
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", 90)
    backed = anndata.read_h5ad(tmp_path / "counts.h5ad", backed="r")
    passed = written(backed, tmp_path / "blocks.h5ad", chosen)
    pd.testing.assert_frame_equal(passed.cells, whole.cells)
    pd.testing.assert_frame_equal(passed.top_genes, whole.top_genes, check_exact=True)
    ours, theirs = (anndata.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("blocks", "whole"))
    pd.testing.assert_frame_equal(ours.obs, theirs.obs)
    pd.testing.assert_frame_equal(ours.var, theirs.var)
    assert_same_bits(ours, theirs)


def test_a_single_block_has_the_bytes_of_anndata(data, tmp_path):
    passed = written(data, tmp_path / "blocks.h5ad")
    preprocessing.normalize(passed, 1e4).write_h5ad(tmp_path / "whole.h5ad")
    assert (tmp_path / "blocks.h5ad").read_bytes() == (tmp_path / "whole.h5ad").read_bytes()


def test_large_files_get_64_bit_positions(data, tmp_path, monkeypatch):
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", 90)
    passed = quality.measure(data, qc_for(data), GENES)
    monkeypatch.setattr(row_blocks, "MOST_ENTRIES", 200)
    preprocessing.write(passed, 1e4, None, tmp_path / "large.h5ad")
    monkeypatch.undo()
    with h5py.File(tmp_path / "large.h5ad") as file:
        assert file["X/indptr"].dtype == np.int64
        assert file["X/indices"].dtype == np.int32
    preprocessing.write(passed, 1e4, None, tmp_path / "small.h5ad")
    large, small = (anndata.read_h5ad(tmp_path / f"{name}.h5ad").X for name in ("large", "small"))
    assert (large != small).nnz == 0


def test_the_most_variable_genes_are_those_of_the_whole(data, tmp_path, monkeypatch):
    for name, entries in (("whole", 10**6), ("blocks", 90)):
        monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", entries)
        preprocessing.write(quality.measure(data, qc_for(data), GENES), 1e4, 20, tmp_path / name)
    whole, blocks = (anndata.read_h5ad(tmp_path / name) for name in ("whole", "blocks"))
    assert list(whole.var_names) == list(blocks.var_names)
    assert_same_bits(blocks, whole)


def test_memory_scales_with_the_block_not_the_cells(tmp_path, monkeypatch):
    n_cells, n_genes, per_cell = 6_000, 2_000, 500
    source = np.random.default_rng(0)
    indices = np.sort(source.permuted(np.tile(np.arange(n_genes), (n_cells, 1)), axis=1)[:, :per_cell], axis=1)
    indptr = np.arange(0, n_cells * per_cell + 1, per_cell)
    matrix = sparse.csr_matrix((np.ones(indices.size, np.float32), indices.ravel().astype(np.int32), indptr))
    size = matrix.data.nbytes + matrix.indices.nbytes
    data = anndata.AnnData(matrix, uns={"values": "counts"})
    data.var_names = [f"g{number}" for number in range(n_genes)]
    data.write_h5ad(tmp_path / "counts.h5ad")
    del data, matrix, indices
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", 100_000)
    backed = anndata.read_h5ad(tmp_path / "counts.h5ad", backed="r")
    tracemalloc.start()
    passed = quality.measure(backed, QC | {"max_genes": None, "max_pct_mito": None})
    preprocessing.write(passed, 1e4, None, tmp_path / "expression.h5ad")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 2, (peak, size)
    assert (tmp_path / "expression.h5ad").stat().st_size > size


@pytest.fixture
def labelled(tmp_path):
    """(path of an expression.h5ad with counts, its content)."""
    counts = matrix_of(200)
    data = anndata.AnnData(np.log1p(counts).astype(np.float32), layers={"counts": counts})
    data.obs_names = [f"c{number}" for number in range(data.n_obs)]
    data.var_names = [f"g{number}" for number in range(data.n_vars)]
    data.write_h5ad(tmp_path / "expression.h5ad")
    return tmp_path / "expression.h5ad", data


def test_an_opened_file_is_read_on_demand(labelled, monkeypatch):
    path, data = labelled
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", 90)
    with row_blocks.opened(path) as found:
        assert not any(map(sparse.issparse, (found.X, found.layers["counts"])))
        assert list(found.obs_names) == list(data.obs_names)
        assert (row_blocks.columns(found.X, [7, 2]) != data.X[:, [7, 2]]).nnz == 0
        assert (row_blocks.in_memory(found.layers["counts"]) != data.layers["counts"]).nnz == 0


def test_labels_are_those_of_a_matrix_in_memory(labelled, monkeypatch):
    path, data = labelled
    clustering = {
        **{"n_variable_genes": 30, "n_pcs": 5, "n_neighbors": 10},
        **{"prune": 1 / 15, "resolution": 1, "n_starts": 2},
    }
    markers = {"first": ["g1", "g2"], "second": ["g3"]}
    gates = {"from": "markers", "threshold": 0.6, "markers": markers}
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", 90)
    with row_blocks.opened(path) as found:
        for settings in ({"from": "clusters", "markers": markers, **clustering}, gates):
            ours, theirs = (labels.find(settings, one, obs=None) for one in (found, data))
            assert len(set(ours)) > 1
            pd.testing.assert_series_equal(ours, theirs)


@pytest.mark.parametrize("entries", [90, 10**6])
def test_an_opened_file_can_be_rewritten_with_more_annotation(labelled, entries, tmp_path, monkeypatch):
    path, data = labelled
    monkeypatch.setattr(row_blocks, "BLOCK_ENTRIES", entries)
    with row_blocks.opened(path) as found:
        for one in (found, data):
            one.obs = one.obs.assign(label=pd.Categorical(["a", "b"] * 100))
            one.obsm["X_z"] = np.arange(400.0).reshape(200, 2)
            one.uns["label_colors"] = ["#000000", "#ffffff"]
        row_blocks.rewrite(tmp_path / "blocks.h5ad", found)
    data.write_h5ad(tmp_path / "whole.h5ad")
    if entries > 90:
        assert (tmp_path / "blocks.h5ad").read_bytes() == (tmp_path / "whole.h5ad").read_bytes()
    ours = anndata.read_h5ad(tmp_path / "blocks.h5ad")
    pd.testing.assert_frame_equal(ours.obs, data.obs)
    np.testing.assert_array_equal(ours.obsm["X_z"], data.obsm["X_z"])
    assert list(ours.uns["label_colors"]) == data.uns["label_colors"]
    assert_same_bits(ours, data)
