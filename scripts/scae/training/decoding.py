"""What a trained model makes: its decoder as a function of arrays, and latents from its prior."""

import inspect

import numpy as np
import torch

from scae.errors import UserError
from scae.models import registry


def decoder(model, n_genes):
    """The decoder of a model, which is the attribute ``decoder`` of its page: latents to expression, both (cells, …).

    A decoder that is told the batch of a cell and is not given it is asked for each batch in turn: the mean over the
    batches, each counting as much as any other, is what a gene is in a cell of no batch in particular.

    Args:
        model: a trained model.
        n_genes: number of genes that it should give.

    Returns:
        function: (cells, latents) float32 array and perhaps (cells,) numbers of batches -> (cells, genes) array, in
        units of the expression that the model was trained on; None where the page has no such attribute. It raises
        UserError, naming the page, where it gives another shape or what is no number.
    """
    if not callable(getattr(model, "decoder", None)):
        return None
    n_batches, page = getattr(model.decoder, "n_batches", 0), inspect.getfile(type(model))

    @torch.no_grad()
    def decode(points, batch_index=None):
        torch.set_num_threads(1)
        made = _decoded(torch.from_numpy(points), batch_index)
        if made.shape != (len(points), n_genes) or not np.isfinite(made).all():
            raise UserError(
                f"{page}: decoder made an array of shape {made.shape}, not {len(points)} cells with {n_genes} genes, "
                "or one with values that are no numbers"
            )
        return made

    def _decoded(points, batch_index):
        if not n_batches:
            return model.decoder(points).numpy()
        if batch_index is not None:
            return model.decoder(points, torch.from_numpy(batch_index)).numpy()
        return sum(model.decoder(points, torch.full((len(points),), n)) for n in range(n_batches)).numpy() / n_batches

    return decode


@torch.no_grad()
@torch.random.fork_rng(devices=[])
def from_prior(model, n_cells, n_latent, seed):
    """Latents drawn from a model's prior, by the method ``prior`` of its page.

    Args:
        model: a trained model.
        n_cells: how many to draw.
        n_latent: how many latents the model has.
        seed: of torch's generator, from which the page draws.

    Returns:
        numpy.ndarray: (n_cells, n_latent), float32; None where the page has no such method.

    Raises:
        UserError: if the page does not return that, or what is no number.
    """
    if not inspect.isfunction(getattr(type(model), "prior", None)):
        return None
    torch.manual_seed(seed)
    page = inspect.getfile(type(model))
    drawn = registry.checked(model.prior(n_cells), n_cells, page, method="prior")
    if drawn.shape[1] != n_latent:
        raise UserError(f"{page}: prior returned {drawn.shape[1]} latents, and embed returns {n_latent}")
    return drawn
