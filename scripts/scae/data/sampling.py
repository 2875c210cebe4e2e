"""Fixed samples of cells, stratified by cell type."""

import numpy as np


def stratified(labels, limit, fewest=0, up=True):
    """Choose about ``limit`` cells so that each type keeps its share; the same cells at each call.

    Args:
        labels: (cells,).
        limit: number of cells; rounding and ``fewest`` may add some.
        fewest: cells of each type to keep, if it has that many.
        up: whether the share of a type is rounded up; else down.

    Returns:
        numpy.ndarray: positions of the chosen cells, ascending; all cells if there are at most ``limit``.
    """
    labels = np.asarray(labels)
    if len(labels) <= limit:
        return np.arange(len(labels))
    random = np.random.default_rng(0)
    chosen = []
    for name in np.unique(labels):
        cells = np.flatnonzero(labels == name)
        share = (len(cells) * limit + (len(labels) - 1 if up else 0)) // len(labels)
        share = max(share, min(fewest, len(cells)))
        chosen.append(random.choice(cells, share, replace=False))
    return np.sort(np.concatenate(chosen))
