"""Genes by whatever name: symbols found beside ids, mitochondrial genes of several species, genes left out."""

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


@pytest.mark.parametrize("column", ["feature_name", "gene_symbols", "Symbol", "gene_short_name", "hgnc_symbol"])
def test_symbols_beside_ids_are_found_and_said(column, caplog):
    var = var_of(IDS, n_cells=[1, 2, 3], **{column: ["MT-ND1", "MS4A1", "LYZ"]})
    with caplog.at_level(NOTE):
        assert list(genes.name(var)) == ["MT-ND1", "MS4A1", "LYZ"]
    assert f'"{column}"' in caplog.text


@pytest.mark.parametrize(
    "ids",
    [
        ["ENSMUSG00000064341.1", "ENSMUSG00000024610.15", "ENSMUSG00000069516.9"],
        ["FBgn0013679", "FBgn0000008", "FBgn0000014"],
        ["GRCh38_ENSG00000198888", "GRCh38_ENSG00000156738", "mm10___ENSMUSG00000069516"],
        ["0", "1", "2"],
    ],
)
def test_ids_of_other_kinds_and_numbers_give_way_to_symbols(ids):
    assert list(genes.name(var_of(ids, gene_symbols=["a", "b", "c"]))) == ["a", "b", "c"]


def test_symbols_in_the_index_stay():
    var = var_of(["MT-ND1", "MS4A1", "LYZ"], gene_ids=IDS, feature_name=["x", "y", "z"])
    assert list(genes.name(var)) == ["MT-ND1", "MS4A1", "LYZ"]


def test_numbers_of_rows_that_no_column_names_stop():
    with pytest.raises(UserError, match=r'genes\.names.*"what"'):
        genes.name(var_of(["0", "1", "2"], what=["x", "y", "z"]))
    assert list(genes.name(var_of(["0", "1", "2"], what=["x", "y", "z"]), "what")) == ["x", "y", "z"]
    assert list(genes.name(var_of(["1", "7157"]))) == ["1", "7157"]


def test_numbers_give_way_to_ids_where_there_are_no_symbols():
    assert list(genes.name(var_of(["0", "1", "2"], gene_ids=IDS))) == IDS


def test_ids_stay_where_the_column_of_symbols_holds_ids_too_or_nothing():
    assert list(genes.name(var_of(IDS, gene_symbols=IDS[::-1]))) == IDS
    assert list(genes.name(var_of(IDS, gene_symbols=["", np.nan, None]))) == IDS


def test_a_column_is_taken_by_name_and_the_index_too():
    var = var_of(IDS, feature_name=["MT-ND1", "MS4A1", "LYZ"], own=["x", "y", "z"])
    assert list(genes.name(var, "own")) == ["x", "y", "z"]
    assert list(genes.name(var, "index")) == IDS


def test_a_column_that_is_missing_is_named_with_those_there_are():
    with pytest.raises(UserError, match=r'genes\.names.*"symbol".*"feature_name"'):
        genes.name(var_of(IDS, feature_name=["a", "b", "c"]), "symbol")


def test_names_are_text_and_an_empty_one_is_the_id():
    column = pd.Categorical(["NA", "", "007"])
    assert list(genes.name(var_of(IDS, feature_name=column))) == ["NA", IDS[1], "007"]
    column = pd.Series(["nan", None, " 1 "], dtype="string").to_numpy()
    assert list(genes.name(var_of(IDS, feature_name=column))) == ["nan", IDS[1], "1"]


def test_names_that_stand_twice_get_numbers():
    found = genes.name(var_of(IDS, feature_name=["A", "A", "B"]))
    assert list(found) == ["A", "A-1", "B"]


@pytest.mark.parametrize(
    "name",
    [
        "MT-CO1",
        "mt-Co1",
        "Mt-co1",
        "mt:CoI",
        "MT.CO1",
        "GRCh38_MT-CO1",
        "mm10___mt-Co1",
        "GRCh38-MT-CO1",
        "hg19_MT-ND1",
    ],
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


def test_listed_mitochondrial_genes_may_be_ids():
    var = var_of(IDS)
    found = genes.mitochondrial(["a", "b", "c"], QC | {"mito_genes": [IDS[1]]}, var)
    assert list(found) == [False, True, False]


@pytest.mark.parametrize(
    ("names", "qc", "says"),
    [
        (["mt-Co1", "Actb", "Cd3e", "Lyz"], {"mito_prefix": "MT-"}, 'qc.mito_prefix: "mt-" would match 1'),
        (["mt:CoI", "Act5C"], {"mito_prefix": "MT-"}, 'qc.mito_prefix: "mt:" would match 1'),
        (["GRCh38_MT-CO1", "ACTB"], {"mito_prefix": "MT-"}, 'qc.mito_prefix: "GRCh38_MT-" would match 1'),
        (["human=MT|CO1", "ACTB"], {}, 'qc.mito_prefix: "human=MT|" would match 1'),
        (IDS, {}, "list the mitochondrial ones in qc.mito_genes"),
        (
            ["ND1", "ND2", "COX1", "COX2", "CYTB", "ACTB"],
            {},
            "qc.mito_genes: [ND1, ND2, COX1, COX2, CYTB] would match 5",
        ),
        (["ACTB", "GAPDH"], {"mito_genes": ["MT-CO1"]}, "qc.mito_genes (MT-CO1)"),
    ],
)
def test_a_limit_without_mitochondrial_genes_stops_and_says_what_would_match(names, qc, says):
    with pytest.raises(UserError, match=r"max_pct_mito") as caught:
        genes.mitochondrial(names, QC | qc)
    assert says in str(caught.value)
    assert all(name in str(caught.value) for name in names[:3])
    assert "\n" not in str(caught.value)


def test_a_column_with_mitochondrial_genes_is_offered():
    var = var_of(IDS, annotation=["MT-ND1", "MS4A1", "LYZ"])
    with pytest.raises(UserError, match=r"genes\.names: annotation would match 1"):
        genes.mitochondrial(IDS, QC, var)


def test_without_a_limit_missing_mitochondrial_genes_are_said(caplog):
    with caplog.at_level(NOTE):
        assert not genes.mitochondrial(["ACTB"], QC | {"max_pct_mito": None}).any()
    assert "0 mitochondrial genes" in caplog.text


def test_genes_are_left_out_by_prefix(caplog):
    names = ["ERCC-00002", "ERCC1", "RPL3", "RPS2"]
    assert list(genes.exclude(names, [])) == [False] * 4
    assert list(genes.exclude(names, ["ERCC-", "RPL"])) == [True, False, True, False]
    assert not caplog.records
    genes.exclude(names, ["XYZ"])
    assert 'begins with "XYZ"' in caplog.text
    assert "ERCC-00002, ERCC1, RPL3" in caplog.text


def test_spike_ins_with_many_counts_are_said(caplog):
    genes.warn_of_spike_ins(["ERCC-00002", "ACTB"], np.array([4.0, 96.0]))
    assert not caplog.records
    genes.warn_of_spike_ins(["ERCC-00002", "ACTB"], np.array([89.0, 11.0]))
    assert "89 %" in caplog.text
    assert caplog.records[0].levelno == logging.WARNING
