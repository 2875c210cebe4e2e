"""Training on a CUDA device: make test-gpu, where there is one.

Not among the ordinary tests, which would skip them everywhere else. What is on the card has bits of its own: sums are
in another order there, and the noise is of another generator. So gradients are held against the CPU's where a model has
no noise, and losses where it has.
"""

import numpy as np
import pytest
import torch
from toy import KINDS, expression_of, settings_of

from scae.training import fitting
from scae.training.checkpoint import Checkpoint

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")

N_CELLS, N_GENES = 600, 400
GRADIENTS = 1e-4  # norm of the difference from the CPU's over the norm
LOSSES = 0.02  # of a trained model, relative


@pytest.fixture(scope="module")
def expression():
    """Cells of three groups, with zeros where most values are."""
    random = np.random.default_rng(0)
    table = random.gamma(2.0, 0.5, (N_CELLS, N_GENES)) * (random.random((N_CELLS, N_GENES)) < 0.2)
    for group in range(3):
        table[group::3, 100 * group : 100 * group + 100] += 1
    return expression_of(table)


def fit(expression, kind, device="cuda", saved=None, **changes):
    settings = settings_of(epochs=30, batch_size=64, device=device, **changes)
    return fitting.fit(expression, kind, KINDS[kind], settings, 0, saved)


def weights_of(model):
    return torch.cat([parameter.detach().cpu().flatten() for parameter in model.parameters()])


def test_auto_takes_the_device():
    settings = settings_of(device="auto", engine="auto") | {"precision": "float32"}
    found = fitting.resolve(settings, density=0.05)
    assert (found["device"], found["engine"]) == ("cuda", "dense")


def test_the_first_gradients_are_those_of_the_cpu(expression):
    gradients = {}
    for device in ("cpu", "cuda"):
        torch.manual_seed(0)
        model = fitting.build("dae", N_GENES, KINDS["dae"]).to(device)
        make_batch = fitting.make_batches(expression, settings_of(device=device))
        model.loss(make_batch(torch.arange(N_CELLS)))["loss"].backward()
        gradients[device] = [parameter.grad.cpu() for parameter in model.parameters()]
    for found, expected in zip(gradients["cuda"], gradients["cpu"], strict=True):
        assert (found - expected).norm() <= GRADIENTS * expected.norm() + 1e-7


@pytest.mark.parametrize("kind", KINDS)
def test_it_learns_what_the_cpu_learns(kind, expression):
    last = {device: fit(expression, kind, device)[1][-1] for device in ("cpu", "cuda")}
    assert last["cuda"]["reconstruction"] == pytest.approx(last["cpu"]["reconstruction"], rel=LOSSES)


@pytest.mark.parametrize("holdout", [0.0, 0.25])
@pytest.mark.parametrize("kind", KINDS)
def test_training_that_is_killed_goes_on_to_the_same_end(kind, holdout, expression, tmp_path, monkeypatch):
    undisturbed, history, _ = fit(expression, kind, holdout=holdout)
    done, add = [], fitting._Run.add

    def killed(run, *arguments):
        add(run, *arguments)
        done.append(1)
        if len(done) == 15:  # in the middle of the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Run, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(expression, kind, saved=Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"), holdout=holdout)
    saved = Checkpoint(tmp_path / "checkpoint.pt", 0, "mine")
    assert saved.load()["epoch"] == 2
    again, of_again, _ = fit(expression, kind, saved=saved, holdout=holdout)
    assert torch.equal(weights_of(undisturbed), weights_of(again))
    assert of_again == history


@pytest.mark.parametrize("kind", KINDS)
def test_its_model_is_read_back_where_there_is_no_device(kind, expression, tmp_path):
    model, _, _ = fit(expression, kind)
    fitting.save(model, kind, KINDS[kind], settings_of(device="cuda"), expression.genes, tmp_path / "model.pt")
    weights = torch.load(tmp_path / "model.pt", weights_only=True)["state_dict"].values()
    assert {value.device.type for value in weights} == {"cpu"}
    latent = fitting.embed(fitting.load(tmp_path / "model.pt", expression.genes), expression, "posterior_mean", seed=0)
    assert latent.shape == (N_CELLS, 6)
    assert np.isfinite(latent).all()
