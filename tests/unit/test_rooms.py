"""The folders of the library: imports run downwards only, and in no circle."""

import ast
from graphlib import TopologicalSorter

from places import ROOT

LIBRARY = ROOT / "scripts/scae"
# From top to bottom; "" is beside the folders: results, tables, errors, style
FLOORS = ["report", "plots", "config", "evaluation", "training", "data", "sources", "models", "jobs", ""]
MODULES = sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py"))


def floor(module):
    return FLOORS.index(module.rpartition("/")[0])


def imports(module):
    """The modules of the library that a module imports, at its top or inside functions."""
    names = set()
    for node in ast.walk(ast.parse((LIBRARY / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return {name[len("scae.") :].replace(".", "/") + ".py" for name in names} & set(MODULES)


def test_imports_run_downwards_and_in_no_circle():
    graph = {module: imports(module) for module in MODULES}
    assert sum(map(len, graph.values())) > 100
    upwards = [(module, other) for module in MODULES for other in graph[module] if floor(other) < floor(module)]
    assert upwards == []
    TopologicalSorter(graph).prepare()
