"""Whether a representation mixes batches and keeps cell types apart, by the neighbourhood of each cell.

The scores and their ranges are those of Luecken et al. 2022 (scIB).
"""

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from scae.evaluation import neighbors
from scae.tables import UNSCORED

PERPLEXITY = 30  # of a LISI neighbourhood, which has three times as many cells, the cell itself included


def select(points, labels, batches):
    """Select the cells with a batch, for the metrics of mixing.

    Args:
        points: DataFrame (cells, dimensions).
        labels: Series of the types of the cells to score.
        batches: Series of the batches of all cells, `UNSCORED` for cells without one.

    Returns:
        dict: ``mixing_points`` (cells, dimensions) of the cells to score that have a batch; ``mixing_labels`` and
        ``mixing_batches``, their types and batches, (cells,), or None if there is only one.
    """
    batches = batches.loc[labels.index]
    batches = batches[batches != UNSCORED]
    labels = labels.loc[batches.index]
    return {
        "mixing_points": points.loc[batches.index].to_numpy(dtype=float),
        "mixing_labels": labels.to_numpy() if labels.nunique() > 1 else None,
        "mixing_batches": batches.to_numpy() if batches.nunique() > 1 else None,
    }


def lisi(points, names, perplexity=PERPLEXITY):
    """Local inverse Simpson's index (Korsunsky et al. 2019): the effective number of names around each cell.

    Neighbours are weighted by exp(-distance / scale), with the scale that gives the perplexity.

    Args:
        points: (cells, dimensions).
        names: (cells,), such as batches.
        perplexity: of the weights; lower if there are fewer than three times as many cells.

    Returns:
        numpy.ndarray: (cells,), from 1 to the number of different names.
    """
    from openTSNE.affinity import joint_probabilities_nn

    around = neighbors.nearest(points, 3 * perplexity - 1)  # (cells, neighbours)
    distances = np.sqrt(((points[around] - points[:, None]) ** 2).sum(axis=2))
    weights = joint_probabilities_nn(
        around,
        np.sqrt(distances),  # openTSNE squares its argument
        [min(perplexity, (around.shape[1] + 1) / 3)],
        symmetrize=False,
        normalization="point-wise",
    )
    kinds, codes = np.unique(names, return_inverse=True)
    member = sparse.csr_matrix((np.ones(len(codes)), (np.arange(len(codes)), codes)), (len(codes), len(kinds)))
    shares = (weights @ member).toarray()
    return 1 / np.square(shares).sum(axis=1)


def ilisi(points, batches):
    """Median LISI of the batches, scaled from 0 (one batch around a cell) to 1 (all batches in equal shares)."""
    return _scaled(lisi(points, batches), batches)


def clisi(points, types):
    """Median LISI of the types, scaled from 0 (all types around a cell in equal shares) to 1 (one type)."""
    return 1 - _scaled(lisi(points, types), types)


def _scaled(values, names):
    return float(np.clip((np.median(values) - 1) / (len(set(names)) - 1), 0, 1))


def graph_connectivity(points, types, k=neighbors.K):
    """Share of a type's cells in its largest connected component, mean over types.

    Components are of the undirected k-nearest-neighbour graph, reduced to the cells of the type, as in scIB (Luecken et
    al. 2022). scib-metrics takes strong components of the directed graph, so that its values are lower.
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
