"""Print the installed versions of everything but the requirements named in a file."""

import re
import sys
from importlib.metadata import distributions
from pathlib import Path


def canonical(name):
    return re.sub(r"[-_.]+", "-", name).lower()


lines = Path(sys.argv[1]).read_text().splitlines()
direct = {canonical(line.split("==")[0]) for line in lines if "==" in line} | {"pip", "setuptools"}
installed = {canonical(found.name): found.version.split("+")[0] for found in distributions()}
print("# Versions of indirect dependencies, so that every install is the same. Made by `make constraints`.")
for name in sorted(installed):
    if name not in direct and not name.startswith(("nvidia-", "cuda-", "triton")):  # torch brings its own, by platform
        print(f"{name}=={installed[name]}")
