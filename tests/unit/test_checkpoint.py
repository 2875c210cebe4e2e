"""Training that is interrupted, in whatever way, ends with the bytes of training that is not."""

import hashlib
import logging
import os
import random
import re
import signal
import time
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch
from scipy import sparse
from toy import ENGINES, KINDS, expression_of, settings_of, start, train_job

from scae.errors import UserError
from scae.training import checkpoint, fitting
from scae.training.checkpoint import Checkpoint

N_CELLS, BATCH_SIZE, EPOCHS = 21, 8, 4  # three batches an epoch, the last of five cells
N_BATCHES = 3 * EPOCHS


class Killed(Exception):
    """Stands for what ends a process without a word."""


@pytest.fixture(scope="module")
def expression():
    source = np.random.default_rng(0)
    return expression_of(source.gamma(2.0, 1.0, (N_CELLS, 14)) * (source.random((N_CELLS, 14)) < 0.5))


def fit(expression, kind="beta_vsc", engine="sparse", saved=None, seed=0):
    """Weights and history, of which all must be the same."""
    settings = settings_of(epochs=EPOCHS, batch_size=BATCH_SIZE, engine=engine)
    model, history, _ = fitting.fit(expression, kind, KINDS[kind], settings, seed, saved)
    return [weight.numpy().tobytes() for weight in model.state_dict().values()], history


def interrupt(monkeypatch, batches, action):
    """Do this when the next batch after so many is made, once."""
    make_batches, made = fitting.make_batches, []

    def interrupted(expression, settings):
        make_batch = make_batches(expression, settings)

        def make(cells):
            if len(made) == batches:
                made.append(None)
                action()
            made.append(None)
            return make_batch(cells)

        return make

    monkeypatch.setattr(fitting, "make_batches", interrupted)


def kill():
    raise Killed


def stop():
    os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


@pytest.fixture
def half_done(path, expression, monkeypatch):
    """A checkpoint after seven batches of the model that `fit` trains by default, with fingerprint "mine"."""
    with monkeypatch.context() as patch:
        interrupt(patch, 7, kill)
        with pytest.raises(Killed):
            fit(expression, saved=Checkpoint(path, 0, "mine"))
    return path


@pytest.mark.parametrize("batches", [1, 3, 5, N_BATCHES - 1])
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_resumed_training_ends_as_if_nothing_had_happened(kind, engine, batches, expression, path, monkeypatch, caplog):
    undisturbed = fit(expression, kind, engine)
    with monkeypatch.context() as patch:
        interrupt(patch, batches, kill)
        with pytest.raises(Killed):
            fit(expression, kind, engine, Checkpoint(path, 0, "mine"))
    torch.rand(5)
    caplog.set_level(logging.INFO, "scae")
    assert fit(expression, kind, engine, Checkpoint(path, 0, "mine")) == undisturbed
    assert f"resuming in epoch {(batches - 1) // 3 + 1}, batch {(batches - 1) % 3 + 1}" in caplog.messages


@pytest.mark.parametrize("kind", KINDS)
def test_training_can_be_killed_again_and_again(kind, expression, path, monkeypatch):
    undisturbed = fit(expression, kind)
    for _ in range(N_BATCHES // 2 - 1):
        with monkeypatch.context() as patch:
            interrupt(patch, 2, kill)
            with pytest.raises(Killed):
                fit(expression, kind, saved=Checkpoint(path, 0, "mine"))
    assert fit(expression, kind, saved=Checkpoint(path, 0, "mine")) == undisturbed


def test_a_finished_training_is_not_done_again(expression, path, monkeypatch):
    undisturbed = fit(expression, saved=Checkpoint(path, 0, "mine"))
    interrupt(monkeypatch, 0, kill)
    assert fit(expression, saved=Checkpoint(path, 0, "mine")) == undisturbed


def test_saving_does_not_change_the_result(expression, path):
    assert fit(expression, saved=Checkpoint(path, 0, "mine")) == fit(expression)


def test_seconds_are_those_of_all_attempts(half_done, expression):
    content = torch.load(half_done, weights_only=True)
    content["state"]["seconds"] += 1000
    torch.save(content, half_done)
    settings = settings_of(epochs=EPOCHS, batch_size=BATCH_SIZE, engine="sparse")
    seconds = fitting.fit(expression, "beta_vsc", KINDS["beta_vsc"], settings, 0, Checkpoint(half_done, 0, "mine"))[2]
    assert 1000 < seconds < 1100


@pytest.mark.parametrize(("minutes", "n_saved"), [(0, N_BATCHES), (1000, 0)])
def test_a_checkpoint_is_saved_when_it_is_due(minutes, n_saved, expression, path, caplog):
    caplog.set_level(logging.INFO, "scae")
    fit(expression, saved=Checkpoint(path, minutes, "mine"))
    assert sum(line.startswith("saved checkpoint at epoch") for line in caplog.messages) == n_saved
    assert path.exists() == (n_saved > 0)


def test_the_time_to_the_next_save_runs_from_the_last(path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    saved = Checkpoint(path, 5, "mine")
    now += 299
    assert not saved.due()
    now += 1
    assert saved.due()
    saved.save({"epoch": 1, "batch": 1})
    assert not saved.due()
    now += 300
    assert saved.due()


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])


def flip(path, name):
    """Change one bit of these weights, where they lie in the file."""
    content = bytearray(path.read_bytes())
    weights = torch.load(path, weights_only=True)["state"]["model"][name].numpy().tobytes()
    assert content.count(weights) == 1
    content[content.index(weights) + len(weights) // 2] ^= 1 << 4
    path.write_bytes(content)


def sign_otherwise(path):
    content = torch.load(path, weights_only=True)
    torch.save(content | {"fingerprint": "another"}, path)


DAMAGE = {
    "empty": lambda path: path.write_bytes(b""),
    "cut in half": lambda path: cut(path, 0.5),
    "without its last bytes": lambda path: cut(path, 0.999),
    "not a checkpoint": lambda path: path.write_bytes(b"PK\x03\x04 nothing of the kind"),
    "another pickle": lambda path: torch.save([1, 2, 3], path),
    "one bit of a weight": lambda path: flip(path, "decoder.output.weight"),
    "another fingerprint": sign_otherwise,
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_file_that_cannot_be_used_is_one_line_and_a_fresh_start(damage, half_done, expression, caplog):
    damage(half_done)
    undisturbed = fit(expression)
    caplog.set_level(logging.INFO, "scae")
    caplog.clear()
    assert fit(expression, saved=Checkpoint(half_done, 1000, "mine")) == undisturbed
    (warning,) = (record for record in caplog.records if record.levelno >= logging.WARNING)
    assert warning.getMessage().endswith("training starts afresh")
    assert "\n" not in warning.getMessage()
    assert str(half_done) in warning.getMessage()
    assert not any(line.startswith("resuming") for line in caplog.messages)


def test_a_refused_checkpoint_is_overwritten_by_the_next(half_done, expression, monkeypatch, caplog):
    undisturbed = fit(expression)
    interrupt(monkeypatch, 2, kill)
    with pytest.raises(Killed):
        fit(expression, saved=Checkpoint(half_done, 0, "other"))
    caplog.set_level(logging.INFO, "scae")
    assert fit(expression, saved=Checkpoint(half_done, 0, "other")) == undisturbed
    assert "resuming in epoch 1, batch 2" in caplog.messages


def test_the_first_start_says_nothing_of_checkpoints(expression, path, caplog):
    fit(expression, saved=Checkpoint(path, 1000, "mine"))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_an_unfinished_file_does_no_harm(half_done, expression):
    partial = half_done.with_name("checkpoint.pt.part")
    partial.write_bytes(half_done.read_bytes()[:1000])
    saved = Checkpoint(half_done, 0, "mine")
    assert fit(expression, saved=saved) == fit(expression)
    partial.write_bytes(b"half")
    saved.remove()
    assert list(half_done.parent.iterdir()) == []


def test_a_save_that_fails_leaves_the_last_one(half_done, monkeypatch):
    before = half_done.read_bytes()

    def half(content, file):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="no space"):
        Checkpoint(half_done, 0, "mine").save({"epoch": 9, "batch": 9})
    assert half_done.read_bytes() == before
    assert Checkpoint(half_done, 0, "mine").load()["epoch"] == 3


IDENTITY = {"code": "digest", "model": {"kind": "dae", "n_latent": 6}, "training": settings_of(), "seed": 0}
OTHER_SETTINGS = {
    "epochs": 3,
    "batch_size": 9,
    "learning_rate": 0.002,
    "threads": 2,
    "device": "cuda",
    "engine": "sparse",
    "precision": "bfloat16",
}
CHANGES = {
    "code": {"code": "another"},
    "seed": {"seed": 1},
    "kind": {"model": {"kind": "beta_vae", "n_latent": 6}},
    "hyperparameter": {"model": {"kind": "dae", "n_latent": 7}},
} | {name: {"training": settings_of(**{name: value})} for name, value in OTHER_SETTINGS.items()}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_other_code_or_settings_have_another_fingerprint(change, expression):
    assert OTHER_SETTINGS.keys() == settings_of().keys()
    same = checkpoint.fingerprint(expression, **dict(reversed(IDENTITY.items())))
    assert checkpoint.fingerprint(expression, **IDENTITY) == same
    assert checkpoint.fingerprint(expression, **(IDENTITY | change)) != same


@pytest.mark.parametrize("name", ["indptr", "indices", "data", "offset", "cells", "genes"])
def test_other_data_has_another_fingerprint(name, expression):
    array = getattr(expression, name).copy()
    array[-1] = f"{array[-1]}x" if name in ("cells", "genes") else array[-1] + 1
    other = replace(expression, **{name: array})
    assert checkpoint.fingerprint(other, **IDENTITY) != checkpoint.fingerprint(expression, **IDENTITY)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("batches", [0, 4, N_BATCHES - 1])
def test_a_signal_saves_and_stops(batches, number, expression, path, monkeypatch, caplog):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        interrupt(patch, batches, lambda *_: os.kill(os.getpid(), number))
        with Checkpoint(path, 1000, "mine") as saved, pytest.raises(UserError, match=number.name) as caught:
            fit(expression, saved=saved)
    assert "\n" not in str(caught.value)
    assert signal.getsignal(number) == before
    caplog.set_level(logging.INFO, "scae")
    assert fit(expression, saved=Checkpoint(path, 1000, "mine")) == fit(expression)
    assert f"resuming in epoch {batches // 3 + 1}, batch {batches % 3 + 1}" in caplog.messages


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Working directory with an expression.h5ad that takes a few seconds to train on with a save after every batch."""
    folder = tmp_path_factory.mktemp("job")
    matrix = sparse.random(600, 400, 0.06, format="csr", random_state=0, dtype=np.float32)
    anndata.AnnData(matrix).write_h5ad(folder / "expression.h5ad")
    return folder


TRAINING = settings_of(epochs=20, batch_size=50, engine="auto")
JOB = "import json, sys, toy; toy.train_job(*map(json.loads, sys.argv[1:4]), **json.loads(sys.argv[4]))"


def start_job(workdir, folder):
    # One thread for Numba is only for speed: it makes as many as there are cores
    return start(JOB, folder, "beta_vsc", "0", TRAINING, cwd=workdir, NUMBA_NUM_THREADS="1")


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model", "history")}


@pytest.fixture(scope="module")
def undisturbed(workdir):
    """Digests of model and history of a job that nothing disturbed and that made no checkpoint."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workdir)
        train_job("undisturbed", minutes="1000", **TRAINING)
    logging.captureWarnings(False)
    return digests(workdir / "undisturbed")


def kill_during(job, log, saves, seconds):
    """Kill -9 so many seconds after so many saves; False where the job was done before."""
    while job.poll() is None and (not log.exists() or log.read_text().count("saved checkpoint") < saves):
        time.sleep(0.005)
    time.sleep(seconds)
    done = job.poll() is not None
    job.kill()
    job.communicate()
    return not done


def test_a_job_that_is_killed_again_and_again_ends_with_the_same_bytes(workdir, undisturbed):
    folder, moments, resumed = workdir / "killed", random.Random(0), []
    for _ in range(3):
        folder.mkdir(exist_ok=True)
        (folder / "log").unlink(missing_ok=True)
        assert kill_during(
            start_job(workdir, "killed"), folder / "log", moments.randint(1, 50), 0.03 * moments.random()
        )
        resumed += re.findall("resuming in epoch .*", (folder / "log").read_text())
        assert not (folder / "model").exists()
    job = start_job(workdir, "killed")
    _, errors = job.communicate()
    assert job.returncode == 0, errors
    resumed += re.findall("resuming in epoch .*", (folder / "log").read_text())
    assert len(resumed) == len(set(resumed)) == 3
    assert digests(folder) == undisturbed
    assert {path.name for path in folder.iterdir()} == {"model", "history", "timing", "log"}


def test_a_job_that_gets_sigterm_is_one_line_and_goes_on_when_run_again(workdir, undisturbed, monkeypatch, capfd):
    monkeypatch.chdir(workdir)
    folder = Path("stopped")
    with monkeypatch.context() as patch:
        interrupt(patch, 100, stop)
        with pytest.raises(SystemExit) as caught:
            train_job(folder, minutes="1000", **TRAINING)
    assert caught.value.code == 1
    line = "train_model seed=3: stopped by SIGTERM in epoch 9; run again to go on from there\n"
    assert capfd.readouterr().err == line
    assert {path.name for path in folder.iterdir()} == {"checkpoint.pt", "log"}
    train_job(folder, minutes="1000", **TRAINING)
    logging.captureWarnings(False)
    assert "resuming in epoch 9, batch 5" in (folder / "log").read_text()
    assert digests(folder) == undisturbed
    assert {path.name for path in folder.iterdir()} == {"model", "history", "timing", "log"}
