"""The folders of the library: each rule file has one, and imports run downwards only."""

import ast
from graphlib import TopologicalSorter

import pytest
from places import ROOT

LIBRARY = ROOT / "scripts/scae"
FLOORS = [
    {"report"},
    {"plots"},
    {"config"},
    {"evaluation"},
    {"training"},
    {"data"},
    {"sources"},
    {"models"},
    {"jobs"},
    {""},
]  # "": beside the folders
MODULES = sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py"))


def room(module):
    return module.rpartition("/")[0]


def floor(module):
    return next(height for height, rooms in enumerate(reversed(FLOORS)) if room(module) in rooms)


def imports(module):
    """The modules of the library that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse((LIBRARY / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module.split(".")[0] == "scae":
            named = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        else:
            continue
        files = ("/".join(name.split(".")[1:]) + ".py" for name in named if name.startswith("scae."))
        yield from (file for file in files if file in MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_downwards_only(module):
    for imported in imports(module):
        assert room(imported) == room(module) or floor(imported) < floor(module), imported


def test_no_imports_run_in_a_circle():
    graph = {module: set(imports(module)) for module in MODULES}
    assert sum(map(len, graph.values())) > 20
    TopologicalSorter(graph).prepare()


def test_every_rule_file_has_its_folder():
    """rules/models.smk trains, too, and its code lies in two folders; manifest and terminal are what all jobs share."""
    rules = {path.stem for path in (ROOT / "rules").glob("*.smk")} - {
        "common",
        "memory",
        "params",
        "targets",
        "manifest",
        "terminal",
    }
    assert rules | {"training", "workflow"} == {room(module) for module in MODULES} - {""}
