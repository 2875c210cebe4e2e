"""Labels from gates on markers: the rule cell by cell, and how many cells of PBMC3k it labels."""

import logging

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.data import gates, labels
from scae.errors import UserError
from scae.jobs.notes import NOTE

MARKERS = {"a": ["G1"], "b": ["G2", "G3"], "c": ["G2", "G4"]}  # b and c share a gene


def cells(*rows):
    """Log-expression of G1 to G4 in each cell, behind ten that have the peak, 4.0, in each gene."""
    table = np.array([[4.0] * 4] * 10 + [*rows], dtype=np.float32)
    data = anndata.AnnData(sparse.csr_matrix(table))
    data.var_names = ["G1", "G2", "G3", "G4"]
    data.obs_names = [f"c{number}" for number in range(len(table))]
    return data


def gated(*rows, markers=MARKERS, threshold=0.5):
    found = gates.from_markers(cells(*rows), {"markers": markers, "threshold": threshold})
    assert found[:10].isna().all()  # all markers of all types are on
    return found[10:].fillna("").to_list()


def test_a_cell_is_of_the_one_type_whose_markers_are_all_on():
    assert gated([3, 0, 0, 0], [0, 3, 3, 0], [0, 3, 0, 3]) == ["a", "b", "c"]


def test_a_cell_of_several_types_or_none_has_no_label():
    assert gated([3, 3, 3, 0], [0, 3, 3, 3], [0, 3, 0, 0], [0, 0, 3, 3], [0, 0, 0, 0], [3, 0, 0, 0])[:5] == [""] * 5


def test_a_marker_is_on_from_its_share_of_the_peak():
    assert gated([2.0, 0, 0, 0], [1.99, 0, 0, 0]) == ["a", ""]
    assert gated([2.0, 0, 0, 0], [3.0, 0, 0, 0], threshold=0.75) == ["", "a"]


def test_the_peak_is_the_99th_percentile_of_the_cells_that_have_the_gene():
    values = np.concatenate([np.zeros(500), np.random.default_rng(0).uniform(1, 5, 300)])
    ordered = np.sort(values[values > 0])
    place = 0.99 * (len(ordered) - 1)
    peak = ordered[int(place)] + (place % 1) * (ordered[int(place) + 1] - ordered[int(place)])
    found = gates.is_on(sparse.csr_matrix(values[:, None]), 0.4)
    np.testing.assert_array_equal(found, [value >= 0.4 * peak for value in values])
    assert not found[:500].any()


def test_of_two_types_the_one_with_all_markers_of_the_other_and_more_counts():
    markers = {"T": ["G1"], "CD8 T": ["G1", "G2"], "naive CD8 T": ["G1", "G2", "G3"], "B": ["G4"]}
    found = gated([3, 0, 0, 0], [3, 3, 0, 0], [3, 3, 3, 0], [3, 0, 3, 0], [0, 0, 0, 3], [3, 3, 0, 3], markers=markers)
    assert found == ["T", "CD8 T", "naive CD8 T", "T", "B", ""]


def test_types_that_no_cell_is_of_are_noted(caplog):
    with caplog.at_level(NOTE):
        gated([3, 0, 0, 0], [0, 3, 3, 0])
    assert "no cell passes the gate of c" in caplog.text


def test_a_gene_that_no_cell_has_is_never_on(caplog):
    data = cells([3, 0, 0, 0])
    data.X = data.X.multiply([[1, 1, 0, 1]]).tocsr()
    with caplog.at_level(logging.INFO):
        found = gates.from_markers(data, {"markers": {"a": ["G1"], "b": ["G2", "G3"]}, "threshold": 0.5})
    assert found.to_list() == ["a"] * 11
    assert "no cell passes the gate of b" in caplog.text


def test_a_marker_that_the_data_lack_is_named_with_its_type():
    with pytest.raises(UserError, match=r"^labels.markers: the data lack CD19 \(b\), MS4A1 \(b\), and a gate needs"):
        gated([3, 0, 0, 0], markers={"a": ["G1"], "b": ["CD19", "G2", "MS4A1"]})


def test_gates_that_no_cell_passes_are_said():
    with pytest.raises(UserError, match=r"^labels.threshold: in none of 11 cells .* at 0.5 of their peak; lower it"):
        gated([0, 0, 0, 0])


def test_cells_without_label_are_unscored_whatever_else():
    found = labels.find({"from": "markers", "markers": MARKERS, "threshold": 0.5}, cells([3, 0, 0, 0]), obs=None)
    assert found.to_list() == [""] * 10 + ["a"]


def test_gates_do_not_see_other_cells_order_nor_clusters():
    rows = np.random.default_rng(1).uniform(0, 4, (200, 4)) * np.random.default_rng(2).integers(0, 2, (200, 4))
    data = cells(*rows)
    settings = {"markers": MARKERS, "threshold": 0.5}
    found = gates.from_markers(data, settings)
    backwards = gates.from_markers(data[::-1].copy(), settings)
    pd.testing.assert_series_equal(found.sort_index(), backwards.sort_index())
    assert 20 < found.notna().sum() < 190
