"""Whether a representation mixes batches and keeps cell types: what the neighbourhood of each cell is made of.

The scores and their ranges are those of Luecken et al. 2022 (scIB).
"""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scae.evaluation import neighbors
from scae.tables import UNSCORED

PERPLEXITY = 30  # of a neighbourhood of LISI, which has three times as many cells, its own included


def look(points, types, batches):
    """What the scores of mixing read, of one space.

    Args:
        points: DataFrame (cells, dimensions).
        types: Series of the labels of the cells to score.
        batches: Series of the batches of all cells, `UNSCORED` where a cell has none.

    Returns:
        dict: ``placed``, the points (cells, dimensions) of the cells to score that have a batch; ``typed`` and
        ``batches``, their types and batches, (cells,), or None where all are of one.
    """
    batches = batches.loc[types.index]
    batches = batches[batches != UNSCORED]
    types = types.loc[batches.index]
    return {
        "placed": points.loc[batches.index].to_numpy(dtype=float),
        "typed": types.to_numpy() if types.nunique() > 1 else None,
        "batches": batches.to_numpy() if batches.nunique() > 1 else None,
    }


def lisi(points, names, perplexity=PERPLEXITY):
    """Local inverse Simpson's index (Korsunsky et al. 2019): how many names there are, in effect, around each cell.

    The neighbours of a cell count by a Gaussian-like weight of a fixed perplexity, that of exp(-distance / scale).

    Args:
        points: (cells, dimensions).
        names: (cells,), such as batches.
        perplexity: of the weights; less where there are not three times as many cells.

    Returns:
        numpy.ndarray: (cells,), from 1 to the number of different names.
    """
    from openTSNE.affinity import joint_probabilities_nn

    around = neighbors.nearest(points, 3 * perplexity - 1)  # (cells, neighbours)
    distances = np.sqrt(((points[around] - points[:, None]) ** 2).sum(axis=2))
    weights = joint_probabilities_nn(
        around,
        np.sqrt(distances),  # openTSNE squares what it is given
        [min(perplexity, (around.shape[1] + 1) / 3)],
        symmetrize=False,
        normalization="point-wise",
    )
    kinds, codes = np.unique(names, return_inverse=True)
    member = sparse.csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes)), (len(codes), len(kinds)))
    shares = (weights @ member).toarray()
    return 1 / np.square(shares).sum(axis=1)


def integration(points, batches):
    """Median LISI of the batches, scaled to 0 (around a cell there is one batch) … 1 (all, in equal shares)."""
    return _scaled(lisi(points, batches), batches)


def conservation(points, types):
    """Median LISI of the types, scaled to 0 (around a cell there are all types) … 1 (one)."""
    return 1 - _scaled(lisi(points, types), types)


def _scaled(found, names):
    return float(np.clip((np.median(found) - 1) / (len(set(names)) - 1), 0, 1))


def graph_connectivity(points, types, k=neighbors.K):
    """Share of the cells of a type that hang together, mean over the types.

    They do in the graph that joins each cell with its k nearest, where all cells but those of the type are taken away.
    """
    around = neighbors.nearest(points, k)
    n_cells, n_neighbors = around.shape
    ends = np.repeat(np.arange(n_cells), n_neighbors), around.ravel()
    graph = sparse.csr_matrix((np.ones(around.size), ends), (n_cells, n_cells))
    shares = []
    for name in np.unique(types):
        cells = np.flatnonzero(types == name)
        _, component = connected_components(graph[cells][:, cells], directed=False)
        shares.append(np.bincount(component).max() / len(cells))
    return float(np.mean(shares))
