"""Training and embedding; this module knows no model by name."""

import importlib
import io
import logging
import time
from pathlib import Path

import pandas as pd
import torch

from scae.batches import slice_cells
from scae.errors import UserError

log = logging.getLogger(__name__)

TERMS = ["loss", "reconstruction", "kl"]  # columns of every history; a model without a term has it at zero
PROGRESS_S = 10  # seconds between lines of progress


def build(kind, n_genes, hyperparameters):
    """A fresh model of a kind: the ``Model`` of ``scae/models/<kind>.py``."""
    return importlib.import_module(f"scae.models.{kind}").Model(n_genes, **hyperparameters)


def fit(expression, kind, hyperparameters, settings, seed):
    """Train one model with Adam on shuffled batches of cells.

    Weights, shuffling and noise all follow from ``seed``; the result does not depend on the time or the machine's load.

    Args:
        expression: CSR float32, cells x genes.
        kind: name of the model's file in ``scae/models``.
        hyperparameters: arguments of its ``Model``.
        settings: dict with epochs, batch_size, learning_rate and threads.
        seed: non-negative int.

    Returns:
        (torch.nn.Module, pandas.DataFrame, float): the trained model; per epoch the mean over cells of each loss term;
        the seconds that the epochs took.

    Raises:
        UserError: if the loss stops being a number.
    """
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(seed)
    shuffle = torch.Generator().manual_seed(seed)
    n_cells, n_genes = expression.shape
    model = build(kind, n_genes, hyperparameters)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    history = []
    start = reported = time.perf_counter()
    for epoch in range(1, settings["epochs"] + 1):
        sums = dict.fromkeys(TERMS, 0.0)
        for cells in torch.randperm(n_cells, generator=shuffle).split(settings["batch_size"]):
            batch = slice_cells(expression, cells.numpy())
            terms = model.loss(batch)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            for name, value in terms.items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(batch)
        means = {name: total / n_cells for name, total in sums.items()}
        history.append({"epoch": epoch} | means)
        if not torch.tensor(means["loss"]).isfinite():
            raise UserError(
                f"the loss became {means['loss']} in epoch {epoch}; lower training.learning_rate, or look for "
                "extreme values in the data"
            )
        now = time.perf_counter()
        if now - reported >= PROGRESS_S or epoch in (1, settings["epochs"]):
            reported = now
            log.info(
                "epoch %d of %d: %s; %.2f s an epoch, %.0f s to go",
                epoch,
                settings["epochs"],
                ", ".join(f"{name} {value:.2f}" for name, value in means.items()),
                (now - start) / epoch,
                (now - start) / epoch * (settings["epochs"] - epoch),
            )
    return model, pd.DataFrame(history), time.perf_counter() - start


def timing(seconds, n_cells, settings):
    """One-row table of how long training took and on what."""
    return pd.DataFrame(
        {
            "epochs": [settings["epochs"]],
            "seconds": [round(seconds, 3)],
            "cells_per_second": [round(settings["epochs"] * n_cells / seconds, 1)],
            "device": ["cpu"],
            "threads": [settings["threads"]],
            "engine": ["dense"],
        }
    )


def save(model, kind, hyperparameters, genes, path):
    """Write weights and all that is needed to build the model again; the same model gives the same bytes.

    The file is a dict with kind, hyperparameters, genes (names, in order) and state_dict, and loads with
    ``torch.load(path, weights_only=True)``.
    """
    content = {
        "kind": kind,
        "hyperparameters": dict(hyperparameters),
        "genes": [str(gene) for gene in genes],
        "state_dict": model.state_dict(),
    }
    buffer = io.BytesIO()  # saved to a path, the archive would contain the name of the file
    torch.save(content, buffer)
    Path(path).write_bytes(buffer.getvalue())


def load(path, genes):
    """Read a model written by `save`, ready to embed.

    Raises:
        UserError: if it was trained on other genes than ``genes``.
    """
    content = torch.load(path, weights_only=True)
    if content["genes"] != [str(gene) for gene in genes]:
        raise UserError(f"{path}: was trained on other genes than the expression it is to embed")
    model = build(content["kind"], len(genes), content["hyperparameters"])
    model.load_state_dict(content["state_dict"])
    return model.eval()


@torch.no_grad()
def embed(model, expression, estimate, seed, batch_size=1024):
    """Latent of every cell.

    Args:
        model: a trained model.
        expression: CSR float32, cells x genes.
        estimate: ``posterior_mean``, ``slab_mean`` or ``sample``; see each model.
        seed: of the noise of ``sample``.

    Returns:
        numpy.ndarray: (cells, latents), float32.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    starts = range(0, expression.shape[0], batch_size)
    return torch.cat(
        [model.embed(slice_cells(expression, slice(start, start + batch_size)), estimate) for start in starts]
    ).numpy()
