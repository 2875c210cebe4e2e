"""How much of what a simulation put into the cells is found again in their latents."""

import h5py
import numpy as np
import pandas as pd

from scae.evaluation import diagnostics

RECOVERED = 0.7  # correlation of a program with a latent, whatever its sign: half of its variance


def read(path, cells):
    """The programs of a simulated data set.

    Args:
        path: its counts.h5ad.
        cells: names of the cells to take, in order.

    Returns:
        dict: {"programs" or "nuisance": how active each is in each cell, (cells, programs)}.
    """
    with h5py.File(path) as file:
        names = file["obs"][file["obs"].attrs["_index"]].asstr()[:]
        rows = pd.Index(names).get_indexer(cells)
        return {name.removeprefix("true_"): activity[:][rows] for name, activity in file["obsm"].items()}


def recovery(latent, truth):
    """Which programs a latent stands for: those that correlate with one by 0.7 or more.

    Args:
        latent: DataFrame (cells, latents).
        truth: as from `read`.

    Returns:
        pandas.DataFrame: latent (``all``), measure, value; for each kind of programs their number, the share that is
        recovered, and the best correlation of each, mean.
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
    """Absolute correlation of each column with each, 0 where one is constant; (of first, of second)."""
    return np.abs(_standardized(first).T @ _standardized(second))


def _standardized(points):
    centred = points - points.mean(axis=0)
    norm = np.sqrt(np.square(centred).sum(axis=0))
    return np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
