"""Early stopping: training ends by the loss of cells that are held out, and keeps the weights of the best epoch."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from toy import ENGINES, KINDS, expression_of, settings_of

from scae import tables
from scae.evaluation import diagnostics
from scae.plots import drawing
from scae.training import fitting
from scae.training.checkpoint import Checkpoint

N_CELLS, EPOCHS, PATIENCE = 40, 40, 3
BEST, LOSS = tables.BEST_EPOCH, "held_out_loss"


@pytest.fixture(scope="module")
def expression():
    """Noise alone, which a fast learner fits in the cells that it sees and not in the others."""
    source = np.random.default_rng(0)
    return expression_of(source.gamma(2.0, 1.0, (N_CELLS, 12)) * (source.random((N_CELLS, 12)) < 0.6))


def fit(expression, kind="dae", saved=None, patience=PATIENCE, changes=(), **settings):
    settings = settings_of(epochs=EPOCHS, batch_size=8, learning_rate=0.02, holdout=0.25) | settings
    settings |= {"early_stopping": patience} if patience else {}
    return fitting.fit(expression, kind, KINDS[kind] | dict(changes), settings, 0, saved)


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_training_ends_with_the_weights_of_the_best_epoch(kind, engine, expression):
    model, history, _ = fit(expression, kind, engine=engine)
    losses = [row[LOSS] for row in history]
    best = int(np.argmin(losses)) + 1
    assert [row[BEST] for row in history] == [int(np.argmin(losses[:epoch])) + 1 for epoch in range(1, len(losses) + 1)]
    assert len(history) == min(best + PATIENCE, EPOCHS)
    assert len(history) < EPOCHS
    until_best, same, _ = fit(expression, kind, patience=0, epochs=best, engine=engine)
    assert torch.equal(weights_of(model), weights_of(until_best))
    assert [{name: row[name] for name in same[0]} for row in history[:best]] == same


def test_without_it_no_bit_changes(expression):
    plain, history, _ = fit(expression, patience=0)
    off, same, _ = fit(expression, patience=0, early_stopping=0)
    assert torch.equal(weights_of(plain), weights_of(off))
    assert history == same
    assert BEST not in history[0]
    assert len(history) == EPOCHS


def test_with_patience_for_all_epochs_the_best_is_kept(expression):
    model, history, _ = fit(expression, patience=EPOCHS)
    assert len(history) == EPOCHS
    until_best, _, _ = fit(expression, patience=0, epochs=history[-1][BEST])
    assert torch.equal(weights_of(model), weights_of(until_best))


@pytest.mark.parametrize("after", [3, 11, -2])  # batches: in the first epoch, in the third, in the last but one
@pytest.mark.parametrize("engine", ENGINES)
def test_training_that_is_killed_ends_in_the_same_bits(engine, after, expression, tmp_path, monkeypatch):
    undisturbed, history, _ = fit(expression, engine=engine)
    done, add = [], fitting._Run.add
    after = after if after > 0 else 4 * len(history) + 4 * after + 1  # four batches an epoch

    def killed(run, *arguments):
        add(run, *arguments)
        done.append(1)
        if len(done) == after:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Run, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(expression, engine=engine, saved=Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"))
    saved = Checkpoint(tmp_path / "checkpoint.pt", 0, "mine")
    assert saved.load()["epoch"] == (after - 2) // 4 + 1  # the last batch that was done was not saved
    again, of_again, _ = fit(expression, engine=engine, saved=saved)
    assert torch.equal(weights_of(undisturbed), weights_of(again))
    assert history == of_again


def test_epochs_in_which_a_weight_rises_do_not_count(expression):
    """The loss rises with the weight then, which says nothing of the model."""
    warmup = 12
    _, history, _ = fit(expression, "beta_vae", patience=2, changes={"kl_warmup": warmup, "beta": 20.0})
    assert [row[BEST] for row in history[:warmup]] == list(range(1, warmup + 1))
    assert len(history) >= warmup + 2


def history_of(losses, trained=None):
    best = [int(np.argmin(losses[:epoch])) + 1 for epoch in range(1, len(losses) + 1)]
    trained = np.linspace(9, 1, len(losses)) if trained is None else trained
    return pd.DataFrame({"epoch": range(1, len(losses) + 1), "loss": trained, LOSS: losses, BEST: best})


def test_health_goes_by_the_epoch_that_is_kept():
    """The loss of the cells trained on falls to the end; that of the others says whether more epochs would help."""
    settings = {"batch_size": 8}

    def of(table):
        return diagnostics.of_training(table, 30, settings).set_index("measure")["value"]

    stopped = of(history_of([9.0, 6, 5, 4, 4.5, 5, 5.5, 6, 6, 6]))
    assert stopped["steps"] == 4 * 4
    assert stopped["still_falling"] == 0
    falling = of(history_of([9.0, 8, 7, 6, 5, 4, 3, 2, 1.8, 1]))
    assert falling["steps"] == 10 * 4
    assert falling["still_falling"] == pytest.approx(0.8 / 8)
    assert of(history_of([9.0, 6, 5, 4, 4.5]).drop(columns=[BEST, LOSS]))["steps"] == 5 * 4


def test_the_picture_shows_the_epoch_that_is_kept():
    history = history_of([9.0, 6, 5, 6]).assign(reconstruction=[9.0, 6, 3, 1], kl=0.0, held_out_reconstruction=1.0)
    figure = drawing.losses(history, "a title")
    for panel in figure.axes:
        assert panel.get_title() != BEST
        assert [3, 3] in [list(line.get_xdata()) for line in panel.lines]
        assert "kept: epoch 3" in [text.get_text() for text in panel.get_legend().get_texts()]
    plt.close(figure)
