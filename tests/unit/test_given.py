"""Given embeddings are read from tables and from obsm as they are; every mistake is one line."""

import gzip

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from toy import expression_of, refusal

from scae.models import given
from scae.sources import obsm

N_CELLS = 40
CELLS = [f"cell{number}" for number in range(N_CELLS)]
ALL = [*CELLS, "dropped"]


@pytest.fixture
def expression():
    return expression_of(np.ones((N_CELLS, 3)))


@pytest.fixture
def table(tmp_path, monkeypatch):
    """An embedding of the cells of the expression and one more, in another order; the working directory is empty."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    cells = [CELLS[number] for number in random.permutation(N_CELLS)]
    return pd.DataFrame(random.normal(size=(N_CELLS + 1, 3)), [*cells, "dropped"]).rename_axis("cell")


def assert_read(found, table):
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, table.loc[CELLS].to_numpy(np.float32))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz"])
def test_a_table_is_read_in_the_order_of_the_cells(name, table, expression):
    table.loc["dropped"] = np.nan  # quality control removed this cell
    table.to_csv(name, sep="\t" if ".tsv" in name else ",")
    assert_read(given.embed(expression, seed=0, path=name), table)


@pytest.mark.parametrize("heading", ["PC_1\tPC_2\tPC_3\n", '""\t"PC_1"\t"PC_2"\t"PC_3"\n'])
def test_a_table_as_r_writes_it_is_read(heading, table, expression, tmp_path):
    """write.table writes no heading for the row names, write.csv an empty one."""
    lines = table.to_csv(sep="\t").splitlines(keepends=True)
    (tmp_path / "t.tsv").write_text("".join([heading, *lines[1:]]))
    assert_read(given.embed(expression, seed=0, path="t.tsv"), table)


def test_cells_may_have_names_like_numbers_and_missing_values(table, expression):
    names = ["NA", "007", "7"]
    table.rename(dict(zip(CELLS, names, strict=False))).to_csv("t.csv")
    expression.cells[:3] = names
    assert_read(given.embed(expression, seed=0, path="t.csv"), table)


def of_source(expression, key, source="source.h5ad"):
    return given.embed(expression, seed=3, key=key, table=obsm.of_source(source, key))


def write_h5ad(**entries):
    anndata.AnnData(np.ones((len(ALL), 2)), pd.DataFrame(index=ALL), obsm=entries).write_h5ad("source.h5ad")


@pytest.mark.parametrize(
    "convert",
    [np.asarray, np.float32, lambda points: pd.DataFrame(points, ALL, list("abc")), sparse.csr_matrix],
    ids=["float64", "float32", "table", "sparse"],
)
def test_an_entry_of_obsm_is_read(convert, table, expression):
    write_h5ad(X_mine=convert(table.loc[ALL].to_numpy()))
    assert_read(of_source(expression, "X_mine"), table)


def test_obsm_of_a_data_set_of_scanpy_is_read():
    import scanpy

    data = scanpy.datasets.pbmc68k_reduced()
    some = expression_of(np.ones((3, 2)))
    some.cells[:] = data.obs_names[[5, 0, 9]]
    found = of_source(some, "X_umap", "scanpy:pbmc68k_reduced")
    np.testing.assert_array_equal(found, data.obsm["X_umap"][[5, 0, 9]].astype(np.float32))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop("cell7"), "cell cell7 is missing (1 of 40 "),
        (lambda table: table.rename("{}-1".format), "cell cell0 is missing (40 of 40 "),
        (lambda table: table.replace(table.loc["cell7", 0], np.nan), "cell cell7, column 0: nan "),
        (lambda table: table.replace(table.loc["cell7", 2], -np.inf), "cell cell7, column 2: -inf "),
        (lambda table: table.astype(object).replace(table.loc["cell7", 1], "NA"), 'cell cell7, column 1: "NA" '),
        (lambda table: table.rename({"dropped": "cell7"}), "cell cell7 occurs twice"),
        (lambda table: table[[0]], "has 1 numeric column;"),
        (lambda table: table[[]], "holds 41 cells and 0 numeric columns"),
        (lambda table: table[:0], "holds 0 cells and 3 numeric columns"),
    ],
)
def test_a_mistake_in_a_table_is_one_line(change, message, table, expression):
    change(table).to_csv("t.csv")
    assert refusal(given.embed, expression, seed=0, path="t.csv").startswith(f"t.csv: {message}")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *(("t.csv", content) for content in (b"", b"\xff\xfe\x00\x01", b'cell,a\n"x', b"a,b\n1,2\n1,2,3,4\n")),
        ("t.csv.gz", gzip.compress(b"cell,a,b\n", mtime=0)[:-9]),
    ],
)
def test_a_damaged_table_is_one_line(name, content, expression, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert refusal(given.embed, expression, seed=0, path=str(tmp_path / name)).startswith(f"{tmp_path / name}: ")


@pytest.mark.parametrize("points", [np.array([["a", "b"]] * 41, object), np.ones((41, 2, 2)), np.ones((41, 1))])
def test_an_unusable_entry_of_obsm_is_one_line(points, table, expression):
    write_h5ad(X_odd=points, X_umap=np.ones((41, 2)))
    assert 'obsm["X_odd"]' in refusal(of_source, expression, "X_odd")
    message = refusal(of_source, expression, "X_scvi")
    assert 'source.h5ad: has no obsm["X_scvi"]' in message
    assert message.endswith("X_odd, X_umap")


def test_unusable_sources_of_obsm_are_one_line(table, expression):
    write_h5ad(X_umap=np.ones((41, 2)))
    with h5py.File("source.h5ad", "a") as file:
        file["obsm/X_foreign"] = h5py.ExternalLink("other.h5", "/x")
    assert "link to another file" in refusal(of_source, expression, "X_umap")
    table.to_csv("source.h5ad")
    assert refusal(of_source, expression, "X").startswith('source.h5ad: obsm["X"] ')
