"""What benchmarks and tools import of the library is there; they are run by hand, so that nothing else would tell."""

import ast

import pytest
from places import ROOT

FILES = sorted([*(ROOT / "benchmarks").glob("*.py"), *(ROOT / "tools").glob("*.py")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_imports_of_the_library_exist(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "scae":
            for alias in node.names:
                place = ROOT / "scripts" / node.module.replace(".", "/")
                assert _is_there(place / alias.name) or _defines(place, alias.name), f"{node.module}.{alias.name}"


def _is_there(place):
    return place.is_dir() or place.with_suffix(".py").exists()


def _defines(place, name):
    source = place.with_suffix(".py")
    if not source.exists():
        return False
    names = set()
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return name in names
