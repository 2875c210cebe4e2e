"""Progress of training: a line in the log every few seconds, of which one a minute also reaches the terminal."""

import logging
import time

log = logging.getLogger(__name__)

LOG_S = 10  # seconds between lines in the log; the first and the last epoch always have one
TERMINAL_S = 60  # seconds between lines in the terminal


class Progress:
    """Logs the loss terms of an epoch and the time left.

    Args:
        n_epochs: number of the last epoch.
        first: number of the first epoch of this attempt.
    """

    def __init__(self, n_epochs, first=1):
        self.n_epochs, self.first = n_epochs, first
        self.start = self.shown = time.perf_counter()
        self.logged = 0.0

    def __call__(self, row):
        """Log a finished epoch; row: {"epoch": number, name of a loss term: value, …}, as in history.csv."""
        epoch, now = row["epoch"], time.perf_counter()
        if now - self.logged < LOG_S and epoch not in (self.first, self.n_epochs):
            return
        self.logged, due = now, now - self.shown >= TERMINAL_S
        if due:
            self.shown = now
        per_epoch = (now - self.start) / (epoch - self.first + 1)
        log.info(
            "epoch %d of %d: %s; %.2f s per epoch, %.0f s to go",
            *(epoch, self.n_epochs, ", ".join(f"{name} {value:.2f}" for name, value in row.items() if name != "epoch")),
            *(per_epoch, per_epoch * (self.n_epochs - epoch)),
            extra={"terminal": due},
        )
