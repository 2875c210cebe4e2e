"""Reading any source into the same cells x genes, with errors that name cell and gene."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from small_data import CELLS, GENES, MATRIX, annotated, assert_matrix, fails, tar, triple, write, written

from scae.errors import UserError
from scae.sources import reader


@pytest.fixture
def layered():
    data = annotated()
    data.layers["spliced"] = sparse.csr_matrix(MATRIX * 2)
    data.raw = annotated(genes=[*GENES[:-1], "EXTRA"])
    data.raw.X[0, 0] = 9
    return data


def test_x_a_layer_or_raw_with_its_own_genes(layered, tmp_path):
    path = written(tmp_path / "data.h5ad", layered)
    data = reader.read(path)
    assert_matrix(data)
    assert data.obs["type"].tolist() == ["B", "NK", "B"]
    assert data.uns == {"format": "h5ad", "matrix": "X", "values": "counts"}
    assert_matrix(reader.read(path, matrix="spliced"), MATRIX * 2)
    raw = MATRIX.copy()
    raw[0, 0] = 9
    assert_matrix(reader.read(path, matrix="raw"), raw, [*GENES[:-1], "EXTRA"])
    message = fails(path, matrix="unspliced")
    assert message.startswith('has no matrix "unspliced"; X holds whole numbers')
    assert 'layer "spliced"' in message
    layered.X = None
    assert reader.read(written(path, layered)).uns["matrix"] == "raw"


def test_dense_integers_become_sparse_float32(tmp_path):
    data = annotated()
    data.X = MATRIX.astype(np.int64)
    assert_matrix(reader.read(written(tmp_path / "data.h5ad", data)))


def test_duplicate_entries_are_summed(tmp_path):
    """CSR may hold an entry in parts; training and quality control take each entry as a whole."""
    data = annotated(np.zeros((1, 3)), CELLS[:1], GENES[:3])
    data.X = sparse.csr_matrix((np.array([1, 2], np.float32), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))
    found = reader.read(written(tmp_path / "twice.h5ad", data)).X
    assert found.nnz == 1
    assert found.toarray().tolist() == [[0, 3, 0]]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (np.nan, "nan is not a finite number"),
        (np.inf, "inf is not a finite number"),
        (-1.5, "-1.5 is negative"),
        (1e300, "1e+300 exceeds the range of float32"),
        (2**24 + 1, "16777217.0 exceeds 16,777,216"),
    ],
)
def test_a_bad_value_names_cell_and_gene(value, says, tmp_path):
    matrix = MATRIX.astype(np.float64)
    matrix[2, 1] = value
    assert fails(written(tmp_path / "data.h5ad", annotated(matrix))).startswith(f"cell {CELLS[2]}, gene LYZ: {says}")
    matrix[2, 1] = 2**24
    assert reader.read(written(tmp_path / "data.h5ad", annotated(matrix))).X.max() == 2**24


def test_empty_data_are_rejected(tmp_path):
    for shape in ((0, 4), (3, 0)):
        path = written(tmp_path / "data.h5ad", anndata.AnnData(sparse.csr_matrix(shape, dtype=np.float32)))
        assert f"contains {shape[0]} cells x {shape[1]} genes" in fails(path)


@pytest.mark.parametrize("source", ["scanpy:no_such_data", "scanpy:os"])
def test_only_data_sets_of_scanpy(source):
    assert "not a data set of scanpy" in fails(source)


@pytest.mark.parametrize("name", ["data.h5ad", "data.csv", "data.tar.gz", "data.h5"])
def test_a_missing_file(name, tmp_path):
    assert "does not exist" in fails(tmp_path / name)
    assert reader.describe(tmp_path / name).problems[0].endswith("does not exist")


def test_gene_names_become_unique_and_cell_names_must_be(tmp_path):
    data = reader.read(written(tmp_path / "d.h5ad", annotated(genes=["g", "g", "h", "h"])))
    assert_matrix(data, genes=["g", "g-1", "h", "h-1"])
    message = fails(written(tmp_path / "d.h5ad", annotated(cells=["a", "a", "b"])))
    assert "1 cells have the same name as another cell (a)" in message
    assert "source: {" in message


@pytest.mark.parametrize("name", ["two\nlines", "nul\x00", "\x1b[31mred", ""])
@pytest.mark.parametrize("kind", ["cell", "gene"])
def test_names_that_would_break_a_table_are_rejected(kind, name, tmp_path):
    data = annotated()
    names = data.obs if kind == "cell" else data.var
    names.index = [*names.index[:1], name, *names.index[2:]]
    data.write_zarr(tmp_path / "data.zarr")
    message = fails(tmp_path / "data.zarr")
    assert message.startswith(f"{kind} 2")
    assert ("control character" if name else "has no name") in message


def test_a_named_format_decides_if_the_content_does_not(tmp_path):
    rows = [f"{cell},{','.join(map(str, row))}" for cell, row in zip(CELLS, MATRIX, strict=True)]
    path = write(tmp_path / "data", [f"@cell,{','.join(GENES)}", *rows])
    assert "FASTQ" in fails(path)
    assert_matrix(reader.read(path, format="table"))


def test_members_of_a_folder_or_archive(tmp_path):
    for sample in ("GSM1_a", "GSM2_b"):
        triple(tmp_path / "raw", f"{sample}_matrix.mtx.gz", f"{sample}_genes.tsv.gz", f"{sample}_barcodes.tsv.gz")
    source = tar(tmp_path / "GSE1_RAW.tar", tmp_path / "raw")
    assert "contains 2 matrices: GSM1_a, GSM2_b. Set member" in fails(source)
    assert 'no matrix "other"' in fails(source, member="other")
    assert '2 matrices "GSM"' in fails(source, member="GSM")
    assert_matrix(reader.read(source, member="GSM2_b"))
    assert reader.members(source) == reader.members(tmp_path / "raw") == ["GSM1_a", "GSM2_b"]
    write(tmp_path / "other/readme.md", ["none here"])
    assert "contains no readable matrix, only other files" in fails(tar(tmp_path / "other.tar.gz", tmp_path / "other"))
    assert "only readme.md" in fails(tmp_path / "other")
    with pytest.raises(UserError, match="set member to null"):
        reader.members(written(tmp_path / "data.h5ad", annotated()))


@pytest.mark.parametrize("layout", ["csr", "csc", "array"])
def test_a_description_samples_and_agrees_with_reading(layout, tmp_path, monkeypatch):
    from scae.sources import hdf5_files

    monkeypatch.setattr(hdf5_files, "SAMPLED_VALUES", 400)
    monkeypatch.setattr(hdf5_files, "BLOCK_BYTES", 2000)
    counts = np.random.default_rng(0).poisson(3.0, (80, 60))
    table = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "array": np.asarray}[layout](counts)
    obs, var = pd.DataFrame(index=[f"c{n}" for n in range(80)]), pd.DataFrame(index=[f"g{n}" for n in range(60)])
    path = written(tmp_path / "data.h5ad", anndata.AnnData(table, obs=obs, var=var))
    found = reader.describe(path)
    assert (found.format, found.matrix, found.holds, found.problems) == ("h5ad", "X", "counts", ())
    assert (len(found.obs), len(found.var)) == (80, 60)
    assert found.n_values == (None if layout == "array" else np.count_nonzero(counts))
    np.testing.assert_array_equal(reader.read(path).X.toarray(), counts)
    problem = reader.describe(path, values="log_normalized")
    assert "values: log_normalized does not match" in problem.problems[0]
    assert len(problem.obs) == 80
