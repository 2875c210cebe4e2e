"""Training on a CUDA device: make test-gpu, on a machine that has one.

Not among the ordinary tests, which would skip these everywhere else. The device sums in another order and draws other
noise. So gradients are compared with the CPU's for a model without noise, and losses for the others.
"""

import numpy as np
import pytest
import torch
from toy import (
    KINDS,
    Killed,
    assert_same_training,
    expression_of,
    fit,
    interrupt,
    random_table,
    settings_of,
)

from scae.training import fitting, trained, weights
from scae.training.checkpoint import Checkpoint

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

N_CELLS, N_GENES = 600, 400
GRADIENTS = 1e-4  # norm of the difference from the CPU's over the norm
LOSSES = 0.02  # of a trained model, relative
SETTINGS = {"epochs": 30, "batch_size": 64, "device": "cuda"}


@pytest.fixture(scope="module")
def expression():
    """Three groups of cells; most values are zero."""
    table = random_table(N_CELLS, N_GENES, density=0.2)
    for group in range(3):
        table[group::3, 100 * group : 100 * group + 100] += 1
    return expression_of(table)


def test_auto_takes_the_device():
    found = fitting.resolve(settings_of(device="auto", engine="auto"), density=0.05)
    assert (found["device"], found["engine"]) == ("cuda", "dense")


def test_the_first_gradients_are_those_of_the_cpu(expression):
    gradients = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = weights.build("dae", N_GENES, KINDS["dae"]).to(device)
        make_batch = fitting.make_batches(expression, settings_of(device=device))
        model.loss(make_batch(torch.arange(N_CELLS)))["loss"].backward()
        gradients[device] = [parameter.grad.cpu() for parameter in model.parameters()]
    for found, expected in zip(gradients["cuda"], gradients["cpu"], strict=True):
        assert (found - expected).norm() <= GRADIENTS * expected.norm() + 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_the_cpu_learns(kind, expression):
    last = {device: fit(expression, kind, **SETTINGS | {"device": device})[1][-1] for device in ("cpu", "cuda")}
    assert last["cuda"]["reconstruction"] == pytest.approx(last["cpu"]["reconstruction"], rel=LOSSES)


@pytest.mark.parametrize("holdout", [0.0, 0.25])
@pytest.mark.parametrize("kind", KINDS)
def test_a_killed_training_resumes_to_the_same_bits(kind, holdout, expression, tmp_path, monkeypatch):
    undisturbed = fit(expression, kind, holdout=holdout, **SETTINGS)
    with monkeypatch.context() as patch:
        interrupt(patch, 15)  # in the second epoch
        with pytest.raises(Killed):
            fit(expression, kind, saved=Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"), holdout=holdout, **SETTINGS)
    saved = Checkpoint(tmp_path / "checkpoint.pt", 0, "mine")
    assert saved.load()["epoch"] == 2
    assert_same_training(fit(expression, kind, saved=saved, holdout=holdout, **SETTINGS), undisturbed)


@pytest.mark.parametrize("kind", KINDS)
def test_its_model_is_loaded_without_the_device(kind, expression, tmp_path):
    model, _ = fit(expression, kind, **SETTINGS)
    weights.save(model, kind, KINDS[kind], settings_of(device="cuda"), expression.genes, tmp_path / "model.pt")
    saved = torch.load(tmp_path / "model.pt", weights_only=True)["state_dict"].values()
    assert {value.device.type for value in saved} == {"cpu"}
    latent = trained.embed(weights.load(tmp_path / "model.pt", expression.genes), expression, "posterior_mean", seed=0)
    assert latent.shape == (N_CELLS, 6)
    assert np.isfinite(latent).all()
