"""The matrices of a source: described from a sample, chosen, loaded one by one and checked."""

import logging
import re
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
# What the names of matrices mean, as letters: the main ones, then layers of counts, likeliest first
MAIN = ("X", "raw")
COUNTS = (
    *("counts", "rawcounts", "count", "countsraw", "rawcount", "umi", "umis", "umicounts", "umicount", "molecules"),
    *("rsecadjustedmolecules", "rawmolecules", "soupx", "soupxcounts", "cellbender", "cellbendercounts", "decontx"),
    *("decontxcounts", "correctedcounts", "countscorrected", "total", "matrix", "countsoriginal", "originalcounts"),
)
# Layers that hold the molecules of one splicing state; their sum is the count matrix
COMPARTMENTS = (("spliced", "unspliced", "ambiguous", "spanning"), ("mature", "nascent", "ambiguous"))


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


def with_total(content):
    """The content with the sum of the splicing states (RNA velocity), if there are several."""
    for states in COMPARTMENTS:
        found = [name for state in states for name in content.matrices if _letters(name) == state]
        if len(found) > 1:
            total = {"+".join(found): _total([content.matrices[name] for name in found])}
            return Content(content.obs, content.matrices | total)
    return content


def is_total(name):
    """Whether this is the name of a sum of splicing states."""
    return "+" in name and all(_letters(part) in {*COMPARTMENTS[0], *COMPARTMENTS[1]} for part in name.split("+"))


def _total(parts):
    def load():
        matrix = parts[0].load().astype(np.float64)
        for part in parts[1:]:
            matrix = matrix + part.load()
        return matrix

    def sample():
        samples = [part.sample() for part in parts]
        if all(rows is not None and rows.shape == parts[0].shape for _, rows in samples):
            rows = sum(rows.astype(np.float64) for _, rows in samples[1:]) + samples[0][1]
            return rows.data, rows
        return np.concatenate([values for values, _ in samples]), None

    n_values = [part.n_values for part in parts]
    return Stored(parts[0].shape, parts[0].genes, load, sample, None if None in n_values else sum(n_values))


def csr(matrix):
    """Any numeric matrix as CSR of the same type, checked: SciPy reads out of bounds in a damaged one."""
    if sparse.issparse(matrix):
        if matrix.format not in ("csr", "csc"):
            matrix = matrix.tocsr()
        check_compressed(matrix.data, matrix.indices, matrix.indptr, matrix.shape, matrix.format)
        return sparse.csr_matrix(matrix)
    return sparse.csr_matrix(check_numbers(np.asarray(matrix)))


def check_numbers(values):
    """The values, if they are real numbers; those of half precision, which SciPy does not have, as float32.

    Raises:
        UserError: if they are not.
    """
    if values.dtype.kind not in "iufb":
        raise UserError(f"its values are of type {values.dtype}; write integers or reals")
    return values.astype(np.float32) if values.dtype.itemsize == 2 and values.dtype.kind == "f" else values


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


def describe(content, wanted=None):
    """{name: Values} of the matrices of a source, each from a sample.

    Args:
        wanted: function of the annotation of the genes of a matrix to the mask of those that count; None is all.
    """
    found = {}
    for name, stored in content.matrices.items():
        try:
            values, rows = stored.sample()
            if wanted is not None and rows is not None:
                rows = rows[:, np.flatnonzero(wanted(stored.genes, rows))]
                values = rows.data
            found[name] = kinds.of(values, rows)
        except UserError as error:  # another matrix may be usable
            log.info("matrix %s is skipped: %s", name, error)
    return found


def listing(described):
    """The kind of values of each matrix, in words."""
    return "; ".join(f"{_title(name)} holds {held}" for name, held in described.items()) or "there is no matrix"


def choose(content, described, matrix, values):
    """The name of the matrix to read: of X, raw and layers whose name means counts, the one with the best values.

    A layer of another name, or of one splicing state, is only taken if nothing else can be meant.

    Args:
        content: `Content` of the source.
        described: its `describe`.
        matrix: ``auto``, ``X``, ``raw`` or the name of a layer.
        values: its kind of values by the config, or ``auto``.

    Raises:
        UserError: if the matrix does not exist or cannot be used, or if the names do not say which one to use; the
            message lists the values of each and what to write.
    """
    if matrix != "auto":
        if matrix not in content.matrices:
            raise UserError(f'has no matrix "{matrix}"; {listing(described)}. {_advice(described)}')
        return matrix
    if len(content.matrices) == 1:  # later checks name the cell and gene of a bad value
        return next(iter(content.matrices))
    fitting = {name: held for name, held in described.items() if held.kind in ACCEPTED[values]}
    if not fitting:
        claim = "no usable matrix" if values == "auto" else f"no matrix of {values}"
        raise UserError(f"has {claim}: {listing(described)}. {_advice(described)}")

    def order(name):
        kind = fitting[name].kind.replace("unclear", values)
        return (kinds.USABLE.index(kind), fitting[name].binary, _rank(name))

    known = [name for name in fitting if _is_known(name, fitting[name]) and not fitting[name].binary]
    best = min(known, key=order, default=None)
    others = [
        name
        for name in fitting
        if name not in known and (best is None or (order(name)[0] < order(best)[0] and not fitting[name].binary))
    ]
    if not others or (best is not None and values == "log_normalized"):
        return best
    unusable = all(described[name].kind in ("scaled", "not_finite", "empty") for name in MAIN if name in described)
    only = others[0] if len(others) == 1 and best is None and not fitting[others[0]].binary else None
    if only and _letters(only) not in {*COMPARTMENTS[0], *COMPARTMENTS[1]} and (values != "auto" or unusable):
        return only
    named = ", ".join(map(_title, sorted(others, key=order)))
    raise UserError(
        f"has matrices whose names do not say what they hold ({named}): {listing(described)}. Set matrix to "
        + " or ".join(dict.fromkeys([*([best] if best else []), *sorted(others, key=order)][:4]))
    )


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
    if held.binary and values == "auto":
        log.warning("all values are 0 or 1; if these are not counts, give other data (or set matrix)")
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
    if is_total(name):
        return f"the sum {name}"
    return name if name in ("X", "raw") else f'layer "{name}"'


def _letters(name):
    """The name of a matrix without case and punctuation; only small letters and digits."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_known(name, held):
    """Whether the name of a matrix says that it is the expression or its counts; a sum may be of normalised states."""
    return name in MAIN or (is_total(name) and held.kind == "counts") or _letters(name) in COUNTS


def _rank(name):
    order = (*MAIN, *COUNTS)
    letters = name if name in MAIN else _letters(name)
    return (order.index(letters) if letters in order else len(order), not is_total(name), name)


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
