"""Training and embedding; this module knows no model by name."""

import inspect
import io
import json
import logging
import math
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch

from scae import tables
from scae.errors import UserError
from scae.models import registry
from scae.training.batches import DenseBatches

log = logging.getLogger(__name__)

TERMS = ["loss", "reconstruction", "kl"]  # columns of every history; a model without a term has it at zero
PROGRESS_S = 10  # seconds between lines of progress in the log
TERMINAL_S = 60  # and between those that the user sees
SPARSE_BELOW = 0.25  # share of non-zeros below which the sparse engine clearly wins on a CPU (benchmarks/README.md)


def build(kind, n_genes, hyperparameters):
    """A fresh model of a kind: the ``Model`` of its page (scae/models/registry.py).

    Raises:
        UserError: if it is none that can be trained.
    """
    model = registry.called(kind, "Model", n_genes, **hyperparameters)
    if not isinstance(model, torch.nn.Module) or not list(model.parameters()):
        raise UserError(
            f"{kind}: Model is no torch.nn.Module with parameters to train; what needs no training is a function embed"
        )
    return model


def resolve(settings, density):
    """Settings with ``auto`` decided: the device that is there, and the engine that is fastest on it.

    Args:
        settings: the ``training`` section of the config.
        density: share of entries that are not zero.

    Raises:
        UserError: if CUDA is asked for and not there.
    """
    device, engine = settings["device"], settings["engine"]
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("training.device: cuda, but no CUDA device is available here; set it to cpu or auto")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine != "sparse" else "cpu"
    if engine == "auto":
        wins = device == "cpu" and density < SPARSE_BELOW and settings["precision"] == "float32"
        engine = "sparse" if wins else "dense"
    if engine == "sparse" and (device != "cpu" or settings["precision"] != "float32"):
        raise UserError("training.engine: sparse runs on a CPU in float32; set training.engine to dense or auto")
    log.info("%s engine on %s, %.1f %% of the entries are not zero", engine, device, 100 * density)
    return settings | {"device": device, "engine": engine}


def make_batches(expression, settings):
    """Function from cells to a batch, of the engine and device in the settings."""
    if settings["engine"] == "sparse":
        from scae.training.sparse import SparseBatches

        return SparseBatches(expression, settings["threads"])
    return DenseBatches(expression, torch.device(settings["device"]))


def split(n_cells, settings, seed):
    """Which cells a model trains on and which it never sees (``training.holdout``), by chance.

    Args:
        n_cells: number of cells.
        settings: dict that may have holdout, a share of the cells; without it or with 0 all are trained on.
        seed: the same seed gives the same cells.

    Returns:
        (torch.Tensor, torch.Tensor): the numbers of the trained and of the held-out cells, ascending; int64.

    Raises:
        UserError: if one of both would be without cells.
    """
    share = settings.get("holdout", 0)
    if not share:
        return torch.arange(n_cells), torch.arange(0)
    n_held = round(share * n_cells)
    if not 0 < n_held < n_cells:
        raise UserError(
            f"training.holdout: {share:g} of {n_cells} cells holds out {n_held} of them; set it so that some are held "
            "out and some are left, or to 0"
        )
    order = torch.from_numpy(np.random.default_rng([seed, n_cells]).permutation(n_cells))
    return order[n_held:].sort().values, order[:n_held].sort().values


def with_enough_steps(settings, n_cells):
    """Settings whose epochs are as many as ``training.min_steps`` gradient steps on so many cells need, if more.

    Without ``min_steps`` they are returned as they are, with it without that key.
    """
    least, steps = settings.get("min_steps", 0), -(-n_cells // settings["batch_size"])
    if not least:
        return settings
    epochs = max(settings["epochs"], -(-least // steps))
    log.info("%d epochs of %d gradient steps", epochs, steps)
    return {key: value for key, value in settings.items() if key != "min_steps"} | {"epochs": epochs}


@torch.random.fork_rng(devices=[])  # leaves the caller's random state alone
def fit(expression, kind, hyperparameters, settings, seed, checkpoint=None):
    """Train one model with Adam on shuffled batches of cells.

    Weights, shuffling and noise all follow from ``seed``; the result does not depend on the time, the machine's load or
    whether the training was interrupted and went on from a checkpoint.

    Args:
        expression: scae.data.expression.Expression.
        kind: of the model: the name of its page, or the path of one outside the library.
        hyperparameters: arguments of its ``Model``; ``batch``, if there, is the names of the batches that the
            expression tells (`scae.data.expression.with_batches`).
        settings: dict with epochs, batch_size, learning_rate, threads, device, engine and precision, as `resolve`
            returns it; perhaps holdout, see `split`, and early_stopping, the number of epochs without a lower loss of
            the held-out cells after which training ends; the weights are then those of the epoch in which it was
            lowest.
        seed: non-negative int.
        checkpoint: scae.training.checkpoint.Checkpoint, or None to go without.

    Returns:
        (torch.nn.Module, list of dict, float): the trained model; per epoch its number and the mean over cells of each
        loss term, and of the cells that are held out, if any (``held_out_<term>``), and with early stopping the best
        epoch so far (``held_out_best_epoch``), of which the last one's weights are returned; the seconds that the
        epochs took, over all attempts.

    Raises:
        UserError: if the loss stops being a number or the page does not return what it should, or a signal ended it
            (the checkpoint is saved then).
    """
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(seed)
    trained, held_out = split(expression.shape[0], settings, seed)
    model = build(kind, expression.shape[1], hyperparameters).to(settings["device"])
    make_batch = make_batches(expression, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"], fused=True)
    run = _Run(model, optimizer, settings["device"], torch.Generator().manual_seed(seed))
    if checkpoint and (state := checkpoint.load()):
        run.restore(state)
        log.info("resuming in epoch %d, batch %d", run.epoch, run.batch)
    autocast = (
        torch.autocast(settings["device"], torch.bfloat16) if settings["precision"] == "bfloat16" else nullcontext()
    )
    report = _Progress(settings["epochs"], run)
    patience = settings.get("early_stopping", 0)
    while run.epoch <= settings["epochs"] and not run.is_past_best(patience):
        _tell_epoch(model, run.epoch)
        batches = trained[run.shuffled(len(trained))].split(settings["batch_size"])
        for cells in batches[run.batch :]:
            batch = make_batch(cells)
            with autocast:
                terms = _checked(model.loss(batch), kind)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            run.add(terms, len(batch))
            if checkpoint and checkpoint.due():
                checkpoint.save(run.state())
                if checkpoint.stop:
                    raise UserError(f"stopped by {checkpoint.stop} in epoch {run.epoch}; run again to go on from there")
        with autocast:
            run.end_epoch(len(trained), _unseen(model, make_batch, held_out, settings, seed), patience)
        report()
    if patience:
        log.info("the weights of epoch %d of %d are kept", run.best["epoch"], run.epoch - 1)
        model.load_state_dict(run.best["weights"])
    return model, run.history, run.seconds()


def _tell_epoch(model, epoch):
    """Parts of a model that change from epoch to epoch have a method ``start_epoch``; the first epoch is 1."""
    for part in model.modules():
        if hasattr(part, "start_epoch"):
            part.start_epoch(epoch)


def _is_rising(model):
    """Whether a weight in the loss still rises, so that the losses of two epochs cannot be held against each other."""
    return any(getattr(part, "risen", 1.0) < 1.0 for part in model.modules())


def _unseen(model, make_batch, cells, settings, seed):
    """Each term of the loss of cells that are not trained on: {held_out_<term>: mean}; {} without such cells.

    Its noise is the same in every epoch and none of that of training.
    """
    if not len(cells):
        return {}
    sums = {}
    devices = [torch.cuda.current_device()] if settings["device"] == "cuda" else []
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        for some in cells.split(settings["batch_size"]):
            for name, value in model.loss(make_batch(some)).items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(some)
    model.train()
    return {f"{tables.HELD_OUT}{name}": sums.get(name, 0.0) / len(cells) for name in dict.fromkeys([*TERMS, *sums])}


def _checked(terms, kind):
    """What ``loss`` of a page returned, if it can be minimised."""
    if not isinstance(terms, dict) or "loss" not in terms:
        found = f"only {', '.join(map(str, terms))}" if isinstance(terms, dict) else f"a {type(terms).__name__}"
        raise UserError(f'{kind}: loss returned {found}; it must return a dict with "loss", which is minimised')
    for name, value in terms.items():
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise UserError(f'{kind}: loss returned for "{name}" what is not a tensor with one number')
    if not terms["loss"].requires_grad:
        raise UserError(f'{kind}: the "loss" that loss returned depends on no parameter of the model')
    return terms


class _Run:
    """Everything that changes during training, so that it can be saved and restored at any batch."""

    def __init__(self, model, optimizer, device, shuffle):
        self.model, self.optimizer, self.device, self.shuffle = model, optimizer, device, shuffle
        self.epoch, self.batch = 1, 0  # under way; batches of it that are done
        self.sums = dict.fromkeys(TERMS, 0.0)  # over the cells of the epoch so far
        self.history = []
        self.best = None  # with early stopping: epoch, held-out loss and weights of the best epoch so far
        self.before, self.start = 0.0, time.perf_counter()  # seconds of earlier attempts; start of this one
        self.epoch_order = shuffle.get_state()

    def seconds(self):
        return self.before + time.perf_counter() - self.start

    def shuffled(self, n_cells):
        """The cells in the order of this epoch."""
        self.shuffle.set_state(self.epoch_order)
        return torch.randperm(n_cells, generator=self.shuffle)

    def add(self, terms, n_cells):
        """Count a batch that is done."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item() * n_cells
        self.batch += 1
        if not math.isfinite(self.sums["loss"]):
            raise UserError(
                f"the loss became {terms['loss'].item()} in epoch {self.epoch}, batch {self.batch}; lower "
                "training.learning_rate, or look for extreme values in the data"
            )

    def end_epoch(self, n_cells, unseen, patience):
        means = {name: total / n_cells for name, total in self.sums.items()}
        self.history.append({"epoch": self.epoch} | means | unseen)
        if patience:
            self._compare_with_best(unseen[f"{tables.HELD_OUT}loss"])
            self.history[-1][tables.BEST_EPOCH] = self.best["epoch"]
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, dict.fromkeys(TERMS, 0.0)
        self.epoch_order = self.shuffle.get_state()

    def _compare_with_best(self, loss):
        if self.best is None or self.best["rising"] or loss < self.best["loss"]:
            weights = {name: value.clone() for name, value in self.model.state_dict().items()}
            self.best = {"epoch": self.epoch, "loss": loss, "rising": _is_rising(self.model), "weights": weights}

    def is_past_best(self, patience):
        """Whether so many epochs ended without a better one; never where patience is 0."""
        return patience > 0 and self.best is not None and self.epoch - 1 - self.best["epoch"] >= patience

    def state(self):
        return {
            "epoch": self.epoch,
            "batch": self.batch,
            "sums": self.sums,
            "history": self.history,
            "best": self.best,
            "seconds": self.seconds(),
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "epoch_order": self.epoch_order,
            "noise": torch.get_rng_state(),
            "noise_cuda": torch.cuda.get_rng_state() if self.device == "cuda" else None,
        }

    def restore(self, state):
        self.epoch, self.batch, self.before = state["epoch"], state["batch"], state["seconds"]
        self.sums, self.history, self.epoch_order = state["sums"], state["history"], state["epoch_order"]
        self.best = state["best"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["noise"])
        if state["noise_cuda"] is not None:
            torch.cuda.set_rng_state(state["noise_cuda"])


class _Progress:
    """Logs loss terms and time to go every few seconds and at the first and last epoch; shows them each minute."""

    def __init__(self, epochs, run):
        self.epochs, self.run = epochs, run
        self.first, self.reported, self.shown = run.epoch, 0.0, time.perf_counter()

    def __call__(self):
        *_, last = self.run.history
        now = time.perf_counter()
        if now - self.reported < PROGRESS_S and last["epoch"] not in (self.first, self.epochs):
            return
        self.reported = now
        due = now - self.shown >= TERMINAL_S
        if due:
            self.shown = now
        per_epoch = (now - self.run.start) / (last["epoch"] - self.first + 1)
        terms = ", ".join(f"{name} {value:.2f}" for name, value in last.items() if name != "epoch")
        to_go = per_epoch * (self.epochs - last["epoch"])
        log.info(
            "epoch %d of %d: %s; %.2f s an epoch, %.0f s to go",
            *(last["epoch"], self.epochs, terms, per_epoch, to_go),
            extra={"terminal": due},
        )


def timing(seconds, n_cells, settings):
    """One row on how long training took and on what."""
    return {
        "epochs": settings["epochs"],
        "seconds": round(seconds, 3),
        "cells_per_second": round(settings["epochs"] * n_cells / seconds, 1),
        "device": settings["device"],
        "threads": settings["threads"],
        "engine": settings["engine"],
    }


def save(model, kind, hyperparameters, settings, genes, path):
    """Write weights and all that is needed to build the model again; the same model gives the same bytes.

    The file is a dict with kind, hyperparameters, training (the settings, with the engine and device that were used),
    genes (names, in order) and state_dict, and loads with ``torch.load(path, weights_only=True)``.
    """
    description = {
        "kind": kind,
        "hyperparameters": dict(hyperparameters),
        "training": dict(settings),
        "genes": [str(gene) for gene in genes],
    }
    # Pickle writes a string object once, however often it stands; fresh objects make the bytes follow from the values
    content = json.loads(json.dumps(description))
    content["state_dict"] = {name: weights.cpu() for name, weights in model.state_dict().items()}
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


def hyperparameters(path):
    """The hyperparameters of a model written by `save`; of one that is told the batch, ``batch`` is their names."""
    return torch.load(path, weights_only=True)["hyperparameters"]


@torch.no_grad()
@torch.random.fork_rng(devices=[])
def embed(model, expression, estimate, seed, batch_size=256):
    """Latent of every cell.

    Args:
        model: a trained model.
        expression: scae.data.expression.Expression.
        estimate: ``posterior_mean``, ``slab_mean`` or ``sample``; see each model.
        seed: of the noise of ``sample``.

    Returns:
        numpy.ndarray: (cells, latents), float32.

    Raises:
        UserError: if the model's page does not return that, or what is no number.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    make_batch = DenseBatches(expression, torch.device("cpu"))
    batches = torch.arange(expression.shape[0]).split(batch_size)
    page = inspect.getfile(type(model))
    latent = _Rows(expression.shape[0])
    for cells in batches:
        latent.add(registry.checked(model.embed(make_batch(cells), estimate), len(cells), page, cells[0].item()))
    return latent.values


@torch.no_grad()
def inside(model, expression):
    """What a model's page supplies of the health of its latents, by its method ``health`` if it has one.

    Returns:
        dict: {name: numpy.ndarray (cells, latents)}; empty without such a method.

    Raises:
        UserError: if the page returns something else.
    """
    if not hasattr(model, "health"):
        return {}
    torch.set_num_threads(1)
    found = {}
    for cells, batch in _in_order(expression, torch.arange(expression.shape[0])):
        for name, values in model.health(batch).items():
            if values.ndim != 2 or len(values) != len(cells):
                raise UserError(
                    f'{type(model).__module__}: health returned for "{name}" the shape {tuple(values.shape)}, not '
                    f"(cells, latents) with {len(cells)} cells"
                )
            found.setdefault(name, _Rows(expression.shape[0])).add(values.numpy())
    return {name: rows.values for name, rows in found.items()}


class _Rows:
    """An array that is filled some rows at a time.

    Rows kept as they come would lie between the batches in memory, whose room could not be used again: at 200,000 cells
    twice the matrix.
    """

    def __init__(self, n_rows):
        self.n_rows, self.n_filled, self.values = n_rows, 0, None

    def add(self, rows):
        if self.values is None:
            self.values = np.empty((self.n_rows, *rows.shape[1:]), rows.dtype)
        self.values[self.n_filled : self.n_filled + len(rows)] = rows
        self.n_filled += len(rows)


def losses(model, expression, settings, seed):
    """Each term of the loss, mean over all cells, with the noise of ``seed``.

    Returns:
        dict: {name: float}; with cells held out also {<name>_trained, <name>_held_out} over those of each part.
    """
    found = _losses(model, expression, torch.arange(expression.shape[0]), seed)
    trained, held_out = split(expression.shape[0], settings, seed)
    for part, cells in {"trained": trained, "held_out": held_out}.items() if len(held_out) else ():
        found |= {f"{name}_{part}": value for name, value in _losses(model, expression, cells, seed).items()}
    return found


@torch.no_grad()
@torch.random.fork_rng(devices=[])
def _losses(model, expression, chosen, seed):
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sums = {}
    for cells, batch in _in_order(expression, chosen):
        for name, value in model.loss(batch).items():
            sums[name] = sums.get(name, 0.0) + value.item() * len(cells)
    return {name: total / len(chosen) for name, total in sums.items()}


def _in_order(expression, chosen, batch_size=256):
    """These cells in dense batches, and their numbers."""
    make_batch = DenseBatches(expression, torch.device("cpu"))
    for cells in chosen.split(batch_size):
        yield cells, make_batch(cells)
