"""Scores of a clustering against the cell types. Each is one entry of METRICS, and all else is made from that.

Light to import, since the workflow reads the entries each time it is parsed: a function imports what it needs itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

SILHOUETTE_CELLS = 10_000
OF_LABELS = {
    "labels",
    "voting",
    "voted",
    "agreement",
    "ranked",
    "typed",
}  # of what is read


@dataclass(frozen=True)
class Metric:
    """One score.

    ``name`` stands in tables and in the config, ``heading`` in pictures and in the report, where ``says`` explains it.
    ``low`` and ``high`` are its range, None where it has no end; what is a score and not a number of something has 1 as
    its best. ``of`` takes what ``reads`` names: the labels (cells,), the clusters (cells,) and the points (cells,
    dimensions) unless it says otherwise; what else there is, `scae.evaluation.neighbors.look` says, and
    `scae.evaluation.batch_mixing.look` for data sets with a batch, which alone have the scores that read it. ``heatmap`` says
    whether the heatmap shows it.
    """

    name: str
    heading: str
    says: str
    low: float | None
    high: float | None
    up: bool  # whether more is better
    of: Callable
    reads: tuple = ("labels", "clusters", "points")
    heatmap: bool = True

    @property
    def of_batches(self):
        """Whether only data sets with a batch have it."""
        return "placed" in self.reads

    @property
    def of_labels(self):
        """Whether the labels enter; what does not is the same for each set of labels."""
        return bool(OF_LABELS & set(self.reads))


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


def of_median(values):
    """The median as a plain number."""
    import numpy as np

    return np.median(values)


def of_neighbors(name, **settings):
    """A metric that scae.evaluation.neighbors has."""

    def of(*read):
        from scae.evaluation import neighbors

        return getattr(neighbors, name)(*read, **settings)

    return of


def of_mixing(name):
    """A metric that scae.evaluation.batch_mixing has."""

    def of(*read):
        from scae.evaluation import batch_mixing

        return getattr(batch_mixing, name)(*read)

    return of


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
    Metric(
        "knn_accuracy",
        heading="neighbours' vote",
        says="balanced accuracy of a vote of a cell's 15 nearest others on its type: each type counts the same, and "
        "nothing hangs on k-means",
        low=0,
        high=1,
        up=True,
        of=of_neighbors("balanced_accuracy"),
        reads=("voting", "voted"),
    ),
    Metric(
        "leiden_best",
        heading="Leiden, best",
        says="ARI of a graph clustering (Leiden) at the best of eight resolutions, which the types help to find: it "
        "flatters",
        low=None,
        high=1,
        up=True,
        of=lambda agreement: agreement.max(),
        reads=("agreement",),
        heatmap=False,
    ),
    Metric(
        "leiden_median",
        heading="Leiden, median",
        says="the median of the same over the resolutions",
        low=None,
        high=1,
        up=True,
        of=of_median,
        reads=("agreement",),
        heatmap=False,
    ),
    Metric(
        "knn_recall_15",
        heading="15 nearest kept",
        says="share of a cell's 15 nearest in the input (neighbors.reference) that are among its 15 nearest here",
        low=0,
        high=1,
        up=True,
        of=of_neighbors("neighbor_recall", k=15),
        reads=("reference", "distances"),
        heatmap=False,
    ),
    Metric(
        "knn_recall_50",
        heading="50 nearest kept",
        says="the same for 50",
        low=0,
        high=1,
        up=True,
        of=of_neighbors("neighbor_recall", k=50),
        reads=("reference", "distances"),
        heatmap=False,
    ),
    Metric(
        "trustworthiness",
        heading="trustworthiness",
        says="how few of a cell's 15 nearest come from far away in the input",
        low=0,
        high=1,
        up=True,
        of=of_neighbors("trustworthiness"),
        reads=("reference", "distances"),
        heatmap=False,
    ),
    Metric(
        "continuity",
        heading="continuity",
        says="how few of a cell's 15 nearest in the input went far away",
        low=0,
        high=1,
        up=True,
        of=of_neighbors("trustworthiness"),
        reads=("distances", "reference"),
        heatmap=False,
    ),
    Metric(
        "type_distances",
        heading="distances of types",
        says="rank correlation of the distances between the means of the types with those in the input",
        low=-1,
        high=1,
        up=True,
        of=of_neighbors("distance_agreement"),
        reads=("reference", "distances", "ranked"),
        heatmap=False,
    ),
    Metric(
        "ilisi",
        heading="iLISI",
        says="how well batches mix: 0 where all around a cell are of one batch, 1 where they are of all in equal "
        "shares; median over cells",
        low=0,
        high=1,
        up=True,
        of=of_mixing("integration"),
        reads=("placed", "batches"),
        heatmap=False,
    ),
    Metric(
        "clisi",
        heading="cLISI",
        says="whether types stay apart by the same measure: 1 where all around a cell are of one type",
        low=0,
        high=1,
        up=True,
        of=of_mixing("conservation"),
        reads=("placed", "typed"),
        heatmap=False,
    ),
    Metric(
        "graph_connectivity",
        heading="graph connectivity",
        says="share of a type's cells that hang together through their 15 nearest, whatever their batch; mean of types",
        low=0,
        high=1,
        up=True,
        of=of_mixing("graph_connectivity"),
        reads=("placed", "typed"),
        heatmap=False,
    ),
]


def described():
    """{name: its entry without the function} of all metrics, in order: what tables and pictures say of them."""
    keys = ("heading", "heatmap", "high", "low", "of_batches", "says", "up")
    return {metric.name: {key: getattr(metric, key) for key in keys} for metric in METRICS}


def score(labels, clusters, points, without_labels=True, **more):
    """All metrics of one clustering: DataFrame with the columns metric, value.

    NaN where there are fewer than two types, or where a metric reads what is not there.

    Args:
        labels, clusters: (cells,).
        points: (cells, dimensions).
        without_labels: whether to give what the labels do not enter too, which is the same for each set of labels.
        more: what further metrics read, by name, as from `scae.evaluation.neighbors.look` and
            `scae.evaluation.batch_mixing.look`; without it their rows are left out.
    """
    import numpy as np
    import pandas as pd

    given = {"labels": np.asarray(labels), "clusters": np.asarray(clusters), "points": points} | more
    if len(set(given["labels"])) < 2:
        given["labels"] = None
    rows = [
        (metric.name, _of(metric, [given[name] for name in metric.reads]))
        for metric in METRICS
        if set(metric.reads) <= set(given) and (without_labels or metric.of_labels)
    ]
    return pd.DataFrame(rows, columns=["metric", "value"])


def _of(metric, read):
    return float("nan") if any(values is None for values in read) else float(metric.of(*read))
