"""Untrusted HDF5 files: damaged matrices, claims of terabytes and links to other files end in one line.

All are read in one process with 4 GiB of memory, so that no file can harm the machine.
"""

import json
import os
import subprocess
import sys

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from places import ROOT
from scipy import sparse

MATRIX = sparse.csr_matrix(np.array([[1, 0, 2, 0], [0, 0, 0, 7], [3, 4, 0, 0]], dtype=np.float32))
MEMORY = 4 << 30
READ = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from scae.sources import reader
from scae.errors import UserError
for path in sys.argv[2:]:
    try:
        data = reader.read(path)
        print(json.dumps([path, None, data.X.toarray().tolist()]), flush=True)
    except UserError as error:
        print(json.dumps([path, str(error), None]), flush=True)
"""


def h5ad(path, encoding="csr_matrix", **arrays):
    """An .h5ad with these arrays in place of those of X."""
    obs = pd.DataFrame(index=["a", "b", "c"])
    anndata.AnnData(MATRIX, obs=obs, var=pd.DataFrame(index=["A", "B", "C", "D"])).write_h5ad(path)
    with h5py.File(path, "a") as file:
        for name, array in arrays.items():
            del file["X"][name]
            file["X"][name] = array
        file["X"].attrs["encoding-type"] = encoding


def tenx(path, **arrays):
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        parts = {"data": MATRIX.data.astype(int), "indices": MATRIX.indices, "indptr": MATRIX.indptr, "shape": [4, 3]}
        for name, array in (parts | {"barcodes": [b"a", b"b", b"c"]} | arrays).items():
            group[name] = array
        for name in ("id", "name"):
            group[f"features/{name}"] = [b"A", b"B", b"C", b"D"]


def dense(path, write):
    h5ad(path)
    with h5py.File(path, "a") as file, h5py.File(f"{path}.secret", "w") as other:
        other["X"] = np.ones((3, 4))
        del file["X"]
        write(file)
        if isinstance(file.get("X", getlink=True), h5py.HardLink):
            file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def array(values):
    return lambda file: file.create_dataset("X", data=values)


def external_link(file):
    file["X"] = h5py.ExternalLink(f"{file.filename}.secret", "X")


def external_storage(file):
    file.create_dataset("X", (3, 4), "f8", external=[(f"{file.filename}.secret", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    layout = h5py.VirtualLayout((3, 4), "f8")
    layout[:] = h5py.VirtualSource(f"{file.filename}.secret", "X", (3, 4))
    file.create_virtual_dataset("X", layout)


def huge(file):
    file.create_dataset("X", (10**6, 10**6), "f4", chunks=(1000, 1000))


def other(path):
    with h5py.File(path, "w") as file:
        file["images"] = np.zeros((3, 3))


CASES = {  # writer and its arguments, fragment of the message (None: the file is good)
    "tenx": (tenx, {}, None),
    "tenx_index": (tenx, {"indices": [0, 2, 3, 0, 4]}, "index 4 is out of range for 4 genes"),
    "tenx_far": (tenx, {"indices": np.array([0, 2, 3, 0, 2**40])}, "index 1099511627776 is out of range"),
    "tenx_negative": (tenx, {"indices": [0, 2, 3, 0, -1]}, "index -1 is out of range"),
    "tenx_decreasing": (tenx, {"indptr": [0, 3, 2, 5]}, "indptr does not increase"),
    "tenx_start": (tenx, {"indptr": [1, 2, 3, 5]}, "indptr does not increase from 0"),
    "tenx_long": (tenx, {"indptr": [0, 2, 3, 2**40]}, "indptr ends at 1099511627776"),
    "tenx_short": (tenx, {"data": [1, 2]}, "2 values, 5 indices"),
    "tenx_shape": (tenx, {"shape": [2**40, 3]}, "1099511627776 genes, but there are names of 3 cells and 4 genes"),
    "tenx_cells": (tenx, {"barcodes": [b"a"]}, "but there are names of 1 cells and 4 genes"),
    "tenx_text": (tenx, {"data": [b"x"] * 5}, "its values are of type object"),
    "tenx_floats": (tenx, {"indices": [0.0, 2.0, 3.0, 0.0, 1.0]}, "indices are not integers"),
    "h5ad": (h5ad, {}, None),
    "h5ad_index": (h5ad, {"indices": [0, 2, 3, 0, 4]}, "index 4 is out of range for 4 genes"),
    "h5ad_decreasing": (h5ad, {"indptr": [0, 4, 3, 5]}, "indptr does not increase"),
    "h5ad_csc": (h5ad, {"encoding": "csc_matrix"}, "declared as CSC with 4 genes, but its indptr has 3"),
    "h5ad_complex": (h5ad, {"data": np.ones(5, complex)}, "its values are of type complex128"),
    "h5ad_unknown": (h5ad, {"encoding": "dok_matrix"}, 'unknown encoding "dok"'),
    "dense": (dense, {"write": array(MATRIX.toarray())}, None),
    "names": (dense, {"write": array(MATRIX.toarray()[:2])}, "is 2 x 4, but there are names of 3 cells and 4 genes"),
    "cube": (dense, {"write": array(np.ones((3, 4, 2)))}, "has 3 dimensions"),
    "external_link": (dense, {"write": external_link}, '"X" is a link to another file'),
    "external_storage": (dense, {"write": external_storage}, '"X" has its values in another file'),
    "virtual": (dense, {"write": virtual}, '"X" is a virtual data set'),
    "huge": (dense, {"write": huge}, "but almost none are stored"),
    "text": (dense, {"write": array(np.full((3, 4), b"one"))}, "its values are of type |S3"),
    "images": (other, {}, "unknown layout (it contains images)"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{case: (message or None, matrix or None)}"""
    folder = tmp_path_factory.mktemp("files")
    for name, (write, arguments, _) in CASES.items():
        write(folder / f"{name}.h5", **arguments)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(MEMORY), *(str(folder / f"{name}.h5") for name in CASES)],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts"), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {os.path.basename(path).removesuffix(".h5"): (message, matrix) for path, message, matrix in lines}


@pytest.mark.parametrize("name", CASES)
def test_a_bad_file_is_one_line_and_a_good_one_is_read(name, outcomes):
    message, matrix = outcomes[name]
    says = CASES[name][2]
    if says is None:
        assert matrix == MATRIX.toarray().tolist()
    else:
        assert says in message
        assert "\n" not in message
        assert f"{name}.h5: " in message
