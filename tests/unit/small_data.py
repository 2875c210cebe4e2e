"""What tests of sources and data share: one small matrix as files of all kinds, and quality control without limits."""

import bz2
import gzip
import io
import tarfile

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import io as scipy_io
from scipy import sparse

from scae.data import genes as gene_names
from scae.data import preprocessing, quality
from scae.errors import UserError
from scae.sources import reader

CELLS = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "AAACCTGAGAAACCTA-1"]
GENES = ["CD3D", "LYZ", "MS4A1", "MT-CO1"]
IDS = [f"ENSG{number:011d}" for number in range(4)]
MATRIX = np.array([[1, 0, 2, 0], [0, 0, 0, 7], [3, 4, 0, 0]], dtype=np.float32)
NO_LIMITS = {
    **{"min_cells": 0, "min_genes": 0, "max_genes": None, "max_pct_mito": None},
    **{"mito_prefix": "auto", "mito_genes": None, "mad": {"genes": None, "counts": None, "pct_mito": None}},
}


def annotated(matrix=MATRIX, cells=CELLS, genes=GENES):
    obs = pd.DataFrame({"type": [("B", "NK")[n % 2] for n in range(len(cells))], "n": range(len(cells))}, index=cells)
    var = pd.DataFrame({"gene_ids": IDS[: len(genes)]}, index=genes)
    return anndata.AnnData(sparse.csr_matrix(matrix), obs=obs, var=var)


def written(path, data):
    data.write_h5ad(path)
    return path


def write(path, content):
    """Bytes or lines, compressed according to the suffix."""
    content = content if isinstance(content, bytes) else "".join(f"{line}\n" for line in content).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes({".gz": gzip.compress, ".bz2": bz2.compress}.get(path.suffix, bytes)(content))
    return path


def triple(
    folder,
    matrix="matrix.mtx",
    genes="genes.tsv",
    cells="barcodes.tsv",
    columns=(IDS, GENES),
    table=MATRIX.T,
    names=CELLS,
):
    """The three files of a 10x matrix; columns: of the genes; table: genes x cells, or cells x genes."""
    stream = io.BytesIO()
    scipy_io.mmwrite(stream, sparse.coo_matrix(table.astype(int)))
    write(folder / matrix, stream.getvalue())
    write(folder / genes, ["\t".join(line) for line in zip(*columns, strict=True)])
    write(folder / cells, names)
    return folder


def tar(path, folder):
    """An archive, compressed according to the suffix."""
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        archive.add(folder, arcname=".")
    return path


def assert_matrix(data, matrix=MATRIX, genes=GENES, cells=CELLS):
    assert list(data.obs_names) == list(cells)
    assert list(data.var_names) == list(genes)
    assert isinstance(data.X, sparse.csr_matrix)
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(data.X.toarray(), matrix)


def fails(source, **reading):
    """The one line that reading a source gives, without the source that it begins with."""
    with pytest.raises(UserError) as caught:
        reader.read(source, **reading)
    return line_of(caught).removeprefix(f"{source}: ")


def line_of(caught):
    message = str(caught.value)
    assert "\n" not in message
    return message


def counts_of(matrix, cells=None, genes=None, values="counts", **obs):
    """AnnData as a reader returns it."""
    matrix = sparse.csr_matrix(matrix, dtype=np.float32)
    cells = list(cells or (f"cell{number}" for number in range(matrix.shape[0])))
    genes = list(genes or (f"g{number}" for number in range(matrix.shape[1])))
    obs, var = pd.DataFrame(obs, index=cells), pd.DataFrame(index=genes)
    return anndata.AnnData(matrix, obs=obs, var=var, uns={"values": values})


def preprocess(data, scale_factor=10_000.0, **qc):
    """Expression of the cells and genes within these limits."""
    return preprocessing.normalize(quality.measure(data, NO_LIMITS | qc, gene_names.ALL), scale_factor)
