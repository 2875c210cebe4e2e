"""HDF5 files of strangers: damaged matrices, claims of terabytes and data from elsewhere end in one line.

All are read in one process of its own that may have 4 GiB, so that no file can harm the machine.
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
from scae.data import counts
from scae.errors import UserError
for path in sys.argv[2:]:
    try:
        data = counts.read(path)
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
    with h5py.File(path, "a") as file:
        del file["X"]
        write(file)
        if isinstance(file.get("X", getlink=True), h5py.HardLink):
            file["X"].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})


def external_link(file):
    with h5py.File(f"{file.filename}.secret", "w") as other:
        other["X"] = np.ones((3, 4))
    file["X"] = h5py.ExternalLink(f"{file.filename}.secret", "X")


def external_storage(file):
    with open(f"{file.filename}.secret", "wb") as other:
        other.write(np.ones((3, 4)).tobytes())
    file.create_dataset("X", (3, 4), "f8", external=[(f"{file.filename}.secret", 0, h5py.h5f.UNLIMITED)])


def virtual(file):
    with h5py.File(f"{file.filename}.secret", "w") as other:
        other["X"] = np.ones((3, 4))
    layout = h5py.VirtualLayout((3, 4), "f8")
    layout[:] = h5py.VirtualSource(f"{file.filename}.secret", "X", (3, 4))
    file.create_virtual_dataset("X", layout)


def huge(file):
    file.create_dataset("X", (10**6, 10**6), "f4", chunks=(1000, 1000))


def text(file):
    file["X"] = np.full((3, 4), b"one")


CASES = {
    "tenx": (lambda path: tenx(path), None),
    "tenx_index": (lambda path: tenx(path, indices=[0, 2, 3, 0, 10**6]), "index 1000000 is out of range"),
    "tenx_far": (lambda path: tenx(path, indices=np.array([0, 2, 3, 0, 2**40])), "index 1099511627776 is out of range"),
    "tenx_negative": (lambda path: tenx(path, indices=[0, 2, 3, 0, -1]), "index -1 is out of range"),
    "tenx_decreasing": (lambda path: tenx(path, indptr=[0, 3, 2, 5]), "indptr does not rise"),
    "tenx_start": (lambda path: tenx(path, indptr=[1, 2, 3, 5]), "indptr does not rise from 0"),
    "tenx_long": (lambda path: tenx(path, indptr=[0, 2, 3, 2**40]), "indptr ends at 1099511627776"),
    "tenx_short": (lambda path: tenx(path, data=[1, 2]), "2 values, 5 indices"),
    "tenx_shape": (
        lambda path: tenx(path, shape=[2**40, 3]),
        "1099511627776 genes, but 3 cells and 4 genes have names",
    ),
    "tenx_cells": (lambda path: tenx(path, barcodes=[b"a"]), "but 1 cells and 4 genes have names"),
    "tenx_text": (lambda path: tenx(path, data=[b"x"] * 5), "not numbers"),
    "tenx_floats": (lambda path: tenx(path, indices=[0.0, 2.0, 3.0, 0.0, 1.0]), "indices are no whole numbers"),
    "h5ad": (lambda path: h5ad(path), None),
    "h5ad_index": (
        lambda path: h5ad(path, indices=[0, 2, 3, 0, 4]),
        "index 4 is out of range, since there are 4 genes",
    ),
    "h5ad_decreasing": (lambda path: h5ad(path, indptr=[0, 4, 3, 5]), "indptr does not rise"),
    "h5ad_csc": (lambda path: h5ad(path, "csc_matrix"), "declared CSC with 4 genes, but its indptr is for 3"),
    "h5ad_complex": (lambda path: h5ad(path, data=np.ones(5, complex)), "complex128, not numbers"),
    "external_link": (lambda path: dense(path, external_link), '"X" is a link to another file'),
    "external_storage": (lambda path: dense(path, external_storage), '"X" has its values in another file'),
    "virtual": (lambda path: dense(path, virtual), '"X" is a virtual data set'),
    "huge": (lambda path: dense(path, huge), "almost nothing of it is stored"),
    "text": (lambda path: dense(path, text), "not numbers"),
}


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """{case: (message or None, matrix or None)}"""
    folder = tmp_path_factory.mktemp("files")
    for name, (write, _) in CASES.items():
        write(folder / f"{name}.h5")
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
def test_a_damaged_file_is_one_line_and_a_good_one_is_read(name, outcomes):
    message, matrix = outcomes[name]
    says = CASES[name][1]
    if says is None:
        assert matrix == MATRIX.toarray().tolist()
    else:
        assert says in message
        assert "\n" not in message
        assert f"{name}.h5: " in message
