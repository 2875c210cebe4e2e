"""Principal components of the expression: the linear baseline, without training.

Exact, and never dense: the solver (ARPACK) centres the matrix implicitly.
"""

import numpy as np
from scipy import sparse
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from scae.errors import UserError

ABOUT = {
    "title": "PCA",
    "summary": "the first principal components of the log-normalised expression of all genes, without training",
    "reference": "Pearson 1901, On lines and planes of closest fit to systems of points in space",
    "doi": "10.1080/14786440109462720",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "default": 6, "description": "Number of principal components"},
}
DETERMINISTIC = True


def embed(expression, seed, n_latent):
    """Scores on the first ``n_latent`` components, (cells, n_latent) float32; the same for every seed.

    The centring removes the constant per gene (``expression.offset``).

    Raises:
        UserError: if there are not more cells and genes than components.
    """
    n_cells, n_genes = expression.shape
    if n_latent >= min(expression.shape):
        raise UserError(
            f"n_latent: {n_latent} principal components need more than {n_latent} cells and genes, but there are "
            f"{n_cells} cells x {n_genes} genes; set it to {min(expression.shape) - 1} or less"
        )
    arrays = expression.data.astype(np.float64), expression.indices, expression.indptr
    matrix = sparse.csr_matrix(arrays, shape=expression.shape)
    with threadpool_limits(1):  # the order of summation changes the last digits
        return PCA(n_latent, svd_solver="arpack", random_state=0).fit_transform(matrix).astype(np.float32)
