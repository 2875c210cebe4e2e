"""Baselines of the scores, from the labels alone: shuffled labels are chance, repeated clusterings an upper bound.

If the labels are a clustering, repeating it with another seed or resolution shows how well it agrees with itself.
"""

import numpy as np
import pandas as pd

from scae import results
from scae.evaluation import metrics

SHUFFLED = "shuffled"
RECLUSTERED = {"other_seed": 1.0, "lower_resolution": 0.8, "higher_resolution": 1.25}  # factors of the resolution
COLUMNS = results.BY_NAME["references"].column_names


def shuffle(labels, seed):
    """Permute the labels over the cells: types of the same sizes without meaning; (cells,)."""
    return np.random.default_rng(seed).permutation(np.asarray(labels))


def rows(dataset, reference, seed, name, labels, clusters):
    """Score a partition of the cells against a label set.

    Args:
        dataset, reference, seed, name: for the columns of the table; ``name`` is that of the label set.
        labels, clusters: (cells,).

    Returns:
        list[tuple]: rows with `COLUMNS`; empty with fewer than two types.
    """
    if len(set(labels)) < 2:
        return []
    scores = metrics.score(labels, clusters)
    return [(dataset, reference, seed, name, *row) for row in scores.itertuples(index=False, name=None)]


def table(rows):
    """DataFrame of rows, which may be empty."""
    return pd.DataFrame(rows, columns=COLUMNS)
