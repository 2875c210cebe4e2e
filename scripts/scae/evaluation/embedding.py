"""t-SNE of a latent space."""

import logging

import numpy as np
import openTSNE

from scae.errors import UserError

log = logging.getLogger(__name__)


def tsne(latent, dimensions, settings, seed):
    """Project cells to 2 or 3 dimensions with t-SNE (van der Maaten & Hinton 2008).

    Exact nearest neighbours, start from the first principal components (Kobak & Berens 2019; at random where there are
    fewer latents than dimensions), Barnes-Hut gradients (interpolated in 2-D from 10,000 cells on), one thread: the
    same latent always gives the same embedding.

    Args:
        latent: (cells, latents).
        dimensions: 2 or 3.
        settings: dict with perplexity, iterations and early_exaggeration_iterations.
        seed: non-negative int.

    Returns:
        numpy.ndarray: (cells, dimensions).

    Raises:
        UserError: if there are too few cells for the perplexity.
    """
    n_cells = len(latent)
    if settings["perplexity"] > (n_cells - 1) / 3:
        largest = (n_cells - 1) // 3
        raise UserError(
            f"tsne.perplexity: {settings['perplexity']:g} needs {3 * settings['perplexity'] + 1:.0f} cells, "
            f"but there are {n_cells}; "
            + (f"set it to {largest} or less" if largest >= 2 else "these are too few for a t-SNE")
        )
    if (latent == latent[0]).all():
        log.warning("the latent is the same for all cells: the model has collapsed, and all lie on one point")
        return np.zeros((n_cells, dimensions))
    embedding = openTSNE.TSNE(
        n_components=dimensions,
        perplexity=settings["perplexity"],
        n_iter=settings["iterations"],
        early_exaggeration_iter=settings["early_exaggeration_iterations"],
        initialization="pca" if latent.shape[1] >= dimensions else "random",
        neighbors="exact",
        negative_gradient_method="bh" if dimensions == 3 else "auto",
        n_jobs=1,
        random_state=seed,
    ).fit(np.asarray(latent, dtype=np.float64))
    log.info("t-SNE of %d cells in %d dimensions: KL divergence %.4f", n_cells, dimensions, embedding.kl_divergence)
    return np.asarray(embedding)
