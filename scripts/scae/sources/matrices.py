"""The matrices of a source: described from a sample, chosen, loaded one by one and checked."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scae.errors import UserError
from scae.sources import values as kinds

log = logging.getLogger(__name__)

REPAIR = "write the file again, or copy or download it again"
BLOCK_BYTES = 1 << 25  # of a dense matrix, read at a time
SAMPLED_VALUES = 1 << 20
# Common names of the layer with the counts, likeliest first
LIKELY = ("X", "raw", "counts", "raw_counts", "count", "umi", "spliced")


@dataclass(frozen=True)
class Stored:
    """A matrix in a source, cells x genes, read on demand.

    ``load()`` returns all of it as CSR; ``sample()`` returns (values, CSR of whole cells or None if that is expensive).
    ``genes`` is the annotation of its columns (index: names).
    """

    shape: tuple[int, int]
    genes: pd.DataFrame
    load: Callable[[], sparse.csr_matrix]
    sample: Callable[[], tuple]
    n_values: int | None = None  # if known before reading

    @classmethod
    def of(cls, matrix, genes):
        """A matrix in memory."""

        def load():
            return csr(matrix)

        def sample():
            rows = load()
            return rows.data, rows

        return cls(matrix.shape, genes, load, sample, matrix.nnz if sparse.issparse(matrix) else None)


@dataclass(frozen=True)
class Content:
    """The content of a source: annotation of the cells, and matrices by name (``X``, ``raw`` or a layer)."""

    obs: pd.DataFrame
    matrices: dict[str, Stored]


def csr(matrix):
    """Any numeric matrix as CSR of the same type, checked: SciPy reads out of bounds in a damaged one."""
    if sparse.issparse(matrix):
        if matrix.format not in ("csr", "csc"):
            matrix = matrix.tocsr()
        check_compressed(matrix.data, matrix.indices, matrix.indptr, matrix.shape, matrix.format)
        return sparse.csr_matrix(matrix)
    return sparse.csr_matrix(check_numbers(np.asarray(matrix)))


def check_numbers(values):
    """The values, if they are real numbers.

    Raises:
        UserError: if they are not.
    """
    if values.dtype.kind not in "iufb":
        raise UserError(f"its values are of type {values.dtype}; write integers or reals")
    return values


def check_compressed(data, indices, indptr, shape, kind="csr"):
    """Check the three arrays of a compressed matrix completely, in NumPy, which never reads out of bounds.

    Raises:
        UserError: if they do not fit together; the caller adds the name of the source.
    """
    check_numbers(data)
    n_major, n_minor = shape if kind == "csr" else shape[::-1]
    major, minor = ("cells", "genes") if kind == "csr" else ("genes", "cells")
    for name, array in (("indices", indices), ("indptr", indptr)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise UserError(f"its matrix is damaged: {name} are not integers; {REPAIR}")
    if len(indptr) != n_major + 1:
        raise UserError(
            f"its matrix is damaged: it is declared as {kind.upper()} with {n_major} {major}, but its indptr has "
            f"{len(indptr) - 1}; {REPAIR}"
        )
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise UserError(f"its matrix is damaged: indptr does not increase from 0; {REPAIR}")
    if not len(data) == len(indices) == indptr[-1]:
        raise UserError(
            f"its matrix is damaged: {len(data)} values, {len(indices)} indices, and indptr ends at {indptr[-1]}; "
            f"{REPAIR}"
        )
    if len(indices) and (indices.min() < 0 or indices.max() >= n_minor):
        wrong = indices.max() if indices.max() >= n_minor else indices.min()
        raise UserError(f"its matrix is damaged: index {wrong} is out of range for {n_minor} {minor}; {REPAIR}")


def describe(content):
    """{name: Values} of the matrices of a source, each from a sample."""
    found = {}
    for name, stored in content.matrices.items():
        try:
            found[name] = kinds.of(*stored.sample())
        except UserError as error:  # another matrix may be usable
            log.warning("matrix %s cannot be used: %s", name, error)
    return found


def listing(described):
    """The kind of values of each matrix, in words."""
    return "; ".join(f"{_title(name)} holds {held}" for name, held in described.items()) or "there is no matrix"


def choose(content, described, matrix, values):
    """The name of the matrix to read.

    Args:
        content: `Content` of the source.
        described: its `describe`.
        matrix: ``auto``, ``X``, ``raw`` or the name of a layer.
        values: its kind of values by the config, or ``auto``.

    Raises:
        UserError: if there is no such or no usable matrix, with the values of each and what to write.
    """
    if matrix != "auto":
        if matrix not in content.matrices:
            raise UserError(f'has no matrix "{matrix}"; {listing(described)}. {_advice(described)}')
        return matrix
    if len(content.matrices) == 1:  # later checks name the cell and gene of a bad value
        return next(iter(content.matrices))
    fitting = {name: held.kind for name, held in described.items() if held.kind in ACCEPTED[values]}
    if not fitting:
        claim = "no usable matrix" if values == "auto" else f"no matrix of {values}"
        raise UserError(f"has {claim}: {listing(described)}. {_advice(described)}")
    return min(fitting, key=lambda name: (kinds.USABLE.index(fitting[name].replace("unclear", values)), _rank(name)))


# The kinds of values that are compatible with each setting of ``values``
ACCEPTED = {
    "auto": kinds.USABLE,
    "counts": ("counts", "log_counts"),
    "corrected_counts": ("counts", "corrected_counts", "normalized", "unclear"),
    "normalized": ("counts", "corrected_counts", "normalized", "unclear"),
    "log_normalized": ("log_counts", "log_normalized", "unclear", "normalized"),
}


def settle(held, values, described):
    """The kind of values of the chosen matrix, by the config and the data.

    Args:
        held: Values of all of the chosen matrix.
        values: its kind of values by the config, or ``auto``.
        described: `describe` of all matrices, for the message.

    Returns:
        str: ``counts``, ``log_counts`` (counts after expm1), ``corrected_counts``, ``normalized`` or
        ``log_normalized``.

    Raises:
        UserError: if the config contradicts the data, or the kind cannot be detected.
    """
    if held.kind in ("scaled", "not_finite", "empty", "unclear") and values == "auto":
        raise UserError(f"its values cannot be used: {listing(described)}. {_advice(described)}")
    if values == "auto":
        return held.kind
    if held.kind not in ACCEPTED[values] or (values == "log_normalized" and held.highest > kinds.HIGHEST_LOGARITHM):
        raise UserError(f"values: {values} does not match the matrix: {listing(described)}. {_advice(described)}")
    if held.kind == "log_counts" and values == "log_normalized":
        log.warning('the values are logarithms of counts without normalisation; "values: auto" normalises them')
        return values
    if held.kind == "counts" and values == "normalized":
        log.warning('values: normalized, but the values are whole numbers; counts need "values: counts"')
    return held.kind if values == "counts" else values


def _title(name):
    return name if name in ("X", "raw") else f'layer "{name}"'


def _rank(name):
    return (LIKELY.index(name) if name in LIKELY else len(LIKELY), name)


def _advice(described):
    """The settings to write into the config."""
    usable = sorted(
        (name for name, held in described.items() if held.kind in kinds.USABLE),
        key=lambda name: (kinds.USABLE.index(described[name].kind), _rank(name)),
    )
    if usable:
        kind = described[usable[0]].kind.replace("log_counts", "auto")
        return f"Set matrix to {usable[0]} and values to {kind}"
    if any(held.kind == "unclear" for held in described.values()):
        return "Set values to log_normalized if they are logarithms, or to corrected_counts"
    return "Use a file with counts, or with log-normalised values that were not scaled"
