"""Diagnostics and loss curves of a history with held-out cells and early stopping."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from scae import tables
from scae.evaluation import diagnostics
from scae.plots import drawing

BEST, LOSS = tables.BEST_EPOCH, "held_out_loss"


def history_of(losses):
    """Held-out losses by epoch, while the loss of the training cells falls to the end."""
    best = [int(np.argmin(losses[:epoch])) + 1 for epoch in range(1, len(losses) + 1)]
    epochs, falling = range(1, len(losses) + 1), np.linspace(9, 1, len(losses))
    return pd.DataFrame({"epoch": epochs, "loss": falling, LOSS: losses, BEST: best})


def test_diagnostics_are_of_the_epoch_that_is_kept():
    def values(history):
        return diagnostics.of_training(history, 30, {"batch_size": 8}).set_index("measure")["value"]

    stopped = values(history_of([9.0, 6, 5, 4, 4.5, 5, 5.5, 6, 6, 6]))
    assert (stopped["steps"], stopped["still_falling"]) == (4 * 4, 0)
    falling = values(history_of([9.0, 8, 7, 6, 5, 4, 3, 2, 1.8, 1]))
    assert (falling["steps"], falling["still_falling"]) == (10 * 4, pytest.approx(0.8 / 8))
    assert values(history_of([9.0, 6, 5, 4, 4.5]).drop(columns=[BEST, LOSS]))["steps"] == 5 * 4


def test_the_picture_shows_both_parts_and_the_epoch_that_is_kept():
    history = history_of([9.0, 6, 5, 6]).assign(reconstruction=[9.0, 6, 3, 1], kl=0.0, held_out_reconstruction=1.0)
    figure = drawing.losses(history, "a title")
    for panel in figure.axes:
        assert panel.get_title() != BEST
        assert [3, 3] in [list(line.get_xdata()) for line in panel.lines]
        assert {"trained on", "held out", "kept: epoch 3"} <= {
            text.get_text() for text in panel.get_legend().get_texts()
        }
    of_loss = [list(line.get_ydata()) for line in figure.axes[0].lines]
    assert list(history["loss"]) in of_loss
    assert list(history[LOSS]) in of_loss
    plt.close(figure)
