"""What a score is held against, from the labels themselves: shuffled they give the floor, clustered again the ceiling.

No representation enters. Labels that are a clustering can only be met as well as that clustering meets itself.
"""

import numpy as np
import pandas as pd

from scae.evaluation import summary

SHUFFLED = "shuffled"
AGAIN = {"other_seed": 1.0, "lower_resolution": 0.8, "higher_resolution": 1.25}  # times the resolution of the labels
COLUMNS = ["dataset", "reference", "seed", "labels", "metric", "value"]


def shuffle(labels, seed):
    """The labels dealt out to the cells anew: types of the same sizes that mean nothing; (cells,)."""
    return np.random.default_rng(seed).permutation(np.asarray(labels))


def rows(dataset, reference, seed, name, labels, clusters):
    """Scores of a partition of the cells against a set of labels, as rows of the table.

    Args:
        dataset, reference, seed, name: what stands in the table; ``name`` is that of the set of labels.
        labels, clusters: (cells,).

    Returns:
        list[tuple]: as `COLUMNS`; none where there are fewer than two types.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if len(set(labels)) < 2:
        return []
    return [
        (dataset, reference, seed, name, metric, float(value)) for metric, value in scores(labels, clusters).items()
    ]


def scores(labels, clusters):
    """{metric: value} of the metrics of the study that labels and clusters alone decide."""
    from sklearn import metrics

    return {
        "nmi": metrics.normalized_mutual_info_score(labels, clusters),
        "ari": metrics.adjusted_rand_score(labels, clusters),
        "homogeneity": metrics.homogeneity_score(labels, clusters),
        "completeness": metrics.completeness_score(labels, clusters),
        "detected_types": summary.cluster_owners(labels, clusters)["label"].nunique(),
    }


def table(found):
    """The rows of all references as a table, which may have none."""
    return pd.DataFrame(found, columns=COLUMNS)
