"""t-SNE of a latent space."""

import logging

import numpy as np
import openTSNE

from scae.errors import UserError
from scae.jobs.notes import NOTE

log = logging.getLogger(__name__)

EXACT_CELLS, EXACT_LATENTS = 50_000, 10  # above both, an exact neighbour search takes longer than the t-SNE
PLACED_BY = 10  # nearest projected cells, at whose median another cell is placed
GRIDS = 40  # steps of the bisection for the grid width


def tsne(latent, dimensions, settings, seed):
    """Project cells to 2 or 3 dimensions with t-SNE (van der Maaten & Hinton 2008).

    Above ``max_cells`` cells, a `sketch` of that many is projected, and each other cell is placed at the median of its
    nearest neighbours in it. Nearest neighbours are exact up to 50,000 cells or ten latents, else approximate. The
    embedding starts from the first principal components (Kobak & Berens 2019; at random with fewer latents than
    dimensions) and uses Barnes-Hut gradients (interpolation in 2-D from 10,000 cells on) and one thread, so the same
    latent always gives the same embedding.

    Args:
        latent: (cells, latents).
        dimensions: 2 or 3.
        settings: dict with perplexity, iterations, early_exaggeration_iterations and max_cells.
        seed: non-negative int.

    Returns:
        numpy.ndarray: (cells, dimensions).

    Raises:
        UserError: if there are too few cells for the perplexity.
    """
    chosen = sketch(latent, settings["max_cells"])
    n_cells = chosen.sum()
    if settings["perplexity"] > (n_cells - 1) / 3:
        largest = (n_cells - 1) // 3
        raise UserError(
            f"tsne.perplexity: {settings['perplexity']:g} needs {3 * settings['perplexity'] + 1:.0f} cells, "
            f"but there are {n_cells}; " + (f"set it to {largest} or less" if largest >= 2 else "too few for a t-SNE")
        )
    if (latent == latent[0]).all():
        log.warning("the latent is the same for all cells (the model has collapsed): t-SNE puts all cells at one point")
        return np.zeros((n_cells, dimensions))
    latent = np.asarray(latent, dtype=np.float64)
    affinities = None
    if n_cells <= EXACT_CELLS or latent.shape[1] <= EXACT_LATENTS:
        # openTSNE would do the same but imports pynndescent: 1 s a job, 10 s if it has to be compiled
        n_neighbors = min(n_cells - 1, int(3 * settings["perplexity"]))
        index = openTSNE.nearest_neighbors.Sklearn(latent[chosen], n_neighbors, "euclidean", n_jobs=1)
        affinities = openTSNE.affinity.PerplexityBasedNN(perplexity=settings["perplexity"], knn_index=index, n_jobs=1)
    embedding = openTSNE.TSNE(
        n_components=dimensions,
        perplexity=settings["perplexity"],
        n_iter=settings["iterations"],
        early_exaggeration_iter=settings["early_exaggeration_iterations"],
        initialization="pca" if latent.shape[1] >= dimensions else "random",
        neighbors="approx",  # if there are no affinities yet
        negative_gradient_method="bh" if dimensions == 3 else "auto",
        n_jobs=1,
        random_state=seed,
    ).fit(latent[chosen], affinities)
    log.info("t-SNE of %d cells in %d dimensions: KL divergence %.4f", n_cells, dimensions, embedding.kl_divergence)
    if chosen.all():
        return np.asarray(embedding)
    log.log(
        NOTE,
        "%d-D t-SNE of %d cells; the other %d cells are placed at their nearest neighbours",
        dimensions,
        n_cells,
        (~chosen).sum(),
    )
    points = np.empty((len(latent), dimensions))
    points[chosen] = embedding
    points[~chosen] = embedding.prepare_partial(latent[~chosen], initialization="median", k=PLACED_BY)
    return points


def sketch(latent, n_cells):
    """Choose cells that are spread evenly over the latent space, so that rare types are kept; labels are not used.

    Geometric sketching (Hie et al. 2019): one random cell from each box of a grid, as fine as gives ``n_cells``.

    Args:
        latent: (cells, latents).
        n_cells: number of cells to choose.

    Returns:
        numpy.ndarray: (cells,) bool; all True if there are at most ``n_cells``.
    """
    if len(latent) <= n_cells:
        return np.ones(len(latent), bool)
    shuffled = np.random.default_rng(0).permutation(len(latent))
    points = np.asarray(latent, dtype=np.float64)[shuffled]
    points = points - points.min(axis=0)
    finest, coarsest = 0.0, max(float(points.max()), 1e-12)
    first = np.zeros(1, int)
    for _ in range(GRIDS):
        width = (finest + coarsest) / 2
        boxes = np.unique(np.floor(points / width).astype(np.int64), axis=0, return_index=True)[1]
        if len(boxes) > n_cells:
            finest = width
        else:
            coarsest, first = width, boxes
    chosen = np.zeros(len(latent), bool)
    chosen[shuffled[first]] = True
    missing = n_cells - chosen.sum()
    chosen[shuffled[~chosen[shuffled]][:missing]] = True  # fill up: no grid may give exactly n_cells
    return chosen
