"""Latents, per-cell diagnostics and losses of a trained model, in dense batches on one CPU thread."""

import inspect

import numpy as np
import torch

from scae import randomness
from scae.errors import UserError
from scae.models import registry
from scae.training.batches import DenseBatches, split


@torch.no_grad()
@torch.random.fork_rng(devices=[])
@randomness.forked()
def embed(model, expression, estimate, seed, batch_size=256):
    """Latent of every cell.

    Args:
        model: a trained model, as from `scae.training.weights.load`.
        expression: scae.data.expression.Expression.
        estimate: ``posterior_mean``, ``slab_mean`` or ``sample``; see each model file.
        seed: of the noise of ``sample``.
        batch_size: cells at a time.

    Returns:
        numpy.ndarray: (cells, latents), float32.

    Raises:
        UserError: if the model returns another shape or a value that is not finite.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    randomness.seed(seed)
    file, latent = inspect.getfile(type(model)), _Rows(expression.shape[0])
    for cells, batch in _batches(expression, torch.arange(expression.shape[0]), batch_size):
        latent.add(registry.validate_latent(model.embed(batch, estimate), len(cells), file, cells[0].item()))
    return latent.values


@torch.no_grad()
@torch.random.fork_rng(devices=[])
@randomness.forked()
def diagnostics(model, expression):
    """Per-cell diagnostics of the latents, from the method ``diagnostics`` of the model, if it has one.

    Returns:
        dict: {name: numpy.ndarray (cells, latents)}; empty without such a method.

    Raises:
        UserError: if the model returns another shape.
    """
    if not hasattr(model, "diagnostics"):
        return {}
    torch.set_num_threads(1)
    torch.manual_seed(0)
    randomness.seed(0)
    found = {}
    for cells, batch in _batches(expression, torch.arange(expression.shape[0])):
        for name, values in model.diagnostics(batch).items():
            if values.ndim != 2 or len(values) != len(cells):
                raise UserError(
                    f'{inspect.getfile(type(model))}: diagnostics returned shape {tuple(values.shape)} for "{name}"; '
                    f"return shape (cells, latents) with {len(cells)} cells"
                )
            found.setdefault(name, _Rows(expression.shape[0])).add(values.numpy())
    return {name: rows.values for name, rows in found.items()}


def losses(model, expression, settings, seed):
    """Each term of the loss, mean over all cells.

    Args:
        model: a trained model.
        expression: scae.data.expression.Expression.
        settings: of its training; with holdout, the terms are also given for both parts of the cells.
        seed: of its training, and of the noise here.

    Returns:
        dict: {name: float}; with holdout also <name>_trained and <name>_held_out.
    """
    found = _losses(model, expression, torch.arange(expression.shape[0]), seed)
    trained, held_out = split(expression.shape[0], settings, seed)
    for part, cells in {"trained": trained, "held_out": held_out}.items() if len(held_out) else ():
        found |= {f"{name}_{part}": value for name, value in _losses(model, expression, cells, seed).items()}
    return found


@torch.no_grad()
@torch.random.fork_rng(devices=[])
@randomness.forked()
def _losses(model, expression, cells, seed):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    randomness.seed(seed)
    sums = {}
    for some, batch in _batches(expression, cells):
        for name, value in model.loss(batch).items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(some)
    return {name: total / len(cells) for name, total in sums.items()}


def _batches(expression, cells, batch_size=256):
    """Yields (indices, batch) of these cells in order."""
    make_batch = DenseBatches(expression, torch.device("cpu"))
    for some in cells.split(batch_size):
        yield some, make_batch(some)


class _Rows:
    """An array that is filled a few rows at a time.

    A list of arrays would fragment the memory: at 200,000 cells it would take twice the size of the matrix.
    """

    def __init__(self, n_rows):
        self.n_rows, self.n_filled, self.values = n_rows, 0, None

    def add(self, rows):
        if self.values is None:
            self.values = np.empty((self.n_rows, *rows.shape[1:]), rows.dtype)
        self.values[self.n_filled : self.n_filled + len(rows)] = rows
        self.n_filled += len(rows)
