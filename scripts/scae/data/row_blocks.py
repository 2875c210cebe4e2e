"""Read a matrix of cells x genes in blocks of cells, from memory or an .h5ad, and write an .h5ad in blocks."""

from contextlib import contextmanager

import numpy as np
from scipy import sparse

BLOCK_ENTRIES = 1 << 22  # stored values in memory at a time
MOST_ENTRIES = 2**31 - 1  # with 32-bit positions


@contextmanager
def opened(path):
    """An .h5ad as AnnData whose X and layers stay in the file, for `columns`, `in_memory` and `RowBlocks`.

    The backed mode of anndata would read every layer.
    """
    import anndata
    import h5py

    with h5py.File(path) as file:
        obs, var = (anndata.io.read_elem(file[axis]) for axis in ("obs", "var"))
        stored = {name: anndata.io.sparse_dataset(group) for name, group in file.get("layers", {}).items()}
        yield anndata.AnnData(anndata.io.sparse_dataset(file["X"]), obs=obs, var=var, layers=stored)


def in_memory(matrix):
    """A CSR matrix, read into memory if it is in a file."""
    return matrix if sparse.issparse(matrix) else matrix.to_memory()


def columns(matrix, numbers):
    """Columns, in this order, of a CSR matrix in memory or in a file; CSR."""
    if sparse.issparse(matrix):
        return matrix[:, numbers]
    return sparse.vstack([block[:, numbers] for block in RowBlocks(matrix)], format="csr")


class RowBlocks:
    """A CSR matrix in blocks of rows, which can be iterated repeatedly; a single block is read only once.

    Each block is a CSR matrix without stored zeros, which are not expression. Empty blocks are skipped.

    Args:
        stored: CSR matrix, or a backed one of anndata.
        rows: numbers of the rows to take, ascending; None takes all.
        entries: stored values of a block, unless a single row has more.
    """

    def __init__(self, stored, rows=None, entries=None):
        self.stored = stored
        self.rows = np.arange(stored.shape[0]) if rows is None else np.asarray(rows)
        ends = stored.indptr if sparse.issparse(stored) else stored.group["indptr"][:]
        self.bounds = _bounds(ends, BLOCK_ENTRIES if entries is None else entries)
        self.single = None

    def taking(self, chosen):
        """The blocks of chosen rows; chosen: (rows,) bool."""
        return RowBlocks(self.stored, self.rows[chosen])

    def __iter__(self):
        if len(self.bounds) == 2:
            self.single = self._read(*self.bounds) if self.single is None else self.single
            yield from [self.single] if self.single.shape[0] else []
            return
        for start, stop in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            block = self._read(start, stop)
            if block.shape[0]:
                yield block

    def _read(self, start, stop):
        first, last = np.searchsorted(self.rows, [start, stop])
        if first == last:
            return sparse.csr_matrix((0, self.stored.shape[1]), dtype=np.float32)
        block = sparse.csr_matrix(self.stored[start:stop])[self.rows[first:last] - start]  # a copy
        block.eliminate_zeros()
        return block


def _bounds(ends, entries):
    """Row numbers where blocks begin and end; each block has at most ``entries`` values, or a single row."""
    bounds, n_rows = [0], len(ends) - 1
    while bounds[-1] < n_rows:
        stop = int(np.searchsorted(ends, ends[bounds[-1]] + entries, side="right")) - 1
        bounds.append(min(max(stop, bounds[-1] + 1), n_rows))
    return bounds


def rewrite(path, data):
    """Write an AnnData, whose X and layers may be in a file, as .h5ad in blocks."""
    matrices = {"X": data.X, **data.layers}
    blocks = {name: RowBlocks(matrix) for name, matrix in matrices.items()}
    for of_layer in blocks.values():
        of_layer.bounds = blocks["X"].bounds
    together = (dict(zip(blocks, found, strict=True)) for found in zip(*blocks.values(), strict=True))
    n_entries = max(
        matrix.nnz if sparse.issparse(matrix) else len(matrix.group["data"]) for matrix in matrices.values()
    )
    write(path, data.obs, data.var, together, n_entries, dict(data.obsm), dict(data.uns))


def write(path, obs, var, blocks, n_entries, obsm=None, uns=None):
    """Write an .h5ad in blocks.

    Args:
        path: of the file.
        obs, var: DataFrames, the annotation of all cells and of all genes.
        blocks: iterable of {``X`` or name of a layer: CSR matrix of the next cells}.
        n_entries: total number of stored values of X.
        obsm, uns: dicts, of all cells.
    """
    import anndata
    import h5py

    n_written = 0
    for block in blocks:
        n_before, n_written = n_written, n_written + block["X"].shape[0]
        if n_before:
            _append(path, block)
            continue
        placed = {name: points[:n_written] for name, points in (obsm or {}).items()}
        first = anndata.AnnData(X=block["X"], obs=obs[:n_written], var=var, obsm=placed, uns=uns)
        first.layers.update({name: matrix for name, matrix in block.items() if name != "X"})
        if n_entries > MOST_ENTRIES:
            for matrix in (first.X, *first.layers.values()):
                matrix.indptr = matrix.indptr.astype(np.int64)  # appended positions have the same type
        first.write_h5ad(path)
    if n_before:
        with h5py.File(path, "r+") as file:
            for name, of_all in {"obs": obs, **({"obsm": obsm} if obsm else {})}.items():
                del file[name]
                anndata.io.write_elem(file, name, of_all)


def _append(path, block):
    import anndata
    import h5py

    with h5py.File(path, "r+") as file:
        for name, matrix in block.items():
            anndata.io.sparse_dataset(file[name if name == "X" else f"layers/{name}"]).append(matrix)
