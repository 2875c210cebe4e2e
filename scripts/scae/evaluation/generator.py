"""Reconstructed and generated cells of a trained model.

Those of a model of counts have counting noise: each takes the depth of a real cell, its counts are drawn from the
shares that the decoder gives, and they are log-normalised as those of the real cell.
"""

import numpy as np

from scae.evaluation import generated_cells
from scae.training import decoding, trained


def generate(model, expression, zero_below, seed):
    """Mean, variance and zeros of each gene in at most 5,000 reconstructed and in 5,000 generated cells.

    Args:
        model: a trained model, as from `scae.training.weights.load`.
        expression: scae.data.expression.Expression, with batches for a batch-conditioned model; generated cells have
            the batches, and for a model of counts the depths, of randomly drawn real ones.
        zero_below: (genes,) as from `scae.evaluation.generated_cells.real_statistics`.
        seed: of the draws.

    Returns:
        dict: {RECONSTRUCTED, and GENERATED if the model has a prior: as from
        `scae.evaluation.generated_cells.decoded_statistics`}; empty if the model has no decoder.

    Raises:
        UserError: if the model file's decoder or prior returns something else than it should.
    """
    n_cells = len(expression.cells)
    random = np.random.default_rng(seed)
    decode = _decoder(model, expression, random)
    if decode is None:
        return {}
    cells = np.sort(random.choice(n_cells, min(n_cells, generated_cells.MOST_CELLS), replace=False))
    points = trained.embed(model, expression, "sample", seed)
    draws = {generated_cells.RECONSTRUCTED: (points[cells], cells)}
    prior = decoding.sample_prior(model, generated_cells.MOST_CELLS, points.shape[1], seed)
    if prior is not None:
        draws[generated_cells.GENERATED] = prior, random.choice(n_cells, generated_cells.MOST_CELLS)
    return {
        kind: generated_cells.decoded_statistics(decode, latents, like, zero_below, expression)
        for kind, (latents, like) in draws.items()
    }


def _decoder(model, expression, random):
    """Function (latents, numbers of the real cells that they are like) -> expression; None without a decoder."""
    decode, batches = decoding.decoder(model, expression.shape[1]), expression.batch_index
    if decode is None:
        return None
    if expression.counts is None or not hasattr(model.decoder, "shares"):
        return lambda points, like: decode(points, None if batches is None else batches[like])
    shares, (totals, factors) = decoding.decoder(model, expression.shape[1], "shares"), depths(expression)

    def draw(points, like):
        expected = shares(points, None if batches is None else batches[like]).astype(np.float64)
        counts = random.multinomial(totals[like], expected / expected.sum(axis=1, keepdims=True))
        return np.log1p(counts * factors[like, None])

    return draw


def depths(expression):
    """Counts of each cell, and the factor that normalises them: expression = log1p(counts · factor).

    Args:
        expression: scae.data.expression.Expression with counts.

    Returns:
        (numpy.ndarray, numpy.ndarray): each (cells,); whole numbers, int64, and float64.
    """
    totals, factors = np.zeros(len(expression.cells)), np.zeros(len(expression.cells))
    for cell, (start, stop) in enumerate(zip(expression.indptr[:-1], expression.indptr[1:], strict=True)):
        if stop > start:
            totals[cell] = expression.counts[start:stop].sum(dtype=np.float64)
            factors[cell] = np.expm1(expression.data[start:stop]).sum(dtype=np.float64) / totals[cell]
    return np.rint(totals).astype(np.int64), factors
