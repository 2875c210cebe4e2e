"""Fixtures of the workflow tests: one finished run that all share, copies of it to change, and empty folders."""

import json
import pickle
import shutil

import bare_python as bare
import noted_modules
import pytest
import rerun_contract
from warm import Warm
from workflow_project import REPOSITORY, Project, copy_workflow


@pytest.fixture(scope="session")
def workflow(made_once):
    """A copy of the repository's workflow as it is when the tests start; shared, so never edit it."""
    return made_once("workflow", lambda folder: copy_workflow(REPOSITORY, folder))


@pytest.fixture(scope="session")
def warm(workflow):
    """Snakemake without the start-up, see warm.py."""
    process = Warm(workflow=workflow)
    yield process
    process.close()


@pytest.fixture(scope="session")
def bare_python(made_once):
    """A Python with what requirements.txt brings and nothing else, as `make run` has it."""
    return made_once("bare", lambda folder: bare.create(folder, REPOSITORY / "requirements.txt")) / "bin/python"


@pytest.fixture(scope="session")
def finished_once(made_once, workflow, warm, bare_python):
    """The finished project as the first worker left it, with what its jobs have loaded."""

    def make(folder):
        for name in ("site", "modules"):
            (folder / name).mkdir(parents=True)
        shutil.copy(noted_modules.__file__, folder / "site/sitecustomize.py")
        project = Project.create(folder / "project", workflow, warm=warm)
        project.first_plan = project.planned()
        project.warm, project.python = None, bare_python
        project.environment = {"PYTHONPATH": str(folder / "site"), "NOTED_MODULES": str(folder / "modules")}
        project.run(cores=2)
        (folder / "project.pickle").write_bytes(pickle.dumps(project))

    return made_once("finished", make)


@pytest.fixture(scope="session")
def finished(finished_once):
    """A project whose run is complete; shared, so look and never change. ``first_plan`` is what that run did.

    It ran on requirements.txt alone. Its run is an ordinary one, and so is each that is started in it.
    """
    return pickle.loads((finished_once / "project.pickle").read_bytes())


@pytest.fixture(scope="session")
def everything_once(made_once, workflow, warm):
    """The same for a warm run with each kind of model and of optional file; see rerun_contract.yaml."""

    def make(folder):
        pytest.importorskip("scvi")
        (folder / "modules").mkdir(parents=True)
        project = Project.create(folder / "project", workflow, warm=warm)
        rerun_contract.configure(project, "everything")
        rerun_contract.write_data(project)
        project.first_plan = project.planned()
        project.environment = {"NOTED_MODULES": str(folder / "modules")}
        project.run("all", "manifest")
        project.warm, project.environment = None, {}
        (folder / "project.pickle").write_bytes(pickle.dumps(project))

    return made_once("everything", make)


@pytest.fixture(scope="session")
def everything(everything_once, warm):
    """That project; shared, so look and never change."""
    project = pickle.loads((everything_once / "project.pickle").read_bytes())
    project.warm = warm
    return project


@pytest.fixture(scope="session")
def noted(request):
    """Function: what each job of the run ``finished`` or ``everything`` has loaded; see noted_modules.py."""

    def of(run):
        folder = request.getfixturevalue(f"{run}_once") / "modules"
        return [json.loads(path.read_text()) for path in folder.iterdir()]

    return of


@pytest.fixture
def project(finished, warm, tmp_path):
    """A copy of the finished project that a test may change; what a test runs in it has no start-up."""
    return finished.copy(tmp_path / "project", warm=warm)


@pytest.fixture
def edited(finished, warm, tmp_path):
    """A copy of the finished project on a workflow of its own, whose code a test may edit."""
    return finished.copy(tmp_path / "project", own_workflow=True, warm=warm)


@pytest.fixture
def empty(warm, tmp_path, workflow):
    """A project in which nothing has been made."""
    return Project.create(tmp_path / "project", workflow, warm=warm)
