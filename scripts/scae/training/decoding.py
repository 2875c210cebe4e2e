"""Decoder and prior of a trained model as functions of arrays; their own file, so that an edit does not embed again."""

import inspect

import numpy as np
import torch

from scae.errors import UserError
from scae.models import registry


def decoder(model, n_genes, method="forward"):
    """The attribute ``decoder`` of a model as a function of arrays.

    A batch-conditioned decoder that is called without batches returns the mean over all batches, each with the same
    weight: the expression of a gene in a cell of no particular batch.

    Args:
        model: a trained model.
        n_genes: number of genes it should return.
        method: of the decoder.

    Returns:
        function: (cells, latents) float32 array and optionally (cells,) batch numbers -> (cells, genes) array, in units
        of the expression that the model was trained on. It raises UserError if the decoder returns another shape or a
        value that is not finite. None if the model has no decoder.
    """
    if not callable(getattr(model, "decoder", None)):
        return None
    n_batches, file = getattr(model.decoder, "n_batches", 0), inspect.getfile(type(model))
    function = model.decoder if method == "forward" else getattr(model.decoder, method)

    @torch.no_grad()
    def decode(points, batch_index=None):
        torch.set_num_threads(1)
        decoded = _decode(torch.from_numpy(points), batch_index)
        if decoded.shape != (len(points), n_genes) or not np.isfinite(decoded).all():
            raise UserError(
                f"{file}: decoder returned shape {decoded.shape}; return {len(points)} cells x {n_genes} genes, "
                "every value finite"
            )
        return decoded

    def _decode(points, batch_index):
        if not n_batches:
            return function(points).numpy()
        if batch_index is not None:
            return function(points, torch.from_numpy(batch_index)).numpy()
        return sum(function(points, torch.full((len(points),), n)) for n in range(n_batches)).numpy() / n_batches

    return decode


@torch.no_grad()
@torch.random.fork_rng(devices=[])
def sample_prior(model, n_cells, n_latent, seed):
    """Latents drawn from the prior of a model, by its method ``prior``.

    Args:
        model: a trained model.
        n_cells: number of latents to draw.
        n_latent: number of latents that the model has.
        seed: of torch's generator, from which the model draws.

    Returns:
        numpy.ndarray: (n_cells, n_latent), float32; None if the model has no such method.

    Raises:
        UserError: if the model returns another shape or a value that is not finite.
    """
    if not inspect.isfunction(getattr(type(model), "prior", None)):
        return None
    torch.manual_seed(seed)
    file = inspect.getfile(type(model))
    drawn = registry.validate_latent(model.prior(n_cells), n_cells, file, method="prior")
    if drawn.shape[1] != n_latent:
        raise UserError(f"{file}: prior returned {drawn.shape[1]} latents, but embed returns {n_latent}")
    return drawn
