"""Promise: a run writes to its own folders only, and reads no file that the config does not name."""

import shutil

import pytest
from workflow_project import copy_workflow

USERS = "mine, not to be overwritten"


def refused(project, key=None):
    """The line that stops a start, before anything is written."""
    before = project.files(below=".")
    done = project.run("results/toy/counts.h5ad" if key is None else "all", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert "Execute" not in done.stdout
    after = project.files(below=".")
    own = {path for path in after if path.startswith((".snakemake/", "overlay.yaml"))}
    assert {path: after[path] for path in after.keys() - own} == {path: before[path] for path in before.keys() - own}
    return next(line for line in done.stdout.splitlines() if key is None or key in line)


@pytest.mark.parametrize("name", ["results", "logs", "benchmarks"])
@pytest.mark.parametrize(
    "value", ["/", "..", ".", "{x}", "<{name}>", "a/../..", "~/x", " ", "*", "x/", "a\nb", ".snakemake"]
)
def test_folders_that_are_no_folder_of_results_are_one_line(name, value, empty):
    value = value.replace("{name}", name)
    empty.set(f"pathvars.{name}", value)
    assert refused(empty, "athvar")


@pytest.mark.parametrize("folder", ["scripts", "rules/x", "config", "workflow", "envs"])
def test_folders_of_the_workflow_are_refused(folder, empty, workflow):
    empty.workflow = copy_workflow(workflow, empty.path("clone"))
    empty.set("pathvars.results", f"clone/{folder}")
    assert f'pathvars.results: "clone/{folder}" is a folder of the workflow itself' in refused(empty, "athvar")
    empty.set("pathvars.results", "clone")
    assert 'pathvars.results: "clone" contains this project' in refused(empty, "athvar")


@pytest.mark.parametrize("file", ["metrics.csv", "toy/labels.csv", "notes.txt", "raw/counts.mtx"])
@pytest.mark.parametrize("folder", ["data", "results"])
def test_a_folder_with_files_of_the_user_is_refused(folder, file, empty):
    path = empty.path(f"{folder}/{file}")
    path.parent.mkdir(parents=True)
    path.write_text(USERS)
    empty.set("pathvars.results", folder)
    assert f"{folder}: has files that no run of this workflow made, such as {file.partition('/')[0]}" in refused(
        empty, f"{folder}:"
    )
    assert path.read_text() == USERS


def test_a_folder_that_is_new_empty_or_ours_is_taken(small):
    small.path("second").mkdir()
    (small.path("second") / "README.md").write_text("of the clone")
    small.set("pathvars.results", "second")
    small.run()
    small.set("pathvars.results", "results")
    assert small.planned() == {}
    small.path("results/mine.txt").write_text(USERS)  # ours, with a file beside
    shutil.rmtree(small.path(".snakemake"))
    assert small.planned() == {}
    small.run("manifest")
    assert small.path("results/mine.txt").read_text() == USERS
