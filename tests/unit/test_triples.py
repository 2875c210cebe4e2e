"""MatrixMarket triples under all the names that labs and tools give them, in folders and archives."""

import pytest
from small_data import CELLS, GENES, IDS, MATRIX, annotated, assert_matrix, fails, tar, triple, write

from scae.sources import reader, triples

TYPES = ["Gene Expression"] * 4
CELLS_IN_ROWS = {"columns": (GENES,), "table": MATRIX}
LAYOUTS = {
    "Cell Ranger 2": {},
    "Cell Ranger 3": {
        **{"matrix": "matrix.mtx.gz", "genes": "features.tsv.gz", "cells": "barcodes.tsv.gz"},
        "columns": (IDS, GENES, TYPES),
    },
    "STARsolo": {"genes": "features.tsv", "columns": (IDS, GENES, TYPES)},
    "only genes compressed": {"genes": "genes.tsv.gz"},
    "one column": {"genes": "features.tsv", "columns": (GENES,)},
    "GEO": {"matrix": "GSM1_s1_matrix.mtx.gz", "genes": "GSM1_s1_features.tsv.gz", "cells": "GSM1_s1_barcodes.tsv.gz"},
    "a suffix": {"matrix": "matrix_s1.mtx", "genes": "genes_s1.tsv", "cells": "barcodes_s1.tsv"},
    "bzip2": {"matrix": "matrix.mtx.bz2"},
    "kallisto": {
        **{"matrix": "cells_x_genes.mtx", "genes": "cells_x_genes.genes.txt", "cells": "cells_x_genes.barcodes.txt"},
        **CELLS_IN_ROWS,
    },
    "alevin": {
        **{"matrix": "quants_mat.mtx.gz", "genes": "quants_mat_cols.txt", "cells": "quants_mat_rows.txt"},
        **CELLS_IN_ROWS,
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_in_every_place(layout, tmp_path):
    folder = triple(tmp_path / "outs/filtered {x}", **LAYOUTS[layout])
    matrix = next(path for path in folder.iterdir() if ".mtx" in path.name)
    for source in (folder, folder.parent, tar(tmp_path / "sample.tar.gz", folder), matrix):
        assert_matrix(reader.read(source))


def test_parse_biosciences(tmp_path):
    triple(tmp_path, "DGE.mtx", "all_genes.tsv", "cell_metadata.tsv", table=MATRIX)
    (tmp_path / "all_genes.tsv").unlink()
    (tmp_path / "cell_metadata.tsv").unlink()
    genes = [f"{gene_id},{gene},hg38" for gene_id, gene in zip(IDS, GENES, strict=True)]
    write(tmp_path / "all_genes.csv", ["gene_id,gene_name,genome", *genes])
    write(tmp_path / "cell_metadata.csv", ["bc_wells,sample,species", *(f"{cell},s1,hg38" for cell in CELLS)])
    data = reader.read(tmp_path)
    assert_matrix(data)
    assert list(data.var["gene_ids"]) == IDS
    assert list(data.var["genome"]) == ["hg38"] * 4
    assert list(data.obs["sample"]) == ["s1"] * 3


def test_names_are_text_and_a_gene_without_symbol_is_named_by_its_id(tmp_path):
    folder = triple(tmp_path / "sample", columns=(IDS, ["nan", "", "007", "NA"]))
    write(folder / "barcodes.tsv", [f"{cell}\tdonor{number}" for number, cell in enumerate(CELLS)])
    data = reader.read(folder)
    assert_matrix(data, genes=["nan", IDS[1], "007", "NA"])
    assert list(data.obs.iloc[:, 0]) == ["donor0", "donor1", "donor2"]


def test_other_features_and_genomes_are_dropped(tmp_path):
    types = ["Gene Expression", "Antibody Capture", "Gene Expression", "Gene Expression"]
    folder = triple(tmp_path / "types", genes="features.tsv", columns=(IDS, GENES, types))
    assert_matrix(reader.read(folder), MATRIX[:, [0, 2, 3]], ["CD3D", "MS4A1", "MT-CO1"])
    assert list(reader.describe(folder).var.index) == ["CD3D", "MS4A1", "MT-CO1"]
    names = ["GRCh38_CD3D", "GRCh38_MT-CO1", "mm10_Lyz2", "mm10_mt-Co1"]
    folder = triple(tmp_path / "genomes", columns=(IDS, names))
    assert_matrix(reader.read(folder), genes=names)
    assert_matrix(reader.read(folder, genome="mm10"), MATRIX[:, 2:], names[2:])
    assert 'no gene of genome "hg19"' in fails(folder, genome="hg19")


def test_samples_may_share_a_file_of_genes(tmp_path):
    for sample in ("a", "b"):
        triple(tmp_path / "raw", f"{sample}.mtx", "features.tsv", f"{sample}_barcodes.tsv")
    assert_matrix(reader.read(tmp_path / "raw", member="b"))


def test_nested_archives_and_cell_ranger_outs(tmp_path):
    (tmp_path / "raw").mkdir()
    tar(tmp_path / "raw/GSM1.tar.gz", triple(tmp_path / "one"))
    assert_matrix(reader.read(tar(tmp_path / "GSE1_RAW.tar", tmp_path / "raw")))
    for name in ("raw", "filtered"):
        triple(tmp_path / f"outs/{name}_feature_bc_matrix")
    write(tmp_path / "outs/analysis/clusters.csv", ["Barcode,Cluster"])  # tables and damaged files are skipped
    write(tmp_path / "outs/molecule_info.h5", b"x")
    assert "filtered_feature_bc_matrix, raw_feature_bc_matrix" in fails(tmp_path / "outs")
    assert_matrix(reader.read(tmp_path / "outs", member="filtered"))
    (tmp_path / "outs/filtered_feature_bc_matrix/genes.tsv").unlink()
    assert_matrix(reader.read(tmp_path / "outs"))
    annotated().write_zarr(tmp_path / "zarr/sample.zarr")
    assert_matrix(reader.read(tmp_path / "zarr"))


def mtx(entries, kind="integer", sizes="4 3 1"):
    return [f"%%MatrixMarket matrix coordinate {kind} general", sizes, *entries]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("genes.tsv", None, "matrix.mtx: has no file of genes"),
        ("barcodes.tsv", None, "matrix.mtx: has no file of cells"),
        ("barcodes.tsv", CELLS[:2], "has 4 lines of genes and barcodes.tsv 2 of cells"),
        ("barcodes.tsv", [CELLS[0]] * 3, "2 cells have the same name"),
        ("genes.tsv", "A\tÄ\n".encode("latin-1") * 4, "is not UTF-8"),
        ("matrix.mtx", b"%%MatrixMarket x", "is not a MatrixMarket file"),
        ("matrix.mtx", b"<html>", "not a MatrixMarket file (it begins '<html>')"),
        ("matrix.mtx", mtx([], sizes="4 3 9999999"), "declares 9,999,999 values"),
        ("matrix.mtx", mtx([], sizes="four"), "has no line with its numbers of rows"),
        ("matrix.mtx", mtx(["9 1 1"]), "cannot be read"),
        ("matrix.mtx", mtx(["1 1 1 0"], "complex"), "type complex"),
    ],
)
def test_files_that_do_not_fit_together(name, content, says, tmp_path):
    folder = triple(tmp_path / "sample")
    (folder / name).unlink()
    if content:
        write(folder / name, content)
    assert says in fails(folder)


def test_a_description_reads_only_the_first_lines(tmp_path, monkeypatch):
    monkeypatch.setattr(triples, "SAMPLED_LINES", 2)
    folder = triple(tmp_path / "sample")
    lines = (folder / "matrix.mtx").read_text().splitlines()
    write(folder / "matrix.mtx", [*lines[:-1], "not a number"])
    found = reader.describe(folder)
    assert (found.format, found.holds, found.obs.shape[0], found.var.shape[0]) == ("triple", "counts", 3, 4)
    assert "cannot be read" in fails(folder)
