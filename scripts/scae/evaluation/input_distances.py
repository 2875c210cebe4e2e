"""The input as the yardstick of a representation: squared distances between cells, made once for a data set."""

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from scae.evaluation import neighbors

RANKED_CELLS = 5_000  # cells whose distances to each other are kept; their number grows with the square
GENES_AT_ONCE = 2_048


def distances(expression, space, limit=RANKED_CELLS):
    """Squared distances between cells in the input.

    Args:
        expression: scae.data.expression.Expression.
        space: ``expression``, the log-expression of all genes; or ``pca50``, its first 50 principal components, which
            favours what resembles them.
        limit: of more cells a fixed random sample of as many is taken.

    Returns:
        (numpy.ndarray, numpy.ndarray): the numbers of the cells, ascending; (cells, cells) float32, zero diagonal.
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
            products += block @ block.T  # what all cells share, the offset, is no distance
    return cells, neighbors.from_products(products).astype(np.float32)
