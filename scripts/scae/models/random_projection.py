"""Random projection: what is left of the cell types in directions that nobody chose. The floor of every comparison."""

import numpy as np
from scipy import sparse
from sklearn.random_projection import GaussianRandomProjection
from threadpoolctl import threadpool_limits

ABOUT = {
    "title": "random projection",
    "summary": "the expression projected on random Gaussian directions: what is left where nothing was learned",
    "reference": "Johnson & Lindenstrauss 1984, Extensions of Lipschitz mappings into a Hilbert space",
    "doi": "10.1090/conm/026/737400",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "default": 6, "description": "Number of random directions"},
}


def embed(expression, seed, n_latent):
    """Projection on ``n_latent`` directions, (cells, n_latent) float32; each seed draws others.

    A constant per gene (``expression.offset``) would only move all cells together, and is left out.
    """
    arrays = expression.data.astype(np.float64), expression.indices, expression.indptr
    matrix = sparse.csr_matrix(arrays, shape=expression.shape)
    with threadpool_limits(1):
        return GaussianRandomProjection(n_latent, random_state=seed).fit_transform(matrix).astype(np.float32)
