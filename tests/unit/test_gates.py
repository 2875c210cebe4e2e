"""Labels from gates on markers: the rule, cell by cell."""

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
    found = gates.is_on(sparse.csr_matrix(values[:, None]), 0.4)
    np.testing.assert_array_equal(found, values >= 0.4 * np.percentile(values[500:], 99))


def test_the_type_with_more_markers_wins():
    markers = {"T": ["G1"], "CD8 T": ["G1", "G2"], "naive CD8 T": ["G1", "G2", "G3"], "B": ["G4"]}
    found = gated([3, 0, 0, 0], [3, 3, 0, 0], [3, 3, 3, 0], [3, 0, 3, 0], [0, 0, 0, 3], [3, 3, 0, 3], markers=markers)
    assert found == ["T", "CD8 T", "naive CD8 T", "T", "B", ""]


def test_a_gene_without_expression_is_never_on_and_empty_gates_are_noted(caplog):
    data = cells([3, 0, 0, 0])
    data.X = data.X.multiply([[1, 1, 0, 1]]).tocsr()
    with caplog.at_level(NOTE):
        found = gates.from_markers(data, {"markers": {"a": ["G1"], "b": ["G2", "G3"]}, "threshold": 0.5})
    assert found.to_list() == ["a"] * 11
    assert "no cell passes the gate of b" in caplog.text


def test_missing_markers_are_named_with_their_types():
    with pytest.raises(UserError, match=r"^labels.markers: the data lack CD19 \(b\), MS4A1 \(b\), but a gate needs"):
        gated([3, 0, 0, 0], markers={"a": ["G1"], "b": ["CD19", "G2", "MS4A1"]})


def test_a_threshold_that_no_cell_passes():
    with pytest.raises(UserError, match=r"^labels.threshold: no cell of 11 .* at 0.5 of their peak"):
        gated([0, 0, 0, 0])


def test_cells_without_a_label_are_unscored():
    found = labels.find({"from": "markers", "markers": MARKERS, "threshold": 0.5}, cells([3, 0, 0, 0]), obs=None)
    assert found.to_list() == [""] * 10 + ["a"]


def test_the_order_of_the_cells_does_not_matter():
    rows = np.random.default_rng(1).uniform(0, 4, (200, 4)) * np.random.default_rng(2).integers(0, 2, (200, 4))
    data = cells(*rows)
    settings = {"markers": MARKERS, "threshold": 0.5}
    found = gates.from_markers(data, settings)
    backwards = gates.from_markers(data[::-1].copy(), settings)
    pd.testing.assert_series_equal(found.sort_index(), backwards.sort_index())
    assert 20 < found.notna().sum() < 190
