"""Agreement between seeds: of the clusters, of the cells in them, and of the space that the latents span."""

import itertools

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from scae import results

SPACES = ("tsne2d", "latent")
COLUMNS = results.BY_NAME["stability"].column_names


def measure(runs):
    """Measure how far the seeds of each model agree.

    Args:
        runs: {model: list of (clusters, latent) of each seed}: DataFrames of the same cells, clusters with a column of
            ids for each space.

    Returns:
        (pandas.DataFrame, pandas.DataFrame): model, space, measure (``ari`` of the clusters, ``canonical_correlation``
        of the latents), pairs of seeds, value (mean over the pairs, NaN without one); and model, cell, kept_tsne2d and
        kept_latent, as from `kept_mates`.
    """
    rows, cells = [], []
    for model, seeds in runs.items():
        clusters, latents = zip(*seeds, strict=True)
        pairs = len(seeds) * (len(seeds) - 1) // 2
        ids = {space: [table[space].to_numpy() for table in clusters] for space in SPACES}
        rows += [(model, space, "ari", pairs, agreement(ids[space])) for space in SPACES]
        rows.append((model, "latent", "canonical_correlation", pairs, shared_subspace(latents)))
        kept = pd.DataFrame({f"kept_{space}": kept_mates(ids[space]) for space in SPACES})
        kept.insert(0, "model", model)
        kept.insert(1, "cell", clusters[0].index)
        cells.append(kept)
    return pd.DataFrame(rows, columns=COLUMNS), pd.concat(cells, ignore_index=True)


def agreement(clusters):
    """Adjusted Rand index of the clusters, mean over all pairs of seeds; NaN with one seed.

    Args:
        clusters: list of (cells,) cluster ids, one for each seed.
    """
    pairs = [adjusted_rand_score(*pair) for pair in itertools.combinations(clusters, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def kept_mates(clusters):
    """Share of its cluster-mates that each cell keeps under another seed, mean over all pairs of seeds.

    The Jaccard index of its two clusters, the cell itself included; cluster numbers do not matter.

    Args:
        clusters: list of (cells,) cluster ids, one for each seed.

    Returns:
        numpy.ndarray: (cells,) from 0 to 1; NaN with one seed.
    """
    kept = []
    for pair in itertools.combinations(clusters, 2):
        first, second = (np.unique(np.asarray(ids), return_inverse=True)[1] for ids in pair)
        both = np.zeros((first.max() + 1, second.max() + 1))
        np.add.at(both, (first, second), 1)
        either = both.sum(axis=1)[:, None] + both.sum(axis=0)[None] - both
        kept.append((both / either)[first, second])
    return np.mean(kept, axis=0) if kept else np.full(len(clusters[0]), np.nan)


def shared_subspace(latents):
    """Mean canonical correlation (Hotelling 1936) of the latents, mean over all pairs of seeds; NaN with one seed.

    It is 1 if both span the same space, whatever the rotation and scaling. If one has a lower rank, only as many
    correlations count.

    Args:
        latents: list of (cells, latents), one for each seed.
    """
    bases = [_basis(np.asarray(points, dtype=float)) for points in latents]
    pairs = [_canonical(*pair) for pair in itertools.combinations(bases, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def _canonical(first, second):
    if not first.shape[1] or not second.shape[1]:
        return 0.0
    return float(np.clip(np.linalg.svd(first.T @ second, compute_uv=False), 0, 1).mean())


def _basis(points):
    """Orthonormal basis of the centred latents, (cells, rank)."""
    basis, strength, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    return basis[:, strength > 1e-6 * max(strength.max(), 1e-300)]
