"""Gene names, mitochondrial genes of several species, excluded genes."""

import logging

import numpy as np
import pandas as pd
import pytest

from scae.data import genes
from scae.errors import UserError
from scae.jobs.notes import NOTE

IDS = ["ENSG00000198888", "ENSG00000156738", "ENSG00000090382"]
QC = {"mito_prefix": "auto", "mito_genes": None, "max_pct_mito": 5.0}


def var_of(index, **columns):
    return pd.DataFrame(columns, index=pd.Index(index, dtype=object))


SYMBOLS = ["MT-ND1", "MS4A1", "LYZ"]


@pytest.mark.parametrize("column", ["feature_name", "Symbol", "gene_short_name"])
def test_symbols_beside_ids_are_used_and_noted(column, caplog):
    with caplog.at_level(NOTE):
        assert list(genes.name(var_of(IDS, n_cells=[1, 2, 3], **{column: SYMBOLS}))) == SYMBOLS
    assert f'"{column}"' in caplog.text


@pytest.mark.parametrize(
    ("index", "column", "columns", "names"),
    [
        (["ENSMUSG00000064341.1", "ENSMUSG00000024610.15", "x"], "auto", {"gene_symbols": list("abc")}, list("abc")),
        (["FBgn0013679", "FBgn0000008", "FBgn0000014"], "auto", {"gene_symbols": list("abc")}, list("abc")),
        (["GRCh38_ENSG00000198888", "mm10___ENSMUSG00000069516", "x"], "auto", {"symbol": list("abc")}, list("abc")),
        (["0", "1", "2"], "auto", {"gene_symbols": list("abc")}, list("abc")),
        (["0", "1", "2"], "auto", {"gene_ids": IDS}, IDS),
        (["0", "1", "2"], "what", {"what": list("xyz")}, list("xyz")),
        (["1", "7157"], "auto", {}, ["1", "7157"]),
        (SYMBOLS, "auto", {"gene_ids": IDS, "feature_name": list("xyz")}, SYMBOLS),
        (IDS, "auto", {"gene_symbols": IDS[::-1]}, IDS),
        (IDS, "auto", {"gene_symbols": ["", np.nan, None]}, IDS),
        (IDS, "own", {"feature_name": SYMBOLS, "own": list("xyz")}, list("xyz")),
        (IDS, "index", {"feature_name": SYMBOLS}, IDS),
        (IDS, "auto", {"feature_name": ["A", "A", "B"]}, ["A", "A-1", "B"]),
        (IDS, "auto", {"feature_name": pd.Categorical(["NA", "", "007"])}, ["NA", IDS[1], "007"]),
        (IDS, "auto", {"feature_name": pd.array(["nan", None, " 1 "], "string")}, ["nan", IDS[1], "1"]),
    ],
)
def test_names_from_index_or_column(index, column, columns, names):
    assert list(genes.name(var_of(index, **columns), column)) == names


def test_names_that_do_not_exist():
    with pytest.raises(UserError, match=r'genes\.names.*"what"'):
        genes.name(var_of(["0", "1", "2"], what=["x", "y", "z"]))
    with pytest.raises(UserError, match=r'genes\.names.*"symbol".*"feature_name"'):
        genes.name(var_of(IDS, feature_name=["a", "b", "c"]), "symbol")


@pytest.mark.parametrize(
    "name",
    ["MT-CO1", "mt-Co1", "Mt-co1", "mt:CoI", "MT.CO1", "GRCh38_MT-CO1", "mm10___mt-Co1", "GRCh38-MT-CO1", "hg19_MT-1"],
)
def test_mitochondrial_genes_of_several_species_are_known(name):
    names = ["MTOR", "MT1X", "mt", "Mtor", "AMT-1", "SMT-CO1", name]
    assert list(genes.mitochondrial(names, QC)) == [False] * 6 + [True]


def test_mitochondrial_genes_by_prefix_prefixes_list_and_file(tmp_path):
    names = ["MT-CO1", "Q0045", "Q0050", "ACT1"]
    assert list(genes.mitochondrial(names, QC | {"mito_prefix": "Q0"})) == [False, True, True, False]
    assert list(genes.mitochondrial(names, QC | {"mito_prefix": ["MT-", "Q005"]})) == [True, False, True, False]
    assert list(genes.mitochondrial(names, QC | {"mito_genes": ["ACT1", "nope"]})) == [False, False, False, True]
    file = tmp_path / "mito.csv"
    file.write_text('gene,chromosome\n"Q0045",M\nQ0050,M\n\n')
    assert list(genes.mitochondrial(names, QC | {"mito_genes": str(file)})) == [False, True, True, False]
    assert list(genes.mitochondrial(["a", "b", "c"], QC | {"mito_genes": [IDS[1]]}, var_of(IDS))) == [
        False,
        True,
        False,
    ]
    with pytest.raises(UserError, match=r"qc\.mito_genes: nowhere"):
        genes.mitochondrial(names, QC | {"mito_genes": "nowhere"})


@pytest.mark.parametrize(
    ("names", "qc", "says"),
    [
        (["mt-Co1", "Actb", "Cd3e", "Lyz"], {"mito_prefix": "MT-"}, 'qc.mito_prefix: "mt-" would match 1'),
        (["mt:CoI", "Act5C"], {"mito_prefix": "MT-"}, 'qc.mito_prefix: "mt:" would match 1'),
        (["GRCh38_MT-CO1", "ACTB"], {"mito_prefix": "MT-"}, 'qc.mito_prefix: "GRCh38_MT-" would match 1'),
        (["human=MT|CO1", "ACTB"], {}, 'qc.mito_prefix: "human=MT|" would match 1'),
        (IDS, {}, "list the mitochondrial ones in qc.mito_genes"),
        (["ND1", "ND2", "COX1", "COX2", "CYTB", "A"], {}, "qc.mito_genes: [ND1, ND2, COX1, COX2, CYTB] would match 5"),
        (["ACTB", "GAPDH"], {"mito_genes": ["MT-CO1"]}, "qc.mito_genes (MT-CO1)"),
    ],
)
def test_a_limit_without_mitochondrial_genes_is_rejected_with_a_suggestion(names, qc, says):
    with pytest.raises(UserError, match=r"max_pct_mito") as caught:
        genes.mitochondrial(names, QC | qc)
    assert says in str(caught.value)
    assert all(name in str(caught.value) for name in names[:3])


def test_a_column_with_mitochondrial_genes_is_offered():
    var = var_of(IDS, annotation=["MT-ND1", "MS4A1", "LYZ"])
    with pytest.raises(UserError, match=r"genes\.names: annotation would match 1"):
        genes.mitochondrial(IDS, QC, var)


def test_without_a_limit_missing_mitochondrial_genes_are_noted(caplog):
    with caplog.at_level(NOTE):
        assert not genes.mitochondrial(["ACTB"], QC | {"max_pct_mito": None}).any()
    assert "0 mitochondrial genes" in caplog.text


def test_genes_are_dropped_by_prefix(caplog):
    names = ["ERCC-00002", "ERCC1", "RPL3", "RPS2"]
    assert list(genes.exclude(names, [])) == [False] * 4
    assert list(genes.exclude(names, ["ERCC-", "RPL"])) == [True, False, True, False]
    assert not caplog.records
    genes.exclude(names, ["XYZ"])
    assert 'begins with "XYZ"' in caplog.text
    assert "ERCC-00002, ERCC1, RPL3" in caplog.text


def test_spike_ins_with_many_counts_give_a_warning(caplog):
    genes.warn_of_spike_ins(["ERCC-00002", "ACTB"], np.array([4.0, 96.0]))
    assert not caplog.records
    genes.warn_of_spike_ins(["ERCC-00002", "ACTB"], np.array([89.0, 11.0]))
    assert "89 %" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
