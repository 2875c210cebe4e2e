"""For tests of models and training: small expressions, settings, and a training job as Snakemake starts it."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from places import ROOT
from scipy import sparse

from scae.data.expression import Expression
from scae.errors import UserError
from scae.jobs import code_digest
from scae.training import fitting

KINDS = {
    "dae": {"n_latent": 6},
    "beta_vae": {"n_latent": 6, "beta": 2.0},
    "beta_vsc": {"n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0},
}
ENGINES = ["dense", "sparse"]


def settings_of(**changes):
    """Settings of training as `fitting.resolve` returns them."""
    settings = {"epochs": 2, "batch_size": 8, "learning_rate": 0.001, "threads": 1}
    return settings | {"device": "cpu", "engine": "dense", "precision": "float32"} | changes


def random_table(n_cells, n_genes, density=0.6):
    """Random expression, (cells, genes) float32."""
    source = np.random.default_rng(0)
    table = source.gamma(2.0, 1.0, (n_cells, n_genes)) * (source.random((n_cells, n_genes)) < density)
    return table.astype(np.float32)


def fit(expression, kind="beta_vae", seed=0, saved=None, hyperparameters=(), **changes):
    """(model, history) of a training with the settings of `settings_of`."""
    settings = settings_of(**changes)
    return fitting.fit(expression, kind, KINDS.get(kind, {}) | dict(hyperparameters), settings, seed, saved)[:2]


def weights_of(model):
    return torch.cat([parameter.detach().cpu().flatten() for parameter in model.parameters()])


def assert_same_training(one, other):
    """Both (model, history) have the same bits."""
    assert torch.equal(weights_of(one[0]), weights_of(other[0]))
    assert one[1] == other[1]


def refusal(function, *arguments, **named):
    """The message of the UserError that a call raises, which must be one line."""
    with pytest.raises(UserError) as caught:
        function(*arguments, **named)
    assert "\n" not in str(caught.value)
    return str(caught.value)


class Killed(Exception):
    """Represents a kill -9."""


def kill():
    raise Killed


def interrupt(monkeypatch, n_batches, action=kill):
    """Call the action before batch number n_batches (from 0) is made."""
    make_batches, made = fitting.make_batches, []

    def interrupted(expression, settings):
        make_batch = make_batches(expression, settings)

        def make(cells):
            made.append(None)
            if len(made) == n_batches + 1:
                action()
            return make_batch(cells)

        return make

    monkeypatch.setattr(fitting, "make_batches", interrupted)


def expression_of(table, offset=None):
    """Expression of table + offset; table is dense or sparse, (cells, genes)."""
    matrix = sparse.csr_matrix(table, dtype=np.float32)
    n_cells, n_genes = matrix.shape
    return Expression(
        matrix.indptr.astype(np.int64),
        matrix.indices.astype(np.int32),
        matrix.data,
        np.zeros(n_genes, np.float32) if offset is None else np.asarray(offset, np.float32),
        np.array([f"cell{number}" for number in range(n_cells)], object),
        np.array([f"gene{number}" for number in range(n_genes)], object),
    )


def dense_of(expression):
    """Dense (cells, genes), float64, of an Expression."""
    arrays = expression.data.astype(float), expression.indices, expression.indptr
    return sparse.csr_matrix(arrays, shape=expression.shape).toarray() + expression.offset.astype(float)


class Wildcards(dict):
    """Wildcards as a script sees them: by attribute and by items()."""

    __getattr__ = dict.__getitem__


class Named(SimpleNamespace):
    """Files or params as a script sees them: by name and in order."""

    def __iter__(self):
        return (value for value in vars(self).values() if value != [])


def train_job(folder, kind="beta_vsc", minutes="5", **training):
    """Run scripts/train_model.py on expression.h5ad in the working directory; its files go to ``folder``."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    model, training = json.loads(json.dumps([{"kind": kind} | KINDS[kind], training]))  # new objects, as from Snakemake
    snakemake = SimpleNamespace(
        input=Named(counts=[], expression="expression.h5ad"),
        output=Named(**{name: f"{folder}/{name}" for name in ("model", "history", "timing")}),
        params=Named(
            code=code_digest.code("train_model", f"scae.models.{kind}"),
            expression={"scale": False},
            model=model,
            training=training,
        ),
        resources=SimpleNamespace(mem_mb=1500, tmpdir="scratch", checkpoint_minutes=minutes),
        wildcards=Wildcards(seed="3"),
        log=[f"{folder}/log"],
        rule="train_model",
        threads=1,
    )
    runpy.run_path(str(ROOT / "scripts/train_model.py"), {"snakemake": snakemake})


def start(code, *arguments, cwd, **environment):
    """Start a Python process that can import this module and the library; ``arguments`` are passed as JSON in argv."""
    path = os.pathsep.join(str(ROOT / folder) for folder in ("scripts", "tests", "tests/unit"))
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(json.dumps, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"} | environment,  # Snakemake sets the latter too
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
