"""A Python that sees what requirements.txt brings and nothing else, made in a second from what is installed here."""

import re
import sys
import venv
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name


def closure(file):
    """{name: distribution} of all that a file of requirements brings here, directly or not."""
    lines = Path(file).read_text(encoding="utf-8").splitlines()
    pending = [Requirement(line) for line in lines if re.match(r"\w", line)]
    found, seen = {}, set()
    while pending:
        needed = pending.pop()
        name, extras = canonicalize_name(needed.name), frozenset(needed.extras)
        if (name, extras) not in seen:
            seen.add((name, extras))
            found[name] = metadata.distribution(name)
            pending += [
                below
                for below in map(Requirement, found[name].requires or ())
                if not below.marker or any(below.marker.evaluate({"extra": extra}) for extra in extras | {""})
            ]
    return found


def top_level(distribution):
    """{name: path} of the files and folders that a distribution has in site-packages."""
    names = {file.parts[0] for file in distribution.files} - {"..", "__pycache__"}
    return {name: Path(distribution.locate_file(name)) for name in names}


def create(folder, requirements):
    """Make a virtual environment of links."""
    venv.create(folder, with_pip=False, symlinks=True)
    site = Path(folder, f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages")
    for distribution in closure(requirements).values():
        for name, path in top_level(distribution).items():
            if not (site / name).exists():
                (site / name).symlink_to(path)
