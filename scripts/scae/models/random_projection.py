"""Random projection: the lower bound of every comparison, since nothing is learned."""

import numpy as np
from scipy import sparse
from sklearn.random_projection import GaussianRandomProjection
from threadpoolctl import threadpool_limits

ABOUT = {
    "title": "random projection",
    "summary": "the expression projected on random Gaussian directions; nothing is learned",
    "reference": "Johnson & Lindenstrauss 1984, Extensions of Lipschitz mappings into a Hilbert space",
    "doi": "10.1090/conm/026/737400",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "default": 6, "description": "Number of random directions"},
}


def embed(expression, seed, n_latent):
    """Projection on ``n_latent`` directions, (cells, n_latent) float32; each seed draws other directions.

    The constant per gene (``expression.offset``) is ignored: it would shift all cells by the same vector.
    """
    arrays = expression.data.astype(np.float64), expression.indices, expression.indptr
    matrix = sparse.csr_matrix(arrays, shape=expression.shape)
    with threadpool_limits(1):
        return GaussianRandomProjection(n_latent, random_state=seed).fit_transform(matrix).astype(np.float32)
