"""k-means clustering."""

import numpy as np
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from scae.errors import UserError


def kmeans(points, n_clusters, settings, seed, chosen=None):
    """Cluster cells by k-means (Lloyd), the best of ``n_init`` starts.

    Args:
        points: (cells, dimensions).
        n_clusters: number of clusters.
        settings: dict with n_init.
        seed: non-negative int.
        chosen: (cells,) bool, the cells to fit; the others join the nearest cluster. None, or no cell chosen, fits all.

    Returns:
        numpy.ndarray: (cells,) int, the cluster of each cell.

    Raises:
        UserError: if there are fewer cells than clusters.
    """
    chosen = np.ones(len(points), bool) if chosen is None or not chosen.any() else chosen
    if chosen.sum() < n_clusters:
        raise UserError(
            f"kmeans.k: {n_clusters} clusters but only {chosen.sum()} cells; set it to {chosen.sum()} or less"
        )
    with threadpool_limits(1):
        model = KMeans(n_clusters=n_clusters, n_init=settings["n_init"], random_state=seed).fit(points[chosen])
        clusters = np.empty(len(points), int)
        clusters[chosen] = model.labels_
        if not chosen.all():
            clusters[~chosen] = model.predict(points[~chosen])
    return clusters
