"""Expression for training: compressed sparse rows, kept on disk if memory is short.

The file is read with h5py: anndata would load every layer, and its import more than doubles the time of a small job.
"""

import logging
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np

from scae.errors import UserError

log = logging.getLogger(__name__)

CLIP = 10.0  # standard deviations
READ_ENTRIES = 1 << 24  # non-zeros read at a time


@dataclass(frozen=True)
class Expression:
    """Cells x genes as a compressed sparse row matrix plus a constant per gene: the matrix S + 1·offsetᵀ."""

    indptr: np.ndarray  # (cells + 1,) int64: start of each cell's entries
    indices: np.ndarray  # (non-zeros,) int32: gene of each entry, ascending within a cell
    data: np.ndarray  # (non-zeros,) float32
    offset: np.ndarray  # (genes,) float32: value of a gene without an entry
    cells: np.ndarray  # names
    genes: np.ndarray  # names
    batch_index: np.ndarray | None = None  # (cells,) int64: batch of each cell, if batch-conditioned
    counts: np.ndarray | None = None  # (non-zeros,) int16 or float32: count of each entry, for a model of counts

    @property
    def shape(self):
        return len(self.cells), len(self.genes)

    @property
    def density(self):
        return len(self.data) / (len(self.cells) * len(self.genes))

    @property
    def nbytes(self):
        return self.indptr.nbytes + self.indices.nbytes + self.data.nbytes


def read(path, scale=False, memory_mb=None, scratch=None):
    """Read X of an expression.h5ad.

    Args:
        path: an .h5ad whose X is CSR float32.
        scale: standardise each gene and clip at 10 standard deviations. The offset becomes -mean / sd, the value of a
            gene without an entry, so the matrix stays sparse.
        memory_mb: a matrix larger than half of it is kept in a memory-mapped file, with the same values; None keeps it
            in memory. Rules request enough; a user sets less with ``--set-resources train_model:mem_mb=…``.
        scratch: folder for that file; None is the system's.

    Returns:
        Expression
    """
    with h5py.File(path) as file:
        group = file["X"]
        if group.attrs["encoding-type"] != "csr_matrix":
            raise TypeError(f"{path}: X is {group.attrs['encoding-type']}, not csr_matrix")
        n_entries = len(group["data"])
        on_disk = memory_mb is not None and 8 * n_entries > memory_mb * 1e6 / 2
        data, indices = (empty(n_entries, dtype, scratch if on_disk else None) for dtype in (np.float32, np.int32))
        for start in range(0, n_entries, READ_ENTRIES):
            chunk = slice(start, min(start + READ_ENTRIES, n_entries))
            group["data"].read_direct(data, chunk, chunk)
            group["indices"].read_direct(indices, chunk, chunk)
        cells, genes = (file[axis][file[axis].attrs["_index"]].asstr()[:] for axis in ("obs", "var"))
        indptr = group["indptr"][:].astype(np.int64)
    offset = np.zeros(len(genes), np.float32)
    log.info("%d cells x %d genes, %d non-zeros%s", len(cells), len(genes), n_entries, ", on disk" if on_disk else "")
    if scale:
        _standardize(data, indices, offset, len(cells))
    return Expression(indptr, indices, data, offset, cells, genes)


def with_batches(expression, batches, names=None):
    """The expression for a batch-conditioned model.

    Args:
        expression: Expression.
        batches: (cells,) names, empty for a cell without one.
        names: of the batches by number, as in a trained model; None takes the sorted names of ``batches``.

    Returns:
        (Expression, list): the expression with the batches, and their names.

    Raises:
        UserError: if a cell has no batch or one that is not in ``names``, or all are of one.
    """
    batches = np.asarray(batches, object)
    if without := int((batches == "").sum()):
        raise UserError(
            f"batch: {without} of {len(batches)} cells have no batch, but a model with batch: true needs one for each; "
            "complete the column, or set batch of the model to false"
        )
    names = sorted(set(batches)) if names is None else names
    if len(names) < 2:
        raise UserError(
            f'batch: all cells are of one batch ("{names[0]}"), so a model cannot be conditioned on it; set batch of '
            "the model to false"
        )
    numbers = {name: number for number, name in enumerate(names)}
    if unknown := sorted(set(batches) - set(names)):
        raise UserError(f'batch: the model was not trained on cells of "{unknown[0]}"; train it again')
    return replace(expression, batch_index=np.array([numbers[name] for name in batches], np.int64)), names


def empty(length, dtype, scratch):
    """An array in memory or, with a scratch folder, in a file that is deleted with the array."""
    if scratch is None or not length:
        return np.empty(length, dtype)
    Path(scratch).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as file:  # without a name; the mapping keeps it
        try:
            os.posix_fallocate(file.fileno(), 0, length * np.dtype(dtype).itemsize)
        except OSError as error:  # writing to a mapping on a full disk would kill the process
            raise UserError(
                f"{scratch}: no room for the expression ({error.strerror}); set the resource tmpdir to another folder, "
                "or raise mem_mb"
            ) from error
        return np.memmap(file, dtype, mode="r+", shape=(length,))


def _standardize(data, indices, offset, n_cells):
    """Entries become clip((x - mean) / sd) - offset, in place, with offset = clip(-mean / sd); sd has n - 1 degrees."""
    n_genes = len(offset)
    total, squares = np.zeros(n_genes), np.zeros(n_genes)
    for start in range(0, len(data), READ_ENTRIES):
        gene, value = indices[start : start + READ_ENTRIES], data[start : start + READ_ENTRIES].astype(np.float64)
        total += np.bincount(gene, value, n_genes)
        squares += np.bincount(gene, value**2, n_genes)
    mean = total / n_cells
    sd = np.sqrt(np.maximum(squares - n_cells * mean**2, 0) / max(n_cells - 1, 1))
    sd[sd <= 1e-6 * np.abs(mean)] = np.inf  # a constant gene becomes zero everywhere
    offset[:] = np.clip(-mean / sd, -CLIP, CLIP)
    for start in range(0, len(data), READ_ENTRIES):
        chunk = slice(start, start + READ_ENTRIES)
        gene = indices[chunk]
        data[chunk] = np.clip((data[chunk] - mean[gene]) / sd[gene], -CLIP, CLIP) - offset[gene]
