"""Scores of a clustering against the cell types. A new metric is a function and its entry in METRICS."""

import numpy as np
import pandas as pd
from sklearn import metrics as sk

from scae.evaluation import summary


def detected_types(labels, clusters, points):
    """Number of cell types that own at least one cluster: those that are the most frequent type in it.

    The study's "7 of 9 detected".
    """
    return summary.cluster_owners(labels, clusters)["label"].nunique()


def silhouette(labels, clusters, points):
    """Mean silhouette width of the cell types (not of the clusters) in the space, -1 to 1 (Rousseeuw 1987).

    Above 10,000 cells the mean is over a fixed random sample of as many, since the cost grows with their square.
    """
    if len(set(labels)) < 2 or len(set(labels)) == len(labels):
        return float("nan")
    sample = SILHOUETTE_CELLS if len(points) > SILHOUETTE_CELLS else None
    return sk.silhouette_score(points, labels, sample_size=sample, random_state=0)


SILHOUETTE_CELLS = 10_000

# Each takes the labels (cells,), the clusters (cells,) and the points (cells, dimensions) and returns a number.
METRICS = {
    "nmi": lambda labels, clusters, points: sk.normalized_mutual_info_score(labels, clusters),
    "ari": lambda labels, clusters, points: sk.adjusted_rand_score(labels, clusters),
    "homogeneity": lambda labels, clusters, points: sk.homogeneity_score(labels, clusters),
    "completeness": lambda labels, clusters, points: sk.completeness_score(labels, clusters),
    "silhouette": silhouette,
    "detected_types": detected_types,
}


def score(labels, clusters, points):
    """All metrics of one clustering: DataFrame with the columns metric, value; NaN with fewer than two types."""
    labels = np.asarray(labels)
    if len(set(labels)) < 2:
        return pd.DataFrame({"metric": METRICS.keys(), "value": float("nan")})
    values = {name: float(metric(labels, np.asarray(clusters), points)) for name, metric in METRICS.items()}
    return pd.DataFrame({"metric": values.keys(), "value": values.values()})
