"""Cells that a trained model makes, of the posterior of real ones and of its prior."""

import numpy as np

from scae.evaluation import generated_cells
from scae.training import decoding, trained


def of_model(model, expression, zero_below, seed):
    """Mean, variance and zeros of each gene: at most 5,000 cells of real ones, and 5,000 of the prior.

    Args:
        model: a trained model, as from `scae.training.weights.load`.
        expression: scae.data.expression.Expression, with the batches if the model is told them; made cells are of
            the batches of real ones.
        zero_below: (genes,) as from `scae.evaluation.generated_cells.of_real`.
        seed: of the latents that are drawn.

    Returns:
        dict: {RECONSTRUCTED, and GENERATED if the page has a prior: as from `scae.evaluation.generated_cells.of_made`};
        empty where the page has no decoder.

    Raises:
        UserError: if the page does not make what it should.
    """
    n_cells, n_genes = expression.shape
    decode = decoding.decoder(model, n_genes)
    if decode is None:
        return {}
    random, batches = np.random.default_rng(seed), expression.batch_index
    cells = np.sort(random.choice(n_cells, min(n_cells, generated_cells.MOST_CELLS), replace=False))
    points = trained.embed(model, expression, "sample", seed)
    latents = {generated_cells.RECONSTRUCTED: (points[cells], cells)}
    drawn = decoding.sample_prior(model, generated_cells.MOST_CELLS, points.shape[1], seed)
    if drawn is not None:
        latents[generated_cells.GENERATED] = drawn, random.choice(n_cells, generated_cells.MOST_CELLS)
    return {
        way: generated_cells.of_made(decode, of_way, None if batches is None else batches[like], zero_below, expression)
        for way, (of_way, like) in latents.items()
    }
