"""Scores of a clustering against the cell types. Each is one entry of METRICS, and all else is made from that.

Light to import, since the workflow reads the entries each time it is parsed: a function imports what it needs itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

SILHOUETTE_CELLS = 10_000


@dataclass(frozen=True)
class Metric:
    """One score.

    ``name`` stands in tables and in the config, ``heading`` in pictures and in the report, where ``says`` explains it.
    ``low`` and ``high`` are its range, None where it has no end; what is a score and not a number of something has 1 as
    its best. ``of`` takes the labels (cells,), the clusters (cells,) and the points (cells, dimensions).
    """

    name: str
    heading: str
    says: str
    low: float | None
    high: float | None
    up: bool  # whether more is better
    of: Callable


def agreement(name):
    """A metric of labels and clusters alone that scikit-learn has."""

    def of(labels, clusters, points):
        from sklearn import metrics

        return getattr(metrics, name)(labels, clusters)

    return of


def silhouette(labels, clusters, points):
    """Mean silhouette width of the cell types (not of the clusters) in the space (Rousseeuw 1987).

    Above 10,000 cells the mean is over a fixed random sample of as many, since the cost grows with their square.
    """
    from sklearn.metrics import silhouette_score

    if len(set(labels)) < 2 or len(set(labels)) == len(labels):
        return float("nan")
    sample = SILHOUETTE_CELLS if len(points) > SILHOUETTE_CELLS else None
    return silhouette_score(points, labels, sample_size=sample, random_state=0)


def detected_types(labels, clusters, points):
    """The study's "7 of 9 detected"."""
    from scae.evaluation.summary import cluster_owners

    return cluster_owners(labels, clusters)["label"].nunique()


METRICS = [
    Metric(
        "nmi",
        heading="NMI",
        says="normalised mutual information: what clusters and cell types tell about each other; the harmonic mean of "
        "homogeneity and completeness",
        low=0,
        high=1,
        up=True,
        of=agreement("normalized_mutual_info_score"),
    ),
    Metric(
        "ari",
        heading="ARI",
        says="adjusted Rand index: pairs of cells on which clusters and types agree; 0 is chance",
        low=None,
        high=1,
        up=True,
        of=agreement("adjusted_rand_score"),
    ),
    Metric(
        "homogeneity",
        heading="homogeneity",
        says="each cluster holds one cell type only",
        low=0,
        high=1,
        up=True,
        of=agreement("homogeneity_score"),
    ),
    Metric(
        "completeness",
        heading="completeness",
        says="each cell type lies in one cluster only",
        low=0,
        high=1,
        up=True,
        of=agreement("completeness_score"),
    ),
    Metric(
        "silhouette",
        heading="silhouette",
        says="how far apart the cell types themselves lie, whatever the clusters; a t-SNE distorts distances, so trust "
        "the latent's more",
        low=-1,
        high=1,
        up=True,
        of=silhouette,
    ),
    Metric(
        "detected_types",
        heading="detected types",
        says="cell types that are the most frequent one in at least one cluster",
        low=0,
        high=None,
        up=True,
        of=detected_types,
    ),
]


def described():
    """{name: its entry without the function} of all metrics, in order: what tables and pictures say of them."""
    keys = ("heading", "high", "low", "says", "up")
    return {metric.name: {key: getattr(metric, key) for key in keys} for metric in METRICS}


def score(labels, clusters, points):
    """All metrics of one clustering: DataFrame with the columns metric, value; NaN with fewer than two types."""
    import numpy as np
    import pandas as pd

    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if len(set(labels)) < 2:
        return pd.DataFrame({"metric": [metric.name for metric in METRICS], "value": float("nan")})
    values = {metric.name: float(metric.of(labels, clusters, points)) for metric in METRICS}
    return pd.DataFrame({"metric": values.keys(), "value": values.values()})
