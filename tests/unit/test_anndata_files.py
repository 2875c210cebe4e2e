"""AnnData and related formats of all versions give the same cells x genes."""

import json
import pickle
import shutil

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from small_data import CELLS, GENES, IDS, MATRIX, annotated, assert_matrix, fails, written

from scae.sources import annotation, reader


def assert_annotated(data):
    assert_matrix(data)
    assert list(data.obs["type"]) == ["B", "NK", "B"]
    assert list(data.var["gene_ids"]) == IDS


def test_zarr(tmp_path):
    annotated().write_zarr(tmp_path / "data.zarr")
    assert_annotated(reader.read(tmp_path / "data.zarr"))
    shutil.rmtree(tmp_path / "data.zarr/X/indices/c", ignore_errors=True)
    for chunk in (tmp_path / "data.zarr/X/indices").glob("[0-9]*"):
        chunk.unlink()
    assert "lacks 1 of its chunks" in fails(tmp_path / "data.zarr")


def test_a_pickle_in_a_zarr_is_not_run(tmp_path):
    """An old numcodecs would unpickle the chunks of an array whose metadata say so."""
    with anndata.settings.override(zarr_write_format=2):
        annotated().write_zarr(tmp_path / "data.zarr")
    metadata = tmp_path / "data.zarr/X/data/.zarray"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"compressor": {"id": "pickle", "protocol": 4}}))
    (tmp_path / "data.zarr/.zmetadata").unlink()
    (tmp_path / "data.zarr/X/data/0").write_bytes(pickle.dumps(Bomb(str(tmp_path / "ran"))))
    assert 'the codec "pickle", which may run code' in fails(tmp_path / "data.zarr")
    assert not (tmp_path / "ran").exists()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_h5mu(tmp_path):
    written(tmp_path / "rna.h5ad", annotated())
    with h5py.File(tmp_path / "rna.h5ad") as source, h5py.File(tmp_path / "data.h5mu", "w") as file:
        source.copy(source, file.create_group("mod"), "rna")
        source.copy(source, file["mod"], "protein")
        file["mod/protein/X/data"][:] = 1
    assert_annotated(reader.read(tmp_path / "data.h5mu"))
    assert_matrix(reader.read(tmp_path / "data.h5mu", modality="protein"), MATRIX > 0)
    assert "set modality to one of protein, rna" in fails(tmp_path / "data.h5mu", modality="atac")


def test_loom(tmp_path):
    with h5py.File(tmp_path / "data.loom", "w") as file:
        file["matrix"], file["layers/spliced"] = MATRIX.T, 2 * MATRIX.T
        file["row_attrs/Gene"], file["row_attrs/gene_ids"] = np.array(GENES, "S"), np.array(IDS, "S")
        file["col_attrs/CellID"], file["col_attrs/type"] = np.array(CELLS, "S"), np.array(["B", "NK", "B"], "S")
    assert_annotated(reader.read(tmp_path / "data.loom"))
    assert_matrix(reader.read(tmp_path / "data.loom", matrix="spliced"), 2 * MATRIX)
    with h5py.File(tmp_path / "data.loom", "a") as file:
        del file["col_attrs/CellID"]
    assert "has no names of cells (col_attrs/CellID); its attributes are type" in fails(tmp_path / "data.loom")


@pytest.mark.parametrize("genome", [None, "mm10"])
def test_10x_h5_before_cell_ranger_3(genome, tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name in ("hg19", "mm10") if genome else ("hg19",):
            group, matrix = file.create_group(name), sparse.csr_matrix(MATRIX * (1 if name == (genome or name) else 2))
            group["data"], group["indices"], group["indptr"] = matrix.data.astype(int), matrix.indices, matrix.indptr
            group["shape"], group["barcodes"] = [4, 3], np.array(CELLS, "S")
            group["genes"], group["gene_names"] = np.array(IDS, "S"), np.array(GENES, "S")
    if genome:
        assert "one matrix per genome (hg19, mm10)" in fails(tmp_path / "data.h5")
    data = reader.read(tmp_path / "data.h5", genome=genome)
    assert_matrix(data)
    assert list(data.var["gene_ids"]) == IDS


def test_an_h5ad_from_before_2020(tmp_path):
    """obs and var were tables, categories of obs were in uns, a sparse matrix had other attributes."""
    matrix = sparse.csr_matrix(MATRIX)
    with h5py.File(tmp_path / "data.h5ad", "w") as file:
        file["obs"] = np.array(list(zip(CELLS, [0, 1, 0], strict=True)), [("index", "S20"), ("type", "i1")])
        file["var"] = np.array(list(zip(GENES, IDS, strict=True)), [("index", "S20"), ("gene_ids", "S20")])
        file["uns/type_categories"] = np.array(["B", "NK"], "S")
        group = file.create_group("X")
        group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", (3, 4)
    assert_annotated(reader.read(tmp_path / "data.h5ad"))


def test_an_h5ad_from_2021(tmp_path):
    """Its categories were in a group of their own, to which the columns referred."""
    written(tmp_path / "data.h5ad", annotated())
    with h5py.File(tmp_path / "data.h5ad", "a") as file:
        obs = file["obs"]
        codes, categories = obs["type/codes"][...], obs["type/categories"][...]
        del obs["type"]
        obs["type"], obs["__categories/type"] = codes, categories
        obs["type"].attrs["categories"] = obs["__categories/type"].ref
        obs["__categories/type"].attrs["ordered"] = False
        for name in ("obs", "var"):
            file[name].attrs["encoding-version"] = "0.1.0"
        for path in ("obs/_index", "var/_index", "var/gene_ids", "obs/n"):
            for attribute in list(file[path].attrs):
                del file[path].attrs[attribute]
    assert_annotated(reader.read(tmp_path / "data.h5ad"))


def test_nullable_columns(tmp_path):
    data = annotated()
    data.obs["type"] = pd.array(["B", None, "NK"], dtype="string")
    data.obs["score"] = pd.array([1, None, 3], dtype="Int64")
    data.obs["good"] = pd.array([True, None, False], dtype="boolean")
    data.obs.index, data.var.index = data.obs.index.astype("string"), data.var.index.astype("string")
    with anndata.settings.override(allow_write_nullable_strings=True):
        data.write_h5ad(tmp_path / "data.h5ad")
    found = reader.read(tmp_path / "data.h5ad")
    assert_matrix(found)
    assert list(found.obs["score"].isna()) == [False, True, False]
    found.write_h5ad(tmp_path / "counts.h5ad")
    again = anndata.read_h5ad(tmp_path / "counts.h5ad")
    assert list(again.obs["type"].astype(object).fillna("-")) == ["B", "-", "NK"]
    assert again.uns["values"] == "counts"


def test_unreadable_entries_that_no_run_needs(tmp_path):
    data = annotated()
    data.uns["bad"], data.obsm["X_pca"] = {"a": 1}, np.ones((3, 2))
    with h5py.File(written(tmp_path / "data.h5ad", data), "a") as file:
        for name in ("uns/bad", "obsm/X_pca", "obs/n"):
            file[name].attrs["encoding-type"] = "of the future"
    data = reader.read(tmp_path / "data.h5ad")
    assert_annotated(data)
    assert list(data.obs) == ["type"]


def test_awkward_column_names(tmp_path):
    data = annotated()
    data.obs.index.name = "cell"
    with h5py.File(written(tmp_path / "data.h5ad", data), "a") as file:
        file["obs/_index"] = file["obs/n"][...]
        file["obs/_index"].attrs.update(file["obs/n"].attrs)
        file["obs"].attrs["column-order"] = ["type", "n", "_index"]
    found = reader.read(tmp_path / "data.h5ad")
    assert_annotated(found)
    assert list(found.obs) == ["type", "n", "index_"]
    found.write_h5ad(tmp_path / "counts.h5ad")


@pytest.mark.parametrize("missing", ["obs", "var"])
def test_files_without_names_are_rejected(missing, tmp_path):
    with h5py.File(written(tmp_path / "data.h5ad", annotated()), "a") as file:
        del file[missing]["_index"]
    assert f"has no names of {'cells' if missing == 'obs' else 'genes'}" in fails(tmp_path / "data.h5ad")
    assert "gene names are 0, 1, 2" in fails(written(tmp_path / "data.h5ad", anndata.AnnData(MATRIX)))


def test_annotation_becomes_numbers_booleans_and_categories():
    columns = {"text": ["x", None, ""], "number": [1, None, 2], "mixed": ["x", 1, b"y"], "bool": [True, False, True]}
    found = annotation.plain(pd.DataFrame(columns, index=["a", "b", None]))
    assert list(found.index) == ["a", "b", ""]
    assert found["text"].astype(object).fillna("-").tolist() == ["x", "-", ""]
    assert found["mixed"].tolist() == ["x", "1", "y"]
    assert found["number"].isna().tolist() == [False, True, False]
    assert found["bool"].dtype == bool
