"""Checkpoints: a training job that is killed goes on where it was."""

import hashlib
import json
import logging
import os
import signal
import time
import zipfile
from importlib.metadata import version
from pathlib import Path

import torch

log = logging.getLogger(__name__)


class Checkpoint:
    """One file beside the model that holds the state of its training.

    As a context manager it also listens for the signals that end a job, SIGTERM from a scheduler and SIGINT from a
    keyboard: ``stop`` is then the signal's name.
    """

    def __init__(self, path, minutes, fingerprint):
        """
        Args:
            path: the file.
            minutes: least time between two saves; 0 saves whenever asked.
            fingerprint: text that identifies data, code and settings; a file with another one is not used.
        """
        self.path = Path(path)
        self.seconds = 60 * minutes
        self.fingerprint = fingerprint
        self.saved = time.monotonic()
        self.stop = None

    def __enter__(self):
        self.previous = {number: signal.signal(number, self._on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_):
        for number, handler in self.previous.items():
            signal.signal(number, handler)

    def _on_signal(self, number, _):
        self.stop = signal.Signals(number).name

    def due(self):
        return self.stop is not None or time.monotonic() - self.saved >= self.seconds

    def save(self, state):
        """Write atomically: whatever happens, the file is the old state or the new one."""
        partial = self.path.with_name(self.path.name + ".part")
        with partial.open("wb") as file:
            torch.save({"fingerprint": self.fingerprint, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        self.saved = time.monotonic()
        log.info("saved checkpoint at epoch %d, batch %d", state["epoch"], state["batch"])

    def load(self):
        """The saved state, or None where there is none that fits."""
        if not self.path.exists():
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch itself does not look at the checksums
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(f"{damaged} is damaged")
            content = torch.load(self.path, weights_only=True)
            if content["fingerprint"] == self.fingerprint:
                return content["state"]
            log.warning("%s is of other data, code or settings: training starts afresh", self.path)
        except Exception as error:  # whatever a damaged file makes torch raise
            log.warning("%s cannot be read (%s): training starts afresh", self.path, type(error).__name__)
        return None

    def remove(self):
        for path in (self.path, self.path.with_name(self.path.name + ".part")):
            path.unlink(missing_ok=True)


def fingerprint(expression, **settings):
    """Digest of the expression, of the libraries and of all else that decides the result of training (JSON values)."""
    versions = [version(library) for library in ("numba", "numpy", "torch")]
    digest = hashlib.blake2b(json.dumps([versions, settings], sort_keys=True).encode(), digest_size=16)
    for array in (expression.indptr, expression.indices, expression.data, expression.offset):
        digest.update(array)
    if expression.batch_index is not None:
        digest.update(expression.batch_index)
    for names in (expression.cells, expression.genes):
        digest.update("\n".join(names).encode())
    return digest.hexdigest()
