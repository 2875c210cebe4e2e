"""Reading a data set from wherever it lives into cells x genes."""

import gzip
import hashlib
import logging
import tarfile
import tempfile
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
from scipy import sparse

from scae.errors import UserError

log = logging.getLogger(__name__)

CSV_SUFFIXES = (".csv", ".csv.gz")
CSV_CHUNK_CELLS = 256


def read(source, matrix="X"):
    """Read one data set.

    Args:
        source: ``scanpy:<name>`` for a data set that scanpy ships, or the path of a 10x archive (.tar.gz), a 10x
            folder, a 10x .h5, an .h5ad, or a .csv(.gz) with a column ``cell`` and one column per gene.
        matrix: which matrix of an AnnData object to take: ``X``, ``raw``, or the name of a layer.

    Returns:
        anndata.AnnData: X is CSR float32, cells x genes; obs as found; unique cell and gene names.

    Raises:
        UserError: if the source cannot be read or holds values that no expression matrix has.
    """
    try:
        data = _read_anndata(str(source), matrix)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{source}: cannot be read ({type(error).__name__}: {_first_line(error)}); is it complete?"
        ) from error
    if 0 in data.shape:
        raise UserError(f"{source}: holds {data.n_obs} cells x {data.n_vars} genes; nothing to analyse")
    data.X = sparse.csr_matrix(data.X, dtype=np.float32)
    data.X.sum_duplicates()  # and sort
    _check_values(data, source)
    data.var_names_make_unique()
    data.obs_names_make_unique()
    log.info("read %s: %d cells x %d genes, %d non-zeros", source, data.n_obs, data.n_vars, data.X.nnz)
    return data


def _first_line(error):
    return str(error).strip().split("\n")[0]


def _read_anndata(source, matrix):
    if source.startswith("scanpy:"):
        return _select_matrix(_read_scanpy_dataset(source.removeprefix("scanpy:")), matrix, source)
    path = Path(source)
    if path.is_dir():
        return _read_10x_folder(path)
    if source.endswith((".tar.gz", ".tgz", ".tar")):
        return _read_10x_archive(path)
    if source.endswith(CSV_SUFFIXES):
        return read_csv(path)
    if source.endswith(".h5ad"):
        return _select_matrix(anndata.read_h5ad(path), matrix, source)
    if source.endswith(".h5"):
        import scanpy

        return scanpy.read_10x_h5(path)
    raise UserError(f"{source}: unknown format; use a 10x .tar.gz, folder or .h5, an .h5ad, or a .csv(.gz)")


def _read_scanpy_dataset(name):
    import scanpy

    if name not in scanpy.datasets.__all__:
        raise UserError(f'scanpy:{name}: scanpy has no such data set; try "scanpy:pbmc68k_reduced"')
    return getattr(scanpy.datasets, name)()


def _select_matrix(data, matrix, source):
    """The chosen matrix of an AnnData object with the annotation of its cells."""
    if matrix == "X":
        chosen, genes = data.X, data.var[[]]
    elif matrix == "raw":
        if data.raw is None:
            raise UserError(f'{source}: has no .raw; set "matrix" to X or to a layer')
        chosen, genes = data.raw.X, data.raw.var[[]]
    elif matrix in data.layers:
        chosen, genes = data.layers[matrix], data.var[[]]
    else:
        raise UserError(f'{source}: has no layer "{matrix}"; its layers are {sorted(data.layers) or "none"}')
    if chosen is None:
        raise UserError(f'{source}: its matrix "{matrix}" is empty; set "matrix" to raw or to a layer')
    return anndata.AnnData(X=chosen, obs=data.obs, var=genes)


def _read_10x_folder(folder):
    import scanpy

    data = scanpy.read_10x_mtx(folder)
    data.var = data.var[[]]
    return data


def _read_10x_archive(path):
    """Find the one folder with a matrix inside a 10x archive and read it."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(path) as archive:
            archive.extractall(folder, filter="data")
        matrices = sorted(Path(folder).rglob("matrix.mtx*"))
        if len(matrices) != 1:
            raise UserError(f"{path}: holds {len(matrices)} files named matrix.mtx; a 10x archive has exactly one")
        return _read_10x_folder(matrices[0].parent)


def read_csv(path):
    """Read a CSV of expression (column ``cell``, then one column per gene) in chunks, never dense as a whole."""
    chunks = pd.read_csv(
        path,
        chunksize=CSV_CHUNK_CELLS,
        dtype={0: str},
        index_col=0,
        float_precision="round_trip",
        keep_default_na=False,  # a cell may be called "NA"
        na_values=[""],
    )
    cells, blocks = [], []
    for chunk in chunks:
        text = [name for name in chunk.columns if not pd.api.types.is_numeric_dtype(chunk[name])]
        if text:
            raise UserError(f'{path}: column "{text[0]}" holds text; after the first column all must be numbers')
        cells.extend(chunk.index)
        genes = chunk.columns
        blocks.append(sparse.csr_matrix(chunk.to_numpy(dtype=np.float32)))
    if not blocks:
        raise UserError(f"{path}: has no rows")
    matrix = sparse.vstack(blocks, format="csr")
    return anndata.AnnData(X=matrix, obs=pd.DataFrame(index=cells), var=pd.DataFrame(index=genes.astype(str)))


def write_csv(data, path):
    """Write expression as gzipped CSV: ``cell`` and one column per gene, the input format of the original study.

    Each value is the shortest text that reads back as the same float32. Only non-zeros are formatted, and rows are
    written one at a time: time and memory follow the non-zeros. The bytes depend on the data alone.
    """
    matrix = sparse.csr_matrix(data.X)
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=6) as out:
        out.write((",".join(["cell", *map(_quoted, data.var_names)]) + "\n").encode())
        for cell, start, end in zip(data.obs_names, matrix.indptr[:-1], matrix.indptr[1:], strict=True):
            row = ["0"] * data.n_vars
            for gene, value in zip(matrix.indices[start:end], matrix.data[start:end].astype(str), strict=True):
                row[gene] = value
            out.write((",".join([_quoted(cell), *row]) + "\n").encode())


def _quoted(name):
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n\r') else name


def _check_values(data, source):
    values = data.X.data
    for problem, wrong in (("not a finite number", ~np.isfinite(values)), ("negative", values < 0)):
        if wrong.any():
            entry = int(np.flatnonzero(wrong)[0])
            row = int(np.searchsorted(data.X.indptr, entry, side="right")) - 1
            cell, gene = data.obs_names[row], data.var_names[data.X.indices[entry]]
            raise UserError(f"{source}: cell {cell}, gene {gene}: {values[entry]} is {problem}; expression never is")


def sha256(path):
    """SHA-256 of a file, in hexadecimal."""
    if not Path(path).is_file():
        raise UserError(f"{path}: is not a file and has no SHA-256; set sha256 to null")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
