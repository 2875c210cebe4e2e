"""Batches of cells, and warnings if they are confounded with types."""

import logging

import anndata
import numpy as np
import pandas as pd
import pytest

from scae.data import batch
from scae.errors import UserError
from scae.sources import annotation

CELLS = pd.Index([f"c{number}" for number in range(40)])


def of(values, cells=CELLS):
    return batch.of_cells(pd.DataFrame({"lane": values}, CELLS), "lane", cells)


def said(caplog, types, batches):
    caplog.clear()
    batch.warn_of_types(pd.Series(types), pd.Series(batches))
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    return [record.message for record in caplog.records]


def test_batches_are_text_in_the_order_of_the_cells():
    found = of([1.0, 2.0] * 20, CELLS[::-1])
    assert found[["c0", "c1"]].tolist() == ["1", "2"]
    assert found.index.tolist() == CELLS[::-1].tolist()
    assert (found.name, found.index.name) == ("batch", "cell")


@pytest.mark.parametrize("values", [list("xy") * 20, [1, 2] * 20, ["x", None] * 20])
def test_batches_are_read_without_anndata(values, tmp_path):
    obs = annotation.plain(pd.DataFrame({"lane": values}, CELLS))
    anndata.AnnData(obs=obs).write_h5ad(tmp_path / "counts.h5ad")
    found = batch.read(tmp_path / "counts.h5ad", "lane", CELLS[::-1])
    pd.testing.assert_series_equal(found, batch.of_cells(obs, "lane", CELLS[::-1]))
    with pytest.raises(UserError, match=r'batch: .* "donor"'):
        batch.read(tmp_path / "counts.h5ad", "donor", CELLS)


def test_missing_batches_are_noted(caplog):
    caplog.set_level(logging.INFO)
    assert of([None, " a ", "b", "b"] * 10)[["c0", "c1"]].tolist() == ["", "a"]
    assert "10 of 40 cells have no batch" in caplog.text


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.arange(40) / 7, "batch: 40 different values .* look like measurements, not batches"),
        ([f"b{number}" for number in range(40)], "batch: .* look like IDs, not batches"),
        ([None] * 40, 'batch: the column "lane" is empty'),
    ],
)
def test_values_that_are_not_batches(values, says):
    with pytest.raises(UserError, match=says):
        of(values)


def test_a_missing_column():
    with pytest.raises(UserError, match='batch: the data have no column "donor"; columns of obs: "lane"'):
        batch.of_cells(pd.DataFrame({"lane": ["a"] * 40}, CELLS), "donor", CELLS)


def test_one_batch_has_no_mixing(caplog):
    [text] = said(caplog, list("ABAB"), ["", "x", "x", "x"])
    assert text.startswith("batch: all cells are of one batch")


def test_types_in_only_one_batch_are_named(caplog):
    types, batches = list("AAAABBBBCC") * 3, list("xyxyxyxyxx") * 3
    [text] = said(caplog, types, batches)
    assert text.startswith('batch: 1 of 3 types occur in only one batch ("C" in "x")')
    [text] = said(caplog, list("AABB") * 5, list("xxyy") * 5)
    assert text.startswith("batch: each type occurs in only one batch")


def test_nearly_the_same_partition(caplog):
    types, batches = np.repeat(["A", "B"], 100), np.repeat(["x", "y"], 100)
    batches[[0, -1]] = ["y", "x"]
    [text] = said(caplog, types, batches)
    assert text.startswith("batch: types and batches are nearly the same partition (adjusted mutual information 0.9")


def test_a_balanced_design_is_fine(caplog):
    assert said(caplog, list("AABB") * 5, list("xyxy") * 5) == []
    assert said(caplog, ["A"] * 4, list("xyxy")) == []
    assert said(caplog, [""] * 4, list("xyxy")) == []
