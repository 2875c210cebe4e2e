"""k-means clustering."""

from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits

from scae.errors import UserError


def kmeans(points, n_clusters, settings, seed):
    """Cluster id of each cell by k-means (Lloyd), the best of ``n_init`` starts.

    Args:
        points: (cells, dimensions).
        n_clusters: number of clusters.
        settings: dict with n_init.
        seed: non-negative int.

    Returns:
        numpy.ndarray: (cells,) int.

    Raises:
        UserError: if there are fewer cells than clusters.
    """
    if len(points) < n_clusters:
        raise UserError(f"{n_clusters} cell types but only {len(points)} cells; k-means needs a cell for each cluster")
    with threadpool_limits(1):
        return KMeans(n_clusters=n_clusters, n_init=settings["n_init"], random_state=seed).fit_predict(points)
