"""Writers of the bad files of cases.yaml: a function for each `write:`, which takes the path.

`good` stands for the cells that all others damage: 40 simulated ones of three types, 30 genes.
"""

import gzip
import io
import os
import tarfile

import h5py
import numpy as np
from scipy import sparse
from workflow_project import toy_cells


def good():
    return toy_cells(40, 60)


def good_h5ad(path):
    good().write_h5ad(path)


# Values


def _value(path, value, row=3, gene=4):
    cells = good()
    cells.X = cells.X.toarray().astype(np.float64)
    cells.X[row, gene] = value
    cells.write_h5ad(path)


def nan_value(path):
    _value(path, np.nan)


def infinite_value(path):
    _value(path, np.inf)


def negative_value(path):
    _value(path, -1)


def huge_value(path):
    _value(path, 1e300)


def count_past_float32(path):
    _value(path, 2**24 + 1)


def no_cells(path):
    good()[:0].copy().write_h5ad(path)


def no_genes(path):
    good()[:, :0].copy().write_h5ad(path)


def all_zero(path):
    cells = good()
    cells.X = sparse.csr_matrix(cells.shape, dtype=np.float32)
    cells.write_h5ad(path)


def text_values(path):
    good().write_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["X"]
        file["X"] = np.full((40, 60), b"many")
        file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def decimals(path):
    cells = good()
    cells.X = cells.X * np.float32(0.9)
    cells.write_h5ad(path)


def logarithms(path):
    cells = good()
    total = cells.X.sum(axis=1)
    cells.X = sparse.csr_matrix(np.log1p(cells.X.toarray() / np.asarray(total) * 10_000), dtype=np.float32)
    cells.write_h5ad(path)


def constant_counts(path):
    cells = good()
    cells.X = sparse.csr_matrix(np.ones(cells.shape, np.float32))
    cells.write_h5ad(path)


def eight_genes(path):
    good()[:, :8].copy().write_h5ad(path)


def nine_cells(path):
    toy_cells(9, 60).write_h5ad(path)


def one_cell(path):
    toy_cells(1, 60).write_h5ad(path)


# Names


def _named(path, cell=None, gene=None, value=-1):
    cells = good()
    cells.X = cells.X.toarray()
    cells.X[3, 4] = value
    for names, name, number in (("obs_names", cell, 3), ("var_names", gene, 4)):
        if name is not None:
            found = list(getattr(cells, names))
            found[number] = name
            setattr(cells, names, found)
    cells.write_h5ad(path)


def cell_without_name(path):
    _named(path, cell="", value=1)


def gene_without_name(path):
    _named(path, gene="", value=1)


def cell_named_twice(path):
    cells = good()
    cells.obs_names = ["CELL000-1", *cells.obs_names[:-1]]
    cells.write_h5ad(path)


def cell_with_line_break(path):
    _named(path, cell="CELL\n003", value=1)


def cell_with_carriage_return(path):
    _named(path, cell="CELL003\r", value=1)


def gene_with_escape_sequence(path):
    _named(path, gene="\x1b[31mGENE\x1b[0m", value=1)


def cell_of_10000_characters(path):
    _named(path, cell="C" * 10_000)


def cell_of_emoji(path):
    _named(path, cell="🧬🔬")


def cell_that_is_a_formula(path):
    _named(path, cell="=cmd|' /C calc'!A0")


def gene_that_is_html(path):
    _named(path, gene="<script>alert(1)</script>")


# HDF5


def truncated_h5ad(path):
    good_h5ad(path)
    os.truncate(path, path.stat().st_size // 2)


def truncated_in_the_header(path):
    good_h5ad(path)
    os.truncate(path, 300)


def empty_file(path):
    path.touch()


def web_page(path):
    path.write_text("<!DOCTYPE html>\n<html><body>Please log in</body></html>\n")


def text_in_place_of_hdf5(path):
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)


def other_hdf5(path):
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((3, 3))


def tenx(path, **arrays):
    matrix = good().X.tocsr()
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        parts = {"data": matrix.data.astype(int), "indices": matrix.indices, "indptr": matrix.indptr, "shape": [60, 40]}
        parts |= {"barcodes": [name.encode() for name in good().obs_names]}
        for name, array in (parts | arrays).items():
            group[name] = array
        for name in ("id", "name"):
            group[f"features/{name}"] = [name.encode() for name in good().var_names]


def index_out_of_range(path):
    indices = good().X.tocsr().indices.copy()
    indices[7] = 2_000_000_000
    tenx(path, indices=indices)


def negative_index(path):
    indices = good().X.tocsr().indices.copy()
    indices[7] = -5
    tenx(path, indices=indices)


def _h5ad(path, encoding="csr_matrix", **arrays):
    good_h5ad(path)
    with h5py.File(path, "a") as file:
        for name, array in arrays.items():
            del file["X"][name]
            file["X"][name] = array
        file["X"].attrs["encoding-type"] = encoding


def decreasing_indptr(path):
    indptr = good().X.tocsr().indptr.copy()
    indptr[5], indptr[6] = indptr[6], indptr[5]
    _h5ad(path, indptr=indptr)


def indptr_beyond_the_values(path):
    indptr = good().X.tocsr().indptr.copy()
    indptr[-1] += 1000
    _h5ad(path, indptr=indptr)


def csr_declared_csc(path):
    _h5ad(path, encoding="csc_matrix")


def more_names_than_rows(path):
    good_h5ad(path)
    with h5py.File(path, "a") as file:
        names = file["obs"][file["obs"].attrs["_index"]].asstr()[:]
        del file["obs/_index"]
        file["obs/_index"] = [*names, "CELL999-1"]


def _foreign(path, replace):
    good_h5ad(path)
    with h5py.File(path, "a") as file:
        del file["X"]
        replace(file)
        if "X" in file and isinstance(file.get("X", getlink=True), h5py.HardLink):
            file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def external_link(path):
    def replace(file):
        file["X"] = h5py.ExternalLink("/etc/passwd", "/X")

    _foreign(path, replace)


def external_storage(path):
    def replace(file):
        file.create_dataset("X", (40, 60), "i1", external=[("/etc/passwd", 0, 2400)])

    _foreign(path, replace)


def virtual_data_set(path):
    def replace(file):
        layout = h5py.VirtualLayout((40, 60), "f4")
        layout[:] = h5py.VirtualSource("/etc/passwd", "X", (40, 60))
        file.create_virtual_dataset("X", layout)

    _foreign(path, replace)


def claims_terabytes(path):
    def replace(file):
        file.create_dataset("X", (40, 10**11), "f8", chunks=(40, 1000))

    _foreign(path, replace)


# Archives


def _triple():
    cells = good()
    matrix = cells.X.T.tocoo()
    lines = [f"{row + 1} {column + 1} {int(value)}" for row, column, value in zip(*_entries(matrix), strict=True)]
    header = f"%%MatrixMarket matrix coordinate integer general\n{matrix.shape[0]} {matrix.shape[1]} {matrix.nnz}\n"
    return {
        "matrix.mtx": (header + "\n".join(lines) + "\n").encode(),
        "genes.tsv": "".join(f"{gene}\t{gene}\n" for gene in cells.var_names).encode(),
        "barcodes.tsv": "".join(f"{cell}\n" for cell in cells.obs_names).encode(),
    }


def _entries(matrix):
    return matrix.row, matrix.col, matrix.data


def _tar(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
            else:
                member.type, member.linkname = content
                archive.addfile(member)


def truncated_archive(path):
    _tar(path, _triple())
    os.truncate(path, path.stat().st_size * 2 // 3)


def garbage(path):
    path.write_bytes(b"garbage" * 1000)


def archive_with_parent_folder(path):
    _tar(path, _triple() | {"../../escaped.txt": b"x"})


def archive_with_absolute_path(path):
    _tar(path, _triple() | {"/tmp/escaped.txt": b"x"})


def archive_with_link(path):
    _tar(path, _triple() | {"genes.tsv": (tarfile.SYMTYPE, "/etc/passwd")})


def archive_with_device(path):
    _tar(path, _triple() | {"zero": (tarfile.CHRTYPE, "")})


def archive_bomb(path):
    _tar(path, {"matrix.mtx": b"0" * 80_000_000})


def compressed_bomb(path):
    path.write_bytes(gzip.compress(b"0" * 80_000_000))


def archive_without_matrix(path):
    _tar(path, {"readme.txt": b"nothing here\n"})


def archive_with_two_matrices(path):
    members = _triple()
    _tar(path, {f"{folder}/{name}": content for folder in ("raw", "filtered") for name, content in members.items()})


def archive_cut_matrix(path):
    members = _triple()
    _tar(path, members | {"matrix.mtx": members["matrix.mtx"][:400]})


def archive_one_barcode_short(path):
    members = _triple()
    _tar(path, members | {"barcodes.tsv": members["barcodes.tsv"].split(b"\n", 1)[1]})


def archive_entry_out_of_range(path):
    members = _triple()
    head, rest = members["matrix.mtx"].split(b"\n1 ", 1)
    _tar(path, members | {"matrix.mtx": head + b"\n9999 " + rest})


def truncated_csv_gz(path):
    content = gzip.compress(("cell,A,B\n" + "".join(f"c{n},1,{n}\n" for n in range(5000))).encode())
    path.write_bytes(content[: len(content) // 2])


# Tables of labels


def label_table(path, change):
    good_cells = good()
    rows = [f"{cell},{label}" for cell, label in zip(good_cells.obs_names, "AB" * 20, strict=True)]
    path.write_bytes("\n".join(["cell,label", *change(rows), ""]).encode())


def labels_lacking_a_cell(path):
    label_table(path, lambda rows: rows[:7] + rows[8:])


def labels_of_a_cell_twice(path):
    label_table(path, lambda rows: [*rows, rows[5]])


def labels_of_other_cells(path):
    label_table(path, lambda rows: [f"x{row}" for row in rows])


def labels_with_escape_sequence(path):
    label_table(path, lambda rows: [*rows[:6], "CELL006-1,\x1b[2JB", *rows[7:]])


def labels_with_carriage_return(path):
    label_table(path, lambda rows: [*rows[:6], 'CELL006-1,"B\rT"', *rows[7:]])


def labels_latin1(path):
    path.write_bytes("cell,label\nCELL000-1,Zelle mit Ümläut\n".encode("latin-1"))


def labels_binary(path):
    path.write_bytes(bytes(range(256)) * 4)
