"""Matrices as sources hold them: described, loaded one by one, and checked before anything computes on them."""

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

BLOCK_BYTES = 1 << 25  # a dense matrix is read in blocks of about this size
SAMPLED_VALUES = 1 << 20
# Names that labs give to the layer with the counts, likeliest first
LIKELY = ("X", "raw", "counts", "raw_counts", "count", "umi", "spliced")


@dataclass(frozen=True)
class Stored:
    """A matrix as it lies in a source, cells x genes: read only when asked for.

    ``load()`` gives all of it, ``sample()`` values and, where that is cheap, some whole cells: (values, CSR or None).
    ``genes`` is the annotation of its columns (index: names).
    """

    shape: tuple[int, int]
    genes: pd.DataFrame
    load: Callable[[], sparse.csr_matrix]
    sample: Callable[[], tuple]
    n_values: int | None = None  # where it is known before reading

    @classmethod
    def of(cls, matrix, genes):
        """A matrix that is in memory already."""

        def load():
            return csr(matrix)

        def sample():
            rows = load()
            return rows.data, rows

        return cls(matrix.shape, genes, load, sample, matrix.nnz if sparse.issparse(matrix) else None)


@dataclass(frozen=True)
class Content:
    """What a source holds before one of its matrices is chosen: annotation of the cells, and matrices by name.

    Names are ``X``, ``raw`` and those of layers; a format with one matrix calls it ``X``.
    """

    obs: pd.DataFrame
    matrices: dict[str, Stored]


def csr(matrix):
    """Any numeric matrix as CSR of its own type, checked: SciPy runs out of its arrays on a damaged one."""
    if sparse.issparse(matrix):
        if matrix.format not in ("csr", "csc"):
            matrix = matrix.tocsr()
        check_compressed(matrix.data, matrix.indices, matrix.indptr, matrix.shape, matrix.format)
        return sparse.csr_matrix(matrix)
    return sparse.csr_matrix(check_numbers(np.asarray(matrix)))


def check_numbers(values):
    """The values, if they are real numbers.

    Raises:
        UserError: if they are text or complex.
    """
    if values.dtype.kind not in "iufb":
        raise UserError(f"its values are of type {values.dtype}, not numbers")
    return values


def check_compressed(data, indices, indptr, shape, kind="csr"):
    """Check the three arrays of a compressed matrix in full, in NumPy, which cannot run past their ends.

    Raises:
        UserError: saying what is wrong; the caller knows the name of the source.
    """
    check_numbers(data)
    n_major, n_minor = shape if kind == "csr" else shape[::-1]
    major, minor = ("cells", "genes") if kind == "csr" else ("genes", "cells")
    for name, array in (("indices", indices), ("indptr", indptr)):
        if array.ndim != 1 or array.dtype.kind not in "iu":
            raise UserError(f"its matrix is damaged: {name} are no whole numbers; {REPAIR}")
    if len(indptr) != n_major + 1:
        raise UserError(
            f"its matrix is damaged: it is declared {kind.upper()} with {n_major} {major}, but its indptr is for "
            f"{len(indptr) - 1}; {REPAIR}"
        )
    if indptr[0] != 0 or (indptr[1:] < indptr[:-1]).any():
        raise UserError(f"its matrix is damaged: indptr does not rise from 0; {REPAIR}")
    if not len(data) == len(indices) == indptr[-1]:
        raise UserError(
            f"its matrix is damaged: {len(data)} values, {len(indices)} indices, and indptr ends at {indptr[-1]}; "
            f"{REPAIR}"
        )
    if len(indices) and (indices.min() < 0 or indices.max() >= n_minor):
        wrong = indices.max() if indices.max() >= n_minor else indices.min()
        raise UserError(
            f"its matrix is damaged: index {wrong} is out of range, since there are {n_minor} {minor}; {REPAIR}"
        )


def describe(content):
    """{name: Values} of each matrix of a source, from a sample of each."""
    found = {}
    for name, stored in content.matrices.items():
        try:
            found[name] = kinds.of(*stored.sample())
        except UserError as error:  # another matrix may be good
            log.warning("matrix %s cannot be used: %s", name, error)
    return found


def listing(described):
    """What each matrix holds, in words."""
    return "; ".join(f"{_title(name)} holds {held}" for name, held in described.items()) or "it holds no matrix"


def choose(content, described, matrix, values):
    """The name of the matrix to take.

    Args:
        content: of the source.
        described: what `describe` found.
        matrix: ``auto``, ``X``, ``raw`` or the name of a layer.
        values: what the config says that it holds, or ``auto``.

    Raises:
        UserError: if there is no such matrix, or none that can be used, with what each holds and what to write.
    """
    if matrix != "auto":
        if matrix not in content.matrices:
            raise UserError(f'has no matrix "{matrix}"; {listing(described)}. {_advice(described)}')
        return matrix
    if len(content.matrices) == 1:  # what is wrong with it can be said with cell and gene
        return next(iter(content.matrices))
    fitting = {name: held.kind for name, held in described.items() if held.kind in ACCEPTED[values]}
    if not fitting:
        claim = "no matrix that can be used" if values == "auto" else f"no matrix of {values}"
        raise UserError(f"has {claim}: {listing(described)}. {_advice(described)}")
    return min(fitting, key=lambda name: (kinds.USABLE.index(fitting[name].replace("unclear", values)), _rank(name)))


# The kinds of matrices that a claim of the config can be true of
ACCEPTED = {
    "auto": kinds.USABLE,
    "counts": ("counts", "log_counts"),
    "corrected_counts": ("counts", "corrected_counts", "normalized", "unclear"),
    "normalized": ("counts", "corrected_counts", "normalized", "unclear"),
    "log_normalized": ("log_counts", "log_normalized", "unclear", "normalized"),
}


def settle(held, values, described):
    """What the values of the chosen matrix are, by the config and the data.

    Args:
        held: Values of all of the chosen matrix.
        values: the config's word, or ``auto``.
        described: of all matrices, for the advice.

    Returns:
        str: ``counts``, ``log_counts`` (to be taken back by expm1), ``corrected_counts``, ``normalized`` or
        ``log_normalized``.

    Raises:
        UserError: if the word is not true of the data, or the data do not tell.
    """
    if held.kind in ("scaled", "not_finite", "empty", "unclear") and values == "auto":
        raise UserError(f"its values cannot be used as they are: {listing(described)}. {_advice(described)}")
    if values == "auto":
        return held.kind
    if held.kind not in ACCEPTED[values] or (values == "log_normalized" and held.highest > kinds.HIGHEST_LOGARITHM):
        raise UserError(f"values: {values} is not true of its matrix: {listing(described)}. {_advice(described)}")
    if held.kind == "log_counts" and values == "log_normalized":
        log.warning('these are logarithms of counts that were not normalised; "values: auto" normalises them')
        return values
    if held.kind == "counts" and values == "normalized":
        log.warning('values: normalized, but the values are whole numbers; counts need "values: counts"')
    return held.kind if values == "counts" else values


def _title(name):
    return name if name in ("X", "raw") else f'layer "{name}"'


def _rank(name):
    return (LIKELY.index(name) if name in LIKELY else len(LIKELY), name)


def _advice(described):
    """What to write into the config."""
    usable = sorted(
        (name for name, held in described.items() if held.kind in kinds.USABLE),
        key=lambda name: (kinds.USABLE.index(described[name].kind), _rank(name)),
    )
    if usable:
        kind = described[usable[0]].kind.replace("log_counts", "auto")
        return f"Write matrix: {usable[0]} and values: {kind}"
    if any(held.kind == "unclear" for held in described.values()):
        return "Write values: log_normalized if they are logarithms, or values: corrected_counts"
    return "Take a file with the counts, or with log-normalised values that were not scaled"
