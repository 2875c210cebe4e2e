"""Checkpoints: a killed training job resumes where it was."""

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
    """The file that holds the state of a training, beside its model.

    As a context manager it also catches the signals that end a job, SIGTERM from a scheduler and SIGINT from the
    keyboard: ``stop`` is then the signal's name.
    """

    def __init__(self, path, minutes, fingerprint):
        """
        Args:
            path: the file.
            minutes: minimum time between two saves; 0 saves after every batch.
            fingerprint: text that identifies data, code and settings; a file with a different one is ignored.
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
        """Whether to save now: the time has passed, or a signal was caught."""
        return self.stop is not None or time.monotonic() - self.saved >= self.seconds

    def save(self, state):
        """Write atomically: whatever happens, the file holds either the old state or the new one."""
        partial = self.path.with_name(self.path.name + ".part")
        with partial.open("wb") as file:
            torch.save({"fingerprint": self.fingerprint, "state": state}, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self.path)
        self.saved = time.monotonic()
        log.info("saved checkpoint at epoch %d, batch %d", state["epoch"], state["batch"])

    def load(self):
        """The saved state, or None without a usable file; a warning says why a file is not used."""
        if not self.path.exists():
            return None
        try:
            with zipfile.ZipFile(self.path) as archive:  # torch itself does not verify the checksums
                if damaged := archive.testzip():
                    raise zipfile.BadZipFile(f"{damaged} is damaged")
            content = torch.load(self.path, weights_only=True)
            if content["fingerprint"] == self.fingerprint:
                return content["state"]
            log.warning("%s belongs to other data, code or settings: training starts from scratch", self.path)
        except Exception as error:  # a damaged file can make torch raise anything
            log.warning("%s cannot be read (%s): training starts from scratch", self.path, type(error).__name__)
        return None

    def remove(self):
        """Delete the file, and what an interrupted save left."""
        for path in (self.path, self.path.with_name(self.path.name + ".part")):
            path.unlink(missing_ok=True)


def fingerprint(expression, **settings):
    """Digest of all that determines the result of training: expression, library versions and settings (JSON values)."""
    versions = [version(library) for library in ("numba", "numpy", "torch")]
    digest = hashlib.blake2b(json.dumps([versions, settings], sort_keys=True).encode(), digest_size=16)
    for array in (expression.indptr, expression.indices, expression.data, expression.offset):
        digest.update(array)
    for array in (expression.batch_index, expression.counts):
        if array is not None:
            digest.update(array)
    for names in (expression.cells, expression.genes):
        digest.update("\n".join(names).encode())
    return digest.hexdigest()
