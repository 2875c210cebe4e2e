"""What values are is told from the data: simulated counts through what labs do to them."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.errors import UserError
from scae.sources import reader, values

RANDOM = np.random.default_rng(0)
# 80 cells of several depths x 60 genes
COUNTS = RANDOM.poisson(RANDOM.gamma(1.0, 3.0, 60) * RANDOM.gamma(3.0, 0.5, (80, 1))).astype(np.float64)
COUNTS[:, 0] += 1
DEPTH = COUNTS.sum(axis=1, keepdims=True)
SOUP = np.clip(COUNTS - 0.1 * DEPTH * COUNTS.sum(axis=0) / COUNTS.sum(), 0, None)
LOG = np.log1p(COUNTS / DEPTH * 1e4)
SHARES = np.where(RANDOM.random(COUNTS.shape) < 0.1, COUNTS + 0.5, COUNTS) * (COUNTS > 0)

CASES = {
    "counts": ("counts", COUNTS),
    "counts that went through a logarithm and back": ("counts", np.expm1(np.log1p(COUNTS.astype(np.float32)))),
    "logarithms of counts": ("log_counts", np.log1p(COUNTS)),
    "SoupX": ("corrected_counts", SOUP * 5),
    "STARsolo EM": ("corrected_counts", SHARES),
    "counts times a constant": ("corrected_counts", COUNTS * 0.93),
    "CPM": ("normalized", COUNTS / DEPTH * 1e6),
    "CPM of some genes": ("normalized", (COUNTS / DEPTH * 1e6)[:, :30]),
    "log-normalised": ("log_normalized", LOG),
    "log-normalised, some genes": ("log_normalized", LOG[:, :30]),
    "log-normalised, three decimals": ("log_normalized", np.round(LOG, 3)),
    "log2 of CPM": ("log_normalized", np.log2(COUNTS / DEPTH * 1e6 + 1)),
    "log-normalised SoupX": ("log_normalized", np.log1p(SOUP / SOUP.sum(axis=1, keepdims=True) * 1e4)),
    "scaled": ("scaled", (LOG - LOG.mean(axis=0)) / LOG.std(axis=0)),
    "zeros": ("empty", COUNTS * 0),
    "NaN": ("not_finite", np.where(COUNTS == 3, np.nan, COUNTS)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_known_by_the_data(name):
    kind, table = CASES[name]
    cells = sparse.csr_matrix(table.astype(np.float32))
    assert values.of(cells.data, cells).kind == kind


def test_what_may_be_either_is_said_to_be():
    cells = sparse.csr_matrix(RANDOM.random((20, 30)) * 5)
    assert values.of(cells.data, cells).kind == "unclear"


@pytest.mark.parametrize("kind", values.WORDS)
def test_every_kind_has_words(kind):
    assert str(values.Values(kind, -1.5, 3.0))


# The matrices of one file


def file_of(folder, **tables):
    """An .h5ad with X, raw and layers."""
    obs = pd.DataFrame(index=[f"cell{number}" for number in range(80)])
    data = anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"G{number}" for number in range(60)]))
    for name, table in tables.items():
        matrix = sparse.csr_matrix(table.astype(np.float32))
        if name == "X":
            data.X = matrix
        elif name == "raw":
            data.raw = anndata.AnnData(matrix, obs=obs, var=data.var)
        else:
            data.layers[name] = matrix
    data.write_h5ad(folder / "data.h5ad")
    return folder / "data.h5ad"


def problem(path, **reading):
    with pytest.raises(UserError) as caught:
        reader.read(path, **reading)
    assert "\n" not in str(caught.value)
    return str(caught.value)


SCALED = CASES["scaled"][1]


@pytest.mark.parametrize(
    ("tables", "taken", "found"),
    [
        ({"X": LOG, "counts": COUNTS}, "counts", "counts"),
        ({"X": SCALED, "raw": LOG}, "raw", "log_normalized"),
        ({"X": SCALED, "raw": LOG, "umis": COUNTS}, "umis", "counts"),
        ({"X": COUNTS, "spliced": COUNTS}, "X", "counts"),
        ({"X": LOG, "a": COUNTS, "counts": COUNTS}, "counts", "counts"),
        ({"X": LOG, "soupx": SOUP * 5}, "soupx", "corrected_counts"),
        ({"X": np.log1p(COUNTS)}, "X", "counts"),
        ({"X": COUNTS / DEPTH * 1e6}, "X", "normalized"),
    ],
)
def test_the_matrix_with_counts_is_taken(tables, taken, found, tmp_path):
    data = reader.read(file_of(tmp_path, **tables))
    assert data.uns["matrix"] == taken
    assert data.uns["values"] == found
    if found == "counts":
        np.testing.assert_array_equal(data.X.toarray(), COUNTS)


def test_a_claim_decides_between_matrices(tmp_path):
    data = reader.read(file_of(tmp_path, X=LOG, counts=COUNTS), values="log_normalized")
    assert (data.uns["matrix"], data.uns["values"]) == ("X", "log_normalized")
    np.testing.assert_array_equal(data.X.toarray(), LOG.astype(np.float32))


@pytest.mark.parametrize(
    ("tables", "reading", "says"),
    [
        ({"X": COUNTS}, {"values": "log_normalized"}, ["X holds whole numbers", "values: counts"]),
        ({"X": SOUP * 5}, {"values": "log_normalized"}, ["decimals up to", "values: corrected_counts"]),
        ({"X": COUNTS / DEPTH * 1e6}, {"values": "log_normalized"}, ["not logarithms", "values: normalized"]),
        ({"X": SOUP * 5}, {"values": "counts"}, ["values: corrected_counts"]),
        ({"X": LOG}, {"values": "counts"}, ["look like logarithms", "values: log_normalized"]),
        ({"X": LOG}, {"values": "corrected_counts"}, ["look like logarithms", "values: log_normalized"]),
        ({"X": SCALED}, {"values": "log_normalized"}, ["cell cell0, gene G0", "is negative", "(scaled)"]),
        ({"X": SCALED, "z": SCALED}, {}, ['layer "z" holds negative values', "Take a file"]),
        (
            {"X": SCALED, "raw": LOG, "umis": COUNTS},
            {"matrix": "X"},
            ["is negative", "raw holds decimals", "whole numbers"],
        ),
        ({"X": RANDOM.random((80, 60)) * 5}, {}, ["values: log_normalized if", "corrected_counts"]),
        ({"X": COUNTS * 0}, {}, ["nothing but zeros"]),
    ],
)
def test_what_is_not_true_is_refused_with_what_each_holds_and_what_to_write(tables, reading, says, tmp_path):
    message = problem(file_of(tmp_path, **tables), **reading)
    for words in says:
        assert words in message


def test_a_count_that_float32_cannot_hold_is_named(tmp_path):
    table = COUNTS.astype(np.int64)
    table[2, 3] = 2**24 + 1
    data = anndata.AnnData(
        sparse.csr_matrix(table),
        obs=pd.DataFrame(index=[f"cell{number}" for number in range(80)]),
        var=pd.DataFrame(index=[f"G{number}" for number in range(60)]),
    )
    data.write_h5ad(tmp_path / "data.h5ad")
    assert "cell cell2, gene G3: 16777217 is more than 16,777,216" in problem(tmp_path / "data.h5ad")
    table[2, 3] = 2**24
    data.X = sparse.csr_matrix(table)
    data.write_h5ad(tmp_path / "data.h5ad")
    assert reader.read(tmp_path / "data.h5ad").X.max() == 2**24


def test_a_number_beyond_float32_is_named(tmp_path):
    table = LOG.copy()
    table[1, 1] = 1e300
    data = anndata.AnnData(table, var=pd.DataFrame(index=[f"G{number}" for number in range(60)]))
    data.write_h5ad(tmp_path / "data.h5ad")
    assert "gene G1: 1e+300 is beyond" in problem(tmp_path / "data.h5ad")


# Described without reading all of it


def test_a_description_says_what_each_matrix_holds(tmp_path):
    found = reader.describe(file_of(tmp_path, X=SCALED, raw=LOG, umis=COUNTS))
    assert {name: held.kind for name, held in found.matrices.items()} == {
        "X": "scaled",
        "raw": "log_normalized",
        "umis": "counts",
    }
    assert (found.format, found.matrix, found.holds, found.problems) == ("h5ad", "umis", "counts", ())
    assert (len(found.obs), len(found.var)) == (80, 60)


@pytest.mark.parametrize("layout", ["csr", "csc", "array"])
def test_a_description_samples_and_agrees_with_a_full_look(layout, tmp_path, monkeypatch):
    from scae.sources import hdf5_files

    monkeypatch.setattr(hdf5_files, "SAMPLED_VALUES", 400)
    monkeypatch.setattr(hdf5_files, "BLOCK_BYTES", 2000)
    table = {"csr": sparse.csr_matrix, "csc": sparse.csc_matrix, "array": np.asarray}[layout](COUNTS)
    obs, var = (pd.DataFrame(index=[f"n{number}" for number in range(size)]) for size in COUNTS.shape)
    var.index = "g" + var.index
    anndata.AnnData(table, obs=obs, var=var).write_h5ad(tmp_path / "data.h5ad")
    assert reader.describe(tmp_path / "data.h5ad").holds == "counts"
    np.testing.assert_array_equal(reader.read(tmp_path / "data.h5ad").X.toarray(), COUNTS)


def test_a_description_returns_problems(tmp_path):
    found = reader.describe(file_of(tmp_path, X=COUNTS), values="log_normalized")
    assert len(found.problems) == 1
    assert "values: log_normalized is not true" in found.problems[0]
    assert len(found.obs) == 80
    assert "does not exist" in reader.describe(tmp_path / "nowhere.h5ad").problems[0]
