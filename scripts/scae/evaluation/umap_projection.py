"""UMAP of a latent, which users of scanpy expect beside t-SNE; nothing is scored on it."""

import logging

import numpy as np

log = logging.getLogger(__name__)

NEIGHBORS = 15  # as in scanpy
MOST_CELLS = 200_000  # above, one thread takes more than ten minutes


def project(latent):
    """UMAP (McInnes et al. 2018) by umap-learn, if it is installed; the same for the same latent.

    Args:
        latent: (cells, dimensions).

    Returns:
        (cells, 2) float32, or None without umap-learn, with too few or too many cells, or of a collapsed latent.
    """
    try:
        from umap import UMAP
    except ImportError:
        log.info("umap-learn is not installed: no X_umap")
        return None
    if not 2 * NEIGHBORS < len(latent) <= MOST_CELLS or latent.shape[1] < 2 or (np.ptp(latent, axis=0) == 0).all():
        log.info("no X_umap of %d cells and %d dimensions", *latent.shape)
        return None
    return UMAP(n_neighbors=NEIGHBORS, init="pca", random_state=0, n_jobs=1).fit_transform(latent).astype(np.float32)
