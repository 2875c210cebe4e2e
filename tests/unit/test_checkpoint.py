"""An interrupted training, however it was interrupted, ends with the bytes of an undisturbed one."""

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
from toy import KINDS, Killed, expression_of, interrupt, random_table, settings_of, start, train_job
from toy import fit as fit_toy

from scae.errors import UserError
from scae.training import checkpoint, fitting
from scae.training.checkpoint import Checkpoint

N_CELLS, BATCH_SIZE, EPOCHS = 21, 8, 4  # three batches per epoch, the last of five cells
N_BATCHES = 3 * EPOCHS


@pytest.fixture(scope="module")
def expression():
    return expression_of(random_table(N_CELLS, 14))


def fit(expression, saved=None):
    """Weights and history, all of which must be the same."""
    settings = {"epochs": EPOCHS, "batch_size": BATCH_SIZE, "engine": "sparse"}
    model, history = fit_toy(expression, "beta_vsc", saved=saved, **settings)
    return [weight.numpy().tobytes() for weight in model.state_dict().values()], history


@pytest.fixture(scope="module")
def expected(expression):
    return fit(expression)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pt"


def kill_after(n_batches, expression, path, fingerprint="mine"):
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, n_batches)
        with pytest.raises(Killed):
            fit(expression, Checkpoint(path, 0, fingerprint))
    return path


@pytest.fixture
def half_done(path, expression):
    """A checkpoint after seven batches, with fingerprint "mine"."""
    return kill_after(7, expression, path)


def test_training_can_be_killed_again_and_again(expression, expected, path, caplog):
    caplog.set_level(logging.INFO, "scae")
    for number in range(N_BATCHES // 2 - 1):
        kill_after(2, expression, path)
        position = f"resuming in epoch {(2 * number - 1) // 3 + 1}, batch {(2 * number - 1) % 3 + 1}"
        assert (position in caplog.messages) == (number > 0)
    assert fit(expression, Checkpoint(path, 0, "mine")) == expected


def test_a_finished_training_is_not_repeated_and_saving_does_not_change_it(expression, expected, path, monkeypatch):
    assert fit(expression, Checkpoint(path, 0, "mine")) == expected
    interrupt(monkeypatch, 0)
    assert fit(expression, Checkpoint(path, 0, "mine")) == expected


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
    fit(expression, Checkpoint(path, minutes, "mine"))
    assert sum(line.startswith("saved checkpoint at epoch") for line in caplog.messages) == n_saved
    assert path.exists() == (n_saved > 0)
    assert all(record.levelno < logging.WARNING for record in caplog.records)


def test_the_time_to_the_next_save_runs_from_the_last(path, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now)
    saved = Checkpoint(path, 5, "mine")
    for _ in range(2):
        now += 299
        assert not saved.due()
        now += 1
        assert saved.due()
        saved.save({"epoch": 1, "batch": 1})


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
def test_an_unusable_file_is_one_warning_and_a_fresh_start(damage, half_done, expression, expected, caplog):
    damage(half_done)
    caplog.set_level(logging.INFO, "scae")
    caplog.clear()
    assert fit(expression, Checkpoint(half_done, 1000, "mine")) == expected
    (warning,) = (record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING)
    assert warning.endswith("training starts from scratch")
    assert "\n" not in warning
    assert str(half_done) in warning
    assert not any(line.startswith("resuming") for line in caplog.messages)


def test_an_unfinished_save_does_no_harm(half_done, expression, expected, monkeypatch):
    before, partial = half_done.read_bytes(), half_done.with_name("checkpoint.pt.part")

    def half(content, file):
        file.write(b"half")
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(torch, "save", half)
        with pytest.raises(OSError, match="no space"):
            Checkpoint(half_done, 0, "mine").save({"epoch": 9, "batch": 9})
    assert half_done.read_bytes() == before
    assert partial.exists()
    saved = Checkpoint(half_done, 0, "mine")
    assert saved.load()["epoch"] == 3
    assert fit(expression, saved) == expected
    partial.write_bytes(b"half")
    saved.remove()
    assert list(half_done.parent.iterdir()) == []


IDENTITY = {"code": "digest", "model": {"kind": "dae", "n_latent": 6}, "training": settings_of(), "seed": 0}
SETTINGS = {"epochs": 3, "batch_size": 9, "learning_rate": 0.002, "threads": 2}
SETTINGS |= {"device": "cuda", "engine": "sparse", "precision": "bfloat16"}


def test_other_data_code_or_settings_have_another_fingerprint(expression):
    assert SETTINGS.keys() == settings_of().keys()
    same = checkpoint.fingerprint(expression, **IDENTITY)
    assert checkpoint.fingerprint(expression, **dict(reversed(IDENTITY.items()))) == same
    changes = [{"code": "another"}, {"seed": 1}, {"model": {"kind": "dae", "n_latent": 7}}]
    changes += [{"training": settings_of(**{name: value})} for name, value in SETTINGS.items()]
    found = [checkpoint.fingerprint(expression, **IDENTITY | change) for change in changes]
    for name in ("indptr", "indices", "data", "offset", "cells", "genes"):
        array = getattr(expression, name).copy()
        array[-1] = f"{array[-1]}x" if name in ("cells", "genes") else array[-1] + 1
        found.append(checkpoint.fingerprint(replace(expression, **{name: array}), **IDENTITY))
    assert len({same, *found}) == 1 + 3 + 7 + 6


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("n_batches", [0, 4, N_BATCHES - 1])
def test_a_signal_saves_and_stops(n_batches, number, expression, expected, path, monkeypatch, caplog):
    before = signal.getsignal(number)
    with monkeypatch.context() as patch:
        interrupt(patch, n_batches, lambda: os.kill(os.getpid(), number))
        with Checkpoint(path, 1000, "mine") as saved, pytest.raises(UserError, match=f"^stopped by {number.name} "):
            fit(expression, saved)
    assert signal.getsignal(number) == before
    caplog.set_level(logging.INFO, "scae")
    assert fit(expression, Checkpoint(path, 1000, "mine")) == expected
    assert f"resuming in epoch {n_batches // 3 + 1}, batch {n_batches % 3 + 1}" in caplog.messages


# Whole jobs


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """Working directory with an expression.h5ad whose training, saved after every batch, takes a few seconds."""
    folder = tmp_path_factory.mktemp("job")
    matrix = sparse.random(600, 400, 0.06, format="csr", random_state=0, dtype=np.float32)
    anndata.AnnData(matrix).write_h5ad(folder / "expression.h5ad")
    return folder


TRAINING = settings_of(epochs=20, batch_size=50, engine="auto")
JOB = "import json, sys, toy; toy.train_job(*map(json.loads, sys.argv[1:4]), **json.loads(sys.argv[4]))"


def start_job(workdir, folder):
    # One thread for Numba, only for speed: it would start one per core
    return start(JOB, folder, "beta_vsc", "0", TRAINING, cwd=workdir, NUMBA_NUM_THREADS="1")


def digests(folder):
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model", "history")}


@pytest.fixture(scope="module")
def undisturbed(workdir):
    """Digests of model and history of an undisturbed job without checkpoints."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(workdir)
        train_job("undisturbed", minutes="1000", **TRAINING)
    logging.captureWarnings(False)
    return digests(workdir / "undisturbed")


def test_a_job_that_is_killed_again_and_again_ends_with_the_same_bytes(workdir, undisturbed):
    folder, moments, resumed = workdir / "killed", random.Random(0), []
    for n_saves in (moments.randint(1, 50), moments.randint(1, 50), moments.randint(1, 50), None):
        folder.mkdir(exist_ok=True)
        log = folder / "log"
        log.unlink(missing_ok=True)
        job = start_job(workdir, "killed")
        if n_saves:
            while job.poll() is None and (not log.exists() or log.read_text().count("saved checkpoint") < n_saves):
                time.sleep(0.005)
            time.sleep(0.03 * moments.random())
            assert job.poll() is None
            job.kill()
        _, errors = job.communicate()
        resumed += re.findall("resuming in epoch .*", log.read_text())
        assert (folder / "model").exists() == (n_saves is None), errors
    assert len(resumed) == len(set(resumed)) == 3
    assert digests(folder) == undisturbed
    assert {path.name for path in folder.iterdir()} == {"model", "history", "timing", "log"}


def test_a_job_that_gets_sigterm_prints_one_line_and_resumes_when_run_again(workdir, undisturbed, monkeypatch, capfd):
    monkeypatch.chdir(workdir)
    folder = Path("stopped")
    with monkeypatch.context() as patch:
        interrupt(patch, 100, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as caught:
            train_job(folder, minutes="1000", **TRAINING)
    assert caught.value.code == 1
    [line] = capfd.readouterr().err.splitlines()
    assert line.startswith("train_model seed=3: stopped by SIGTERM in epoch 9; ")
    assert {path.name for path in folder.iterdir()} == {"checkpoint.pt", "log"}
    train_job(folder, minutes="1000", **TRAINING)
    logging.captureWarnings(False)
    assert "resuming in epoch 9, batch 5" in (folder / "log").read_text()
    assert digests(folder) == undisturbed
    assert {path.name for path in folder.iterdir()} == {"model", "history", "timing", "log"}
