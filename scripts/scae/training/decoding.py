"""The decoder of a trained model as a function of arrays."""

import torch


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
