"""Batches of cells, and the words where they cannot be told from types."""

import logging

import numpy as np
import pandas as pd
import pytest

from scae.data import batch
from scae.errors import UserError

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


def test_missing_ones_are_said(caplog):
    caplog.set_level(logging.INFO)
    assert of([None, " a ", "b", "b"] * 10)[["c0", "c1"]].tolist() == ["", "a"]
    assert "10 of 40 cells have no batch: not counted where batches are scored" in caplog.text


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.arange(40) / 7, "batch: 40 different labels of 40 cells .* look measured; name a column with batches"),
        ([f"b{number}" for number in range(40)], "batch: .*most of one cell each, are no batches"),
        ([None] * 40, 'batch: the column "lane" is empty'),
    ],
)
def test_what_is_no_batch_is_refused(values, says):
    with pytest.raises(UserError, match=says):
        of(values)


def test_a_column_that_is_not_there_lists_those_that_are():
    with pytest.raises(UserError, match='batch: the data has no column "donor"; it has "lane"'):
        batch.of_cells(pd.DataFrame({"lane": ["a"] * 40}, CELLS), "donor", CELLS)


def test_one_batch_has_no_mixing(caplog):
    assert said(caplog, list("ABAB"), ["", "x", "x", "x"]) == [
        "batch: all cells are of one batch, so that there is no score of mixing"
    ]


def test_types_in_one_batch_only_are_named(caplog):
    types, batches = list("AAAABBBBCC") * 3, list("xyxyxyxyxx") * 3
    [text] = said(caplog, types, batches)
    assert text.startswith('batch: 1 of 3 types occur in one batch only ("C" in "x"): whether')
    [text] = said(caplog, list("AABB") * 5, list("xxyy") * 5)
    assert text.startswith("batch: each type occurs in one batch only: types and batches cannot be told apart")


def test_nearly_the_same_partition_is_said(caplog):
    types, batches = np.repeat(["A", "B"], 100), np.repeat(["x", "y"], 100)
    batches[[0, -1]] = ["y", "x"]
    [text] = said(caplog, types, batches)
    assert text.startswith("batch: types and batches are nearly the same partition (adjusted mutual information 0.9")


def test_a_balanced_design_is_fine(caplog):
    assert said(caplog, list("AABB") * 5, list("xyxy") * 5) == []
    assert said(caplog, ["A"] * 4, list("xyxy")) == []
    assert said(caplog, [""] * 4, list("xyxy")) == []
