"""Every format gives the cells x genes of the .h5ad with the same counts, as labs and tools hand them over."""

import bz2
import gzip
import io
import json
import pickle
import shutil
import tarfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse

from scae.errors import UserError
from scae.sources import reader

CELLS = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "AAACCTGAGAAACCTA-1"]
GENES = ["CD3D", "LYZ", "MS4A1", "MT-CO1"]
IDS = [f"ENSG{number:011d}" for number in range(4)]
MATRIX = np.array([[1, 0, 2, 0], [0, 0, 0, 7], [3, 4, 0, 0]], dtype=np.float32)


def annotated():
    obs = pd.DataFrame({"type": ["B", "NK", "B"], "n": [1, 2, 3]}, index=CELLS)
    return anndata.AnnData(sparse.csr_matrix(MATRIX), obs=obs, var=pd.DataFrame({"gene_ids": IDS}, index=GENES))


def mtx(path, table=None):
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, sparse.coo_matrix(MATRIX.T.astype(int) if table is None else table))
    write(path, stream.getvalue())


def write(path, content):
    """Bytes or lines, compressed as the name says."""
    content = content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    pack = {".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)
    path.write_bytes(pack(content))


def triple(folder, matrix="matrix.mtx", genes="genes.tsv", cells="barcodes.tsv", columns=None, table=None):
    mtx(folder / matrix, table)
    lines = zip(*(columns or (IDS, GENES)), strict=True)
    write(folder / genes, ["\t".join(line) for line in lines])
    write(folder / cells, CELLS)
    return folder


def tar(path, folder, mode="w"):
    with tarfile.open(path, mode) as archive:
        for file in sorted(folder.iterdir()):
            archive.add(file, arcname=file.name)
    return path


def assert_is_the_matrix(data, genes=GENES):
    assert list(data.obs_names) == CELLS
    assert list(data.var_names) == list(genes)
    assert isinstance(data.X, sparse.csr_matrix)
    np.testing.assert_array_equal(data.X.toarray(), MATRIX)


def fails(source, **reading):
    with pytest.raises(UserError) as caught:
        reader.read(source, **reading)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{source}: ")
    return message


# Triples


TYPES = ["Gene Expression"] * 4
LAYOUTS = {
    "Cell Ranger 2": {},
    "Cell Ranger 3": {
        "matrix": "matrix.mtx.gz",
        "genes": "features.tsv.gz",
        "cells": "barcodes.tsv.gz",
        "columns": (IDS, GENES, TYPES),
    },
    "STARsolo, not compressed": {"genes": "features.tsv", "columns": (IDS, GENES, TYPES)},
    "genes alone compressed": {"genes": "genes.tsv.gz"},
    "one column": {"genes": "features.tsv", "columns": (GENES,)},
    "GEO": {
        "matrix": "GSM1_s1_matrix.mtx.gz",
        "genes": "GSM1_s1_features.tsv.gz",
        "cells": "GSM1_s1_barcodes.tsv.gz",
    },
    "a suffix": {"matrix": "matrix_s1.mtx", "genes": "genes_s1.tsv", "cells": "barcodes_s1.tsv"},
    "cells x genes, kallisto": {
        "matrix": "cells_x_genes.mtx",
        "genes": "cells_x_genes.genes.txt",
        "cells": "cells_x_genes.barcodes.txt",
        "columns": (GENES,),
        "table": MATRIX.astype(int),
    },
    "alevin": {
        "matrix": "quants_mat.mtx.gz",
        "genes": "quants_mat_cols.txt",
        "cells": "quants_mat_rows.txt",
        "columns": (GENES,),
        "table": MATRIX.astype(int),
    },
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("place", ["folder", "below", "archive", "the matrix itself"])
def test_a_triple(layout, place, tmp_path):
    folder = triple(tmp_path / ("outs/filtered" if place == "below" else "sample"), **LAYOUTS[layout])
    source = {"folder": folder, "below": tmp_path / "outs", "archive": tmp_path / "sample.tar.gz"}.get(place)
    if place == "archive":
        tar(source, folder, "w:gz")
    assert_is_the_matrix(reader.read(source or next(path for path in folder.iterdir() if ".mtx" in path.name)))


def test_a_triple_of_parse(tmp_path):
    mtx(tmp_path / "DGE.mtx", MATRIX.astype(int))
    genes = [f"{gene_id},{gene},hg38" for gene_id, gene in zip(IDS, GENES, strict=True)]
    write(tmp_path / "all_genes.csv", ["gene_id,gene_name,genome", *genes])
    write(tmp_path / "cell_metadata.csv", ["bc_wells,sample,species", *(f"{cell},s1,hg38" for cell in CELLS)])
    data = reader.read(tmp_path)
    assert_is_the_matrix(data)
    assert list(data.var["gene_ids"]) == IDS
    assert list(data.var["genome"]) == ["hg38"] * 4
    assert list(data.obs["sample"]) == ["s1"] * 3


def test_names_are_text_and_a_gene_without_symbol_goes_by_its_id(tmp_path):
    names = ["nan", "", "007", "NA"]
    data = reader.read(triple(tmp_path / "sample", columns=(IDS, names)))
    assert_is_the_matrix(data, ["nan", IDS[1], "007", "NA"])


def test_barcodes_with_two_columns(tmp_path):
    folder = triple(tmp_path / "sample")
    write(folder / "barcodes.tsv", [f"{cell}\tdonor{number}" for number, cell in enumerate(CELLS)])
    data = reader.read(folder)
    assert_is_the_matrix(data)
    assert list(data.obs.iloc[:, 0]) == ["donor0", "donor1", "donor2"]


def test_what_is_no_gene_expression_is_left_out(tmp_path):
    types = ["Gene Expression", "Antibody Capture", "Gene Expression", "Gene Expression"]
    folder = triple(tmp_path / "sample", genes="features.tsv", columns=(IDS, GENES, types))
    assert list(reader.read(folder).var_names) == ["CD3D", "MS4A1", "MT-CO1"]


def test_one_of_two_genomes(tmp_path):
    names = ["GRCh38_CD3D", "GRCh38_MT-CO1", "mm10_Lyz2", "mm10_mt-Co1"]
    folder = triple(tmp_path / "sample", columns=(IDS, names))
    assert list(reader.read(folder).var_names) == names
    assert list(reader.read(folder, genome="mm10").var_names) == names[2:]
    assert 'no gene is of genome "hg19"' in fails(folder, genome="hg19")


def test_a_raw_tar_of_geo_lists_its_samples(tmp_path):
    for sample in ("GSM1_a", "GSM2_b"):
        triple(tmp_path / "raw", f"{sample}_matrix.mtx.gz", f"{sample}_genes.tsv.gz", f"{sample}_barcodes.tsv.gz")
    source = tar(tmp_path / "GSE1_RAW.tar", tmp_path / "raw")
    assert "holds 2 matrices: GSM1_a, GSM2_b. Write member:" in fails(source)
    assert_is_the_matrix(reader.read(source, member="GSM2_b"))


def test_samples_that_share_a_file_of_genes(tmp_path):
    for sample in ("a", "b"):
        triple(tmp_path / "raw", f"{sample}.mtx", "features.tsv", f"{sample}_barcodes.tsv")
    assert_is_the_matrix(reader.read(tmp_path / "raw", member="b"))


def test_archives_in_an_archive(tmp_path):
    (tmp_path / "raw").mkdir()
    tar(tmp_path / "raw/GSM1.tar.gz", triple(tmp_path / "one"), "w:gz")
    assert_is_the_matrix(reader.read(tar(tmp_path / "GSE1_RAW.tar", tmp_path / "raw")))


def test_outs_with_raw_and_filtered_lists_both(tmp_path):
    triple(tmp_path / "outs/raw_feature_bc_matrix")
    triple(tmp_path / "outs/filtered_feature_bc_matrix")
    write(tmp_path / "outs/analysis/clusters.csv", ["Barcode,Cluster"])
    assert "filtered_feature_bc_matrix, raw_feature_bc_matrix" in fails(tmp_path / "outs")
    assert_is_the_matrix(reader.read(tmp_path / "outs", member="filtered_feature_bc_matrix"))


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda folder: (folder / "genes.tsv").unlink(), "matrix.mtx: has no file of genes"),
        (lambda folder: (folder / "barcodes.tsv").unlink(), "matrix.mtx: has no file of cells"),
        (lambda folder: write(folder / "barcodes.tsv", CELLS[:2]), "names 4 genes and barcodes.tsv 2 cells"),
        (lambda folder: write(folder / "matrix.mtx", b"%%MatrixMarket x"), "is no MatrixMarket file"),
        (lambda folder: write(folder / "matrix.mtx", b"<html>"), "is no MatrixMarket file; it begins '<html>'"),
        (
            lambda folder: write(
                folder / "matrix.mtx", ["%%MatrixMarket matrix coordinate integer general", "4 3 9999999"]
            ),
            "declares 9,999,999 values, more than the file can hold",
        ),
        (
            lambda folder: write(
                folder / "matrix.mtx", ["%%MatrixMarket matrix coordinate integer general", "4 3 1", "9 1 1"]
            ),
            "cannot be read",
        ),
        (
            lambda folder: write(
                folder / "matrix.mtx", ["%%MatrixMarket matrix coordinate complex general", "4 3 1", "1 1 1 0"]
            ),
            "type complex",
        ),
        (lambda folder: write(folder / "barcodes.tsv", [CELLS[0]] * 3), "2 cells have the name of another one"),
        (lambda folder: write(folder / "genes.tsv", "A\tÄ\n".encode("latin-1") * 4), "is not UTF-8"),
    ],
)
def test_a_triple_that_does_not_fit_says_why(break_it, says, tmp_path):
    folder = triple(tmp_path / "sample")
    break_it(folder)
    assert says in fails(folder)


# Archives of strangers


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ({"name": "../../x.mtx"}, "would lie outside"),
        ({"name": "/tmp/x.mtx"}, "would lie outside"),
        ({"name": "x.mtx", "type": tarfile.SYMTYPE, "linkname": "/etc/passwd"}, "is no file but a link"),
        ({"name": "x.mtx", "type": tarfile.LNKTYPE, "linkname": "../x"}, "is no file but a link"),
        ({"name": "x.mtx", "type": tarfile.CHRTYPE}, "is no file but a link or device"),
        ({"name": "x.mtx", "type": tarfile.FIFOTYPE}, "is no file but a link or device"),
    ],
)
def test_an_archive_that_reaches_out_is_not_unpacked(member, says, tmp_path):
    with tarfile.open(tmp_path / "data.tar", "w") as archive:
        entry = tarfile.TarInfo()
        for name, value in member.items():
            setattr(entry, name, value)
        archive.addfile(entry)
    assert says in fails(tmp_path / "data.tar")


@pytest.mark.parametrize("kind", ["tar.gz", "h5ad.gz"])
def test_what_unpacks_to_far_more_than_it_is_is_stopped(kind, tmp_path, monkeypatch):
    from scae.sources import formats

    monkeypatch.setattr(formats, "SMALL_BYTES", 10_000)
    content = b"\x89HDF\r\n\x1a\n" + bytes(3_000_000)
    path = tmp_path / f"data.{kind}"
    if kind == "tar.gz":
        with tarfile.open(path, "w:gz") as archive:
            entry = tarfile.TarInfo("data.h5ad")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    else:
        path.write_bytes(gzip.compress(content))
    assert "it would unpack to more than" in fails(path)


@pytest.mark.parametrize("name", ["barcodes.tsv.gz", "matrix.mtx.gz"])
def test_text_that_unpacks_to_far_more_than_it_is_is_stopped(name, tmp_path, monkeypatch):
    from scae.sources import formats

    monkeypatch.setattr(formats, "SMALL_BYTES", 10_000)
    folder = triple(tmp_path / "sample", **LAYOUTS["Cell Ranger 3"])
    content = gzip.decompress((folder / name).read_bytes())
    (folder / name).write_bytes(gzip.compress(content + b"\n" * 3_000_000))
    assert "it would unpack to more than" in fails(folder)


# AnnData and its kin


def test_zarr(tmp_path):
    annotated().write_zarr(tmp_path / "data.zarr")
    data = reader.read(tmp_path / "data.zarr")
    assert_is_the_matrix(data)
    assert list(data.obs["type"]) == ["B", "NK", "B"]


def test_a_pickle_in_a_zarr_is_not_run(tmp_path):
    """An old numcodecs would unpickle the pieces of an array whose metadata say so."""
    with anndata.settings.override(zarr_write_format=2):
        annotated().write_zarr(tmp_path / "data.zarr")
    metadata = tmp_path / "data.zarr/X/data/.zarray"
    metadata.write_text(json.dumps(json.loads(metadata.read_text()) | {"compressor": {"id": "pickle", "protocol": 4}}))
    (tmp_path / "data.zarr/.zmetadata").unlink()
    (tmp_path / "data.zarr/X/data/0").write_bytes(pickle.dumps(Bomb(str(tmp_path / "ran"))))
    assert "cannot be read" in fails(tmp_path / "data.zarr")
    assert not (tmp_path / "ran").exists()


class Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_an_h5ad_that_is_compressed_or_called_otherwise(tmp_path):
    annotated().write_h5ad(tmp_path / "data.h5ad")
    content = (tmp_path / "data.h5ad").read_bytes()
    for name, packed in (("data.h5ad.gz", gzip.compress(content)), ("data.h5", content), ("download", content)):
        (tmp_path / name).write_bytes(packed)
        assert_is_the_matrix(reader.read(tmp_path / name))


def test_h5mu(tmp_path):
    annotated().write_h5ad(tmp_path / "rna.h5ad")
    with h5py.File(tmp_path / "rna.h5ad") as source, h5py.File(tmp_path / "data.h5mu", "w") as file:
        file.attrs["encoding-type"] = "MuData"
        source.copy(source, file.create_group("mod"), "rna")
        source.copy(source, file["mod"], "protein")
    assert_is_the_matrix(reader.read(tmp_path / "data.h5mu"))
    assert "write modality: with one of protein, rna" in fails(tmp_path / "data.h5mu", modality="atac")


def test_loom(tmp_path):
    with h5py.File(tmp_path / "data.loom", "w") as file:
        file["matrix"] = MATRIX.T
        file["layers/spliced"] = MATRIX.T
        file["row_attrs/Gene"], file["row_attrs/Accession"] = np.array(GENES, "S"), np.array(IDS, "S")
        file["col_attrs/CellID"], file["col_attrs/type"] = np.array(CELLS, "S"), np.array(["B", "NK", "B"], "S")
    data = reader.read(tmp_path / "data.loom")
    assert_is_the_matrix(data)
    assert list(data.obs["type"]) == ["B", "NK", "B"]
    assert list(data.var["Accession"]) == IDS


@pytest.mark.parametrize("genome", [None, "mm10"])
def test_10x_h5_of_before_cell_ranger_3(genome, tmp_path):
    matrix = sparse.csr_matrix(MATRIX)
    with h5py.File(tmp_path / "data.h5", "w") as file:
        for name in ("hg19", "mm10") if genome else ("hg19",):
            group = file.create_group(name)
            group["data"], group["indices"], group["indptr"] = matrix.data.astype(int), matrix.indices, matrix.indptr
            group["shape"], group["barcodes"] = [4, 3], np.array(CELLS, "S")
            group["genes"], group["gene_names"] = np.array(IDS, "S"), np.array(GENES, "S")
    if genome:
        assert "each of the genomes hg19, mm10; write genome:" in fails(tmp_path / "data.h5")
    data = reader.read(tmp_path / "data.h5", genome=genome)
    assert_is_the_matrix(data)
    assert list(data.var["gene_ids"]) == IDS


def test_an_h5ad_of_before_2020(tmp_path):
    """obs and var were tables, categories of obs stood in uns, a sparse matrix had other attributes."""
    matrix = sparse.csr_matrix(MATRIX)
    with h5py.File(tmp_path / "data.h5ad", "w") as file:
        file["obs"] = np.array(list(zip(CELLS, [0, 1, 0], strict=True)), [("index", "S20"), ("type", "i1")])
        file["var"] = np.array([(gene,) for gene in GENES], [("index", "S20")])
        file["uns/type_categories"] = np.array(["B", "NK"], "S")
        group = file.create_group("X")
        group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
        group.attrs["h5sparse_format"], group.attrs["h5sparse_shape"] = "csr", (3, 4)
    data = reader.read(tmp_path / "data.h5ad")
    assert_is_the_matrix(data)
    assert list(data.obs["type"]) == ["B", "NK", "B"]


def test_an_h5ad_of_2021(tmp_path):
    """Its categories stood in a group of their own, to which the columns referred."""
    annotated().write_h5ad(tmp_path / "data.h5ad")
    with h5py.File(tmp_path / "data.h5ad", "a") as file:
        obs = file["obs"]
        codes, categories = obs["type/codes"][...], obs["type/categories"][...]
        del obs["type"]
        obs["type"], obs["__categories/type"] = codes, categories
        obs["type"].attrs["categories"] = obs["__categories/type"].ref
        obs["__categories/type"].attrs["ordered"] = False
        for name in ("obs", "var"):
            file[name].attrs["encoding-version"] = "0.1.0"
        for path in ("obs/_index", "var/_index", "var/gene_ids", "obs/n"):
            for attribute in list(file[path].attrs):
                del file[path].attrs[attribute]
    data = reader.read(tmp_path / "data.h5ad")
    assert_is_the_matrix(data)
    assert list(data.obs["type"]) == ["B", "NK", "B"]
    assert list(data.var["gene_ids"]) == IDS


def test_a_format_that_is_named_counts_where_the_content_does_not_tell(tmp_path):
    text = "@cell,CD3D,LYZ,MS4A1,MT-CO1\n" + "".join(
        f"{cell},{','.join(map(str, row))}\n" for cell, row in zip(CELLS, MATRIX, strict=True)
    )
    (tmp_path / "data").write_text(text)
    assert "FASTQ" in fails(tmp_path / "data")
    assert_is_the_matrix(reader.read(tmp_path / "data", format="table"))


def test_an_h5ad_with_nullable_text_everywhere(tmp_path):
    data = annotated()
    data.obs["type"] = pd.array(["B", None, "NK"], dtype="string")
    data.obs["score"] = pd.array([1, None, 3], dtype="Int64")
    data.obs["good"] = pd.array([True, None, False], dtype="boolean")
    data.obs.index, data.var.index = data.obs.index.astype("string"), data.var.index.astype("string")
    with anndata.settings.override(allow_write_nullable_strings=True):
        data.write_h5ad(tmp_path / "data.h5ad")
    found = reader.read(tmp_path / "data.h5ad")
    assert_is_the_matrix(found)
    assert list(found.obs["type"].isna()) == [False, True, False]
    assert list(found.obs["score"].isna()) == [False, True, False]
    found.write_h5ad(tmp_path / "counts.h5ad")
    again = anndata.read_h5ad(tmp_path / "counts.h5ad")
    assert list(again.obs["type"].astype(object).fillna("-")) == ["B", "-", "NK"]
    assert again.uns["values"] == "counts"


def test_what_no_run_needs_may_be_damaged(tmp_path):
    data = annotated()
    data.uns["bad"], data.obsm["X_pca"] = {"a": 1}, np.ones((3, 2))
    data.write_h5ad(tmp_path / "data.h5ad")
    with h5py.File(tmp_path / "data.h5ad", "a") as file:
        file["uns/bad"].attrs["encoding-type"] = "of the future"
        file["obsm/X_pca"].attrs["encoding-type"] = "of the future"
        file["obs/n"].attrs["encoding-type"] = "of the future"
    data = reader.read(tmp_path / "data.h5ad")
    assert_is_the_matrix(data)
    assert list(data.obs) == ["type"]


def test_awkward_names_of_columns(tmp_path):
    data = annotated()
    data.obs.index.name = "cell"
    data.write_h5ad(tmp_path / "data.h5ad")
    with h5py.File(tmp_path / "data.h5ad", "a") as file:
        file["obs/_index"] = file["obs/n"][...]
        file["obs/_index"].attrs.update(file["obs/n"].attrs)
        file["obs"].attrs["column-order"] = ["type", "n", "_index"]
    found = reader.read(tmp_path / "data.h5ad")
    assert_is_the_matrix(found)
    assert list(found.obs) == ["type", "n", "index_"]
    found.write_h5ad(tmp_path / "counts.h5ad")


@pytest.mark.parametrize("missing", ["obs", "var"])
def test_a_file_without_names_is_refused(missing, tmp_path):
    annotated().write_h5ad(tmp_path / "data.h5ad")
    with h5py.File(tmp_path / "data.h5ad", "a") as file:
        del file[missing]["_index"]
    assert f"has no names of {'cells' if missing == 'obs' else 'genes'}" in fails(tmp_path / "data.h5ad")
    anndata.AnnData(MATRIX).write_h5ad(tmp_path / "data.h5ad")
    assert "its genes have no names" in fails(tmp_path / "data.h5ad")


@pytest.mark.parametrize("name", ["two\nlines", "nul\x00", "\x1b[31mred", ""])
@pytest.mark.parametrize("kind", ["cell", "gene"])
def test_names_that_would_break_a_table_are_refused(kind, name, tmp_path):
    folder = tmp_path / "data.zarr"
    data = annotated()
    names = data.obs if kind == "cell" else data.var
    names.index = [*names.index[:1], name, *names.index[2:]]
    data.write_zarr(folder)
    assert f"{kind} number 2 has" in fails(folder)


def test_a_folder_with_braces_in_its_name(tmp_path):
    assert_is_the_matrix(reader.read(triple(tmp_path / "{x}")))


@pytest.mark.parametrize("kind", ["h5ad", "tar.gz", "mtx.gz", "csv.gz", "zarr"])
def test_what_was_cut_off_is_one_line(kind, tmp_path):
    random = np.random.default_rng(0).poisson(1.0, (200, 50))
    obs, var = (pd.DataFrame(index=[f"{name}{n}" for n in range(size)]) for name, size in (("c", 200), ("g", 50)))
    data, path = anndata.AnnData(sparse.csr_matrix(random), obs=obs, var=var), tmp_path / f"data.{kind}"
    if kind == "zarr":
        data.write_zarr(path)
        shutil.rmtree(path / "X/indices")
    else:
        folder = tmp_path / "sample"
        mtx(folder / "matrix.mtx.gz", random.T)
        write(folder / "genes.tsv", list(var.index))
        write(folder / "barcodes.tsv", list(obs.index))
        if kind == "h5ad":
            data.write_h5ad(path)
        elif kind == "tar.gz":
            tar(path, folder, "w:gz")
        elif kind == "csv.gz":
            path.write_bytes(gzip.compress(data.to_df().to_csv().encode()))
        else:
            path = folder / "matrix.mtx.gz"
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert "cannot be read" in fails(path) or "lacks 1 of its pieces" in fails(path)
