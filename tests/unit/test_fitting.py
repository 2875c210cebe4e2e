"""The training loop: the seed decides everything, every cell counts once per epoch, interruptions change no bit."""

import importlib.util
import json
import logging
import random
import re

import numpy as np
import pytest
import torch
from places import ROOT
from toy import (
    ENGINES,
    KINDS,
    Killed,
    assert_same_training,
    dense_of,
    expression_of,
    fit,
    interrupt,
    random_table,
    refusal,
    settings_of,
    start,
    weights_of,
)

from scae import results, tables
from scae.data.expression import with_batches
from scae.jobs import progress
from scae.models import registry
from scae.training import fitting, trained
from scae.training.batches import DenseBatches, split
from scae.training.checkpoint import Checkpoint

N_CELLS = 17


@pytest.fixture(scope="module")
def table():
    return random_table(N_CELLS, 12)


@pytest.fixture(scope="module")
def expression(table):
    return expression_of(table)


@pytest.fixture(params=ENGINES)
def engine(request):
    return request.param


@pytest.fixture
def seen(monkeypatch):
    """List of the cells of each batch that is made."""
    seen, make_batches = [], fitting.make_batches

    def spy(expression, settings):
        make_batch = make_batches(expression, settings)
        return lambda cells: seen.append(cells.tolist()) or make_batch(cells)

    monkeypatch.setattr(fitting, "make_batches", spy)
    return seen


def column(history, name):
    return np.array([row[name] for row in history])


@pytest.mark.parametrize("kind", KINDS)
def test_the_seed_decides_every_bit_and_no_other_random_state_matters(kind, engine, expression):
    found = []
    for seed, state in ((0, 1), (0, 2), (1, 1)):
        torch.manual_seed(state)
        np.random.seed(state)  # noqa: NPY002
        random.seed(state)
        found.append(fit(expression, kind, seed, engine=engine))
    assert_same_training(*found[:2])
    assert not torch.equal(weights_of(found[0][0]), weights_of(found[2][0]))


def test_training_and_embedding_leave_the_random_state_of_the_caller_alone(expression):
    def states():
        numpy_state = np.random.get_state()  # noqa: NPY002
        return torch.get_rng_state().numpy().tobytes(), numpy_state[1].tobytes(), numpy_state[2], random.getstate()

    before = states()
    trained.embed(fit(expression)[0], expression, "sample", seed=0)
    assert states() == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_history_has_a_row_per_epoch_with_the_terms_of_the_loss(kind, expression):
    _, history = fit(expression, kind, epochs=3)
    assert [list(row) for row in history] == [["epoch", "loss", "reconstruction", "kl"]] * 3
    assert [row["epoch"] for row in history] == [1, 2, 3]
    loss, reconstruction, kl = (column(history, name) for name in ("loss", "reconstruction", "kl"))
    np.testing.assert_allclose(loss, reconstruction + KINDS[kind].get("beta", 0.0) * kl, rtol=1e-5)
    assert (kl == 0).all() == (kind == "dae")


@pytest.mark.parametrize(("batch_size", "lengths"), [(8, [8, 8, 1]), (256, [17]), (1, [1] * 17)])
def test_every_cell_is_used_once_per_epoch_in_an_order_that_the_seed_decides(
    batch_size, lengths, engine, expression, seen
):
    for seed in (0, 1):
        _, history = fit(expression, seed=seed, batch_size=batch_size, engine=engine)
        assert np.isfinite([list(row.values()) for row in history]).all()
    assert [len(cells) for cells in seen] == lengths * 4
    orders = np.concatenate(seen).reshape(4, N_CELLS)
    assert (np.sort(orders) == np.arange(N_CELLS)).all()
    assert len(np.unique(orders, axis=0)) == 4


def test_a_single_cell_can_be_trained_on(engine, table):
    _, history = fit(expression_of(table[:1]), "beta_vsc", engine=engine)
    assert np.isfinite(column(history, "loss")).all()


def test_the_history_is_the_mean_over_cells_however_they_are_batched(engine, expression):
    model, history = fit(expression, "dae", epochs=1, learning_rate=1e-30, engine=engine)
    with torch.no_grad():
        decoded = model.decoder(torch.from_numpy(trained.embed(model, expression, "posterior_mean", seed=0))).double()
    expected = ((torch.from_numpy(dense_of(expression)) - decoded) ** 2).sum(dim=1).mean().item()
    assert history[0]["reconstruction"] == pytest.approx(expected, rel=1e-5)


def test_training_is_adam_with_the_configured_rate(expression):
    start = weights_of(fit(expression, "dae", epochs=1, learning_rate=1e-30)[0])
    for rate in (1e-3, 1e-2):
        step = (weights_of(fit(expression, "dae", epochs=1, batch_size=17, learning_rate=rate)[0]) - start).abs()
        assert step.max().item() == pytest.approx(rate, rel=0.01)


def test_a_loss_that_is_not_finite_is_placed_in_its_epoch_and_batch(engine, table, seen):
    fit(expression_of(table), batch_size=4, engine=engine)
    broken = table.copy()
    broken[seen[2][0]] = 1e30
    message = refusal(fit, expression_of(broken), batch_size=4, engine=engine)
    assert "in epoch 1, batch 3; lower training.learning_rate" in message
    assert "epoch" in refusal(fit, expression_of(table), epochs=20, learning_rate=1e12, engine=engine)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_trains_nearly_as_float32(kind, expression):
    exact, rounded = (
        column(fit(expression, kind, epochs=10, precision=precision)[1], "reconstruction")
        for precision in ("float32", "bfloat16")
    )
    assert not np.array_equal(exact, rounded)
    np.testing.assert_allclose(rounded, exact, rtol=0.03)


def test_timing():
    row = fitting.timing(2.0, 50, settings_of(epochs=4, engine="sparse"))
    assert list(row) == results.BY_NAME["timing"].column_names
    assert list(row.values()) == [4, 2.0, 100.0, "cpu", 1, "sparse"]


# Settings

AUTO = {"device": "auto", "engine": "auto"}
SPARSE, BFLOAT16 = {"engine": "sparse"}, {"precision": "bfloat16"}


@pytest.mark.parametrize(
    ("density", "cuda", "changes", "expected"),
    [
        (0.05, False, {}, ("cpu", "sparse")),
        (fitting.SPARSE_BELOW, False, {}, ("cpu", "dense")),
        (1.0, False, SPARSE, ("cpu", "sparse")),
        (0.05, False, {"engine": "dense"}, ("cpu", "dense")),
        (0.05, False, BFLOAT16, ("cpu", "dense")),
        (0.05, True, {}, ("cuda", "dense")),
        (0.05, True, SPARSE, ("cpu", "sparse")),
        (0.05, True, {"device": "cpu"}, ("cpu", "sparse")),
        (0.05, False, {"device": "cuda"}, "training.device: "),
        (0.05, True, {"device": "cuda"} | SPARSE, "training.engine: "),
        (0.05, False, SPARSE | BFLOAT16, "training.engine: "),
    ],
)
def test_auto_takes_the_available_device_and_its_fastest_engine(density, cuda, changes, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    settings = settings_of(**AUTO | changes)
    if isinstance(expected, str):
        assert refusal(fitting.resolve, settings, density).startswith(expected)
    else:
        device, engine = expected
        assert fitting.resolve(settings, density) == settings | {"device": device, "engine": engine}


@pytest.mark.parametrize(
    ("least", "n_cells", "epochs"), [(0, 40, 3), (15, 40, 3), (16, 40, 4), (100, 41, 17), (100, 7, 100)]
)
def test_small_data_sets_get_enough_gradient_steps(least, n_cells, epochs):
    settings = settings_of(epochs=3)
    found = fitting.with_enough_steps(settings | {"min_steps": least}, n_cells)
    assert found == settings | {"epochs": epochs} | ({} if least else {"min_steps": 0})
    assert fitting.with_enough_steps(settings, n_cells) == settings


# Progress


@pytest.mark.parametrize(
    ("seconds", "epochs", "shown"), [(0, [3, 9], 0), (progress.LOG_S, range(3, 10), 1), (31, range(3, 10), 3)]
)
def test_progress_is_logged_every_few_seconds_and_shown_once_a_minute(seconds, epochs, shown, caplog, monkeypatch):
    clock = iter(range(0, 100_000, seconds)) if seconds else iter([1.0] * 99)
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    caplog.set_level(logging.INFO, "scae")
    report = progress.Progress(9, first=3)
    for epoch in range(3, 10):
        report({"epoch": epoch, "loss": 12.345, "kl": 0.5})
    line = r"epoch (\d) of 9: loss 12.3[45], kl 0.50; (\d+)\.00 s per epoch, (\d+) s to go"
    found = [[int(number) for number in re.fullmatch(line, message).groups()] for message in caplog.messages]
    assert found == [[epoch, seconds, seconds * (9 - epoch)] for epoch in epochs]
    assert sum(record.terminal for record in caplog.records) == shown


def test_training_reports_its_progress(expression, caplog):
    caplog.set_level(logging.INFO, "scae")
    fit(expression, epochs=4)
    assert [message.partition(":")[0] for message in caplog.messages] == ["epoch 1 of 4", "epoch 4 of 4"]


# Held-out cells and early stopping

HOLDOUT = {"holdout": 0.25, "batch_size": 8}


@pytest.fixture(scope="module")
def cells():
    """Noise, which a fast learner fits in the training cells and not in the held-out ones."""
    return random_table(40, 12)


@pytest.mark.parametrize("kind", KINDS)
def test_training_with_holdout_is_training_on_the_other_cells(kind, engine, cells):
    chosen, _ = split(40, HOLDOUT, seed=1)
    model, history = fit(expression_of(cells), kind, 1, engine=engine, **HOLDOUT)
    alone, expected = fit(expression_of(cells[chosen.numpy()]), kind, 1, engine=engine)
    torch.testing.assert_close(weights_of(model), weights_of(alone), rtol=1e-4, atol=1e-6)
    for row, expected_row in zip(history, expected, strict=True):
        assert {name: row[name] for name in expected_row} == pytest.approx(expected_row, rel=1e-5)


def test_the_history_has_the_loss_of_the_held_out_cells(engine, cells):
    _, held_out = split(40, HOLDOUT, seed=0)
    model, history = fit(expression_of(cells), "dae", engine=engine, **HOLDOUT)
    names = ["loss", "reconstruction", "kl"]
    assert list(history[0]) == ["epoch", *names, *(f"held_out_{name}" for name in names)]
    batch = DenseBatches(expression_of(cells), torch.device("cpu"))(held_out)
    with torch.no_grad():
        expected = model.loss(batch)["reconstruction"].item()
    assert history[-1]["held_out_reconstruction"] == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["beta_vae", "beta_vsc"])
def test_the_noise_of_the_held_out_loss_is_the_same_in_every_epoch(kind, engine, cells):
    _, history = fit(expression_of(cells), kind, epochs=3, learning_rate=1e-30, engine=engine, **HOLDOUT)
    assert len(set(column(history, "held_out_loss"))) == 1


BEST, LOSS = tables.BEST_EPOCH, "held_out_loss"
STOPPING = HOLDOUT | {"epochs": 40, "learning_rate": 0.02, "early_stopping": 10}  # 3 epochs of 4 steps reach 10


@pytest.mark.parametrize("kind", KINDS)
def test_early_stopping_keeps_the_weights_of_the_best_epoch(kind, engine, cells):
    model, history = fit(expression_of(cells), kind, engine=engine, **STOPPING)
    losses = column(history, LOSS)
    best = int(np.argmin(losses)) + 1
    assert [row[BEST] for row in history] == [int(np.argmin(losses[: n + 1])) + 1 for n in range(len(losses))]
    assert len(history) == best + 3 < 40
    until_best, same = fit(
        expression_of(cells), kind, engine=engine, **STOPPING | {"epochs": best, "early_stopping": 0}
    )
    assert torch.equal(weights_of(model), weights_of(until_best))
    assert [{name: row[name] for name in same[0]} for row in history[:best]] == same


def test_with_patience_for_all_epochs_the_best_is_kept(cells):
    model, history = fit(expression_of(cells), "dae", **STOPPING | {"early_stopping": 160})
    assert len(history) == 40
    settings = STOPPING | {"epochs": history[-1][BEST], "early_stopping": 0}
    assert torch.equal(weights_of(model), weights_of(fit(expression_of(cells), "dae", **settings)[0]))


# Interruptions; test_checkpoint.py has the rest

RUNS = {  # hyperparameters, settings
    "plain": ({}, {}),
    "batches": ({"batch": ["a", "b"]}, {}),
    "early stopping": ({}, STOPPING),
}


@pytest.mark.parametrize("n_batches", [1, 6, -3])  # made before the kill; -3: in the last epoch
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", ["dae", "beta_vsc"])
def test_a_killed_training_resumes_to_the_same_bits(kind, run, n_batches, engine, cells, tmp_path, monkeypatch, caplog):
    hyperparameters, settings = RUNS[run]
    hyperparameters = {name: value for name, value in hyperparameters.items() if name in registry.find(kind).config}
    expression, _ = with_batches(expression_of(cells), np.array(["a", "b"], object)[np.arange(40) % 2])
    arguments = {"hyperparameters": hyperparameters, "engine": engine, "epochs": 4, "batch_size": 10} | settings
    undisturbed = fit(expression, kind, **arguments)
    n_made = len(undisturbed[1]) * (6 if "holdout" in settings else 4)  # with two batches of held-out cells per epoch
    with monkeypatch.context() as patch:
        interrupt(patch, n_batches % n_made)
        with pytest.raises(Killed):
            fit(expression, kind, saved=Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"), **arguments)
    torch.rand(5)
    caplog.set_level(logging.INFO, "scae")
    assert_same_training(
        fit(expression, kind, saved=Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"), **arguments), undisturbed
    )
    assert any(message.startswith("resuming in epoch") for message in caplog.messages)


# Memory and threads

JOB = """
import json, sys
from pathlib import Path
from scae.data import expression
from scae.training import fitting
path, settings = map(json.loads, sys.argv[1:])
data = expression.read(path)
fitting.fit(data, "dae", {"n_latent": 6}, settings, 0)
import numba, torch
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
found = {"peak": 1024 * int(peak.split()[1]), "csr": data.nbytes, "dense": 4 * data.shape[0] * data.shape[1]}
print(json.dumps(found | {"threads": [torch.get_num_threads(), numba.get_num_threads()]}))
"""


def test_memory_grows_with_the_non_zeros_and_one_thread_stays_one(tmp_path):
    """Compared with a few cells, which need the same libraries and weights, the cells add 1.3 times their CSR.

    The peak is VmHWM: ru_maxrss of a child starts at that of its parent.
    """
    spec = importlib.util.spec_from_file_location("bench", ROOT / "benchmarks/bench.py")
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    found = []
    for n_cells in (300, 30_000):
        path = bench.simulate(tmp_path / "expression.h5ad", n_cells, 4_000, 0.031)
        job = start(JOB, str(path), settings_of(epochs=1, batch_size=256, engine="sparse"), cwd=tmp_path)
        output, errors = job.communicate()
        assert job.returncode == 0, errors
        found.append(json.loads(output))
    few, many = found
    bound = 1.3 * many["csr"] + 20e6  # and what the allocator keeps
    assert many["csr"] > 25e6
    assert many["dense"] > 5 * bound
    assert many["peak"] - few["peak"] < bound
    assert many["threads"] == [1, 1]  # numba's thread pool must not give torch all cores
