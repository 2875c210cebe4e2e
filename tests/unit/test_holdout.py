"""Cells that are held out: no model trains on them, and their loss is told beside that of the others."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from toy import ENGINES, KINDS, expression_of, settings_of

from scae.errors import UserError
from scae.evaluation import diagnostics
from scae.plots import drawing
from scae.training import fitting
from scae.training.batches import DenseBatches
from scae.training.checkpoint import Checkpoint

N_CELLS = 40


@pytest.fixture(scope="module")
def table():
    source = np.random.default_rng(0)
    return (source.gamma(2.0, 1.0, (N_CELLS, 12)) * (source.random((N_CELLS, 12)) < 0.6)).astype(np.float32)


def fit(table, kind="beta_vae", seed=0, saved=None, **changes):
    return fitting.fit(
        expression_of(table), kind, KINDS[kind], settings_of(epochs=3, batch_size=8, **changes), seed, saved
    )


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_the_seed_chooses_the_share_of_the_cells():
    trained, held_out = fitting.split(N_CELLS, {"holdout": 0.3}, seed=5)
    assert len(held_out) == 12
    assert sorted([*trained.tolist(), *held_out.tolist()]) == list(range(N_CELLS))
    assert all(map(torch.equal, fitting.split(N_CELLS, {"holdout": 0.3}, seed=5), (trained, held_out)))
    assert not torch.equal(fitting.split(N_CELLS, {"holdout": 0.3}, seed=6)[1], held_out)


@pytest.mark.parametrize("settings", [{}, {"holdout": 0}])
def test_without_holdout_all_cells_are_trained_on(settings, table):
    trained, held_out = fitting.split(N_CELLS, settings, seed=0)
    assert torch.equal(trained, torch.arange(N_CELLS))
    assert not len(held_out)
    model, history, _ = fit(table, **settings)
    assert torch.equal(weights_of(model), weights_of(fit(table)[0]))
    assert list(history[0]) == ["epoch", "loss", "reconstruction", "kl"]


def test_a_share_that_leaves_nothing_on_one_side_is_the_users_to_mend():
    with pytest.raises(UserError, match=r"training\.holdout: 0\.01 of 40 cells holds out 0 of them"):
        fitting.split(N_CELLS, {"holdout": 0.01}, seed=0)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_training_is_that_on_the_other_cells_alone(kind, engine, table):
    trained, _ = fitting.split(N_CELLS, {"holdout": 0.25}, seed=1)
    model, history, _ = fit(table, kind, seed=1, engine=engine, holdout=0.25)
    alone, expected, _ = fit(table[trained.numpy()], kind, seed=1, engine=engine)
    torch.testing.assert_close(weights_of(model), weights_of(alone), rtol=1e-4, atol=1e-6)
    for row, of_row in zip(history, expected, strict=True):
        assert {name: row[name] for name in of_row} == pytest.approx(of_row, rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_history_has_the_loss_of_the_cells_that_are_held_out(engine, table):
    _, held_out = fitting.split(N_CELLS, {"holdout": 0.25}, seed=0)
    model, history, _ = fit(table, "dae", engine=engine, holdout=0.25)
    names = ["loss", "reconstruction", "kl"]
    assert list(history[0]) == ["epoch", *names, *(f"held_out_{name}" for name in names)]
    with torch.no_grad():
        error = (torch.from_numpy(table[held_out.numpy()]) - model.decoder(model.encode(batch(table, held_out)))) ** 2
    assert history[-1]["held_out_reconstruction"] == pytest.approx(error.sum(dim=1).mean().item(), rel=1e-4)
    assert history[-1]["held_out_loss"] != history[-1]["loss"]


def batch(table, cells):
    return DenseBatches(expression_of(table), torch.device("cpu"))(cells)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_training_that_is_killed_goes_on_to_the_same_end(kind, engine, table, tmp_path, monkeypatch):
    undisturbed, history, _ = fit(table, kind, engine=engine, holdout=0.25)
    make_batches, made = fitting.make_batches, []

    def killed(expression, settings):
        make_batch = make_batches(expression, settings)

        def make(cells):
            made.append(cells)
            if len(made) == 8:  # in the second epoch: four batches of training and two of held-out cells each
                raise KeyboardInterrupt
            return make_batch(cells)

        return make

    with monkeypatch.context() as patch:
        patch.setattr(fitting, "make_batches", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(table, kind, engine=engine, holdout=0.25, saved=Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"))
    saved = Checkpoint(tmp_path / "checkpoint.pt", 0, "mine")
    assert saved.load()["epoch"] == 2
    again, of_again, _ = fit(table, kind, engine=engine, holdout=0.25, saved=saved)
    assert torch.equal(weights_of(again), weights_of(undisturbed))
    assert of_again == history


def test_health_tells_the_reconstruction_of_both_parts(table):
    settings, expression = settings_of(holdout=0.25), expression_of(table)
    model, _, _ = fit(table, "dae", holdout=0.25)
    terms = fitting.losses(model.eval(), expression, settings, seed=0)
    latent = pd.DataFrame(fitting.embed(model, expression, "posterior_mean", seed=0))
    found = diagnostics.reconstruction(latent, expression, terms).set_index("measure")["value"]
    mean = 0.75 * found["reconstruction_trained"] + 0.25 * found["reconstruction_held_out"]
    assert found["reconstruction"] == pytest.approx(mean, rel=1e-5)
    assert "reconstruction_held_out" not in fitting.losses(model, expression, settings_of(), seed=0)


def test_the_picture_has_a_curve_for_each_part():
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2], "reconstruction": [3.0, 2], "kl": [0.0, 0]})
    history = history.assign(held_out_loss=[4.0, 3], held_out_reconstruction=[4.0, 3], held_out_kl=[0.0, 0])
    figure = drawing.losses(history, "a title")
    [panel] = figure.axes
    assert [line.get_ydata().tolist() for line in panel.lines] == [[3, 2], [4, 3]]
    assert [text.get_text() for text in panel.get_legend().get_texts()] == ["trained on", "held out"]
    plt.close(figure)
