"""What a trained model makes: its decoder as a function of arrays, and latents from its prior."""

import inspect

import torch

from scae.models import pages


def decoder(model):
    """The decoder of a model, which is the attribute ``decoder`` of its page: latents to expression, both (cells, …).

    A decoder that is told the batch of a cell is asked for each batch in turn: the mean over the batches, each counting
    as much as any other, is what a gene is in a cell of no batch in particular.

    Returns:
        function: (cells, latents) float32 array -> (cells, genes) array; None where the page has no such attribute.
    """
    if not callable(getattr(model, "decoder", None)):
        return None
    n_batches = getattr(model.decoder, "n_batches", 0)

    @torch.no_grad()
    def decode(points):
        torch.set_num_threads(1)
        points = torch.from_numpy(points)
        if not n_batches:
            return model.decoder(points).numpy()
        return sum(model.decoder(points, torch.full((len(points),), n)) for n in range(n_batches)).numpy() / n_batches

    return decode


@torch.no_grad()
@torch.random.fork_rng(devices=[])
def from_prior(model, n_cells, seed):
    """Latents drawn from a model's prior, by the method ``prior`` of its page.

    Returns:
        numpy.ndarray: (n_cells, latents), float32; None where the page has no such method.

    Raises:
        UserError: if the page does not return that, or what is no number.
    """
    if not callable(getattr(model, "prior", None)):
        return None
    torch.manual_seed(seed)
    return pages.checked(model.prior(n_cells), n_cells, inspect.getfile(type(model)), method="prior")
