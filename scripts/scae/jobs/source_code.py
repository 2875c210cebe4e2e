"""Run the workflow's own code from its source files, never from cached bytecode; each file is read once per process.

So a digest of the code is a digest of what runs. Python alone would run bytecode that was compiled from another text of
the same length and second. Once this is imported, all modules of the package are compiled from their files. Modules
that a job loads before it have their bytecode removed when the workflow is read (`forget_bytecode`). The same holds for
a model file outside the library and the modules beside it that it imports (`load`).
"""

import os
import sys
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import cache_from_source, module_from_spec, spec_from_loader
from pathlib import Path

from scae.errors import UserError

PACKAGE = Path(__file__).resolve().parents[1]
BEFORE = ("__init__.py", "errors.py", "jobs/__init__.py", "jobs/runtime.py", "jobs/source_code.py")


def text(path):
    """A source file as text.

    Raises:
        UserError: if Python could not read it in a job.
    """
    content = _content(os.path.realpath(path))
    if content.startswith(b"\xef\xbb\xbf"):
        raise UserError(f"{path}: starts with a byte order mark; save it as UTF-8 without one")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8; save it as UTF-8") from None


@cache
def _content(path):
    with open(path, "rb") as file:
        return file.read()


class _Loader(SourceFileLoader):
    """Compiles the text that was read; neither reads nor writes bytecode."""

    def get_data(self, path):
        return _content(os.path.realpath(path))

    def path_stats(self, path):
        raise OSError(f"{path}: bytecode is not used")


class _Finder:
    beside = {}  # noqa: RUF012 {name of a module beside a model file: the files that may be imported}

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        top = name.partition(".")[0]
        if top != PACKAGE.name and top not in cls.beside:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and top in cls.beside and spec.origin not in cls.beside[top]:
            raise ModuleNotFoundError(f"{name} is imported under a computed name; write import {name}")
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Beside:
    """Finds what nothing else does among the modules beside a model file, which must be in the digest of its code."""

    def __init__(self, folder, files):
        self.folder, self.files = os.fspath(folder), set(map(os.fspath, files))

    def find_spec(self, name, path=None, target=None):
        spec = PathFinder.find_spec(name, [self.folder]) if path is None else None
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        _Finder.beside[name] = self.files
        return _Finder.find_spec(name, [self.folder])


def load(name, path, files):
    """Import a file outside the library under a name.

    Args:
        name: of the module.
        path: the file.
        files: it and the modules beside it that it may import.
    """
    path = os.path.abspath(path)
    for module in [module for module in sys.modules if module.partition(".")[0] in _Finder.beside]:
        del sys.modules[module]  # beside another model file
    _Finder.beside.clear()
    sys.meta_path[:] = [finder for finder in sys.meta_path if not isinstance(finder, _Beside)]
    sys.meta_path.append(_Beside(os.path.dirname(path), files))
    loader = _Loader(name, path)
    module = sys.modules[name] = module_from_spec(spec_from_loader(name, loader))
    loader.exec_module(module)
    return module


def forget_bytecode():
    """Remove the bytecode of the modules that a job loads before this one, where permissions allow it."""
    for file in BEFORE:
        with suppress(OSError):
            os.remove(cache_from_source(os.fspath(PACKAGE / file)))


if _Finder not in sys.meta_path:
    sys.meta_path.insert(0, _Finder)
