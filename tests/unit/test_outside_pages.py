"""A page outside the library is loaded by its path, and what is wrong with it is one line that names it."""

import numpy as np
import pytest
import torch
from toy import expression_of, settings_of

from scae.errors import UserError
from scae.models import registry
from scae.training import fitting

PAGE = """\
import torch
from torch import nn
ABOUT = {"title": "mine", "summary": "mine", "reference": "", "doi": ""}
CONFIG = {"width": {"type": "integer", "default": 2, "description": "Latents"}}

class Model(nn.Module):
    def __init__(self, n_genes, width):
        super().__init__()
        self.layer = nn.Linear(n_genes, width)
        self.back = nn.Linear(width, n_genes)

    def loss(self, x):
        return {"loss": x.squared_error(x.linear(self.layer), self.back)}

    def embed(self, x, estimate):
        return x.linear(self.layer)
"""
N_CELLS, N_GENES = 20, 7


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def expression():
    return expression_of(np.random.default_rng(0).gamma(1.0, 1.0, (N_CELLS, N_GENES)))


def write(folder, old="", new="", name="my_model.py"):
    assert old in PAGE
    (folder / name).write_text(PAGE.replace(old, new, 1) if old else PAGE)


def trained(expression, kind="my_model.py", **hyperparameters):
    return fitting.fit(expression, kind, {"width": 2} | hyperparameters, settings_of(epochs=2), seed=0)[0]


def test_it_is_trained_saved_and_loaded_by_its_path(folder, expression):
    write(folder)
    model = trained(expression)
    fitting.save(model, "my_model.py", {"width": 2}, settings_of(), expression.genes, "model.pt")
    assert torch.load("model.pt", weights_only=True)["kind"] == "my_model.py"
    latents = [
        fitting.embed(either, expression, "posterior_mean", 0)
        for either in (model, fitting.load("model.pt", expression.genes))
    ]
    assert latents[0].shape == (N_CELLS, 2)
    np.testing.assert_array_equal(*latents)


def test_an_edit_within_the_same_second_is_seen(folder, expression):
    """Python would take the bytecode of a file of the same size and second for current."""
    write(folder)
    assert trained(expression).layer.out_features == 2
    write(folder, "nn.Linear(n_genes, width)", "nn.Linear(n_genes, 3    )")
    write_back = (folder / "my_model.py").read_text().replace("nn.Linear(width, n_genes)", "nn.Linear(3    , n_genes)")
    (folder / "my_model.py").write_text(write_back)
    assert trained(expression).layer.out_features == 3
    assert not list(folder.glob("__pycache__"))


def test_two_pages_of_one_name_stay_apart(folder, expression):
    (folder / "other").mkdir()
    write(folder)
    write(folder, "nn.Linear(n_genes, width)", "nn.Linear(n_genes, width, bias=True)", name="other/my_model.py")
    first, second = (trained(expression, kind) for kind in ("my_model.py", "other/my_model.py"))
    assert type(first) is not type(second)
    assert fitting.embed(first, expression, "posterior_mean", 0).shape == (N_CELLS, 2)


def refused(call):
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "import torch\n",
            "import no_such_package\n",
            "my_model.py: cannot be imported (ModuleNotFoundError: No module",
        ),
        ("import torch\n", "1 / 0\n", "my_model.py: cannot be imported (ZeroDivisionError: division by zero)"),
        (
            "n_genes, width)",
            "n_genes)",
            "my_model.py: Model does not take what it is given by CONFIG: got an unexpected",
        ),
        ("(nn.Module)", "", "my_model.py: Model is no torch.nn.Module with parameters to train"),
        ('{"loss":', '{"total":', "my_model.py: loss returned only total; it must return a dict with"),
        ('{"loss": x.squared_error(x.linear(self.layer), self.back)}', "0.0", "my_model.py: loss returned a float;"),
        (
            "x.squared_error(x.linear(self.layer), self.back)",
            "x.linear(self.layer)",
            'my_model.py: loss returned for "loss" what is not a tensor with one number',
        ),
        (
            "x.squared_error(x.linear(self.layer), self.back)",
            "torch.tensor(1.0)",
            'my_model.py: the "loss" that loss returned depends on no parameter',
        ),
        (
            "x.squared_error(x.linear(self.layer), self.back)",
            'x.squared_error(x.linear(self.layer), self.back) * float("nan")',
            "the loss became nan in epoch 1, batch 1",
        ),
    ],
)
def test_what_is_wrong_with_its_training_is_one_line(old, new, line, folder, expression):
    write(folder, old, new)
    assert refused(lambda: trained(expression)).startswith(line)


@pytest.mark.parametrize(
    ("new", "line"),
    [
        (
            "x.linear(self.layer)[:3]",
            "embed returned an array of shape (3, 2), not one of shape (cells, latents) with 20",
        ),
        ("x.linear(self.layer)[:, 0]", "embed returned an array of shape (20,), not one"),
        ("3", "embed returned int, not one of shape"),
        ("x.linear(self.layer) / 0", "in latent 1 of cell number 0"),
    ],
)
def test_what_is_wrong_with_its_latent_is_one_line(new, line, folder, expression):
    write(folder, "return x.linear(self.layer)", f"return {new}")
    found = refused(lambda: fitting.embed(trained(expression), expression, "posterior_mean", 0))
    assert "my_model.py: embed returned" in found
    assert line in found


FIT = """
def fit(counts, batches, seed, width, batch_size):
    return [[seed, width]]
"""


def test_a_page_with_a_package_of_its_own_says_what_that_is(folder):
    head = "\n".join(PAGE.splitlines()[2:4])
    more = head.replace(
        "CONFIG = {", 'CONFIG = {"batch_size": {"type": "integer", "default": 2, "description": "cells"}, '
    )
    needs = 'NEEDS = {"module": "no_such_package", "get": "pip install no-such-package"}\n'
    for text in (head + FIT + needs, more + FIT, more + FIT + needs.replace('"get"', '"url"')):
        (folder / "my_page.py").write_text(text)
        line = refused(lambda: registry.find("my_page.py"))
        assert line.startswith('my_page.py: with a function fit it needs NEEDS = {"module": …, "get": …}, what it')
    (folder / "my_page.py").write_text(more + FIT + needs)
    page = registry.find("my_page.py")
    assert (page.trained, page.peer, page.deterministic) == (True, True, False)
    assert (
        "needs the package no_such_package, which is not installed here; pip install no-such-package" in page.missing()
    )
    assert registry.called("my_page.py", "fit", None, None, 7, width=2, batch_size=3) == [[7, 2]]


def test_a_page_without_training_is_called_with_its_hyperparameters(folder, expression):
    head = "\n".join(PAGE.splitlines()[2:4])
    (folder / "my_page.py").write_text(head + "\ndef embed(expression, seed, width):\n    return [[seed, width]]\n")
    assert registry.called("my_page.py", "embed", expression, 7, width=2) == [[7, 2]]
    assert not registry.find("my_page.py").trained
    line = refused(lambda: registry.called("my_page.py", "embed", expression, 7, height=2))
    assert line.startswith("my_page.py: embed does not take what it is given by CONFIG: ")
