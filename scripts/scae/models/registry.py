"""Pages: one file for each kind of representation, that says what it is and how it is made.

A page assigns ABOUT and CONFIG and has a class ``Model``, which is trained here, a function ``fit``, by which a package
of its own trains on the counts, or a function ``embed``, which needs no training. A kind is the name of a page in this
folder or the path of one elsewhere, ending in ``.py``. What a page says of itself is read without importing it.
Standard library only, since it is read each time the workflow is parsed.
"""

import ast
import importlib
import importlib.util
import inspect
import sys
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

from scae.errors import UserError

FOLDER = Path(__file__).resolve().parent
BESIDE = ("__init__", "layers", "registry")  # what else lies in this folder
ABOUT = ("title", "summary", "reference", "doi")


@dataclass(frozen=True)
class Page:
    """What a page says of itself.

    ``about`` has title, summary, reference and doi, all text. ``config`` has the JSON schema of each hyperparameter.
    ``same_estimates`` says what a choice of ``latent.estimate`` comes to, where two give the same numbers.
    """

    kind: str
    about: dict
    config: dict
    trained: bool
    peer: bool  # trained by a package of its own, on the counts
    deterministic: bool  # not trained, and the same for every seed
    same_estimates: dict
    needs: dict  # ``module``, what it imports beside requirements.txt, and ``get``, the command that installs it

    @property
    def external(self):
        return self.peer

    @property
    def module(self):
        """What a digest of code follows: the name of the module, or the path."""
        return self.kind if is_path(self.kind) else f"scae.models.{self.kind}"

    def settings(self, entry):
        """A model's entry of the config without the options that are ``off``, as if they had never been added.

        An option that is added to a page names in CONFIG the value at which it does nothing: results of before it stay.
        """
        return {
            key: value
            for key, value in entry.items()
            if "off" not in self.config.get(key, {}) or value != self.config[key]["off"]
        }

    def estimate(self, name):
        """What a ``latent.estimate`` comes to; two names for the same numbers are no reason to embed again."""
        return self.same_estimates.get(name, name)

    def missing(self):
        """What to do about a package that the page needs and that is not here; None where nothing is missing."""
        if not self.needs or importlib.util.find_spec(self.needs["module"]):
            return None
        return (
            f"{self.about['title']} needs the package {self.needs['module']}, which is not installed here; "
            f"{self.needs['get']}, or let --sdm conda bring it"
        )


def is_path(kind):
    """Whether a kind is the path of a page outside the library."""
    return kind.endswith(".py")


def kinds():
    """Names of the pages of the library, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in BESIDE)


def find(kind):
    """Read what a page says of itself.

    Raises:
        UserError: naming the file and what it lacks.
    """
    path = Path(kind) if is_path(kind) else FOLDER / f"{kind}.py"
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f'"{kind}" does not exist (looked in {Path.cwd()}). Give the path of a page, relative to the working '
            "directory"
        ) from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as Python ({error})") from None
    except SyntaxError as error:
        raise UserError(f"{path}: line {error.lineno}: {error.msg}; the page must be Python") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            raise UserError(f"{path}: line {node.lineno}: a page has no relative imports; write the whole module name")
    about, config = _literal(path, tree, "ABOUT"), _literal(path, tree, "CONFIG")
    if not isinstance(about, dict) or any(not isinstance(about.get(name), str) for name in ABOUT):
        raise UserError(f'{path}: needs ABOUT = {{"title": …, "summary": …, "reference": …, "doi": …}}, each text')
    if not isinstance(config, dict) or not all(isinstance(entry, dict) for entry in config.values()):
        raise UserError(
            f"{path}: needs CONFIG = {{…}} with the JSON schema of each hyperparameter; {{}} if it has none"
        )
    if "kind" in config:
        raise UserError(f'{path}: CONFIG: "kind" names the page itself; call the hyperparameter something else')
    trained = _defines(tree, ast.ClassDef, "Model")
    peer = not trained and _defines(tree, ast.FunctionDef, "fit")
    if not (trained or peer or _defines(tree, ast.FunctionDef, "embed")):
        raise UserError(f"{path}: needs a class Model, or a function embed if it is not trained")
    needs = _literal(path, tree, "NEEDS") or {}
    if peer and not ({"module", "get"} <= set(needs) and "batch_size" in config):
        raise UserError(
            f'{path}: with a function fit it needs NEEDS = {{"module": …, "get": …}}, what it imports and the command '
            "that installs it, and batch_size in CONFIG"
        )
    return Page(
        kind,
        {name: about[name] for name in ABOUT},
        config,
        trained or peer,
        peer,
        deterministic=not (trained or peer) and bool(_literal(path, tree, "DETERMINISTIC")),
        same_estimates=_literal(path, tree, "SAME_ESTIMATES") or {},
        needs=needs,
    )


def load(kind):
    """The module of a page.

    Raises:
        UserError: if a page outside the library cannot be imported.
    """
    if not is_path(kind):
        return importlib.import_module(f"scae.models.{kind}")
    loader = _Source(f"scae_page_{Path(kind).stem}", kind)
    module = sys.modules[loader.name] = module_from_spec(spec_from_loader(loader.name, loader))
    try:
        loader.exec_module(module)
    except Exception as error:
        raise UserError(f"{kind}: cannot be imported ({type(error).__name__}: {_line(error)})") from error
    return module


def called(kind, name, /, *arguments, **hyperparameters):
    """What ``Model``, ``fit`` or ``embed`` of a page gives for these arguments and the hyperparameters of its CONFIG.

    Raises:
        UserError: if it does not take them.
    """
    function = getattr(load(kind), name)
    try:
        inspect.signature(function).bind(*arguments, **hyperparameters)
    except TypeError as error:
        raise UserError(f"{kind}: {name} does not take what it is given by CONFIG: {error}") from error
    return function(*arguments, **hyperparameters)


def checked(latent, n_cells, kind, first=0, method="embed"):
    """Latents as ``embed`` and ``prior`` of a page should return them: (cells, latents), every number finite.

    Returns:
        numpy.ndarray: float32.

    Raises:
        UserError: naming the page and the cell that is wrong, the first one being number ``first``.
    """
    import numpy as np

    shape = getattr(latent, "shape", None)
    if shape is None or len(shape) != 2 or shape[0] != n_cells or not shape[1]:
        found = type(latent).__name__ if shape is None else f"an array of shape {tuple(shape)}"
        raise UserError(f"{kind}: {method} returned {found}, not one of shape (cells, latents) with {n_cells} cells")
    latent = np.asarray(latent, np.float32)
    if not np.isfinite(latent).all():
        cell, number = np.argwhere(~np.isfinite(latent))[0]
        raise UserError(
            f"{kind}: {method} returned {latent[cell, number]} in latent {number + 1} of cell number {first + cell}"
        )
    return latent


class _Source(SourceFileLoader):
    """Reads the page itself, never a compiled copy, which would survive an edit within the same second."""

    def get_code(self, name):
        return self.source_to_code(self.get_data(self.path), self.path)


def _literal(path, tree, name):
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [name]:
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                raise UserError(
                    f"{path}: line {node.lineno}: {name} is read without importing the page and must be a literal"
                ) from None
    return None


def _defines(tree, kind, name):
    return any(isinstance(node, kind) and node.name == name for node in tree.body)


def _line(error):
    return " ".join(str(error).split())
