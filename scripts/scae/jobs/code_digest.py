"""The code that a job's result depends on.

Standard library only, since each job and each start of the workflow loads it.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

from scae import results
from scae.errors import UserError
from scae.jobs import source_code

SCRIPTS = Path(__file__).resolve().parents[2]
# Code that no result depends on: how a job starts, logs and fails, and where its files lie
LEFT_OUT = ("scae.jobs", "scae.errors", "scae.results")
LOGGERS = ("log", "logging")
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
# Of a model file: read as text; the parts that matter reach a job as params
DESCRIBING = ("ABOUT", "CONFIG", "DETERMINISTIC", "SAME_ESTIMATES")


def code(script, *modules):
    """What a job carries as a parameter, so that edited code is noticed: a digest, and what it is of.

    Args and errors as of `digest`.
    """
    return {"digest": digest(script, *modules), "of": [script, *modules]}


def refuse_edited(code):
    """Check that the code of this job is that of the plan, whose `code` it was given.

    Raises:
        UserError: if it was edited in between; the results would be taken for those of the other code.
    """
    if digest(*code["of"]) != code["digest"]:
        raise UserError(
            f"scripts/{code['of'][0]}.py, or what it imports, was edited while the run was under way; run again"
        )


def digest(script, *modules):
    """Digest of a script and of everything that it imports from ``scripts/``, directly or not.

    Code is compared as parsed: comments, docstrings, formatting, the place of the checkout and the version of Python do
    not count. Neither do log messages and the texts of a `UserError`, the modules in `LEFT_OUT`, and how a model file
    describes itself (``ABOUT``, ``CONFIG`` …) unless its code reads that. Templates beside a module (``page.*.j2``
    beside ``page.py``) and the columns of the tables that the code names do count.

    Args:
        script: name of a script, such as ``train_model``.
        modules: further modules that the script loads by name, such as ``scae.models.dae``, or by path.

    Returns:
        str: 16 hexadecimal digits.

    Raises:
        UserError: naming a file that Python cannot read.
    """
    found = files(script, *modules)
    places = [path.relative_to(SCRIPTS) if path.is_relative_to(SCRIPTS) else path.name for path in found]
    lines = sorted(f"{Path(place).as_posix()} {_read(path).digest}" for place, path in zip(places, found, strict=True))
    named = sorted(set().union(*(_read(path).tables for path in found)))
    lines += [f"{name} {results.BY_NAME[name].columns}" for name in named]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def files(script, *modules):
    """The files of a script, of these modules and of everything they import from ``scripts/``, sorted."""
    found = set()
    pending = [SCRIPTS / f"{script}.py", *(path for module in modules for path in _module_files(module))]
    while pending:
        path = pending.pop()
        if path not in found:
            found.add(path)
            pending.extend(_read(path).imports)
    return sorted(found)


class File(NamedTuple):
    digest: str
    imports: tuple  # files below scripts/
    tables: frozenset  # names of tables of the results contract


@cache
def _read(path):
    """What a file depends on; its syntax tree is large and is not kept."""
    try:
        tree = ast.parse(source_code.text(path), filename=str(path))
    except (SyntaxError, ValueError) as error:
        line = f" in line {error.lineno}" if isinstance(error, SyntaxError) else ""
        raise UserError(f"{path}: is not Python{line} ({getattr(error, 'msg', error)})") from None
    content = hashlib.sha256(_plain(tree).encode())
    for template in sorted(path.parent.glob(f"{path.stem}.*.j2")):
        content.update(template.read_bytes())
    constants = {
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    tables = frozenset(name for name in constants & results.BY_NAME.keys() if results.BY_NAME[name].columns)
    return File(content.hexdigest(), _imports(path, tree), tables)


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
    """Whether a statement raises a `UserError`, whose text is no result."""
    call = node.exc if isinstance(node, ast.Raise) else None
    return isinstance(call, ast.Call) and getattr(call.func, "id", None) == "UserError"


def _is_log_message(node):
    """Whether a statement does nothing but log."""
    call = node.value if isinstance(node, ast.Expr) else None
    function = call.func if isinstance(call, ast.Call) else None
    return isinstance(function, ast.Attribute) and getattr(function.value, "id", None) in LOGGERS


def _fields(node):
    """The parts of a node as (name, value), a body without its docstring and what only describes."""
    for name in node._fields:
        value = getattr(node, name, None)
        if name == "body" and isinstance(node, DOCUMENTED):
            value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
            if isinstance(node, ast.Module):
                value = [part for part in value if not _describes(part, node)]
        yield name, value


def _describes(node, module):
    """Whether a statement of a module only says what the module is: its text is read, and nothing in it is run."""
    names = [getattr(target, "id", None) for target in node.targets] if isinstance(node, ast.Assign) else []
    if len(names) != 1 or names[0] not in DESCRIBING:
        return False
    named = (name for name in ast.walk(module) if isinstance(name, ast.Name) and name.id == names[0])
    return not any(isinstance(name.ctx, ast.Load) for name in named)


def _imports(path, tree):
    """Files below ``scripts/`` that a file imports, wherever in it the import stands."""
    found = []
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            found.extend(file for alias in node.names for file in _module_files(alias.name))
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.extend(_module_files(node.module))
            found.extend(file for alias in node.names for file in _module_files(f"{node.module}.{alias.name}"))
        elif isinstance(node, ast.ImportFrom):
            raise ValueError(f"{path}: relative imports are not followed; write the whole module name")
    return tuple(found)


def _statements(block):
    """All statements of a block of code and of the blocks in it; expressions, most of the code, hold no import."""
    for field in ("body", "handlers", "orelse", "finalbody", "cases"):
        for node in getattr(block, field, ()):
            yield node
            yield from _statements(node)


@cache
def _module_files(module):
    """The file of a module below ``scripts/`` and those of the packages around it; nothing for other modules."""
    if module.endswith(".py"):  # a model file outside the library
        return [Path(module).absolute()]
    if any(module == name or module.startswith(f"{name}.") for name in LEFT_OUT):
        return []
    parts = module.split(".")
    file = SCRIPTS.joinpath(*parts).with_suffix(".py")
    packages = [SCRIPTS.joinpath(*parts[:depth], "__init__.py") for depth in range(1, len(parts) + 1)]
    return [path for path in (*packages, file) if path.is_file()]
