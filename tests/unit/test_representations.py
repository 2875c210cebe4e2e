"""Representations without training: against other computations, never dense, and one line for what is wrong."""

import gzip

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from toy import dense_of, expression_of

from scae.errors import UserError
from scae.models import given, pca, random_projection
from scae.sources import obsm

N_CELLS, N_GENES = 40, 30
CELLS = [f"cell{number}" for number in range(N_CELLS)]


@pytest.fixture
def expression():
    random = np.random.default_rng(0)
    table = random.gamma(2.0, 1.0, (N_CELLS, N_GENES)) * (random.random((N_CELLS, N_GENES)) < 0.4)
    table[: N_CELLS // 2, :9] *= 3
    return expression_of(table, offset=random.normal(size=N_GENES))


@pytest.fixture
def never_dense(monkeypatch):
    """Fails whoever makes the expression dense."""
    for name in ("toarray", "todense"):
        monkeypatch.setattr(sparse.csr_matrix, name, lambda *_: pytest.fail("was made dense"))


@pytest.mark.usefixtures("never_dense")
def test_pca_is_the_singular_value_decomposition_of_the_centred_matrix(expression, monkeypatch):
    found = pca.embed(expression, seed=0, n_latent=4)
    monkeypatch.undo()
    dense = dense_of(expression)
    u, s, _ = np.linalg.svd(dense - dense.mean(axis=0), full_matrices=False)
    assert found.shape == (N_CELLS, 4)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.abs(found), np.abs(u[:, :4] * s[:4]), rtol=1e-4, atol=1e-5)


def test_pca_is_the_same_for_every_seed_and_at_every_call(expression):
    first = pca.embed(expression, seed=0, n_latent=4).tobytes()
    assert all(pca.embed(expression, seed, n_latent=4).tobytes() == first for seed in (0, 1, 7))


def test_more_components_than_cells_or_genes_are_refused_with_the_most_there_are(expression):
    with pytest.raises(UserError, match=r"n_latent: 30 .* 40 cells x 30 genes; set it to 29 or less"):
        pca.embed(expression, seed=0, n_latent=30)
    assert pca.embed(expression, seed=0, n_latent=29).shape == (N_CELLS, 29)


@pytest.mark.usefixtures("never_dense")
def test_a_random_projection_keeps_distances_on_average(expression, monkeypatch):
    """Johnson-Lindenstrauss: with many directions the squared distances come close to those between the cells."""
    found = random_projection.embed(expression, seed=0, n_latent=20_000).astype(float)
    monkeypatch.undo()
    dense = dense_of(expression)
    for one, other in ((0, 1), (3, 30), (12, 39)):
        expected = ((dense[one] - dense[other]) ** 2).sum()
        assert ((found[one] - found[other]) ** 2).sum() == pytest.approx(expected, rel=0.05)


def test_a_random_projection_follows_from_its_seed(expression):
    first, again, other = (random_projection.embed(expression, seed, n_latent=3) for seed in (0, 0, 1))
    assert first.shape == (N_CELLS, 3)
    assert first.dtype == np.float32
    assert first.tobytes() == again.tobytes() != other.tobytes()


# Given embeddings


@pytest.fixture
def table(tmp_path, monkeypatch):
    """An embedding of the cells of the expression and of one more, in another order; the working directory is empty."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(1)
    cells = [CELLS[number] for number in random.permutation(N_CELLS)]
    return pd.DataFrame(random.normal(size=(N_CELLS + 1, 3)), [*cells, "dropped"]).rename_axis("cell")


def expected(table):
    return table.loc[CELLS].to_numpy(np.float32)


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz"])
def test_a_table_is_read_and_brought_into_the_order_of_the_cells(name, table, expression):
    table.to_csv(name, sep="\t" if ".tsv" in name else ",")
    found = given.embed(expression, seed=0, path=name)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected(table))


def test_a_table_as_r_writes_it_is_read(table, expression):
    """write.table leaves the column of names without a heading, write.csv gives it an empty one."""
    lines = table.to_csv(sep="\t").splitlines(keepends=True)
    for name, heading in (("short.tsv", "PC_1\tPC_2\tPC_3\n"), ("empty.tsv", '""\t"PC_1"\t"PC_2"\t"PC_3"\n')):
        with open(name, "w") as file:
            file.writelines([heading, *lines[1:]])
        np.testing.assert_array_equal(given.embed(expression, seed=0, path=name), expected(table))


def test_cells_may_have_names_like_numbers_and_missing_values(table, expression):
    names = dict(zip(CELLS, ["NA", "007", "7", *CELLS[3:]], strict=True))
    table.rename(names).to_csv("t.csv")
    expression.cells[:3] = ["NA", "007", "7"]
    np.testing.assert_array_equal(given.embed(expression, seed=0, path="t.csv"), expected(table))


def of_source(expression, key, source="source.h5ad"):
    return given.embed(expression, seed=3, key=key, table=obsm.of_source(source, key))


def h5ad(table, **obsm):
    cells = [*CELLS, "dropped"]
    obsm = {"X_umap": table.loc[cells].to_numpy()} | obsm
    anndata.AnnData(np.ones((len(cells), 2)), pd.DataFrame(index=cells), obsm=obsm).write_h5ad("source.h5ad")


KINDS_OF_OBSM = {
    "array": lambda table: table.loc[[*CELLS, "dropped"]].to_numpy(),
    "float32": lambda table: table.loc[[*CELLS, "dropped"]].to_numpy(np.float32),
    "table": lambda table: table.loc[[*CELLS, "dropped"]].rename(columns=str),
    "sparse": lambda table: sparse.csr_matrix(table.loc[[*CELLS, "dropped"]].to_numpy()),
}


@pytest.mark.parametrize("kind", KINDS_OF_OBSM)
def test_an_entry_of_obsm_is_read(kind, table, expression):
    h5ad(table, X_mine=KINDS_OF_OBSM[kind](table))
    found = of_source(expression, "X_mine")
    np.testing.assert_array_equal(found, expected(table))


def test_obsm_of_a_data_set_of_scanpy_is_read():
    import scanpy

    data = scanpy.datasets.pbmc68k_reduced()
    some = expression_of(np.ones((3, 2)))
    some.cells[:] = data.obs_names[[5, 0, 9]]
    found = of_source(some, "X_umap", "scanpy:pbmc68k_reduced")
    np.testing.assert_array_equal(found, data.obsm["X_umap"][[5, 0, 9]].astype(np.float32))


def refused(function, *arguments, **named):
    with pytest.raises(UserError) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_key_that_is_not_there_names_those_that_are(table, expression):
    h5ad(table, X_pca=table.to_numpy()[:, :2])
    line = refused(of_source, expression, "X_scvi")
    assert line == 'source.h5ad: has no obsm["X_scvi"]; it has X_pca, X_umap'


def test_a_file_that_takes_its_embedding_from_another_is_refused(table, expression):
    h5ad(table)
    with h5py.File("source.h5ad", "a") as file:
        file["obsm/X_foreign"] = h5py.ExternalLink("other.h5", "/x")
    assert "is a link to another file" in refused(of_source, expression, "X_umap")


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda table: table.drop("cell7"), "t.csv: cell cell7 is missing (1 of 40 cells are)"),
        (lambda table: table.rename("{}-1".format), "t.csv: cell cell0 is missing (40 of 40 cells are); its own cells"),
        (
            lambda table: table.replace(table.loc["cell7", 0], np.nan),
            "t.csv: cell cell7, column 0: nan is no finite number",
        ),
        (lambda table: table.replace(table.loc["cell7", 2], -np.inf), "t.csv: cell cell7, column 2: -inf is no finite"),
        (
            lambda table: table.astype(object).replace(table.loc["cell7", 1], "low"),
            't.csv: cell cell7, column 1: "low"',
        ),
        (lambda table: table.astype(object).replace(table.loc["cell7", 1], "NA"), 't.csv: cell cell7, column 1: "NA"'),
        (lambda table: table.rename({"dropped": "cell7"}), "t.csv: cell cell7 stands twice"),
        (lambda table: table[[0]], "t.csv: holds 1 column of numbers for each cell; an embedding has two or more"),
        (lambda table: table[[]], "t.csv: holds 41 cells with 0 columns"),
        (lambda table: table[:0], "t.csv: holds 0 cells with 3 columns"),
    ],
)
def test_what_is_wrong_with_a_table_is_one_line(change, line, table, expression):
    change(table).to_csv("t.csv")
    assert refused(given.embed, expression, seed=0, path="t.csv").startswith(line)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01", b'cell,a\n"x', b"a,b\n1,2\n1,2,3,4\n"])
def test_a_file_that_is_no_table_is_one_line(content, expression, tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    assert refused(given.embed, expression, seed=0, path=str(path)).startswith(f"{path}: ")
    path.with_name("t.csv.gz").write_bytes(gzip.compress(b"cell,a,b\n")[:-9])
    assert refused(given.embed, expression, seed=0, path=f"{path}.gz").startswith(
        f"{path}.gz: cannot be read as a table"
    )


def test_numbers_of_cells_that_were_dropped_do_not_matter(table, expression):
    table.loc["dropped"] = np.nan
    table.to_csv("t.csv")
    np.testing.assert_array_equal(given.embed(expression, seed=0, path="t.csv"), expected(table))


@pytest.mark.parametrize(
    ("points", "start"),
    [
        (np.array([["a", "b"]] * 41, object), 'source.h5ad: obsm["X_odd"] is no table of numbers'),
        (np.ones((41, 2, 2)), 'source.h5ad: obsm["X_odd"] is no table of numbers'),
        (np.ones((41, 1)), 'obsm["X_odd"]: holds 1 column of numbers'),
    ],
)
def test_an_entry_of_obsm_that_is_no_embedding_is_one_line(points, start, table, expression):
    h5ad(table, X_odd=points)
    assert refused(of_source, expression, "X_odd").startswith(start)


def test_a_source_that_is_no_h5ad_is_one_line(table, expression):
    table.to_csv("source.h5ad")
    assert refused(of_source, expression, "X").startswith('source.h5ad: obsm["X"] cannot be read')
