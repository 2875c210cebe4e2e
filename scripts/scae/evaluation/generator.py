"""Reconstructed and generated cells of a trained model."""

import numpy as np

from scae.evaluation import generated_cells
from scae.training import decoding, trained


def generate(model, expression, zero_below, seed):
    """Mean, variance and zeros of each gene in at most 5,000 reconstructed and in 5,000 generated cells.

    Args:
        model: a trained model, as from `scae.training.weights.load`.
        expression: scae.data.expression.Expression, with batches for a batch-conditioned model; generated cells have
            the batches of randomly drawn real ones.
        zero_below: (genes,) as from `scae.evaluation.generated_cells.real_statistics`.
        seed: of the draws.

    Returns:
        dict: {RECONSTRUCTED, and GENERATED if the model has a prior: as from
        `scae.evaluation.generated_cells.decoded_statistics`}; empty if the model has no decoder.

    Raises:
        UserError: if the model file's decoder or prior returns something else than it should.
    """
    n_cells, n_genes = expression.shape
    decode = decoding.decoder(model, n_genes)
    if decode is None:
        return {}
    random, batches = np.random.default_rng(seed), expression.batch_index
    cells = np.sort(random.choice(n_cells, min(n_cells, generated_cells.MOST_CELLS), replace=False))
    points = trained.embed(model, expression, "sample", seed)
    draws = {generated_cells.RECONSTRUCTED: (points[cells], cells)}
    prior = decoding.sample_prior(model, generated_cells.MOST_CELLS, points.shape[1], seed)
    if prior is not None:
        draws[generated_cells.GENERATED] = prior, random.choice(n_cells, generated_cells.MOST_CELLS)
    return {
        kind: generated_cells.decoded_statistics(
            decode, latents, None if batches is None else batches[like], zero_below, expression
        )
        for kind, (latents, like) in draws.items()
    }
