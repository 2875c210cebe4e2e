"""Run the workflow's own code from its source files, never from cached bytecode; each file is read once per process.

So a digest of the code is a digest of what runs. Python alone would run bytecode that was compiled from another text of
the same length and second. Once this is imported, all modules of the package are compiled from their files. Modules
that a job loads before it have their bytecode removed when the workflow is read (`forget_bytecode`).
"""

import os
import sys
from contextlib import suppress
from functools import cache
from importlib.machinery import PathFinder, SourceFileLoader
from importlib.util import cache_from_source
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
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] != PACKAGE.name:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


def forget_bytecode():
    """Remove the bytecode of the modules that a job loads before this one, where permissions allow it."""
    for file in BEFORE:
        with suppress(OSError):
            os.remove(cache_from_source(os.fspath(PACKAGE / file)))


if _Finder not in sys.meta_path:
    sys.meta_path.insert(0, _Finder)
