"""Reading any kind of source into the same cells x genes, and a CSV export that reads back bit for bit."""

import gzip
import hashlib
import io
import tarfile
import time

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse

from scae.data import export
from scae.errors import UserError
from scae.sources import reader

CELLS = ["AAAC-1", "AAAG-1", "AAAT-1"]
GENES = ["CD3D", "LYZ", "MS4A1", "MT-CO1"]
MATRIX = np.array([[1, 0, 2, 0], [0, 0, 0, 7], [3, 4, 0, 0]], dtype=np.float32)


def tenx_folder(folder, genes=GENES, compress=False):
    """The three files of a 10x matrix (genes x cells); compressed ones are named as by Cell Ranger 3."""
    folder.mkdir(parents=True, exist_ok=True)
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, sparse.coo_matrix(MATRIX.T.astype(int)))
    kind = "\tGene Expression" if compress else ""
    features = [f"ENSG{number}\t{gene}{kind}" for number, gene in enumerate(genes)]
    files = {
        "matrix.mtx": stream.getvalue(),
        ("features.tsv" if compress else "genes.tsv"): ("\n".join(features) + "\n").encode(),
        "barcodes.tsv": ("\n".join(CELLS) + "\n").encode(),
    }
    for name, content in files.items():
        if compress:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=0))
        else:
            (folder / name).write_bytes(content)
    return folder


def archive_of(path, folder):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, arcname=folder.name)
    return path


def annotated(matrix=MATRIX, cells=CELLS, genes=GENES):
    obs = pd.DataFrame({"type": ["B"] * len(cells)}, index=cells)
    return anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=pd.DataFrame(index=genes))


def written(path, data):
    data.write_h5ad(path)
    return path


def assert_is_the_matrix(data, matrix=MATRIX, genes=GENES):
    assert list(data.obs_names) == CELLS
    assert list(data.var_names) == list(genes)
    assert isinstance(data.X, sparse.csr_matrix)
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(data.X.toarray(), matrix)


def fails(source, **options):
    """The one line that reading this source gives a user, which names the source."""
    with pytest.raises(UserError) as caught:
        reader.read(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    assert str(source) in message
    return message


@pytest.mark.parametrize("compress", [False, True])
def test_a_10x_folder(compress, tmp_path):
    assert_is_the_matrix(reader.read(tenx_folder(tmp_path / "hg19", compress=compress)))


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("depth", ["matrices", "filtered_gene_bc_matrices/hg19"])
def test_a_10x_archive_wherever_the_matrix_lies_in_it(depth, compress, tmp_path):
    tenx_folder(tmp_path / depth, compress=compress)
    path = archive_of(tmp_path / "sample.tar.gz", tmp_path / depth.split("/")[0])
    assert_is_the_matrix(reader.read(path))


def test_an_archive_without_a_matrix(tmp_path):
    (tmp_path / "stuff").mkdir()
    assert "holds no matrix" in fails(archive_of(tmp_path / "sample.tar.gz", tmp_path / "stuff"))


def test_an_archive_with_two_matrices_lists_them_and_gives_the_one_that_is_named(tmp_path):
    tenx_folder(tmp_path / "both/raw")
    tenx_folder(tmp_path / "both/filtered", genes=["A", "B", "C", "D"])
    path = archive_of(tmp_path / "sample.tar.gz", tmp_path / "both")
    assert "holds 2 matrices: both/filtered, both/raw. Write member:" in fails(path)
    assert 'no matrix "other"' in fails(path, member="other")
    assert '2 matrices "both"' in fails(path, member="both")
    assert_is_the_matrix(reader.read(path, member="filtered"), genes=["A", "B", "C", "D"])


def test_an_archive_cannot_write_outside_its_folder(tmp_path):
    path = tmp_path / "inner" / "sample.tar.gz"
    path.parent.mkdir()
    with tarfile.open(path, "w:gz") as archive:
        entry = tarfile.TarInfo("../../escaped.txt")
        entry.size = 2
        archive.addfile(entry, io.BytesIO(b"hi"))
    fails(path)
    assert not list(tmp_path.rglob("escaped.txt"))


@pytest.fixture
def layered():
    data = annotated(genes=GENES)
    data.layers["spliced"] = sparse.csr_matrix(MATRIX * 2)
    data.raw = annotated(genes=[*GENES[:-1], "EXTRA"])
    data.raw.X[0, 0] = 9
    return data


def test_an_h5ad_gives_x_by_default_and_keeps_the_annotation_of_cells(layered, tmp_path):
    data = reader.read(written(tmp_path / "data.h5ad", layered))
    assert_is_the_matrix(data)
    assert data.obs["type"].tolist() == ["B"] * 3


def test_an_h5ad_gives_a_layer(layered, tmp_path):
    assert_is_the_matrix(reader.read(written(tmp_path / "data.h5ad", layered), matrix="spliced"), MATRIX * 2)


def test_an_h5ad_gives_raw_with_the_genes_of_raw(layered, tmp_path):
    expected = MATRIX.copy()
    expected[0, 0] = 9
    data = reader.read(written(tmp_path / "data.h5ad", layered), matrix="raw")
    assert_is_the_matrix(data, expected, [*GENES[:-1], "EXTRA"])


def test_a_dense_h5ad_of_another_type_becomes_sparse_float32(tmp_path):
    data = anndata.AnnData(MATRIX.astype(np.int64), obs=pd.DataFrame(index=CELLS), var=pd.DataFrame(index=GENES))
    assert_is_the_matrix(reader.read(written(tmp_path / "data.h5ad", data)))


def test_a_missing_layer_names_the_layers_there_are(layered, tmp_path):
    message = fails(written(tmp_path / "data.h5ad", layered), matrix="unspliced")
    assert "unspliced" in message
    assert "spliced" in message.replace("unspliced", "")


def test_a_missing_raw_is_named(tmp_path):
    assert 'no matrix "raw"; X holds whole numbers' in fails(written(tmp_path / "data.h5ad", annotated()), matrix="raw")


def test_of_an_h5ad_without_x_raw_is_taken(layered, tmp_path):
    layered.X = None
    data = reader.read(written(tmp_path / "data.h5ad", layered))
    assert data.uns["matrix"] == "raw"
    assert data.X[0, 0] == 9


TEXT = "cell,CD3D,LYZ,MS4A1,MT-CO1\nAAAC-1,1,0,2,0\nAAAG-1,0,0,0,7\nAAAT-1,3,4.0,0,0\n"


@pytest.mark.parametrize("name", ["data.csv", "data.csv.gz"])
def test_a_csv(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(gzip.compress(TEXT.encode(), mtime=0) if name.endswith("gz") else TEXT.encode())
    assert_is_the_matrix(reader.read(path))


def test_cells_named_by_numbers_stay_text(tmp_path):
    (tmp_path / "data.csv").write_text("cell,1,2\n001,1,0\n002,0,2\n")
    data = reader.read(tmp_path / "data.csv")
    assert list(data.obs_names) == ["001", "002"]
    assert list(data.var_names) == ["1", "2"]


def test_cells_named_like_missing_values_stay_text(tmp_path):
    (tmp_path / "data.csv").write_text("cell,A,B\nNA,1,0\nnull,0,2\n")
    assert list(reader.read(tmp_path / "data.csv").obs_names) == ["NA", "null"]


def test_a_column_of_text_in_a_csv_is_annotation(tmp_path):
    (tmp_path / "data.csv").write_text("cell,A,type,n_counts,B\na,1,B,9,2\nb,2,NK,8,3\n")
    data = reader.read(tmp_path / "data.csv")
    assert list(data.var_names) == ["A", "B"]
    assert list(data.obs["type"]) == ["B", "NK"]
    assert list(data.obs["n_counts"]) == [9, 8]


@pytest.mark.parametrize("rows", ["a,1,2\nb,1O,3\n", "a,1O,2\nb,1,3\n"])
def test_a_slip_among_the_numbers_is_no_annotation(rows, tmp_path):
    (tmp_path / "data.csv").write_text(f"cell,A,B\n{rows}")
    assert "gene A: '1O' is no number" in fails(tmp_path / "data.csv")


@pytest.mark.parametrize("text", ["", "cell,A,B\n", "cell\na\nb\n"])
def test_an_empty_csv_is_refused(text, tmp_path):
    (tmp_path / "data.csv").write_text(text)
    fails(tmp_path / "data.csv")


def test_a_gap_in_a_csv_names_cell_and_gene(tmp_path):
    (tmp_path / "data.csv").write_text("cell,A,B\na,1,2\nb,,3\n")
    message = fails(tmp_path / "data.csv")
    assert "cell b" in message
    assert "gene A" in message


@pytest.mark.parametrize(("value", "says"), [(np.nan, "nan"), (np.inf, "inf"), (-1.5, "-1.5")])
def test_a_value_that_no_expression_has_names_cell_and_gene(value, says, tmp_path):
    matrix = MATRIX.copy()
    matrix[2, 1] = value
    message = fails(written(tmp_path / "data.h5ad", annotated(matrix)))
    assert "cell AAAT-1" in message
    assert "gene LYZ" in message
    assert says in message


@pytest.mark.parametrize("shape", [(0, 4), (3, 0)])
def test_nothing_to_analyse_is_said(shape, tmp_path):
    data = anndata.AnnData(sparse.csr_matrix(shape, dtype=np.float32))
    assert f"{shape[0]} cells x {shape[1]} genes" in fails(written(tmp_path / "data.h5ad", data))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"x", "has no rows"),
        (b"PK\x03\x04 and so on", "workbook"),
        (gzip.compress(b"X\n\x00\x00\x00\x03", mtime=0), ".rds"),
        (b"RDX3\nX\n", "R workspace"),
        (b"\x80\x04\x95 a pickle", "pickle"),
        (b"\n <!DOCTYPE html>\n<html><body>404</body></html>", "web page"),
        (b"some\x00bytes", "unknown kind"),
        (b"@read1\nACGT\n+\nIIII\n", "FASTQ"),
    ],
)
def test_what_cannot_be_read_is_known_by_its_content(content, says, tmp_path):
    (tmp_path / "data").write_bytes(content)
    assert says in fails(tmp_path / "data")


@pytest.mark.parametrize("name", ["data.h5ad", "data.h5", "matrix.mtx.gz", "data.tar.gz", "data.loom"])
def test_text_under_the_name_of_something_else_is_told(name, tmp_path):
    (tmp_path / name).write_text("404: not found")
    assert "is damaged or not what its name says; it begins '404: not found'" in fails(tmp_path / name)


@pytest.mark.parametrize("name", ["data.h5ad", "data.h5", "data.tar.gz", "data.csv.gz"])
def test_a_damaged_file_is_one_line(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x1f\x8b this was never a file of that kind \x00\n" * 20)
    fails(tmp_path / name)


@pytest.mark.parametrize("kind", ["archive", "h5ad", "csv.gz"])
def test_a_file_that_was_cut_off_is_one_line(kind, tmp_path):
    if kind == "archive":
        path = archive_of(tmp_path / "sample.tar.gz", tenx_folder(tmp_path / "hg19"))
    elif kind == "h5ad":
        path = written(tmp_path / "data.h5ad", annotated())
    else:
        path = tmp_path / "data.csv.gz"
        path.write_bytes(gzip.compress(TEXT.encode(), mtime=0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    fails(path)


@pytest.mark.parametrize("name", ["data.h5ad", "data.csv", "data.tar.gz", "data.h5"])
def test_a_file_that_is_not_there_is_one_line(name, tmp_path):
    fails(tmp_path / name)


def test_a_10x_folder_without_its_files_is_one_line(tmp_path):
    fails(tmp_path)


def test_a_data_set_that_scanpy_lacks_is_named():
    assert "no such data set" in fails("scanpy:no_such_data")


def test_a_name_of_scanpy_that_is_no_data_set_is_refused():
    assert "no such data set" in fails("scanpy:os")


def test_genes_of_the_same_name_become_distinct(tmp_path):
    folder = tenx_folder(tmp_path / "hg19", genes=["CD3D", "LYZ", "LYZ", "LYZ"])
    data = reader.read(folder)
    assert data.var_names.is_unique
    assert list(data.var_names[:2]) == ["CD3D", "LYZ"]
    np.testing.assert_array_equal(data.X.toarray(), MATRIX)


def test_genes_of_the_same_name_become_distinct_in_an_h5ad(tmp_path):
    data = reader.read(written(tmp_path / "d.h5ad", annotated(genes=["g", "g", "h", "h"])))
    assert list(data.var_names) == ["g", "g-1", "h", "h-1"]


def test_cells_of_the_same_name_are_refused_with_the_way_to_give_samples(tmp_path):
    message = fails(written(tmp_path / "d.h5ad", annotated(cells=["a", "a", "b"])))
    assert "1 cells have the name of another one (a); if these are samples" in message
    assert "source: {" in message


AWKWARD = np.array(
    [
        [0.1, 1e-45, 3.4028235e38, 1 / 3],
        [16777216.0, 0.0, 1.1754944e-38, 0.30000001],
        [2.5, 1e-7, 123456.79, 9.999999],
    ],
    dtype=np.float32,
)
NAMES = [f'quoted "{number}", with comma' for number in range(3)]


@pytest.fixture
def awkward():
    genes = ["HLA-DRA", "a,b", 'a"b', "b;c"]
    return anndata.AnnData(sparse.csr_matrix(AWKWARD), obs=pd.DataFrame(index=NAMES), var=pd.DataFrame(index=genes))


def test_a_csv_reads_back_bit_for_bit(awkward, tmp_path):
    export.write_csv(awkward, tmp_path / "expression.csv.gz")
    data = reader.read(tmp_path / "expression.csv.gz", values="corrected_counts")
    assert data.X.toarray().tobytes() == AWKWARD.tobytes()
    assert list(data.obs_names) == NAMES
    assert list(data.var_names) == list(awkward.var_names)


def test_random_values_read_back_bit_for_bit(tmp_path):
    bits = np.random.default_rng(0).integers(0, 0x7F800000, 4000, dtype=np.uint32)
    matrix = bits.view(np.float32).reshape(20, 200)
    obs, var = (pd.DataFrame(index=[f"{kind}{n}" for n in range(size)]) for kind, size in (("c", 20), ("g", 200)))
    data = anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=var)
    export.write_csv(data, tmp_path / "expression.csv.gz")
    assert (
        reader.read(tmp_path / "expression.csv.gz", values="corrected_counts").X.toarray().tobytes() == matrix.tobytes()
    )


def test_a_csv_has_a_column_cell_and_one_per_gene(tmp_path):
    export.write_csv(annotated(), tmp_path / "expression.csv.gz")
    table = pd.read_csv(tmp_path / "expression.csv.gz")
    assert list(table.columns) == ["cell", *GENES]
    assert table["cell"].tolist() == CELLS
    np.testing.assert_array_equal(table[GENES].to_numpy(), MATRIX)


def test_the_bytes_of_a_csv_depend_on_the_data_alone(awkward, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    paths = [tmp_path / "a.csv.gz", tmp_path / "b.csv.gz", tmp_path / "folder/another.csv.gz"]
    for day, path in enumerate(paths):
        monkeypatch.setattr(time, "time", lambda day=day: 86_400.0 * (day + 1))
        export.write_csv(awkward, path)
    assert len({path.read_bytes() for path in paths}) == 1


def test_the_order_in_which_values_are_stored_does_not_show_in_a_csv(tmp_path):
    genes = np.array([3, 0, 2, 1])
    reverse = sparse.csr_matrix((MATRIX[:1, genes].ravel()[[1, 2]], genes[[1, 2]], [0, 2]), shape=(1, 4))
    backward = sparse.csr_matrix((reverse.data[::-1], reverse.indices[::-1], [0, 2]), shape=(1, 4))
    for name, matrix in (("forward", reverse), ("backward", backward)):
        data = anndata.AnnData(matrix, obs=pd.DataFrame(index=CELLS[:1]), var=pd.DataFrame(index=GENES))
        export.write_csv(data, tmp_path / name)
    assert gzip.decompress((tmp_path / "backward").read_bytes()).decode().splitlines()[1] == "AAAC-1,1.0,0,2.0,0"
    assert (tmp_path / "forward").read_bytes() == (tmp_path / "backward").read_bytes()


def test_sha256_is_that_of_the_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"counts" * 100_000)
    assert reader.sha256(tmp_path / "file") == hashlib.sha256(b"counts" * 100_000).hexdigest()


def test_entries_that_stand_twice_are_one_sum(tmp_path):
    """CSR may hold an entry in parts; the engines and the QC take each entry for a whole."""
    matrix = sparse.csr_matrix((np.array([1, 2], np.float32), np.array([1, 1]), np.array([0, 2])), shape=(1, 3))
    data = anndata.AnnData(sparse.csr_matrix((1, 3), dtype=np.float32), var=pd.DataFrame(index=GENES[:3]))
    data.X = matrix
    data.write_h5ad(tmp_path / "twice.h5ad")
    found = reader.read(tmp_path / "twice.h5ad").X
    assert found.nnz == 1
    assert found.toarray().tolist() == [[0, 3, 0]]
