"""How well latents recover the true programs of simulated cells."""

import h5py
import numpy as np
import pandas as pd

from scae.evaluation import diagnostics

RECOVERED = 0.7  # absolute correlation of a program with a latent: half of its variance


def read(path, cells):
    """The programs of a simulated data set.

    Args:
        path: its counts.h5ad.
        cells: names of the cells to read, in order.

    Returns:
        dict: {"programs" or "nuisance": activity, (cells, programs)}.
    """
    with h5py.File(path) as file:
        names = file["obs"][file["obs"].attrs["_index"]].asstr()[:]
        rows = pd.Index(names).get_indexer(cells)
        return {name.removeprefix("true_"): activity[:][rows] for name, activity in file["obsm"].items()}


def recovery(latent, truth):
    """Which programs the latents recover: those whose absolute correlation with a latent is at least 0.7.

    Args:
        latent: DataFrame (cells, latents).
        truth: as from `read`.

    Returns:
        pandas.DataFrame: latent (``all``), measure, value; for each kind of programs their number (``true_…``), the
        share that is recovered (``recovered_…``) and the mean of their best correlations (``correlation_…``).
    """
    rows = []
    for name, activity in sorted(truth.items()):
        best = _correlations(activity, latent.to_numpy(dtype=float)).max(axis=1)
        rows += [
            (f"true_{name}", activity.shape[1]),
            (f"recovered_{name}", (best >= RECOVERED).mean()),
            (f"correlation_{name}", best.mean()),
        ]
    return pd.DataFrame([(diagnostics.WHOLE, name, float(value)) for name, value in rows], columns=diagnostics.COLUMNS)


def _correlations(first, second):
    """Absolute correlation of each column of the first with each of the second, 0 if one is constant."""
    return np.abs(_standardized(first).T @ _standardized(second))


def _standardized(points):
    centred = points - points.mean(axis=0)
    norm = np.sqrt(np.square(centred).sum(axis=0))
    return np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
