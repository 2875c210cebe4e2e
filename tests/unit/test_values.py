"""Kinds of values are detected from the data: simulated counts after all that labs do to them."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from small_data import fails

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
    "ambiguous": ("unclear", RANDOM.random((20, 30)) * 5),
    "zeros": ("empty", COUNTS * 0),
    "NaN": ("not_finite", np.where(COUNTS == 3, np.nan, COUNTS)),
}


@pytest.mark.parametrize("name", CASES)
def test_values_are_detected(name):
    kind, table = CASES[name]
    cells = sparse.csr_matrix(table.astype(np.float32))
    found = values.of(cells.data, cells)
    assert found.kind == kind
    if kind not in ("not_finite", "empty"):
        assert (found.lowest, found.highest) == (min(cells.data.min(), 0), cells.data.max())


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


def test_the_setting_decides_between_matrices(tmp_path):
    data = reader.read(file_of(tmp_path, X=LOG, counts=COUNTS), values="log_normalized")
    assert (data.uns["matrix"], data.uns["values"]) == ("X", "log_normalized")
    np.testing.assert_array_equal(data.X.toarray(), LOG.astype(np.float32))


@pytest.mark.parametrize(
    ("tables", "reading", "says"),
    [
        ({"X": COUNTS}, {"values": "log_normalized"}, ["X holds whole numbers", "values to counts"]),
        ({"X": SOUP * 5}, {"values": "log_normalized"}, ["decimals up to", "values to corrected_counts"]),
        ({"X": COUNTS / DEPTH * 1e6}, {"values": "log_normalized"}, ["not logarithms", "values to normalized"]),
        ({"X": SOUP * 5}, {"values": "counts"}, ["values to corrected_counts"]),
        ({"X": LOG}, {"values": "counts"}, ["look like logarithms", "values to log_normalized"]),
        ({"X": LOG}, {"values": "corrected_counts"}, ["look like logarithms", "values to log_normalized"]),
        ({"X": SCALED}, {"values": "log_normalized"}, ["cell cell0, gene G0", "is negative", "(scaled)"]),
        ({"X": SCALED, "z": SCALED}, {}, ['layer "z" holds negative values', "Use a file"]),
        ({"X": SCALED, "raw": LOG}, {"matrix": "X"}, ["is negative", "raw holds decimals"]),
        ({"X": RANDOM.random((80, 60)) * 5}, {}, ["log_normalized if", "corrected_counts"]),
        ({"X": COUNTS * 0}, {}, ["only zeros"]),
    ],
)
def test_a_setting_that_contradicts_the_data_is_rejected_with_the_right_one(tables, reading, says, tmp_path):
    message = fails(file_of(tmp_path, **tables), **reading)
    for words in says:
        assert words in message


def test_a_description_has_the_values_of_each_matrix(tmp_path):
    found = reader.describe(file_of(tmp_path, X=SCALED, raw=LOG, umis=COUNTS))
    kinds = {name: held.kind for name, held in found.matrices.items()}
    assert kinds == {"X": "scaled", "raw": "log_normalized", "umis": "counts"}
    assert (found.matrix, found.holds, found.problems) == ("umis", "counts", ())
