"""Digest of the code that a job's result depends on, so that edited code reruns exactly the affected jobs.

Standard library only, since each job and each start of the workflow loads it.
"""

import ast
import hashlib
import os
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scae import results
from scae.errors import UserError
from scae.jobs import source_code

SCRIPTS = Path(__file__).resolve().parents[2]
# Modules that no result depends on: how a job starts, logs and fails, and where its files are
LEFT_OUT = ("scae.jobs", "scae.errors", "scae.results")
LOGGERS = ("log", "logging")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Names in a model file that are read without running it; the parts that matter reach a job as params
DESCRIBING = ("ABOUT", "CONFIG", "DETERMINISTIC", "SAME_ESTIMATES")


def code(script, *modules):
    """The parameter by which a job notices edited code: the digest, and the script and modules it is of.

    Args and errors as for `digest`.
    """
    return {"digest": digest(script, *modules), "of": [script, *modules]}


def refuse_edited(code):
    """Check that the code of this job is still the code that Snakemake planned with.

    Args:
        code: from `code`, when the workflow was read.

    Raises:
        UserError: if it was edited since; its results would be recorded as those of the old code.
    """
    if digest(*code["of"]) != code["digest"]:
        raise UserError(f"scripts/{code['of'][0]}.py, or what it imports, was edited during the run; run again")


def digest(script, *modules):
    """Digest of a script and of everything that it imports from ``scripts/``, directly or not.

    A model file outside the library counts with the modules beside it that it imports.

    The syntax tree is compared, so comments, docstrings, formatting, the folder of the checkout and the version of
    Python do not count. Nor do log messages, the text of a `UserError`, the modules in `LEFT_OUT`, and the description
    in a model file (``ABOUT``, ``CONFIG`` …) unless its code uses it. Templates beside a module (``page.*.j2`` beside
    ``page.py``) and the columns of the tables that the code names do count.

    Args:
        script: name of a script, such as ``train_model``.
        modules: modules that the script loads by name, such as ``scae.models.dae``, or by path.

    Returns:
        str: 16 hexadecimal digits.

    Raises:
        UserError: naming a file that is not valid Python.
    """
    found = _followed(_starts(script, *modules))
    lines = sorted(f"{path.relative_to(root).as_posix()} {_read(path, root).digest}" for path, root in found)
    named = sorted(set().union(*(_read(path, root).tables for path, root in found)))
    lines += [f"{name} {results.BY_NAME[name].columns}" for name in named]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def files(script, *modules):
    """The files of a script, of these modules and of everything they import from ``scripts/``, sorted."""
    return sorted(path for path, _ in _followed(_starts(script, *modules)))


def beside(path):
    """A model file outside the library, and the modules in its folder that it imports, directly or not."""
    return sorted(path for path, root in _followed([_outside(path)]) if root != SCRIPTS)


def _starts(script, *modules):
    found = [(SCRIPTS / f"{script}.py", SCRIPTS)]
    for module in modules:
        found += [_outside(module)] if module.endswith(".py") else [(path, SCRIPTS) for path in _module_files(module)]
    return found


def _outside(path):
    path = Path(os.path.abspath(path))
    return path, SCRIPTS if path.is_relative_to(SCRIPTS) else path.parent


def _followed(pending):
    """{(file, the folder in which its imports are looked up)} of these and of all that they import."""
    found = set()
    while pending:
        file = pending.pop()
        if file not in found:
            found.add(file)
            pending.extend(_read(*file).imports)
    return found


class File(NamedTuple):
    digest: str
    imports: tuple  # files below scripts/ or beside a model file, each with that folder
    tables: frozenset  # names of tables of the results contract


@cache
def _read(path, root=SCRIPTS):
    """Digest, imports and tables of a file; its syntax tree is large and not kept."""
    try:
        tree = ast.parse(source_code.text(path), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UserError(f"{path}: is not valid Python{line} ({getattr(error, 'msg', error)})") from None
    content = hashlib.sha256(_plain(tree).encode())
    for template in sorted(path.parent.glob(f"{path.stem}.*.j2")):
        content.update(template.read_bytes())
    constants = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    tables = frozenset(name for name in constants & results.BY_NAME.keys() if results.BY_NAME[name].columns)
    return File(content.hexdigest(), _imports(path, tree, root), tables)


def _plain(node):
    """Code as text without docstrings, messages and empty fields; the latter differ between versions of Python."""
    if _is_user_error(node):
        return "(UserError,)"
    if isinstance(node, ast.AST):
        parts = [repr(type(node).__name__)]
        parts += (f"('{name}', {_plain(value)})" for name, value in _fields(node) if value not in (None, []))
    elif isinstance(node, list):
        parts = [_plain(item) for item in node if not _is_log_message(item)]
    else:
        return repr(repr(node))
    return f"({parts[0]},)" if len(parts) == 1 else f"({', '.join(parts)})"


def _is_user_error(node):
    """Whether a statement raises a `UserError`, whose text changes no result."""
    call = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", None) == "UserError"


def _is_log_message(node):
    """Whether a statement only logs."""
    call = node.value if isinstance(node, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Attribute) and getattr(function.value, "id", None) in LOGGERS


def _fields(node):
    """The fields of a node as (name, value), bodies without docstrings and descriptions."""
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, DOCUMENTED):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
            if isinstance(node, ast.Module):
                value = [part for part in value if not _describes(part, node)]
        yield name, value


def _describes(node, module):
    """Whether a statement assigns a description that the code of its module does not use."""
    names = [getattr(target, "id", None) for target in node.targets] if isinstance(node, ast.Assign) else []
    if len(names) != 1 or names[0] not in DESCRIBING:
        return False
    named = (name for name in ast.walk(module) if isinstance(name, ast.Name) and name.id == names[0])
    return not any(isinstance(name.ctx, ast.Load) for name in named)


def _imports(path, tree, root):
    """(file, folder) of what a file imports from ``scripts/`` or from ``root``, at its top or inside functions."""
    names = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                problem = f"{path}: line {node.lineno}: relative imports are not followed; write the full module name"
                raise ValueError(problem) if root == SCRIPTS else UserError(problem)
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    found = [(file, SCRIPTS) for name in names for file in _module_files(name)]
    if root != SCRIPTS:
        found += [(file, root) for name in names for file in _files_in(root, name)]
    return tuple(found)


def _statements(block):
    """All statements of a block of code and of its inner blocks; expressions contain no imports."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for node in getattr(block, field, ()):
            yield node
            yield from _statements(node)


@cache
def _module_files(module):
    """The files of a module below ``scripts/`` and of its packages; none for other modules."""
    if any(module == name or module.startswith(f"{name}.") for name in LEFT_OUT):
        return []
    return _files_in(SCRIPTS, module)


def _files_in(folder, module):
    parts = module.split(".")
    file = folder.joinpath(*parts).with_suffix(".py")
    packages = [folder.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*packages, file) if path.is_file()]
