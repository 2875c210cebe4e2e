"""Random numbers of Python and numpy, for model files that draw from these; the models of the library use PyTorch's."""

import random
from contextlib import contextmanager

import numpy as np


@contextmanager
def forked():
    """Leaves both generators as they were; also a decorator."""
    before = state()
    try:
        yield
    finally:
        restore(before)


def seed(number):
    """Both follow from this number, a non-negative int."""
    random.seed(number)
    np.random.seed(number % 2**32)  # noqa: NPY002 (what a model file may call)


def state():
    """The state of both, in plain types, which a checkpoint can hold."""
    name, keys, *rest = np.random.get_state()  # noqa: NPY002
    return {"python": random.getstate(), "numpy": (name, keys.tolist(), *rest)}


def restore(state):
    random.setstate(state["python"])
    np.random.set_state(state["numpy"])  # noqa: NPY002
