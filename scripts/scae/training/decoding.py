"""The decoder of a trained model as a function of arrays."""

import torch


def decoder(model):
    """The decoder of a model, which is the attribute ``decoder`` of its page: latents to expression, both (cells, …).

    Returns:
        function: (cells, latents) float32 array -> (cells, genes) array; None where the page has no such attribute.
    """
    if not callable(getattr(model, "decoder", None)):
        return None

    @torch.no_grad()
    def decode(points):
        torch.set_num_threads(1)
        return model.decoder(torch.from_numpy(points)).numpy()

    return decode
