"""Scores of a representation. Each metric is one entry of METRICS; tables, report and config checks read it there.

The workflow imports this module each time it is parsed, so each function imports what it needs itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

SILHOUETTE_CELLS = 10_000
FROM_LABELS = {"labels", "knn_labels", "knn_predicted", "leiden_ari", "distance_labels", "mixing_labels"}


@dataclass(frozen=True)
class Metric:
    """One score.

    Attributes:
        name: in tables and in the config.
        heading: in figures and in the report, where ``says`` explains it.
        low, high: range, None where it is unbounded. A score has 1 as its best value; a count has no upper bound.
        up: whether more is better.
        function: takes the arguments named in ``reads``.
        reads: by default the labels (cells,) and the clusters (cells,); such a score is also computed for the
            baselines (references.csv). ``points`` are (cells, dimensions); `scae.evaluation.neighbors.compare` and
            `scae.evaluation.batch_mixing.select` describe the others.
        against: what the representation is compared with: the cell ``types``, the ``input``, held-out ``molecules`` or
            the ``batches``. Only data sets with a batch have the last.
        heatmap: whether the heatmap shows it.
    """

    name: str
    heading: str
    says: str
    low: float | None
    high: float | None
    up: bool
    function: Callable
    reads: tuple = ("labels", "clusters")
    against: str = "types"
    heatmap: bool = True

    @property
    def uses_labels(self):
        """Whether the labels enter; other scores are the same for each label set."""
        return bool(FROM_LABELS & set(self.reads))


def clustering_score(name):
    """A metric of labels and clusters by its name in sklearn.metrics."""

    def function(labels, clusters):
        from sklearn import metrics

        return getattr(metrics, name)(labels, clusters)

    return function


def silhouette(labels, points):
    """Mean silhouette width (Rousseeuw 1987) of the cell types, not of the clusters.

    Above 10,000 cells the mean is over a fixed random sample of 10,000: the cost is quadratic.
    """
    from sklearn.metrics import silhouette_score

    if len(set(labels)) < 2 or len(set(labels)) == len(labels):
        return float("nan")
    sample = SILHOUETTE_CELLS if len(points) > SILHOUETTE_CELLS else None
    return silhouette_score(points, labels, sample_size=sample, random_state=0)


def median(values):
    """Median of an array."""
    import numpy as np

    return np.median(values)


def neighbor_score(name, **settings):
    """A metric by its name in scae.evaluation.neighbors."""

    def function(*arguments):
        from scae.evaluation import neighbors

        return getattr(neighbors, name)(*arguments, **settings)

    return function


def mixing_score(name):
    """A metric by its name in scae.evaluation.batch_mixing."""

    def function(*arguments):
        from scae.evaluation import batch_mixing

        return getattr(batch_mixing, name)(*arguments)

    return function


def detected_types(labels, clusters):
    """Number of cell types that are the majority of a cluster, as in the study's "7 of 9 detected"."""
    from scae.evaluation.summary import cluster_owners

    return cluster_owners(labels, clusters)["label"].nunique()


def held_out(nats, molecules):
    """Nats per 1,000 test molecules, from the nats and molecules of the cells."""
    return 1000 * nats.sum() / molecules.sum()


METRICS = [
    Metric(
        "nmi",
        heading="NMI",
        says="normalised mutual information of clusters and cell types: the harmonic mean of homogeneity and "
        "completeness",
        low=0,
        high=1,
        up=True,
        function=clustering_score("normalized_mutual_info_score"),
    ),
    Metric(
        "ari",
        heading="ARI",
        says="adjusted Rand index: agreement of clusters and cell types on pairs of cells; 0 is chance",
        low=None,
        high=1,
        up=True,
        function=clustering_score("adjusted_rand_score"),
    ),
    Metric(
        "homogeneity",
        heading="homogeneity",
        says="whether each cluster contains one cell type only",
        low=0,
        high=1,
        up=True,
        function=clustering_score("homogeneity_score"),
    ),
    Metric(
        "completeness",
        heading="completeness",
        says="whether each cell type lies in one cluster only",
        low=0,
        high=1,
        up=True,
        function=clustering_score("completeness_score"),
    ),
    Metric(
        "silhouette",
        heading="silhouette",
        says="separation of the cell types themselves, without clusters; t-SNE distorts distances, so prefer the value "
        "of the latent",
        low=-1,
        high=1,
        up=True,
        function=silhouette,
        reads=("labels", "points"),
    ),
    Metric(
        "detected_types",
        heading="detected types",
        says="number of cell types that are the majority of at least one cluster",
        low=0,
        high=None,
        up=True,
        function=detected_types,
    ),
    Metric(
        "knn_accuracy",
        heading="kNN accuracy",
        says="balanced accuracy of predicting a cell's type from its 15 nearest neighbours: each type counts the same, "
        "and k-means is not used; in a type of fewer than 9 cells, half as many neighbours as it has cells count",
        low=0,
        high=1,
        up=True,
        function=neighbor_score("balanced_accuracy"),
        reads=("knn_labels", "knn_predicted"),
    ),
    Metric(
        "leiden_best",
        heading="Leiden, best",
        says="ARI of Leiden clustering at the best of eight resolutions; optimistic, because the cell types choose the "
        "resolution",
        low=None,
        high=1,
        up=True,
        function=lambda leiden_ari: leiden_ari.max(),
        reads=("leiden_ari",),
        heatmap=False,
    ),
    Metric(
        "leiden_median",
        heading="Leiden, median",
        says="median ARI of Leiden clustering over the eight resolutions",
        low=None,
        high=1,
        up=True,
        function=median,
        reads=("leiden_ari",),
        heatmap=False,
    ),
    Metric(
        "knn_recall_15",
        heading="15 nearest kept",
        says="share of a cell's 15 nearest neighbours in the input (neighbors.reference) that are among its 15 nearest "
        "here",
        low=0,
        high=1,
        up=True,
        function=neighbor_score("neighbor_recall", k=15),
        reads=("input_distances", "distances"),
        against="input",
        heatmap=False,
    ),
    Metric(
        "knn_recall_50",
        heading="50 nearest kept",
        says="the same for 50 neighbours",
        low=0,
        high=1,
        up=True,
        function=neighbor_score("neighbor_recall", k=50),
        reads=("input_distances", "distances"),
        against="input",
        heatmap=False,
    ),
    Metric(
        "trustworthiness",
        heading="trustworthiness",
        says="whether a cell's 15 nearest neighbours here are also near in the input",
        low=0,
        high=1,
        up=True,
        function=neighbor_score("trustworthiness"),
        reads=("input_distances", "distances"),
        against="input",
        heatmap=False,
    ),
    Metric(
        "continuity",
        heading="continuity",
        says="whether a cell's 15 nearest neighbours in the input are also near here",
        low=0,
        high=1,
        up=True,
        function=neighbor_score("trustworthiness"),
        reads=("distances", "input_distances"),
        against="input",
        heatmap=False,
    ),
    Metric(
        "type_distances",
        heading="distances between types",
        says="rank correlation of the distances between cell-type means with those in the input",
        low=-1,
        high=1,
        up=True,
        function=neighbor_score("distance_agreement"),
        reads=("input_distances", "distances", "distance_labels"),
        against="input",
        heatmap=False,
    ),
    Metric(
        "held_out",
        heading="held-out molecules",
        says="how well the 50 nearest cells predict molecules that the representation has not seen: nats per 1,000 "
        "molecules above the overall profile; needs no labels, and is of a representation of the other molecules",
        low=None,
        high=None,
        up=True,
        function=held_out,
        reads=("held_out_nats", "held_out_molecules"),
        against="molecules",
        heatmap=False,
    ),
    Metric(
        "ilisi",
        heading="iLISI",
        says="batch mixing around a cell: 0 if its neighbours are of one batch, 1 if all batches have equal shares; "
        "median over cells",
        low=0,
        high=1,
        up=True,
        function=mixing_score("ilisi"),
        reads=("mixing_points", "mixing_batches"),
        against="batches",
        heatmap=False,
    ),
    Metric(
        "clisi",
        heading="cLISI",
        says="separation of cell types around a cell, also by LISI: 1 if its neighbours are of one type",
        low=0,
        high=1,
        up=True,
        function=mixing_score("clisi"),
        reads=("mixing_points", "mixing_labels"),
        against="batches",
        heatmap=False,
    ),
    Metric(
        "graph_connectivity",
        heading="graph connectivity",
        says="share of a type's cells in its largest connected part of the 15-nearest-neighbour graph, whatever their "
        "batch; mean over types, on the undirected graph as in scIB (scib-metrics takes strong components of the "
        "directed graph, which gives lower values)",
        low=0,
        high=1,
        up=True,
        function=mixing_score("graph_connectivity"),
        reads=("mixing_points", "mixing_labels"),
        against="batches",
        heatmap=False,
    ),
]


def metric_info():
    """{name: {"against", "heading", "heatmap", "high", "low", "says", "up"}} of all metrics, in their order."""
    keys = ("against", "heading", "heatmap", "high", "low", "says", "up")
    return {metric.name: {key: getattr(metric, key) for key in keys} for metric in METRICS}


def score(labels, clusters, points=None, without_labels=True, **more):
    """Compute all metrics of one clustering.

    Args:
        labels, clusters: (cells,).
        points: (cells, dimensions); None for a clustering of no representation.
        without_labels: whether to include the metrics that do not use the labels, which are equal for all label sets.
        more: further arguments of metrics by name, from `scae.evaluation.neighbors.compare` and
            `scae.evaluation.batch_mixing.select`. Metrics whose arguments are missing are left out.

    Returns:
        pandas.DataFrame: metric, value; NaN with fewer than two types, or where an argument is None.
    """
    import numpy as np
    import pandas as pd

    given = {"labels": np.asarray(labels), "clusters": np.asarray(clusters)} | more
    if points is not None:
        given["points"] = points
    if len(set(given["labels"])) < 2:
        given["labels"] = None
    rows = [
        (metric.name, _value(metric, [given[name] for name in metric.reads]))
        for metric in METRICS
        if set(metric.reads) <= set(given) and (without_labels or metric.uses_labels)
    ]
    return pd.DataFrame(rows, columns=["metric", "value"])


def _value(metric, arguments):
    missing = any(argument is None for argument in arguments)
    return float("nan") if missing else float(metric.function(*arguments))
