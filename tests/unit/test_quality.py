"""Which cells and genes quality control drops, by which limit, and what it says."""

import logging

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.data import genes, quality
from scae.errors import UserError
from scae.jobs.notes import NOTE

NO_LIMITS = {
    **{"min_cells": 0, "min_genes": 0, "max_genes": None, "max_pct_mito": None},
    **{"mito_prefix": "auto", "mito_genes": None, "mad": {"genes": None, "counts": None, "pct_mito": None}},
}


def data_of(matrix, genes=None, **obs):
    matrix = sparse.csr_matrix(matrix, dtype=np.float32)
    cells = [f"cell{number}" for number in range(matrix.shape[0])]
    names = genes or [f"g{number}" for number in range(matrix.shape[1])]
    obs, var = pd.DataFrame(obs, index=cells), pd.DataFrame(index=names)
    return anndata.AnnData(matrix, obs=obs, var=var, uns={"values": "counts"})


def measure(data, values="counts", chosen=genes.ALL, **qc):
    data.uns["values"] = values
    return quality.measure(data, NO_LIMITS | qc, chosen)


MATRIX = [[90, 5, 5, 0], [50, 0, 50, 0], [1, 0, 0, 0], [5, 5, 0, 90], [90, 10, 0, 0]]
GENES = ["A", "B", "MT-1", "C"]


def test_each_cell_has_its_numbers_and_the_first_limit_that_it_breaks():
    found = measure(data_of(MATRIX, GENES), min_genes=1, max_genes=3, max_pct_mito=5.5)
    assert found.cells["genes"].tolist() == [3, 2, 1, 3, 2]
    assert found.cells["counts"].tolist() == [100, 100, 1, 100, 100]
    np.testing.assert_allclose(found.cells["pct_mito"], [5, 50, 0, 0, 0])
    assert found.cells["removed_by"].tolist() == ["max_genes", "max_pct_mito", "min_genes", "max_genes", ""]
    assert found.kept.tolist() == [False, False, False, False, True]


def test_the_limits_say_how_many_break_them_and_them_alone():
    matrix = [*MATRIX, [40, 1, 50, 9]]  # breaks two limits
    limits = measure(data_of(matrix, GENES), min_genes=1, max_genes=3, max_pct_mito=5.5).limits.set_index("limit")
    assert limits["breaks_it"].to_dict() == {"min_genes": 1, "max_genes": 3, "max_pct_mito": 2}
    assert limits["breaks_only_it"].to_dict() == {"min_genes": 1, "max_genes": 2, "max_pct_mito": 1}
    assert limits.loc["max_pct_mito", "upper"] == 5.5
    assert limits.loc["min_genes", "lower"] == 1


def counts_like(*totals):
    """One gene, whose counts are the total of each cell."""
    return np.array(totals)[:, None]


def test_a_limit_by_mad_is_that_many_deviations_from_the_median_of_the_logarithm():
    totals = [100, 110, 120, 130, 140, 150, 160, 10, 1000]
    logs = np.log1p(totals)
    center = np.median(logs)
    width = 3 * 1.4826 * np.median(np.abs(logs - center))
    found = measure(data_of(counts_like(*totals)), mad={"genes": None, "counts": 3.0, "pct_mito": None})
    assert found.kept.tolist() == (np.abs(logs - center) <= width).tolist()
    assert found.kept.sum() == 7
    np.testing.assert_allclose(found.limits.set_index("limit").loc["mad.counts", "upper"], np.expm1(center + width))


def test_a_mitochondrial_limit_by_mad_is_above_the_median_only():
    shares = np.array([0, 1, 2, 3, 4, 5, 40])
    matrix = np.column_stack([100 - shares, shares])
    found = measure(data_of(matrix, ["A", "MT-1"]), mad={"genes": None, "counts": None, "pct_mito": 3.0})
    assert found.cells["removed_by"].tolist() == [""] * 6 + ["mad.pct_mito"]


def test_each_sample_has_its_own_median():
    totals = [100, 110, 120, 130, 1000, 1100, 1200, 1300, 120]
    data = data_of(counts_like(*totals), sample=["s1"] * 4 + ["s2"] * 5)
    found = measure(data, mad={"genes": None, "counts": 5.0, "pct_mito": None})
    assert found.cells["removed_by"].tolist() == [""] * 8 + ["mad.counts"]
    assert found.limits["sample"].tolist() == ["", "s1", "s2"]
    assert found.limits["breaks_it"].tolist() == [0, 0, 1]
    together = measure(data_of(counts_like(*totals)), mad={"counts": 5.0})
    assert together.kept.tolist() == [True] * 4 + [False] * 4 + [True]


def test_a_limit_by_mad_drops_nothing_where_most_cells_are_alike(caplog):
    found = measure(data_of(counts_like(9, 9, 9, 9, 500)), mad={"counts": 3.0})
    assert found.kept.all()
    assert "qc.mad.counts" in caplog.text


def test_excluded_genes_count_for_nothing(caplog):
    matrix = [[890, 60, 50], [890, 100, 10]]
    data = data_of(matrix, ["ERCC-1", "A", "MT-1"])
    with caplog.at_level(NOTE):
        found = measure(data, chosen=genes.ALL | {"exclude": ["ERCC-"]})
    clean = measure(data[:, 1:].copy())
    pd.testing.assert_frame_equal(found.cells, clean.cells)
    assert list(found.genes) == ["A", "MT-1"]
    assert found.gene_rows.tolist() == [1, 2]
    assert "1 genes with 89.0 % of the counts excluded" in caplog.text


def test_the_most_expressed_genes_have_their_share_before_and_after():
    found = measure(data_of([[6, 4], [0, 30]], ["A", "B"]), min_genes=1).top_genes
    assert found.index.tolist() == ["B", "A"]
    np.testing.assert_allclose(found["percent_before"], [85, 15])
    np.testing.assert_allclose(found["percent_after"], [40, 60])


def test_what_is_kept_and_removed_is_noted_and_a_limit_that_removes_most_warned_of(caplog):
    with caplog.at_level(NOTE):
        measure(data_of(MATRIX, GENES), min_genes=2, max_pct_mito=99)
    assert "2 of 5 cells and 4 of 4 genes kept (min_genes removes 3, max_pct_mito removes none)" in caplog.text
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warned == ["qc.min_genes removes 3 of 5 cells; is the limit meant for these data?"]


def test_logarithms_have_no_mitochondrial_share():
    assert "pct_mito" not in measure(data_of(MATRIX, GENES), values="log_normalized").cells


def test_genes_by_ids_are_named_before_the_limit_is_applied():
    ids = ["ENSG00000198888", "ENSG00000156738"]
    data = data_of([[1, 99], [60, 40]], ids)
    with pytest.raises(UserError, match="no gene is mitochondrial"):
        measure(data, max_pct_mito=5.0)
    data.var["feature_name"] = ["MT-ND1", "MS4A1"]
    assert measure(data, max_pct_mito=5.0).kept.tolist() == [True, False]
