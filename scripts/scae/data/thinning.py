"""Binomial thinning: the molecules of each cell in a training half and a test half.

Each molecule goes to the training half with the probability ``share``. If counts are Poisson given the cell's
expression, both halves are independent given it: what a representation of one half predicts of the other is expression,
not noise (Batson, Royer & Webber 2019, doi 10.1101/786269; Neufeld et al. 2024, doi 10.1093/biostatistics/kxac047).
"""

import logging

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from scae.data import counts, preprocessing, row_blocks
from scae.data import expression as expressions
from scae.errors import UserError

log = logging.getLogger(__name__)

CELLS_AT_ONCE = 1_000  # each block has its own random numbers
MANY, FEW_ONES = 100_000, 0.05  # counts per cell, and share of ones, of reads without UMIs
MOST = 1 << 24  # float32 holds every whole number up to here


def split(molecules, share, random):
    """Molecules in two halves that add up to them.

    Args:
        molecules: CSR matrix of whole numbers, cells x genes.
        share: probability of a molecule to be in the training half.
        random: numpy.random.Generator.

    Returns:
        (scipy.sparse.csr_matrix, scipy.sparse.csr_matrix): training and test half, float32, without stored zeros.
    """
    whole = molecules.data.astype(np.int64)
    kept = random.binomial(whole, share)
    return _with_data(molecules, kept), _with_data(molecules, whole - kept)


def _with_data(matrix, values):
    found = sparse.csr_matrix((values.astype(np.float32), matrix.indices, matrix.indptr), matrix.shape, copy=True)
    found.eliminate_zeros()
    return found


def write(path, settings, training, test, memory_mb=None, scratch=None):
    """Split the molecules of an expression.h5ad into two files with the same cells and genes, in blocks of cells.

    Args:
        path: the expression.h5ad; its counts are its layer, or recovered (`scae.data.counts`).
        settings: dict with share, repeat (from 1) and scale_factor.
        training: path of the training half: X log-normalised as in the whole data, ``layers["counts"]``. Molecules of
            genes that were not kept count for the total of a cell, and are split too.
        test: path of the test half: X, its counts.
        memory_mb, scratch: as of `scae.data.expression.read`.

    Raises:
        UserError: if there are no counts, one is too large to be split exactly, or a cell has no molecule in the
            training half.
    """
    expression = expressions.read(path, memory_mb=memory_mb, scratch=scratch)
    try:
        expression = counts.add(expression, path, scratch)
    except UserError as error:
        raise UserError(f"{error}, and set held_out_molecules of the data set to false") from None
    with h5py.File(path) as file:
        obs = pd.DataFrame(index=pd.Index(expression.cells.astype(str)))
        total = file["obs/total"][:] if "total" in file["obs"] else None
    if problem := _problem(expression):
        raise UserError(f"{path}: {problem}; set held_out_molecules of the data set to false")
    var, blocks = pd.DataFrame(index=pd.Index(expression.genes.astype(str))), _Blocks(expression, total, settings)
    n_entries = len(expression.counts)
    row_blocks.write(training, obs, var, (block[0] for block in blocks), n_entries)
    row_blocks.write(test, obs, var, (block[1] for block in blocks), n_entries)
    log.info("%d cells: %.4g of the molecules are in the training half", len(obs), blocks.share)


def _problem(expression):
    """Why counts cannot be split, or None."""
    found, n_cells = expression.counts, len(expression.cells)
    if not len(found):
        return "has no molecules"
    if (fraction := found != np.rint(found)).any():
        return f"its counts are not whole numbers ({found[fraction.argmax()]:g}), as of corrected or imputed counts"
    if (most := float(found.max())) > MOST:
        return f"has a count of {most:.0f}, but counts above {MOST:,} cannot be split exactly"
    if found.sum(dtype=np.float64) / n_cells > MANY and (found == 1).mean() < FEW_ONES:
        return (
            f"has {found.sum(dtype=np.float64) / n_cells:,.0f} counts per cell, and few are 1: these are reads without "
            "UMIs, of which the copies of a molecule would be in both halves"
        )
    return None


class _Blocks:
    """({"X", "counts"} of the training half, {"X"} of the test half) of each block of cells; the same each time."""

    def __init__(self, expression, total, settings):
        self.expression, self.total, self.settings, self.share = expression, total, settings, np.nan

    def __iter__(self):
        expression, share, repeat = self.expression, self.settings["share"], self.settings["repeat"]
        kept = tested = 0.0
        for start in range(0, len(expression.cells), CELLS_AT_ONCE):
            stop = min(start + CELLS_AT_ONCE, len(expression.cells))
            ends = expression.indptr[start : stop + 1]
            entries = slice(ends[0], ends[-1])
            arrays = expression.counts[entries], expression.indices[entries], ends - ends[0]
            block = sparse.csr_matrix(arrays, (stop - start, len(expression.genes)))
            random = np.random.default_rng([repeat, start // CELLS_AT_ONCE])
            halves = split(block, share, random)
            sums = [np.asarray(half.sum(axis=1, dtype=np.float64)).ravel() for half in halves]
            totals = sums[0].copy()
            if self.total is not None:  # also of genes that were not kept
                rest = np.rint(self.total[start:stop] - sums[0] - sums[1]).astype(np.int64)
                totals += random.binomial(np.maximum(rest, 0), share)
            if len(empty := np.flatnonzero(sums[0] == 0)):
                raise UserError(
                    f"cell {expression.cells[start + empty[0]]} has no molecule in the training half; raise "
                    "qc.min_genes, or set held_out_molecules of the data set to false"
                )
            kept, tested = kept + sums[0].sum(), tested + sums[1].sum()
            normalized = preprocessing.log_normalize(halves[0], self.settings["scale_factor"], totals)
            yield {"X": normalized, "counts": halves[0]}, {"X": halves[1]}
        self.share = kept / (kept + tested)
