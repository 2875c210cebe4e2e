"""Squared distances between cells in the input, computed once per data set."""

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from scae.evaluation import neighbors

RANKED_CELLS = 5_000  # cells whose pairwise distances are kept
GENES_AT_ONCE = 2_048


def distances(expression, space, limit=RANKED_CELLS):
    """Compute squared distances between cells in the input.

    Args:
        expression: scae.data.expression.Expression.
        space: ``expression``, the log-expression of all genes; or ``pca50``, its first 50 principal components, which
            favours PCA.
        limit: above it, a fixed random sample of as many cells is used.

    Returns:
        (numpy.ndarray, numpy.ndarray): positions of the cells, ascending; (cells, cells) float32, zero diagonal.
    """
    n_cells = expression.shape[0]
    cells = np.arange(n_cells)
    if n_cells > limit:
        cells = np.sort(np.random.default_rng(0).choice(n_cells, limit, replace=False))
    matrix = sparse.csr_matrix((expression.data, expression.indices, expression.indptr), shape=expression.shape)
    if space == "pca50":
        components = PCA(min(50, min(expression.shape) - 1), svd_solver="arpack", random_state=0)
        with threadpool_limits(1):
            points = components.fit_transform(matrix.astype(float))[cells]
        return cells, neighbors.squared_distances(points).astype(np.float32)
    matrix = matrix[cells].tocsc()
    products = np.zeros((len(cells), len(cells)))
    with threadpool_limits(1):
        for start in range(0, expression.shape[1], GENES_AT_ONCE):
            block = matrix[:, start : start + GENES_AT_ONCE].toarray()
            products += block @ block.T  # the offset, which all cells share, cancels
    return cells, neighbors.from_products(products).astype(np.float32)
