"""Diagnostics of a history with held-out cells and early stopping."""

import numpy as np
import pandas as pd
import pytest

from scae import tables
from scae.evaluation import diagnostics

BEST, LOSS = tables.BEST_EPOCH, "held_out_loss"


def history_of(losses):
    """Held-out losses by epoch, while the loss of the training cells falls to the end."""
    best = [int(np.argmin(losses[:epoch])) + 1 for epoch in range(1, len(losses) + 1)]
    epochs, falling = range(1, len(losses) + 1), np.linspace(9, 1, len(losses))
    return pd.DataFrame({"epoch": epochs, "loss": falling, LOSS: losses, BEST: best})


def test_diagnostics_are_of_the_epoch_that_is_kept():
    def values(history):
        return diagnostics.training(history, 30, {"batch_size": 8}).set_index("measure")["value"]

    stopped = values(history_of([9.0, 6, 5, 4, 4.5, 5, 5.5, 6, 6, 6]))
    assert (stopped["steps"], stopped["still_falling"]) == (4 * 4, 0)
    falling = values(history_of([9.0, 8, 7, 6, 5, 4, 3, 2, 1.8, 1]))
    assert (falling["steps"], falling["still_falling"]) == (10 * 4, pytest.approx(0.8 / 8))
    assert values(history_of([9.0, 6, 5, 4, 4.5]).drop(columns=[BEST, LOSS]))["steps"] == 5 * 4
