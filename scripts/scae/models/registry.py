"""Model files: one file for each kind of representation, with its description and its code.

A model file assigns ABOUT and CONFIG, and defines one of three: a class ``Model``, which this workflow trains; a
function ``fit``, by which an external package trains on the counts; or a function ``embed``, which needs no training. A
kind is the name of a model file in this folder, or the path of one elsewhere, ending in ``.py``. The description is
read without importing the file.

A ``Model`` may have a method ``start(expression, cells)``, called once before training with the indices of the training
cells. With ``NEEDS_COUNTS = True`` its batches also have the counts, and the expression is never scaled. A
hyperparameter that is named like a setting of ``training`` (`OF_TRAINING`) replaces that setting for its model, and is
not passed to ``Model``.

Standard library only, since each start of the workflow reads it.
"""

import ast
import importlib
import importlib.util
import inspect
import keyword
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from scae.errors import UserError
from scae.jobs import code_digest, source_code

FOLDER = Path(__file__).resolve().parent
NO_MODELS = ("__init__", "layers", "registry")  # other files in this folder
# Settings of training that a model may have
OF_TRAINING = ("batch_size", "early_stopping", "epochs", "learning_rate", "min_steps")
ABOUT = ("title", "summary", "reference", "doi")
FITTED = ("latent", "kl", "history", "seconds")  # of an external model


@dataclass(frozen=True)
class ModelFile:
    """The description that a model file gives of itself."""

    kind: str
    about: dict  # title, summary, reference and doi, all text
    config: dict  # JSON schema of each hyperparameter
    trained: bool  # here or by an external package
    external: bool  # trained by an external package, on the counts
    deterministic: bool  # not trained, and the same for every seed
    same_estimates: dict  # choices of ``latent.estimate`` that give the same numbers as another: {choice: the other}
    counts: bool  # trained here, on expression and counts
    needs: dict  # ``module``, the package beyond requirements.txt, and ``get``, the command that installs it

    @property
    def module(self):
        """Name of the module, or path of the file, for the digest of the code."""
        return self.kind if is_path(self.kind) else f"scae.models.{self.kind}"

    def settings(self, entry):
        """A model's entry of the config, without `training` and the options at their ``off`` value in CONFIG.

        So a new option, which is off, leaves the results of earlier versions valid.
        """
        without = self.training(entry)
        return {
            key: value
            for key, value in entry.items()
            if key not in without and ("off" not in self.config.get(key, {}) or value != self.config[key]["off"])
        }

    def training(self, entry):
        """The settings of training in the entry of a model that is trained here; they replace those of the config."""
        here = self.trained and not self.external
        return {key: entry[key] for key in OF_TRAINING if key in entry} if here else {}

    def estimate(self, name):
        """The estimate that gives the same numbers as this ``latent.estimate``, so that cells are embedded once."""
        return self.same_estimates.get(name, name)

    def missing(self):
        """Message about a package that the model needs and that is not installed; None if nothing is missing."""
        if not self.needs or importlib.util.find_spec(self.needs["module"].partition(".")[0]):
            return None
        return (
            f"{self.about['title']} needs the package {self.needs['module']}, which is not installed here; "
            f"{self.needs['get']}, or let --sdm conda install it"
        )


def is_path(kind):
    """Whether a kind is the path of a model file outside the library."""
    return kind.endswith(".py")


def kinds():
    """Names of the model files of the library, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in NO_MODELS)


def find(kind):
    """Read the description in a model file.

    Returns:
        ModelFile

    Raises:
        UserError: if the file does not exist, is not valid Python, or lacks a part.
    """
    path = Path(kind) if is_path(kind) else FOLDER / f"{kind}.py"
    try:
        tree = ast.parse(source_code.text(path))  # the text that is digested and run
    except FileNotFoundError:
        raise UserError(
            f'"{kind}" does not exist (looked in {Path.cwd()}). Give the path of a model file, relative to the working '
            "directory"
        ) from None
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: cannot be read as Python ({error})") from None
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.msg}; fix the Python code") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise UserError(
                f"{path}: line {node.lineno}: relative imports do not work here; write the full module name"
            )
    about, config = _literal(path, tree, "ABOUT"), _literal(path, tree, "CONFIG")
    if not isinstance(about, dict) or any(not isinstance(about.get(name), str) for name in ABOUT):
        raise UserError(f'{path}: needs ABOUT = {{"title": …, "summary": …, "reference": …, "doi": …}}, each text')
    if not isinstance(config, dict) or not all(isinstance(entry, dict) for entry in config.values()):
        raise UserError(f"{path}: needs CONFIG = {{…}} with the JSON schema of each hyperparameter, or {{}}")
    if "kind" in config:
        raise UserError(f'{path}: CONFIG: "kind" is reserved for the model file; rename the hyperparameter')
    for name in config:
        if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
            raise UserError(f"{path}: CONFIG: {name!r} is not a name that Python can pass; rename the hyperparameter")
    if found := _reference(config):
        raise UserError(f'{path}: CONFIG: "{found}" refers to another schema; write out what it stands for')
    trained = _defines(tree, ast.ClassDef, "Model")
    external = not trained and _defines(tree, ast.FunctionDef, "fit")
    if not (trained or external or _defines(tree, ast.FunctionDef, "embed")):
        raise UserError(f"{path}: needs a class Model, or a function fit (external package) or embed (no training)")
    needs, same = (_literal(path, tree, name) or {} for name in ("NEEDS", "SAME_ESTIMATES"))
    for name, value in {"NEEDS": needs, "SAME_ESTIMATES": same}.items():
        if not isinstance(value, dict) or not all(isinstance(text, str) and text for text in [*value, *value.values()]):
            raise UserError(f"{path}: {name} must be a dict of text")
    if external and not ({"module", "get"} <= set(needs) and "batch_size" in config):
        raise UserError(
            f'{path}: a function fit needs NEEDS = {{"module": …, "get": …}}, the package and the command that '
            "installs it, and batch_size in CONFIG"
        )
    return ModelFile(
        kind,
        {name: about[name] for name in ABOUT},
        config,
        trained=trained or external,
        external=external,
        deterministic=not (trained or external) and bool(_literal(path, tree, "DETERMINISTIC")),
        same_estimates=same,
        counts=trained and bool(_literal(path, tree, "NEEDS_COUNTS")),
        needs=needs,
    )


def load(kind):
    """The module of a model file.

    Raises:
        UserError: if a file outside the library cannot be imported.
    """
    if not is_path(kind):
        return importlib.import_module(f"scae.models.{kind}")
    try:
        return source_code.load(f"scae_model_{Path(kind).stem}", kind, code_digest.beside(kind))
    except (Exception, SystemExit) as error:
        message = " ".join(str(error).split())
        raise UserError(f"{kind}: cannot be imported ({type(error).__name__}: {message})") from error


def call(kind, name, /, *arguments, **hyperparameters):
    """Call ``Model``, ``fit`` or ``embed`` of a model file.

    Raises:
        UserError: if its signature does not accept the arguments and the hyperparameters of CONFIG.
    """
    function = getattr(load(kind), name, None)
    if function is None:  # defined in a branch that was not run, or deleted
        raise UserError(f"{kind}: has no {name} once it is imported; define it at the top level")
    try:
        inspect.signature(function).bind(*arguments, **hyperparameters)
    except TypeError as error:
        raise UserError(f"{kind}: {name} does not accept the hyperparameters of CONFIG: {error}") from error
    return function(*arguments, **hyperparameters)


def validate_latent(latent, n_cells, kind, first=0, method="embed"):
    """Check that a model file returned latents of shape (cells, latents), every number finite.

    Args:
        latent: array or tensor that ``method`` of the model file returned.
        n_cells: number of cells it should have.
        kind: the model file, for the message.
        first: index of the first of these cells, for the message.
        method: name of the method, for the message.

    Returns:
        numpy.ndarray: (cells, latents), float32.

    Raises:
        UserError: naming the model file and the first wrong cell.
    """
    import numpy as np

    shape = getattr(latent, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != n_cells or not shape[1]:
        found = type(latent).__name__ if shape is None else f"shape {tuple(shape)}"
        raise UserError(f"{kind}: {method} returned {found}; return shape (cells, latents) with {n_cells} cells")
    if hasattr(latent, "detach"):
        latent = latent.detach().cpu()
    with suppress(TypeError, ValueError, RuntimeError):  # such as bfloat16, which numpy does not have
        latent = np.asarray(latent)
    kind_of_number = getattr(getattr(latent, "dtype", None), "kind", "")
    if not isinstance(latent, np.ndarray) or kind_of_number not in "fiu":
        found = getattr(latent, "dtype", type(latent).__name__)
        raise UserError(f"{kind}: {method} returned {found}; return an array or tensor of float32")
    latent = latent.astype(np.float32, copy=False)
    if not np.isfinite(latent).all():
        cell, number = np.argwhere(~np.isfinite(latent))[0]
        raise UserError(
            f"{kind}: {method} returned {latent[cell, number]} in latent {number + 1} of cell number {first + cell + 1}"
        )
    return latent


def validate_fit(fitted, kind):
    """Check that ``fit`` of a model file returned what it should, apart from the latents themselves.

    Raises:
        UserError: naming the model file and what is missing.
    """
    missing = [name for name in FITTED if name not in fitted] if isinstance(fitted, dict) else FITTED
    if missing or not isinstance(fitted["history"], list) or not fitted["history"]:
        found = f"a dict without {', '.join(missing)}" if isinstance(fitted, dict) else f"a {type(fitted).__name__}"
        raise UserError(
            f"{kind}: fit returned {found if missing else 'no history'}; return a dict with {', '.join(FITTED)}, of "
            "which history has a dict for each epoch"
        )


def _literal(path, tree, name):
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [name]:
            try:
                return ast.literal_eval(node.value)
            except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
                raise UserError(
                    f"{path}: line {node.lineno}: {name} must be a literal, since it is read without importing the file"
                ) from None
    return None


def _reference(schema):
    """The first key that refers to another schema, which could be at any address."""
    if isinstance(schema, dict):
        return next((key for key in schema if str(key).startswith("$")), None) or _reference(list(schema.values()))
    if isinstance(schema, list | tuple):
        return next(filter(None, map(_reference, schema)), None)
    return None


def _defines(tree, kind, name):
    return any(isinstance(node, kind) and node.name == name for node in tree.body)
