"""Files as labs have them are read rightly, or stop with one line that has the key to write; `check` says the same."""

import logging
import re

import lab_files as lab
import numpy as np
import pytest
import yaml
from lab_files import BARCODES, CELLS, COUNTS, GENES, IDS, LOG, TYPES, WELLS
from settings import load
from small_data import fails, write

from scae.config import check
from scae.data import genes as gene_names
from scae.data import labels, quality
from scae.errors import UserError
from scae.sources import reader, samples

TOTAL = "spliced+unspliced+ambiguous"
FLIPPED = {"orientation": "genes_in_rows"}
# Maker, settings of reading, matrix taken, its values, names of cells and genes
READ = {
    "velocity layers beside logarithms": (lab.velocity, {}, TOTAL, "counts", CELLS, GENES),
    "kb nac": (lab.kallisto_nac, {}, "mature+nascent+ambiguous", "counts", CELLS, GENES),
    "STARsolo Velocyto": (lab.velocyto_folder, {}, TOTAL, "counts", CELLS, GENES),
    "kb nac, files": (lab.kallisto_states, {}, "mature+nascent+ambiguous", "counts", BARCODES, GENES),
    "a layer of presence": (lab.presence, {}, "X", "log_normalized", CELLS, GENES),
    "an unknown layer, X by the config": (lab.binned, {"matrix": "X"}, "X", "log_normalized", CELLS, GENES),
    "a plate": (lab.plate, FLIPPED, "X", "counts", WELLS, IDS),
    "transposed h5ad": (lab.transposed, FLIPPED, "X", "counts", CELLS, GENES),
    "transposed loom": (lab.transposed_loom, {"orientation": "cells_in_rows"}, "X", "counts", CELLS, GENES),
    "a loom that says so": (lab.loom_by_cell, {}, "X", "counts", CELLS, GENES),
    "GEX and ADT": (lab.typed("GEX", "ADT"), {}, "X", "counts", CELLS, GENES),
    "RNA and Antibody": (lab.typed("rna", "Antibody"), {}, "X", "counts", CELLS, GENES),
    "types by the config": (lab.typed("blue", "red"), {"feature_type": "blue"}, "X", "counts", CELLS, GENES),
    "negative values of proteins": (lab.proteins_scaled, {}, "X", "log_normalized", CELLS, GENES),
    "HTSeq": (lab.counters("__no_feature", "__ambiguous", "__not_aligned"), FLIPPED, "X", "counts", CELLS, GENES),
    "STAR": (lab.counters("N_unmapped", "N_noFeature"), FLIPPED, "X", "counts", CELLS, GENES),
    "BD AbSeq": (lab.abseq, {}, "X", "counts", [str(100 + n) for n in range(90)], GENES),
    "annotation above the genes": (lab.annotation_rows, FLIPPED, "X", "log_normalized", CELLS, GENES),
    "true values beside annotation": (
        *(lab.annotation_rows, FLIPPED | {"values": "log_normalized"}, "X", "log_normalized", CELLS, GENES),
    ),
    "annotation without a telling name": (lab.annotation_unnamed, {}, "X", "log_normalized", CELLS, GENES),
    "text above the genes": (lab.annotation_row_of_text, FLIPPED, "X", "counts", CELLS, GENES),
    "annotation of counts": (lab.cluster_row, FLIPPED, "X", "counts", CELLS, GENES),
    "antibodies by name": (lab.antibodies_by_name, {}, "X", "counts", CELLS, GENES),
    "pandas": (lab.from_pandas, {}, "X", "counts", CELLS, GENES),
    "featureCounts": (lab.feature_counts, FLIPPED, "X", "counts", WELLS, IDS),
    "alevin-fry USA": (lab.splicing_suffixes, {}, "X", "counts", BARCODES, IDS),
    "BD, long": (lab.long_bd, {}, "RSEC_Adjusted_Molecules", "counts", [str(100 + n) for n in range(90)], GENES),
    "long": (lab.long_plain, {}, "X", "counts", CELLS, GENES),
    "kb count": (lab.kallisto, {}, "X", "counts", BARCODES, GENES),
    "HCA": (lab.atlas, {}, "X", "counts", CELLS, GENES),
    "R's write.csv": (lab.from_r("write.csv"), {}, "X", "counts", CELLS, GENES),
    "R's write.table": (lab.from_r("write.table"), {}, "X", "counts", CELLS, GENES),
    "float16": (lab.half_precision, {}, "X", "counts", CELLS, GENES),
    "float16, sparse": (lab.half_precision_sparse, {}, "X", "counts", CELLS, GENES),
    "SpatialData": (lab.spatial("table"), {}, "X", "counts", CELLS, GENES),
    "SpatialData, one of two": (lab.spatial("cells", "bins"), {"member": "tables/cells"}, "X", "counts", CELLS, GENES),
    "id|symbol": (lab.joined_names("{id}.2|{symbol}"), FLIPPED, "X", "counts", CELLS, GENES),
    "id_symbol": (lab.joined_names("{id}_{symbol}"), FLIPPED, "X", "counts", CELLS, GENES),
    "symbol (id)": (lab.joined_names("{symbol} ({id})"), FLIPPED, "X", "counts", CELLS, GENES),
    "codes of R": (lab.codes_of_r, {}, "X", "counts", CELLS, GENES),
    "attributes of R": (lab.attributes_of_r, {}, "X", "counts", CELLS, GENES),
    "SeuratDisk": (lab.seurat_disk, {}, "X", "counts", CELLS, GENES),
}
# Maker, settings of reading, what the line says
STOP = {
    "an unknown layer": (lab.binned, {}, ['layer "X_binned"', "Set matrix to X or X_binned"]),
    "imputed values": (lab.imputed, {}, ['layer "MAGIC"', "Set matrix to X or MAGIC"]),
    "one splicing state": (lab.only_spliced, {}, ['layer "spliced"', "Set matrix to X or spliced"]),
    "a plate": (lab.plate, {}, [IDS[0], "set orientation to genes_in_rows"]),
    "flies": (lab.fly, {}, ["FBgn0000000", "set orientation to genes_in_rows"]),
    "symbols": (lab.symbols_in_rows, {}, ["CD3D", "set orientation to genes_in_rows"]),
    "text above the genes": (lab.annotation_row_of_text, {}, ['"CellType"', "set orientation to genes_in_rows"]),
    "names that do not tell": (lab.no_evidence, {}, ["set orientation to cells_in_rows or genes_in_rows"]),
    "transposed h5ad": (lab.transposed, {}, ["MT-ND1", "set orientation to genes_in_rows"]),
    "transposed h5mu": (lab.transposed_mudata, {}, [IDS[0], "set orientation to genes_in_rows"]),
    "transposed zarr": (lab.transposed_zarr, {}, ["ENSMUSG", "set orientation to genes_in_rows"]),
    "genes' columns in obs": (lab.transposed_by_annotation, {}, ['"gene_ids"', "set orientation to genes_in_rows"]),
    "transposed loom": (lab.transposed_loom, {}, ["MT-ND1", "set orientation to cells_in_rows"]),
    "exchanged files": (lab.exchanged_files, {}, ["exchange the names of the two files"]),
    "unknown types": (lab.typed("blue", "red"), {}, ['"blue" (120)', '"red" (10)', "set feature_type"]),
    "a known and an unknown type": (lab.typed("GEX", "red"), {}, ['"red"', "set feature_type"]),
    "only proteins": (lab.proteins_only, {}, ['"ADT" (10)', "feature_type"]),
    "two tables": (lab.spatial("cells", "bins"), {}, ["tables/bins, tables/cells", "Set member"]),
}


@pytest.mark.parametrize("case", READ)
def test_read(case, tmp_path):
    make, reading, matrix, values, cells, genes = READ[case]
    source = make(tmp_path)
    data = reader.read(source, **reading)
    assert (data.uns["matrix"], data.uns["values"]) == (matrix, values)
    assert sorted(data.var_names) == sorted(genes)
    np.testing.assert_allclose(data[cells, genes].X.toarray(), COUNTS if values == "counts" else LOG, rtol=1e-3)
    found = reader.describe(source, **reading)
    assert (found.problems, found.matrix, found.holds, len(found.var)) == ((), matrix, values, len(genes))


@pytest.mark.parametrize("case", STOP)
def test_stop(case, tmp_path):
    make, reading, says = STOP[case]
    source = make(tmp_path)
    message = fails(source, **reading)
    for words in says:
        assert words in message
    assert reader.describe(source, **reading).problems == (f"{source}: {message}",)


def test_annotation_of_the_cells_goes_to_obs(tmp_path):
    data = reader.read(lab.annotation_rows(tmp_path), **FLIPPED)
    assert list(data.obs["non-malignant cell type (1=T,2=B)"][:4]) == [1, 2, 3, 1]
    data.write_h5ad(tmp_path / "counts.h5ad")
    data = reader.read(lab.annotation_row_of_text(tmp_path), **FLIPPED)
    assert list(data.obs["CellType"]) == list(TYPES)
    assert list(reader.read(lab.feature_counts(tmp_path), **FLIPPED).var["Chr"][:1]) == ["chr1;chr1"]


def test_categories_of_r(tmp_path):
    data = reader.read(lab.codes_of_r(tmp_path))
    assert data.obs["type"].isna().tolist() == [True] + [False] * 89
    assert list(data.obs["type"][1:]) == list(TYPES[1:])
    assert list(reader.read(lab.seurat_disk(tmp_path)).obs["type"]) == list(TYPES)
    assert list(reader.read(lab.codes_from_1(tmp_path)).obs["type"]) == list(TYPES)
    assert list(reader.read(lab.attributes_of_r(tmp_path)).obs["type"]) == list(TYPES)


def test_real_gene_names_are_kept():
    """Names with such words or endings that are genes, and antisense genes whose base is there."""
    genes = lab.pd.Index(GENES)
    assert not reader.features.annotation_among(lab.sparse.csr_matrix(COUNTS), genes, np.ones(120, bool)).any()
    names = ["HLA-A", "HLA", "T", "CELL", "PHACTR1", "SAMHD1", "MT-ND1", "GAS5-AS1", "GAS5", "age-1", "sex-1"]
    assert not any(map(reader.features._names_no_gene, names))
    assert not any(map(reader.features.SUMMARY.fullmatch, [*names, "adt-1", "PROT1", "N_PAC"]))  # adt-1 is of the worm


def test_a_warning_if_x_is_one_splicing_state(tmp_path, caplog):
    data = lab.cells_of(lab.SPLICED, layers={"spliced": lab.SPLICED, "unspliced": lab.UNSPLICED})
    data.write_h5ad(tmp_path / "lab.h5ad")
    assert reader.read(tmp_path / "lab.h5ad").uns["matrix"] == "X"
    assert 'the same as layer "spliced"' in caplog.text
    assert "matrix: spliced+unspliced has all" in caplog.text


@pytest.mark.parametrize("entry", ["X/data", "var/_index"])
def test_a_missing_filter_is_named_with_its_package(entry, tmp_path):
    path = lab.zstandard(tmp_path, entry)
    message = fails(path)
    assert f'entry "/{entry}" is compressed with Zstandard (HDF5 filter 32015), which is not installed' in message
    assert "pip install hdf5plugin" in message
    assert reader.describe(path).problems == (f"{path}: {message}",)


def test_a_file_of_genes_of_another_length_is_not_called_damaged(tmp_path):
    folder = lab.tenx(tmp_path)
    write(folder / "features.tsv.gz", IDS[:100])
    message = fails(folder)
    assert "100 lines of genes" in message
    assert "truncated" not in message


@pytest.mark.parametrize(("share", "warned"), [(0.2, False), (0.8, True)])
def test_a_few_features_with_most_counts_are_named(share, warned, caplog):
    counts = np.ones(1000)
    counts[7] = 999 * share / (1 - share)
    gene_names.warn_of_few(np.array([f"g{n}" for n in range(1000)]), counts)
    assert ("g7 (80 %)" in caplog.text) == warned
    assert bool(caplog.records) == warned


def test_spike_ins_have_several_spellings(caplog):
    names = np.array(["ERCC-00002", "ERCC.00003", "gERCC_00004", "SIRV1", "ERCC1", "CD3D"])
    gene_names.warn_of_spike_ins(names, np.array([1, 1, 1, 1, 0, 1]))
    assert "4 spike-ins have 80 % of the counts" in caplog.text
    assert "genes.exclude: [" in caplog.text


# Samples and labels


@pytest.fixture
def two_samples(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, cells in (("0", CELLS[:45]), ("1", CELLS[45:])):
        lab.tenx(tmp_path / name, COUNTS[:45], cells=cells)
    return {"source": {"0": "0", "1": "1"}, "samples": None, "sha256": None, "join": "inner", "min_shared_genes": 0.5}


def labels_of(tmp_path, cells, **columns):
    lines = [",".join(["cell", "label", *columns])]
    lines += [",".join(row) for row in zip(cells, TYPES, *columns.values(), strict=True)]
    write(tmp_path / "types.csv", lines)


TABLE = {"from": "csv", "path": "types.csv", "cell_column": "cell", "column": "label", "sample_column": None}
TABLE |= {"cell_names": {}, "ignore": [], "missing": "error"}
SAMPLE = ["0"] * 45 + ["1"] * 45
WAYS = {
    "scanpy": [f"{cell}-{sample}" for cell, sample in zip(CELLS, SAMPLE, strict=True)],
    "Seurat": [f"{cell}_{int(sample) + 1}" for cell, sample in zip(CELLS, SAMPLE, strict=True)],
    "Seurat, merged twice": [f"{cell}_1_{int(sample) + 1}" for cell, sample in zip(CELLS, SAMPLE, strict=True)],
    "Seurat, add.cell.ids": [f"S{sample}_{cell}" for cell, sample in zip(CELLS, SAMPLE, strict=True)],
    "without -1": [f"{cell[:-2]}-{sample}" for cell, sample in zip(CELLS, SAMPLE, strict=True)],
}


@pytest.mark.parametrize("way", WAYS)
def test_labels_of_several_samples_are_offered_a_line_that_matches_them(way, two_samples, tmp_path):
    data = samples.read(two_samples, None)
    labels_of(tmp_path, WAYS[way])
    with pytest.raises(UserError) as caught:
        labels.given(TABLE, data.obs)
    message = str(caught.value)
    assert f'"{WAYS[way][0]}" here' in message
    assert f'"0_{CELLS[0]}" in the data' in message
    assert "would match 90 of 90" in message
    offered = message.partition("labels.cell_names: ")[2].partition(" would")[0]
    found = labels.given(TABLE | {"cell_names": yaml.safe_load(offered)}, data.obs)
    assert list(found.reindex(data.obs_names)) == list(TYPES)


@pytest.mark.parametrize("repeated", [True, False])
def test_a_column_of_samples(repeated, two_samples, tmp_path):
    cells = CELLS
    if repeated:  # the same barcodes in both samples
        cells = CELLS[:45] * 2
        lab.tenx(tmp_path / "1", COUNTS[:45], cells=CELLS[:45])
    data = samples.read(two_samples, None)
    labels_of(tmp_path, cells, batch=SAMPLE)
    with pytest.raises(UserError, match=r'labels\.sample_column.*"batch"'):
        labels.given(TABLE, data.obs)
    found = labels.given(TABLE | {"sample_column": "batch"}, data.obs)
    assert list(found.reindex(data.obs_names)) == list(TYPES)


def test_a_column_of_samples_with_other_names(two_samples, tmp_path):
    data = samples.read(two_samples, None)
    labels_of(tmp_path, CELLS, donor=[{"0": "healthy", "1": "sick"}[sample] for sample in SAMPLE])
    with pytest.raises(UserError) as caught:
        labels.given(TABLE, data.obs)
    column, changes = re.search(r"sample_column: (\S+) and labels.cell_names: (.*) would", str(caught.value)).groups()
    offered = {"sample_column": yaml.safe_load(column), "cell_names": yaml.safe_load(changes)}
    found = labels.given(TABLE | offered, data.obs)
    assert list(found.reindex(data.obs_names)) == list(TYPES)


def test_comments_above_the_labels(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = ["####", "## BD Rhapsody Analysis Pipeline", "Cell_Index,Sample_Name", "100,B", "101,#2"]
    write(tmp_path / "types.csv", lines)
    found = labels.given(
        TABLE | {"cell_column": "Cell_Index", "column": "Sample_Name"}, lab.pd.DataFrame(index=["100", "101"])
    )
    assert found.tolist() == ["B", "#2"]
    write(tmp_path / "types.csv", ["#cell,label", "100,B"])
    assert labels.given(TABLE | {"cell_column": "#cell"}, lab.pd.DataFrame(index=["100"])).tolist() == ["B"]


def test_notes_and_errors_name_their_label_set(caplog):
    caplog.set_level(logging.INFO)
    with labels.about("hand"):
        labels.without_words(lab.pd.Series(["B", "none"]), ["none"])
    with pytest.raises(UserError, match=r"^labels\.hand\.column: "), labels.about("hand"):
        labels.given({"from": "obs", "column": "x"}, lab.pd.DataFrame({"y": [1]}))
    assert 'labels hand: labels ignored (labels.ignore): "none" (1)' in caplog.text


@pytest.mark.parametrize("join", ["inner", "outer"])
def test_samples_that_share_few_genes(join, two_samples, tmp_path):
    lab.tenx(tmp_path / "1", COUNTS[:45], cells=CELLS[45:], genes=[*GENES[:15], *(g.lower() for g in GENES[15:])])
    settings = two_samples | {"join": join}
    with pytest.raises(UserError, match=r"share 15 genes, 12 % .*GENE0, .*gene0, .*min_shared_genes to 0\.12"):
        samples.read(settings, None)
    assert samples.read(settings | {"min_shared_genes": 0.12}, None).n_obs == 90


# What check finds is what stops a run


def nan(folder):
    return lab.h5ad(folder, np.where(COUNTS == 3, np.nan, COUNTS))


def scaled(folder):
    return lab.h5ad(folder, (LOG - LOG.mean(axis=0)) / LOG.std())


def panel(folder):
    return lab.h5ad(folder, COUNTS, genes=GENES)


BOTH = {  # maker, settings of the data set, key or words of the problem; None if there is none
    "good": (panel, {"qc": {"min_genes": 20}}, None),
    "a panel with fewer genes than min_genes": (panel, {}, "qc.min_genes"),
    "min_genes that no cell reaches": (panel, {"qc": {"min_genes": 119}}, "none has more than 108 of"),
    "max_genes": (panel, {"qc": {"min_genes": 1, "max_genes": 10}}, "qc.max_genes"),
    "max_pct_mito": (panel, {"qc": {"min_genes": 1, "max_pct_mito": 0.01}}, "qc.max_pct_mito"),
    "min_cells": (panel, {"qc": {"min_genes": 1, "min_cells": 91}}, "qc.min_cells"),
    "NaN": (nan, {"qc": {"min_genes": 20}}, "gene CD79A: nan is not a finite number"),
    "scaled": (scaled, {"qc": {"min_genes": 20}}, "is negative"),
    "transposed": (lab.transposed, {}, "orientation"),
    "unknown layer": (lab.binned, {"qc": {"min_genes": 20}}, "Set matrix to"),
    "two tables": (lab.spatial("a", "b"), {"qc": {"min_genes": 20}}, "Set member"),
    "all of a file": (panel, {"member": "all"}, "set member to null"),
    "all of a store": (lab.spatial("a", "b"), {"member": "all", "qc": {"min_genes": 20}}, None),
    "a limit that needs counts": (lab.presence, {"qc": {"min_genes": 20, "max_pct_mito": 5}}, "qc.max_pct_mito"),
}


@pytest.mark.parametrize("case", BOTH)
def test_check_and_run_say_the_same(case, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, settings, says = BOTH[case]
    source = make(tmp_path).name
    config["datasets"]["toy"] = {"source": source, "labels": {"from": "none"}} | settings
    config |= {"tsne": {"perplexity": 20}, "kmeans": {"k": 3}}
    loaded = load(config, datasets_too=False)
    problems = check.check_dataset("toy", loaded, 2)[1]
    dataset, stopped = loaded["datasets"]["toy"], []
    try:
        quality.measure(samples.read(dataset, None), dataset["qc"], dataset["genes"])
    except UserError as error:
        stopped = [str(error)]
    assert len(problems) == len(stopped) == (says is not None), (problems, stopped)
    for message in problems + stopped:
        assert says in message
        assert "{'" not in message  # not a dict
