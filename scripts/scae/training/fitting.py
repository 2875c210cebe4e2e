"""The training loop. It knows no model by name: a model is built from its kind and returns its named loss terms."""

import copy
import hashlib
import io
import logging
import math
import pickle
import time
from contextlib import nullcontext, suppress

import torch

from scae import randomness, results, tables
from scae.errors import UserError
from scae.jobs.progress import Progress
from scae.models import registry
from scae.training.batches import DenseBatches, split
from scae.training.weights import build

log = logging.getLogger(__name__)

_, *TERMS = results.BY_NAME["history"].column_names  # of the loss; a model without a term has it at zero
TRIED_CELLS = 8  # on which the methods of a model are tried before training
OF_MODULES = frozenset(vars(torch.nn.Module()))  # attributes that every part of a model has
SPARSE_BELOW = 0.25  # share of non-zeros below which the sparse engine clearly wins on a CPU (benchmarks/README.md)


def resolve(settings, density):
    """Settings with ``auto`` replaced by the available device and the fastest engine on it.

    Args:
        settings: the ``training`` section of the config.
        density: share of non-zero entries of the expression.

    Raises:
        UserError: if CUDA is not available, or the sparse engine cannot run with the other settings.
    """
    device, engine = settings["device"], settings["engine"]
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError("training.device: cuda, but this machine has no CUDA device; set it to cpu or auto")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() and engine != "sparse" else "cpu"
    if engine == "auto":
        wins = device == "cpu" and density < SPARSE_BELOW and settings["precision"] == "float32"
        engine = "sparse" if wins else "dense"
    if engine == "sparse" and (device != "cpu" or settings["precision"] != "float32"):
        raise UserError("training.engine: sparse runs on a CPU in float32; set training.engine to dense or auto")
    log.info("%s engine on %s, %.1f %% of the entries are non-zero", engine, device, 100 * density)
    return settings | {"device": device, "engine": engine}


def make_batches(expression, settings):
    """Function from cell indices to a batch, for the engine and device in the settings."""
    if settings["engine"] == "sparse":
        from scae.training.sparse import SparseBatches

        return SparseBatches(expression, settings["threads"])
    return DenseBatches(expression, torch.device(settings["device"]))


def _steps(settings, n_cells):
    """Gradient steps of an epoch."""
    return -(-n_cells // settings["batch_size"])


def with_enough_steps(settings, n_cells):
    """Settings with ``training.min_steps`` turned into epochs: more of them if so many gradient steps need more.

    Settings without ``min_steps`` are returned unchanged.
    """
    least, steps = settings.get("min_steps", 0), _steps(settings, n_cells)
    if not least:
        return settings
    epochs = max(settings["epochs"], -(-least // steps))
    log.info("%d epochs of %d gradient steps", epochs, steps)
    return {key: value for key, value in settings.items() if key != "min_steps"} | {"epochs": epochs}


@torch.random.fork_rng(devices=[])  # leaves the caller's random state alone
@randomness.forked()
def fit(expression, kind, hyperparameters, settings, seed, checkpoint=None):
    """Train one model with Adam on shuffled batches of cells.

    Weights, order of the cells and noise all follow from ``seed``, and so do the numbers that a model draws from
    Python's and numpy's generators. The result depends neither on the time or the load of the machine, nor on whether
    the training was interrupted and resumed from a checkpoint. A checkpoint has the ``state_dict`` of the model, with
    what its methods ``get_extra_state`` return; if other attributes have changed by then, training starts from scratch.

    Args:
        expression: scae.data.expression.Expression.
        kind: name of a model file of the library, or path of another one.
        hyperparameters: arguments of its ``Model``; ``batch`` of a batch-conditioned model lists the names of the
            batches in the expression (`scae.data.expression.with_batches`).
        settings: dict with epochs, batch_size, learning_rate, threads, device, engine and precision, as `resolve`
            returns it; optionally holdout (see `split`), and early_stopping: training ends with the epoch that
            completes so many gradient steps without a lower held-out loss, which is measured after each epoch, and the
            weights of the epoch with the lowest one are kept.
        seed: non-negative int.
        checkpoint: scae.training.checkpoint.Checkpoint, or None.

    Returns:
        (torch.nn.Module, list of dict, float): the trained model; the history, a dict per epoch with its number, the
        mean over cells of each loss term, the same over the held-out cells if any (``held_out_<term>``), and with early
        stopping the best epoch so far (``held_out_best_epoch``); the seconds of all epochs, over all attempts.

    Raises:
        UserError: if the loss is not finite, the model does not return valid latents or loss terms, or a signal stopped
            the training (after its checkpoint was saved).
    """
    torch.set_num_threads(settings["threads"])
    torch.manual_seed(seed)
    randomness.seed(seed)
    trained, held_out = split(expression.shape[0], settings, seed)
    model = build(kind, expression.shape[1], hyperparameters)
    if hasattr(model, "start"):
        model.start(expression, trained)
    _refuse_wrong_returns(model, expression, trained[:TRIED_CELLS], kind)
    model = model.to(settings["device"])
    make_batch = make_batches(expression, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"], fused=True)
    run = _Run(model, optimizer, settings["device"], torch.Generator().manual_seed(seed))
    if checkpoint and (state := checkpoint.load()):
        run.restore(state)
        if lost := run.lost(state):
            log.warning(
                "%s: a checkpoint lacks %s, which changed in training: training starts from scratch. Make it a buffer, "
                "or return it from get_extra_state",
                *(kind, ", ".join(f"self.{name}" for name in lost)),
            )
            checkpoint.remove()
            return fit(expression, kind, hyperparameters, settings, seed, checkpoint)
        log.info("resuming in epoch %d, batch %d", run.epoch, run.batch)
    autocast = (
        torch.autocast(settings["device"], torch.bfloat16) if settings["precision"] == "bfloat16" else nullcontext()
    )
    progress = Progress(settings["epochs"], run.epoch)
    patience = -(-settings.get("early_stopping", 0) // _steps(settings, len(trained)))  # epochs
    while run.epoch <= settings["epochs"] and not run.is_out_of_patience(patience):
        batches = trained[run.shuffled(len(trained))].split(settings["batch_size"])
        for cells in batches[run.batch :]:
            batch = make_batch(cells)
            with autocast:
                terms = _validate(model.loss(batch), kind)
            optimizer.zero_grad()
            terms["loss"].backward()
            optimizer.step()
            run.add(terms, len(batch))
            if checkpoint and checkpoint.due():
                checkpoint.save(run.state())
                if checkpoint.stop:
                    raise UserError(f"stopped by {checkpoint.stop} in epoch {run.epoch}; run again to resume")
        with autocast:
            run.end_epoch(len(trained), _held_out_terms(model, make_batch, held_out, settings, seed), patience)
        progress(run.history[-1])
    if patience:
        log.info("kept the weights of epoch %d of %d", run.best["epoch"], run.epoch - 1)
        model.load_state_dict(run.best["weights"])
    return model, run.history, run.seconds()


def _held_out_terms(model, make_batch, cells, settings, seed):
    """Mean of each loss term over the held-out cells: {held_out_<term>: mean}; {} without such cells.

    Its noise is the same in every epoch and does not touch the noise of training.
    """
    if not len(cells):
        return {}
    sums = {}
    devices = [torch.cuda.current_device()] if settings["device"] == "cuda" else []
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=devices), randomness.forked():
        torch.manual_seed(seed)
        randomness.seed(seed)
        for some in cells.split(settings["batch_size"]):
            for name, value in model.loss(make_batch(some)).items():
                sums[name] = sums.get(name, 0.0) + value.item() * len(some)
    model.train()
    return {f"{tables.HELD_OUT}{name}": sums.get(name, 0.0) / len(cells) for name in dict.fromkeys([*TERMS, *sums])}


def _refuse_wrong_returns(model, expression, cells, kind):
    """Try what is needed after training: latents of a few cells, and a state that can be saved and read again.

    Raises:
        UserError: naming what the model returned.
    """
    if not callable(getattr(model, "embed", None)):
        raise UserError(f"{kind}: Model has no method embed(x, estimate); it returns the latent, (cells, latents)")
    in_training = {part: part.training for part in model.modules()}
    model.eval()
    with torch.no_grad(), torch.random.fork_rng(devices=[]), randomness.forked():
        batch = DenseBatches(expression, torch.device("cpu"))(cells)
        registry.validate_latent(model.embed(batch, "posterior_mean"), len(cells), kind)
    for part, mode in in_training.items():
        part.training = mode
    extra = {name: value for name, value in model.state_dict().items() if not isinstance(value, torch.Tensor)}
    buffer = io.BytesIO()
    try:
        torch.save(extra, buffer)
        buffer.seek(0)
        torch.load(buffer, weights_only=True)
        if extra:
            model.load_state_dict(model.state_dict())
    except Exception as error:  # pickle, or the model file, raises anything
        raise UserError(
            f"{kind}: what get_extra_state returned cannot be saved and given to set_extra_state "
            f"({type(error).__name__}); return numbers, text, tensors, or lists and dicts of these"
        ) from error


def _validate(terms, kind):
    """The loss terms that a model returned, if "loss" can be minimised."""
    if not isinstance(terms, dict) or "loss" not in terms:
        found = f"only {', '.join(map(str, terms))}" if isinstance(terms, dict) else f"a {type(terms).__name__}"
        raise UserError(f'{kind}: loss returned {found}; it must return a dict with "loss", which is minimised')
    for name, value in terms.items():
        if not isinstance(name, str) or not name or name == "epoch" or name.startswith(tables.HELD_OUT):
            raise UserError(
                f"{kind}: loss returned a term named {name!r}, which history.csv cannot have as a column; rename it"
            )
        if not isinstance(value, torch.Tensor) or value.numel() != 1:
            raise UserError(f'{kind}: loss returned "{name}" that is not a scalar tensor; average it over the cells')
        if value.is_complex():
            raise UserError(f'{kind}: loss returned "{name}" as {value.dtype}; return a real number')
    if not terms["loss"].requires_grad:
        raise UserError(f'{kind}: "loss" does not depend on any parameter of the model; compute it from the parameters')
    return terms


class _Run:
    """Everything that changes during training, so that it can be saved and restored at any batch."""

    def __init__(self, model, optimizer, device, shuffle):
        self.model, self.optimizer, self.device, self.shuffle = model, optimizer, device, shuffle
        self.epoch, self.batch = 1, 0  # current epoch, and number of its finished batches
        self.sums = dict.fromkeys(TERMS, 0.0)  # over the cells of the epoch so far
        self.history = []
        self.best = None  # with early stopping: epoch, held-out loss and weights of the best epoch so far
        self.before, self.start = 0.0, time.perf_counter()  # seconds of earlier attempts; start of this one
        self.epoch_order = shuffle.get_state()

    def seconds(self):
        """Seconds of training so far, over all attempts."""
        return self.before + time.perf_counter() - self.start

    def shuffled(self, n_cells):
        """Indices 0 to n_cells - 1 in the order of this epoch."""
        self.shuffle.set_state(self.epoch_order)
        return torch.randperm(n_cells, generator=self.shuffle)

    def add(self, terms, n_cells):
        """Count a finished batch of so many cells."""
        for name, value in terms.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.item() * n_cells
        self.batch += 1
        if not math.isfinite(self.sums["loss"]):
            raise UserError(
                f"the loss is {terms['loss'].item()} in epoch {self.epoch}, batch {self.batch}; lower "
                "training.learning_rate, or look for extreme values in the data"
            )

    def end_epoch(self, n_cells, held_out, patience):
        """Write the row of the history; held_out: the terms of `_held_out_terms`."""
        means = {name: total / n_cells for name, total in self.sums.items()}
        self.history.append({"epoch": self.epoch} | means | held_out)
        if patience:
            self._compare_with_best(held_out[f"{tables.HELD_OUT}loss"])
            self.history[-1][tables.BEST_EPOCH] = self.best["epoch"]
        self.epoch, self.batch, self.sums = self.epoch + 1, 0, dict.fromkeys(TERMS, 0.0)
        self.epoch_order = self.shuffle.get_state()

    def _compare_with_best(self, loss):
        if self.best is None or loss < self.best["loss"]:
            weights = {
                name: value.clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
                for name, value in self.model.state_dict().items()
            }
            self.best = {"epoch": self.epoch, "loss": loss, "weights": weights}

    def is_out_of_patience(self, patience):
        """Whether the last ``patience`` epochs were no better than the best one; False if patience is 0."""
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
            "attributes": _attributes(self.model),
            "noise": torch.get_rng_state(),
            "other_noise": randomness.state(),
            "noise_cuda": torch.cuda.get_rng_state() if self.device == "cuda" else None,
        }

    def restore(self, state):
        self.epoch, self.batch, self.before = state["epoch"], state["batch"], state["seconds"]
        self.sums, self.history, self.epoch_order = state["sums"], state["history"], state["epoch_order"]
        self.best = state["best"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["noise"])
        randomness.restore(state["other_noise"])
        if state["noise_cuda"] is not None:
            torch.cuda.set_rng_state(state["noise_cuda"])

    def lost(self, state):
        """Names of the attributes of the model that are not as they were when this state was saved."""
        now, then = _attributes(self.model), state["attributes"]
        return sorted(name for name in now.keys() | then if now.get(name) != then.get(name))


def _attributes(model):
    """{attribute: digest of its value} of what ``state_dict`` does not have, as far as it can be pickled."""
    found = {}
    for place, part in model.named_modules():
        for name in vars(part).keys() - OF_MODULES:
            value = vars(part)[name]
            with suppress(Exception):
                content = pickle.dumps(value.get_state() if isinstance(value, torch.Generator) else value)
                found[f"{place}.{name}".lstrip(".")] = hashlib.sha256(content).hexdigest()
    return found


def timing(seconds, n_cells, settings):
    """The row of timing.csv."""
    return {
        "epochs": settings["epochs"],
        "seconds": round(seconds, 3),
        "cells_per_second": round(settings["epochs"] * n_cells / seconds, 1),
        "device": settings["device"],
        "threads": settings["threads"],
        "engine": settings["engine"],
    }
