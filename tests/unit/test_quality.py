"""Quality control in Seurat's order and strictness: which limit drops which cell, and the tables and notes of it."""

import logging

import numpy as np
import pandas as pd
import pytest
from small_data import NO_LIMITS, counts_of, line_of

from scae.data import genes, quality
from scae.errors import UserError
from scae.jobs.notes import NOTE


def measure(data, chosen=None, names=genes.ALL, **qc):
    return quality.measure(data, NO_LIMITS | qc, names, chosen)


def kept(data, **qc):
    """(names of the kept cells, of the kept genes)."""
    found = measure(data, **qc)
    return list(found.cells.index[found.kept]), list(found.genes)


def test_the_order_and_strictness_of_seurat():
    cells = {
        "kept1": "g0 g1 g2",
        "kept2": "g0 g1 g2",
        "kept3": "g0 g1 g2 g4",
        "exactly_min_genes": "g0 g1",
        "too_few_genes": "g3",
        "min_genes_after_the_gene_filter": "g0 g1 g3",
        "exactly_max_genes": "g0 g1 g2 g4 g5",
        "also_max_genes": "g0 g1 g2 g4 g5",
    }
    names = [f"g{number}" for number in range(7)]
    matrix = [[int(gene in present.split()) for gene in names] for present in cells.values()]
    found = kept(counts_of(matrix, cells, names), min_cells=2, min_genes=2, max_genes=5)
    assert found == (["kept1", "kept2", "kept3"], ["g0", "g1", "g2", "g4", "g5"])


def test_a_cell_with_min_genes_counts_for_min_cells():
    data = counts_of([[1, 1, 1], [1, 1, 1], [1, 0, 1], [1, 1, 0]])
    assert kept(data, min_cells=3, min_genes=2) == (["cell0", "cell1"], ["g0", "g1", "g2"])


@pytest.mark.parametrize(("limit", "cells"), [(5.0, ["low"]), (5.1, ["low", "five"]), (None, ["low", "five", "high"])])
def test_the_mitochondrial_percentage_must_stay_below_the_limit(limit, cells):
    data = counts_of([[96, 2, 2], [95, 5, 0], [50, 0, 50]], ["low", "five", "high"], ["ACTB", "MT-CO1", "MT-ND1"])
    assert kept(data, max_pct_mito=limit)[0] == cells
    np.testing.assert_allclose(measure(data, max_pct_mito=limit).cells["pct_mito"], [4, 5, 50])


def test_the_mitochondrial_percentage_is_of_the_kept_genes():
    data = counts_of([[10, 0, 80, 10], [10, 0, 0, 10], [10, 1, 0, 0]], genes=["A", "B", "rare", "MT-X"])
    found = measure(data, min_cells=2)
    assert list(found.genes) == ["A", "MT-X"]
    np.testing.assert_allclose(found.cells["pct_mito"], [50, 50, 0])


def test_stored_zeros_are_not_expression():
    data = counts_of([[1, 2, 9, 9], [3, 4, 5, 0]])
    data.X.data[2:4] = 0
    assert kept(data, min_genes=2) == (["cell1"], ["g0", "g1", "g2", "g3"])
    assert kept(data, min_cells=1) == (["cell0", "cell1"], ["g0", "g1", "g2"])


def test_cells_without_counts_are_always_dropped():
    assert kept(counts_of([[1, 2], [0, 0], [3, 0]]))[0] == ["cell0", "cell2"]


def test_only_chosen_cells_are_used():
    found = measure(counts_of([[1, 0], [0, 1], [1, 1]]), chosen=np.array([True, False, True]), min_cells=2)
    assert list(found.cells.index) == ["cell0", "cell2"]
    assert list(found.genes) == ["g0"]


MATRIX = [[90, 5, 5, 0], [50, 0, 50, 0], [1, 0, 0, 0], [5, 5, 0, 90], [90, 10, 0, 0]]
GENES = ["A", "B", "MT-1", "C"]
LIMITS = {"min_genes": 1, "max_genes": 3, "max_pct_mito": 5.5}


def test_each_cell_has_its_numbers_and_the_first_limit_that_removes_it():
    found = measure(counts_of(MATRIX, genes=GENES), **LIMITS)
    assert found.cells["genes"].tolist() == [3, 2, 1, 3, 2]
    assert found.cells["counts"].tolist() == [100, 100, 1, 100, 100]
    np.testing.assert_allclose(found.cells["pct_mito"], [5, 50, 0, 0, 0])
    assert found.cells["removed_by"].tolist() == ["max_genes", "max_pct_mito", "min_genes", "max_genes", ""]
    assert found.kept.tolist() == [False, False, False, False, True]


def test_the_table_of_limits_counts_the_cells_that_break_them():
    limits = measure(counts_of([*MATRIX, [40, 1, 50, 9]], genes=GENES), **LIMITS).limits.set_index("limit")
    assert limits["breaks_it"].to_dict() == {"min_genes": 1, "max_genes": 3, "max_pct_mito": 2}
    assert limits["breaks_only_it"].to_dict() == {"min_genes": 1, "max_genes": 2, "max_pct_mito": 1}
    assert limits.loc["max_pct_mito", "upper"] == 5.5
    assert limits.loc["min_genes", "lower"] == 1


def counts_like(*totals, **obs):
    """One gene, with the total of each cell."""
    return counts_of(np.array(totals)[:, None], **obs)


def test_a_limit_by_mad_is_that_many_deviations_from_the_median_of_the_logarithm():
    totals = [100, 110, 120, 130, 140, 150, 160, 10, 1000]
    logs = np.log1p(totals)
    center = np.median(logs)
    width = 3 * 1.4826 * np.median(np.abs(logs - center))
    found = measure(counts_like(*totals), mad={"genes": None, "counts": 3.0, "pct_mito": None})
    assert found.kept.tolist() == (np.abs(logs - center) <= width).tolist()
    assert found.kept.sum() == 7
    limits = found.limits.set_index("limit").loc["mad.counts", ["lower", "upper"]].astype(float)
    np.testing.assert_allclose(limits, np.expm1([center - width, center + width]), rtol=1e-5)


def test_a_mitochondrial_limit_by_mad_is_above_the_median_only():
    shares = np.array([0, 1, 2, 3, 4, 5, 40])
    data = counts_of(np.column_stack([100 - shares, shares]), genes=["A", "MT-1"])
    found = measure(data, mad={"pct_mito": 3.0})
    assert found.cells["removed_by"].tolist() == [""] * 6 + ["mad.pct_mito"]
    np.testing.assert_allclose(found.limits.set_index("limit").loc["mad.pct_mito", "upper"], 3 + 3 * 1.4826 * 2)


def test_each_sample_has_its_own_median(caplog):
    totals = [100, 110, 120, 130, 1000, 1100, 1200, 1300, 120]
    found = measure(counts_like(*totals, 0, sample=["s1"] * 4 + ["s2"] * 6), mad={"counts": 5.0})
    assert found.cells["removed_by"].tolist() == [""] * 8 + ["mad.counts", "min_genes"]
    assert found.limits["sample"].tolist() == ["", "s1", "s2"]
    assert found.limits["breaks_it"].tolist() == [1, 0, 1]
    assert measure(counts_like(*totals), mad={"counts": 5.0}).kept.tolist() == [True] * 4 + [False] * 4 + [True]
    assert measure(counts_like(9, 9, 9, 9, 500), mad={"counts": 3.0}).kept.all()
    assert "qc.mad.counts" in caplog.text


def test_excluded_genes_do_not_count(caplog):
    data = counts_of([[890, 60, 50], [890, 100, 10]], genes=["ERCC-1", "A", "MT-1"])
    with caplog.at_level(NOTE):
        found = measure(data, names=genes.ALL | {"exclude": ["ERCC-"]})
    pd.testing.assert_frame_equal(found.cells, measure(data[:, 1:].copy()).cells)
    assert list(found.genes) == ["A", "MT-1"]
    assert found.gene_rows.tolist() == [1, 2]
    assert "1 gene with 89.0 % of the counts excluded" in caplog.text


def test_top_genes_have_their_share_before_and_after():
    found = measure(counts_of([[6, 4], [0, 30]], genes=["A", "B"]), min_genes=1).top_genes
    assert found.index.tolist() == ["B", "A"]
    np.testing.assert_allclose(found["percent_before"], [85, 15])
    np.testing.assert_allclose(found["percent_after"], [40, 60])


def test_notes_and_a_warning_if_a_limit_removes_most_cells(caplog):
    with caplog.at_level(NOTE):
        measure(counts_of(MATRIX, genes=GENES), min_genes=2, max_pct_mito=99)
    assert "2 of 5 cells and 4 of 4 genes kept (min_genes removes 3, max_pct_mito removes none)" in caplog.text
    [warning] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warning.startswith("qc.min_genes removes 3 of 5 cells")


def test_logarithms_have_no_mitochondrial_percentage():
    data = counts_of(MATRIX, genes=GENES, values="log_normalized")
    assert "pct_mito" not in measure(data).cells
    for qc in ({"max_pct_mito": 5.0}, {"mad": {"pct_mito": 3.0}}):
        with pytest.raises(UserError, match=r"qc\.max_pct_mito: needs counts"):
            measure(data, **qc)


def test_genes_are_named_before_the_limit_is_applied():
    data = counts_of([[1, 99], [60, 40]], genes=["ENSG00000198888", "ENSG00000156738"])
    with pytest.raises(UserError, match="no gene is mitochondrial"):
        measure(data, max_pct_mito=5.0)
    data.var["feature_name"] = ["MT-ND1", "MS4A1"]
    assert measure(data, max_pct_mito=5.0).kept.tolist() == [True, False]


@pytest.mark.parametrize("qc", [{"min_genes": 9}, {"min_cells": 99}, {"max_genes": 1}, {"max_pct_mito": 1e-9}])
def test_limits_that_nothing_passes_are_named(qc):
    data = counts_of(np.ones((12, 9)), genes=[f"MT-{number}" for number in range(9)])
    with pytest.raises(UserError, match=f"^qc.{next(iter(qc))}: ") as caught:
        measure(data, **qc)
    assert "{" not in line_of(caught)
