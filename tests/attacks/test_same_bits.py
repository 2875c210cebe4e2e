"""Promise: the same inputs give the same bits, interrupted or not; also those of a model file outside the library."""

import logging
import re
import subprocess
import sys

import pytest
import torch
from places import ROOT
from toy import Killed, assert_same_training, expression_of, interrupt, random_table, settings_of

from scae.jobs import code_digest, source_code
from scae.training import fitting
from scae.training.checkpoint import Checkpoint

MODEL = """\
import random
import numpy as np
import torch
from torch import nn
ABOUT = {"title": "mine", "summary": "mine", "reference": "", "doi": ""}
CONFIG = {}
class Model(nn.Module):
    def __init__(self, n_genes):
        super().__init__()
        self.layer, self.back = nn.Linear(n_genes, 2), nn.Linear(2, n_genes)
        self.weight = 1.0
        #INIT

    def loss(self, x):
        loss = x.squared_error(x.linear(self.layer), self.back) * self.weight
        #LOSS
        return {"loss": loss}

    def embed(self, x, estimate):
        return x.linear(self.layer)
"""
ANNEALED = {"#LOSS": "self.weight *= 0.9"}
EXTRA = """

    def get_extra_state(self):
        return {"weight": self.weight, "seen": ["text", torch.ones(2)]}

    def set_extra_state(self, state):
        self.weight = state["weight"]
"""
RETURNED = ANNEALED | {"        #INIT\n": EXTRA}
# {what a model file draws from or keeps: its code}
KEPT = {
    "Python's generator": {"#LOSS": "loss = loss * random.random()"},
    "numpy's generator": {"#LOSS": "loss = loss * np.random.rand()"},
    "the order of a set": {"#LOSS": "loss = loss * {'a': 1, 'b': 2, 'c': 3}[list(set('abc'))[0]]"},
    "a buffer": {"#INIT": "self.register_buffer('w', torch.ones(()))", "#LOSS": "self.w *= 0.9; loss = loss * self.w"},
    "get_extra_state": RETURNED,
}
LOST = {
    "a number": ANNEALED,
    "a tensor": {"#INIT": "self.w = torch.ones(())", "#LOSS": "self.w = self.w * 0.9; loss = loss * self.w"},
    "a generator of numpy": {
        "#INIT": "self.random = np.random.default_rng(0)",
        "#LOSS": "loss = loss * self.random.random()",
    },
    "a generator of PyTorch": {
        "#INIT": "self.random = torch.Generator()",
        "#LOSS": "loss = loss * torch.rand((), generator=self.random)",
    },
    "a list in a part": {
        "#INIT": "self.back.seen = [1]",
        "#LOSS": "self.back.seen.append(1); loss = loss * len(self.back.seen)",
    },
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for function in (source_code._content, code_digest._read):
        function.cache_clear()  # each process reads a file once
    return tmp_path


@pytest.fixture(scope="module")
def expression():
    return expression_of(random_table(21, 14))


def write(folder, changes):
    text = MODEL
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "my_model.py").write_text(text)


def fit(expression, saved=None, **changes):
    return fitting.fit(expression, "my_model.py", {}, settings_of(epochs=3, **changes), 5, saved)[:2]


def resumed(expression, folder, **changes):
    """The same training, killed in its second epoch and run again."""
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, 5)
        with pytest.raises(Killed):
            fit(expression, Checkpoint(folder / "checkpoint.pt", 0, "mine"), **changes)
    return fit(expression, Checkpoint(folder / "checkpoint.pt", 0, "mine"), **changes)


@pytest.mark.parametrize("holdout", [{}, {"holdout": 0.3, "early_stopping": 2}], ids=["all", "held out"])
@pytest.mark.parametrize("what", KEPT)
def test_a_resumed_training_has_the_bits_of_one_that_was_not_interrupted(what, holdout, folder, expression, caplog):
    write(folder, KEPT[what])
    caplog.set_level(logging.INFO, "scae")
    first = fit(expression, **holdout)
    assert_same_training(first, fit(expression, **holdout))
    assert_same_training(first, resumed(expression, folder, **holdout))
    assert "resuming in epoch 2, batch 2" in caplog.messages


@pytest.mark.parametrize("what", LOST)
def test_what_a_checkpoint_lacks_is_said_and_training_starts_from_scratch(what, folder, expression, caplog):
    write(folder, LOST[what])
    first = fit(expression)
    assert_same_training(first, resumed(expression, folder))
    warned = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert re.match(r"my_model\.py: a checkpoint lacks self\.\S+, which changed in training: ", warned[0])


def test_random_states_of_the_caller_are_left_alone(folder, expression):
    import random

    import numpy as np

    write(folder, KEPT["Python's generator"])
    before = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()  # noqa: NPY002
    fit(expression)
    assert before == (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002


def test_what_a_model_file_imports_from_its_folder_is_in_its_digest(folder, expression):
    write(
        folder,
        {
            "import random\n": "import random\nfrom parts import scale\nimport helper\n",
            "#LOSS": "loss = loss * scale.BY",
        },
    )
    (folder / "parts").mkdir()
    for name, text in {
        "parts/__init__.py": "",
        "parts/scale.py": "import helper\nBY = helper.BY\n",
        "helper.py": "BY = 2\n",
    }.items():
        (folder / name).write_text(text)
    fit(expression)
    program = f"import sys; sys.path[:0] = [{str(ROOT / 'scripts')!r}]\nfrom scae.jobs import code_digest\n"
    program += "print(code_digest.digest('train_model', 'my_model.py'))"

    def digest():
        return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    found = {digest()}
    for path, text in {
        "helper.py": "BY = 3\n",
        "parts/scale.py": "import helper\nBY = -helper.BY\n",
        "parts/__init__.py": "A = 1",
    }.items():
        (folder / path).write_text(text)
        found.add(digest())
    assert len(found) == 4
    (folder / "helper.py").write_text("BY = 3  # a comment\n")
    (folder / "unused.py").write_text("BY = 3\n")
    assert digest() in found


@pytest.mark.parametrize("import_it", ["importlib.import_module('helper')", "__import__('parts.scale')"])
def test_a_module_that_the_digest_does_not_know_is_not_imported(import_it, folder, expression):
    write(folder, {"import random\n": f"import random, importlib\nimport parts\n{import_it}\n"})
    (folder / "parts").mkdir()
    for name in ("parts/__init__.py", "parts/scale.py", "helper.py"):
        (folder / name).write_text("")
    with pytest.raises(
        fitting.UserError, match=r"my_model\.py: cannot be imported \(ModuleNotFoundError: .* computed name"
    ):
        fit(expression)


def test_an_edit_after_the_digest_was_taken_is_not_run(folder, expression):
    """Else weights of the new code would be recorded as those of the old, and never made again."""
    write(folder, {"import random\n": "import random\nimport helper\n", "#LOSS": "loss = loss * helper.BY"})
    (folder / "helper.py").write_text("BY = 2\n")
    code_digest.digest("train_model", "my_model.py")
    write(folder, {"#LOSS": "raise ValueError"})
    (folder / "helper.py").write_text("raise ValueError\n")
    fit(expression)
