"""Counts of an expression.h5ad, for models of counts: its layer "counts", or recovered from log-normalised values."""

import logging
from dataclasses import replace

import h5py
import numpy as np

from scae.data import expression as expressions
from scae.errors import UserError
from scae.jobs.notes import NOTE

log = logging.getLogger(__name__)

LAYER = "layers/counts"
READ_ENTRIES = 1 << 22  # non-zeros read at a time
SMALLEST = 5  # the smallest value of a cell is taken for a count of 1 to 5
TOLERANCE = 0.1  # largest distance of a recovered count from a whole number; chance gives up to 0.5


def add(expression, path, scratch=None):
    """The expression with the counts of its entries.

    Args:
        expression: scae.data.expression.Expression, as read from ``path`` without scaling.
        path: the expression.h5ad.
        scratch: folder for the counts if the expression is on disk; None is the system's.

    Returns:
        Expression

    Raises:
        UserError: if the file has no counts, and its values are not logarithms of scaled counts.
    """
    on_disk = isinstance(expression.data, np.memmap)
    kept = (scratch or "/tmp") if on_disk else None
    with h5py.File(path) as file:
        if LAYER in file:
            return replace(expression, counts=_read(file[LAYER], expression, path, kept))
    counts = expressions.empty(len(expression.data), np.float32, kept)
    _recover(expression, counts, path)
    return replace(expression, counts=counts)


def _read(group, expression, path, kept):
    """The counts of a layer, int16 if that holds them all."""
    counts = expressions.empty(len(expression.data), np.int16, kept)
    same = np.array_equal(group["indptr"][:], expression.indptr)
    for start in range(0, len(counts) if same else 0, READ_ENTRIES):
        chunk = slice(start, min(start + READ_ENTRIES, len(counts)))
        same &= np.array_equal(group["indices"][chunk], expression.indices[chunk])
        values = group["data"][chunk]
        if counts.dtype == np.int16 and not ((values <= np.iinfo(np.int16).max) & (values % 1 == 0)).all():
            whole, counts = counts, expressions.empty(len(counts), np.float32, kept)
            counts[:start] = whole[:start]
        counts[chunk] = values
    if not same:
        raise ValueError(f"{path}: counts and X do not have the same non-zero entries")
    return counts


def _recover(expression, counts, path):
    """Fill in whole numbers that are proportional to expm1 of the values of each cell."""
    furthest = 0.0
    for cell, name in enumerate(expression.cells):
        row = slice(expression.indptr[cell], expression.indptr[cell + 1])
        if row.start == row.stop:
            continue
        counts[row], distance = whole_numbers(np.expm1(expression.data[row].astype(np.float64)))
        furthest = max(furthest, distance)
        if not distance <= TOLERANCE:
            raise UserError(
                f"{path}: has no counts, and they cannot be recovered from its values: those of cell {name} are not "
                f"log1p of counts times one factor ({distance:.2f} from whole numbers); use a source with counts, or "
                "take the models of counts out of run.models"
            )
    log.log(
        NOTE,
        "counts were recovered from log-normalised values: in each cell expm1 of all values is within %.2g of whole "
        "numbers times one factor",
        furthest,
    )


def whole_numbers(values):
    """Counts that are proportional to the normalised values of a cell.

    Args:
        values: (n,) positive float64: counts times an unknown factor, with rounding errors.

    Returns:
        (numpy.ndarray, float): (n,) counts for the best factor, and the largest distance of a value, divided by that
        factor, from its count. If the distance is above `TOLERANCE`, the values are not such.
    """
    best = np.full(len(values), np.nan), np.inf
    if not (values > 0).all():
        return best
    for smallest in range(1, SMALLEST + 1):
        counts = np.rint(values * (smallest / values.min()))
        scaled = values * (counts @ values / (values @ values))  # least squares
        found = np.rint(scaled), float(np.abs(scaled - np.rint(scaled)).max())
        if found[1] <= TOLERANCE and found[0].min() > 0:
            return found
        best = min(best, found, key=lambda one: one[1])
    return best
