"""Fixtures of the attacks: those of the workflow tests, and a small finished project."""

import pickle
import runpy

import pytest
from places import ROOT
from workflow_project import Project

SHARED = ("workflow", "warm", "empty")
globals().update({name: runpy.run_path(str(ROOT / "tests/workflow/conftest.py"))[name] for name in SHARED})


@pytest.fixture(scope="session")
def small_once(made_once, workflow, warm):
    """A finished run of one model, whose jobs only wrote the names of their files (warm.py); shared, never changed."""

    def make(folder):
        project = Project.create(folder / "project", workflow, warm=warm, environment={"PRETEND": "1"})
        project.set("run.models", ["dae"])
        project.run()
        project.warm = None
        (folder / "project.pickle").write_bytes(pickle.dumps(project))

    return made_once("small", make)


@pytest.fixture
def small(small_once, warm, tmp_path):
    """A copy of that project, which a test may change; its jobs pretend too."""
    project = pickle.loads((small_once / "project.pickle").read_bytes()).copy(tmp_path / "project", warm=warm)
    project.environment = {"PRETEND": "1"}
    return project
