"""A model file outside the library is loaded by its path, and a mistake in it is one line that names it."""

import numpy as np
import pytest
from toy import expression_of, random_table, refusal, settings_of

from scae.jobs import code_digest, source_code
from scae.models import registry
from scae.training import fitting, trained, weights

HEAD = """\
ABOUT = {"title": "mine", "summary": "mine", "reference": "", "doi": ""}
CONFIG = {"width": {"type": "integer", "default": 2, "description": "Latents"}}
"""
MODEL = f"""\
import torch
from torch import nn
{HEAD}
class Model(nn.Module):
    def __init__(self, n_genes, width):
        super().__init__()
        self.layer = nn.Linear(n_genes, width)
        self.back = nn.Linear(width, n_genes)

    def loss(self, x):
        return {{"loss": x.squared_error(x.linear(self.layer), self.back)}}

    def embed(self, x, estimate):
        return x.linear(self.layer)
"""
N_CELLS = 20


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def expression():
    return expression_of(random_table(N_CELLS, 7))


def write(folder, old="", new="", name="my_model.py"):
    assert old in MODEL
    write_text(folder / name, MODEL.replace(old, new, 1) if old else MODEL)


def write_text(path, text):
    """Write a model file for what follows, as if it were another process, which reads each file once."""
    path.write_text(text, encoding="latin-1")
    for function in (source_code._content, code_digest._read):
        function.cache_clear()


def fit(expression, kind="my_model.py"):
    return fitting.fit(expression, kind, {"width": 2}, settings_of(), seed=0)[0]


def test_it_is_trained_saved_and_loaded_by_its_path(folder, expression):
    write(folder)
    model = fit(expression)
    weights.save(model, "my_model.py", {"width": 2}, settings_of(), expression.genes, "model.pt")
    loaded = weights.load("model.pt", expression.genes)
    found, expected = (trained.embed(either, expression, "posterior_mean", 0) for either in (loaded, model))
    assert found.shape == (N_CELLS, 2)
    np.testing.assert_array_equal(found, expected)


def test_an_edit_within_the_same_second_is_seen(folder, expression):
    """Python would consider the bytecode of a file with the same size and second as current."""
    write(folder)
    assert fit(expression).layer.out_features == 2
    edited = MODEL.replace("(n_genes, width)", "(n_genes, 3    )").replace("(width, n_genes)", "(3    , n_genes)")
    write_text(folder / "my_model.py", edited)
    assert fit(expression).layer.out_features == 3
    assert not list(folder.glob("__pycache__"))


def test_two_files_of_the_same_name_stay_apart(folder, expression):
    (folder / "other").mkdir()
    write(folder)
    write(folder, "width)\n        self.back", "width, bias=False)\n        self.back", name="other/my_model.py")
    first, second = (fit(expression, kind) for kind in ("my_model.py", "other/my_model.py"))
    assert first.layer.bias is not None
    assert second.layer.bias is None


LOSS = "x.squared_error(x.linear(self.layer), self.back)"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("import torch\n", "import no_such_package\n", "my_model.py: cannot be imported (ModuleNotFoundError: "),
        ("import torch\n", "1 / 0\n", "my_model.py: cannot be imported (ZeroDivisionError: "),
        ("n_genes, width)", "n_genes)", "my_model.py: Model does not accept the hyperparameters of CONFIG: got an"),
        ("(nn.Module)", "", "my_model.py: Model is not a torch.nn.Module with parameters"),
        ('{"loss":', '{"total":', "my_model.py: loss returned only total; "),
        (f'{{"loss": {LOSS}}}', "0.0", "my_model.py: loss returned a float; "),
        (LOSS, "x.linear(self.layer)", 'my_model.py: loss returned "loss" that is not a scalar'),
        (
            f'{{"loss": {LOSS}}}',
            f'{{"loss": {LOSS}, "epoch": {LOSS}}}',
            "my_model.py: loss returned a term named 'epoch'",
        ),
        (
            f'{{"loss": {LOSS}}}',
            f'{{"loss": {LOSS}, "held_out_loss": {LOSS}}}',
            "my_model.py: loss returned a term named 'h",
        ),
        (f'{{"loss": {LOSS}}}', f'{{"loss": {LOSS}, 3: {LOSS}}}', "my_model.py: loss returned a term named 3"),
        (LOSS, f"{LOSS} * 1j", 'my_model.py: loss returned "loss" as torch.complex64'),
        ("import torch\n", "import sys\nsys.exit()\n", "my_model.py: cannot be imported (SystemExit: "),
        ("class Model", "if False:\n  class Model", "my_model.py: has no Model once it is imported"),
        ("def embed", "def encode", "my_model.py: Model has no method embed(x, estimate)"),
        (
            "    def loss",
            "    def get_extra_state(self):\n        return open\n\n    def loss",
            "my_model.py: what get_extra_state returned",
        ),
        (LOSS, "torch.tensor(1.0)", 'my_model.py: "loss" does not depend on any parameter'),
        (LOSS, f'{LOSS} * float("nan")', "the loss is nan in epoch 1, batch 1"),
    ],
)
def test_a_mistake_in_its_training_is_one_line(old, new, message, folder, expression):
    write(folder, old, new)
    assert refusal(fit, expression).startswith(message)


@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("x.linear(self.layer)[:3]", "embed returned shape (3, 2); "),
        ("x.linear(self.layer)[:, 0]", "embed returned shape (8,); "),
        ("3", "embed returned int; "),
        ("x.linear(self.layer) / (torch.arange(len(x)) != 4)[:, None]", "in latent 1 of cell number 5"),
        ("x.linear(self.layer).bfloat16()", "embed returned torch.bfloat16; "),
        ("x.linear(self.layer) * 1j", "embed returned complex64; "),
        ("x.linear(self.layer) > 0", "embed returned bool; "),
        ("x.linear(self.layer).to_sparse()", "embed returned torch.float32; "),
    ],
)
def test_a_mistake_in_its_latent_is_one_line(new, message, folder, expression):
    write(folder, "return x.linear(self.layer)", f"return {new}")
    found = refusal(fit, expression)  # before training
    assert "my_model.py: embed returned " in found
    assert message in found


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("def __init__", "def __init__(", "my_model.py: line "),
        ('"doi"', '"do"', "my_model.py: needs ABOUT = "),
        ('"title": "mine"', '"title": 1', "my_model.py: needs ABOUT = "),
        ("CONFIG", "SETTINGS", "my_model.py: needs CONFIG = "),
        ('"width": {', '"width": 3, "x": {', "my_model.py: needs CONFIG = "),
        ('"width"', "WIDTH", "my_model.py: line 4: CONFIG must be a literal"),
        ('"width"', '"kind"', 'my_model.py: CONFIG: "kind" is reserved'),
        ("class Model", "class Net", "my_model.py: needs a class Model"),
        ("import torch", "from .torch import torch", "my_model.py: line 1: relative imports"),
    ],
)
def test_a_mistake_in_its_description_is_one_line(old, new, message, folder):
    assert refusal(registry.find, "my_model.py").startswith('"my_model.py" does not exist (looked in ')
    write(folder, old, new)
    assert refusal(registry.find, "my_model.py").startswith(message)
    write_text(folder / "my_model.py", "\xe9")
    assert refusal(registry.find, "my_model.py").startswith("my_model.py: is not UTF-8")


FIT = "\ndef fit(counts, batches, seed, width, batch_size):\n    return [[seed, width]]\n"
NEEDS = 'NEEDS = {"module": "no_such_package", "get": "pip install no-such-package"}\n'


def test_an_external_package_is_named_with_how_to_install_it(folder):
    head = HEAD.replace("CONFIG = {", 'CONFIG = {"batch_size": {"type": "integer", "default": 2}, ')
    for text in (HEAD + FIT + NEEDS, head + FIT, head + FIT + NEEDS.replace('"get"', '"url"')):
        write_text(folder / "mine.py", text)
        assert refusal(registry.find, "mine.py").startswith("mine.py: a function fit needs NEEDS")
    write_text(folder / "mine.py", head + FIT + NEEDS)
    found = registry.find("mine.py")
    assert (found.trained, found.external, found.deterministic, found.module) == (True, True, False, "mine.py")
    message = "needs the package no_such_package, which is not installed here; pip install no-such-package"
    assert message in found.missing()
    assert registry.call("mine.py", "fit", None, None, 7, width=2, batch_size=3) == [[7, 2]]


@pytest.mark.parametrize(
    ("fitted", "says"),
    [
        (None, "a NoneType; "),
        ({"latent": [], "history": []}, "a dict without kl, seconds; "),
        ({"latent": [], "kl": [], "history": [], "seconds": 1}, "no history; "),
    ],
)
def test_a_wrong_fit_is_one_line(fitted, says):
    assert refusal(registry.validate_fit, fitted, "mine.py").startswith(
        f"mine.py: fit returned {says}return a dict with"
    )


def test_a_model_without_training_is_called_with_its_hyperparameters(folder, expression):
    (folder / "mine.py").write_text(f"{HEAD}\ndef embed(expression, seed, width):\n    return [[seed, width]]\n")
    assert registry.call("mine.py", "embed", expression, 7, width=2) == [[7, 2]]
    assert not registry.find("mine.py").trained
    message = refusal(registry.call, "mine.py", "embed", expression, 7, height=2)
    assert message.startswith("mine.py: embed does not accept the hyperparameters of CONFIG: ")


def test_a_sample_of_the_kinds_of_the_library():
    found = {kind: registry.find(kind) for kind in registry.kinds()}
    assert {kind for kind, one in found.items() if one.external} == {"scvi"}
    assert {kind for kind, one in found.items() if not one.trained} == {"given", "pca", "random_projection"}
    assert {kind for kind, one in found.items() if one.deterministic} == {"given", "pca"}
    assert found["dae"].module == "scae.models.dae"
    assert found["dae"].missing() is None
    assert found["beta_vae"].estimate("slab_mean") == "posterior_mean" != found["beta_vae"].estimate("sample")
    assert found["beta_vsc"].estimate("slab_mean") == "slab_mean"
