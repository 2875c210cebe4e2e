"""Detect the kind of values in a matrix: counts, decimals of several kinds, logarithms, or scaled values.

The config key ``values`` is checked against it: a wrong setting would train on unnormalised values without an error.
"""

from dataclasses import dataclass

import numpy as np

# Kinds that a run can start from, the preferred first
USABLE = ("counts", "log_counts", "corrected_counts", "log_normalized", "normalized")
HIGHEST_LOGARITHM = 20  # log1p of a count of 485 million
LARGEST_COUNT = 2**24  # the last whole number up to which float32 has every one
SAMPLED_CELLS = 300
SAMPLED_VALUES = 1 << 20
WORDS = {
    "counts": "whole numbers up to {highest:g} (counts)",
    "log_counts": "logarithms of whole numbers up to {highest:g} (counts without normalisation)",
    "corrected_counts": "decimals up to {highest:g} (corrected counts)",
    "normalized": "decimals up to {highest:g}, normalised per cell, not logarithms",
    "log_normalized": "decimals up to {highest:g} that look like logarithms",
    "unclear": "decimals up to {highest:g}, which may be logarithms or corrected counts",
    "scaled": "negative values, from {lowest:g} to {highest:g} (scaled)",
    "not_finite": "NaN or infinite values",
    "empty": "only zeros",
}


@dataclass(frozen=True)
class Values:
    """Kind of the values of a matrix (a key of WORDS) and their range, zeros included."""

    kind: str
    lowest: float = 0.0
    highest: float = 0.0

    @property
    def binary(self):
        """Whether all values are 0 or 1: presence, seldom counts."""
        return self.kind == "counts" and self.highest == 1

    def __str__(self):
        if self.binary:
            return "only 0 and 1 (presence, or counts of very few molecules)"
        return WORDS[self.kind].format(lowest=self.lowest, highest=self.highest)


def of(values, cells=None):
    """Detect the kind of values.

    Args:
        values: (n,) stored values of a matrix, or of a part of it.
        cells: CSR of whole cells of the matrix, which distinguish normalised values and logarithms from corrected
            counts; None if cells cannot be had without reading everything.

    Returns:
        Values
    """
    values = np.asarray(values)
    lowest, highest = (float(values.min()), float(values.max())) if len(values) else (0.0, 0.0)
    if not np.isfinite([lowest, highest]).all():  # min and max of a NaN are NaN
        return Values("not_finite")
    if lowest == highest == 0:
        return Values("empty")
    return Values(_kind(values, cells, lowest, highest), min(lowest, 0.0), highest)


def _kind(values, cells, lowest, highest):
    if lowest < 0:
        return "scaled"
    if are_whole(values):
        return "counts"
    values = values[:: max(1, len(values) // SAMPLED_VALUES)]
    values = values[values != 0]
    if near_whole(values).mean() >= 0.5:  # shares of multi-gene reads (STARsolo, alevin)
        return "corrected_counts"
    rows = _sample_of(cells) if cells is not None else []
    if highest <= HIGHEST_LOGARITHM:
        if are_whole(np.expm1(values.astype(np.float64))):
            return "log_counts"
        for back in (np.expm1, lambda x: np.exp2(x) - 1, lambda x: 10.0**x - 1):
            unlogged = [back(row) for row in rows]
            if _sums_agree(unlogged) or _are_multiples(unlogged):
                return "log_normalized"
    if _sums_agree(rows) or (_are_multiples(rows) and _units_vary(rows)):
        return "normalized"
    if highest > HIGHEST_LOGARITHM or (near_whole(values, 0.1).mean() > 0.5):
        return "corrected_counts"
    return "unclear"


def near_whole(values, tolerance=1e-3, relative=1e-6):
    """Which values are whole numbers, up to the rounding of float32 in a logarithm and back."""
    return np.abs(values - np.rint(values)) <= np.clip(relative * values, tolerance, 0.25)


def are_whole(values):
    """Whether values are whole numbers within 1e-3, and more than noise around zero."""
    noise = 0
    for start in range(
        0, len(values), SAMPLED_VALUES
    ):  # the first block excludes most decimals, and blocks save memory
        block = values[start : start + SAMPLED_VALUES]
        if not near_whole(block).all():
            return False
        noise += np.count_nonzero((block > 0) & (block < 0.5))
    return noise <= len(values) / 2


def _sample_of(cells):
    """Values of evenly spaced cells."""
    step = max(1, cells.shape[0] // SAMPLED_CELLS)
    rows = [cells.data[cells.indptr[cell] : cells.indptr[cell + 1]] for cell in range(0, cells.shape[0], step)]
    rows = [row[row != 0].astype(np.float64) for row in rows]
    return [row for row in rows if len(row) >= 5]


def _sums_agree(rows):
    sums = np.array([row.sum() for row in rows])
    return len(sums) > 1 and np.quantile(np.abs(sums / np.median(sums) - 1), 0.9) < 0.01


def _are_multiples(rows):
    """Whether the values of most cells are multiples of the cell's smallest, as counts divided by a size factor.

    Some files keep only three decimals of a logarithm, so a multiple may be off by 0.2 %.
    """
    multiples = [row / row.min() for row in rows if len(np.unique(row)) > 1]
    return bool(multiples) and np.mean([near_whole(row, 0.02, 2e-3).all() for row in multiples]) > 0.6


def _units_vary(rows):
    units = np.array([row.min() for row in rows])
    return np.std(units) > 0.05 * np.mean(units)
