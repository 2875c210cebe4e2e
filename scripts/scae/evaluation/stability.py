"""Whether another seed tells the same: of the clusters, cell by cell, and of the space that the latents span."""

import itertools

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

SPACES = ("tsne2d", "latent")
COLUMNS = ["model", "space", "measure", "pairs", "value"]


def measure(runs):
    """How far the seeds of each model agree.

    Args:
        runs: {model: list of (clusters, latent) of each seed}: DataFrames of the same cells, clusters with a column of
            ids for each space.

    Returns:
        (pandas.DataFrame, pandas.DataFrame): model, space, measure (``ari`` of the clusters, ``canonical_correlation``
        of the latents), pairs of seeds, value (the mean over them, NaN without a pair); and model, cell, kept_tsne2d
        and kept_latent: what of its cluster in that space the cell keeps, as `of_cells` says.
    """
    rows, cells = [], []
    for model, seeds in runs.items():
        clusters, latents = zip(*seeds, strict=True)
        pairs = len(seeds) * (len(seeds) - 1) // 2
        ids = {space: [of_seed[space].to_numpy() for of_seed in clusters] for space in SPACES}
        rows += [(model, space, "ari", pairs, agreement(ids[space])) for space in SPACES]
        rows.append((model, "latent", "canonical_correlation", pairs, shared_subspace(latents)))
        kept = pd.DataFrame({f"kept_{space}": of_cells(ids[space]) for space in SPACES})
        kept.insert(0, "model", model)
        kept.insert(1, "cell", clusters[0].index)
        cells.append(kept)
    return pd.DataFrame(rows, columns=COLUMNS), pd.concat(cells, ignore_index=True)


def agreement(clusters):
    """Adjusted Rand index between the clusters of every two seeds, mean; NaN with one seed.

    Args:
        clusters: list of (cells,) cluster ids, one for each seed.
    """
    pairs = [adjusted_rand_score(*pair) for pair in itertools.combinations(clusters, 2)]
    return float(np.mean(pairs)) if pairs else float("nan")


def of_cells(clusters):
    """How much of its cluster a cell keeps under another seed, mean over every two seeds.

    Of all cells that share a cluster with it under either seed, itself included, the part that does so under both
    (Jaccard). Which cells can be relied on to lie together, whatever the number of a cluster.

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
    """Mean canonical correlation (Hotelling 1936) of the latents of every two seeds, mean; NaN with one seed.

    1 where they span the same space, however they are turned, stretched or mixed within it. Of latents that carry
    fewer dimensions than others the missing ones are not counted.

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
