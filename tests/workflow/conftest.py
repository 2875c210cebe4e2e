"""Fixtures of the workflow tests: one finished run that all share, copies of it to change, and empty folders."""

import os

import pytest
from workflow_project import REPOSITORY, SITECUSTOMIZE, Project, copy_workflow


@pytest.fixture(scope="session")
def workflow(tmp_path_factory):
    """A copy of the repository's workflow as it is when the tests start; shared, so never edit it."""
    return copy_workflow(REPOSITORY, tmp_path_factory.mktemp("repository") / "workflow")


@pytest.fixture(scope="session")
def noted_imports(tmp_path_factory):
    """Folder where each job of the shared run notes what it has imported."""
    return tmp_path_factory.mktemp("imports")


@pytest.fixture(scope="session")
def finished(tmp_path_factory, workflow, noted_imports):
    """A project whose run is complete; shared, so look and never change. ``first_plan`` is what that run did."""
    site = tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    environment = {"PYTHONPATH": os.fspath(site), "NOTED_IMPORTS": os.fspath(noted_imports)}
    project = Project.create(tmp_path_factory.mktemp("finished") / "project", workflow, environment=environment)
    project.first_plan = project.planned()
    project.run(cores=2)
    return project


@pytest.fixture
def project(finished, tmp_path):
    """A copy of the finished project that a test may change."""
    return finished.copy(tmp_path / "project")


@pytest.fixture
def edited(finished, tmp_path):
    """A copy of the finished project on a workflow of its own, whose code a test may edit."""
    return finished.copy(tmp_path / "project", own_workflow=True)


@pytest.fixture
def empty(tmp_path, workflow):
    """A project in which nothing has been made."""
    return Project.create(tmp_path / "project", workflow)
