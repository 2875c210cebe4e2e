"""The same inputs give the same bytes: whatever the cores, in any order, from any folder; and labels train nothing."""

import pytest
from workflow_project import MODELS, Project, toy_cells

DURATIONS = {"timing.csv", "training_times.csv", "report.html"}  # the only files that may tell how long a job took


@pytest.fixture(scope="module")
def again(finished, tmp_path_factory):
    """The finished run once more: other folder, one core, the models first, then the rest."""
    project = Project.create(tmp_path_factory.mktemp("again") / "elsewhere", finished.workflow, finished.config)
    project.run("models", cores=1)
    project.run(cores=1)
    return project


def comparable(project):
    """{path: content} of the results whose bytes must not change."""
    return {
        path: content
        for path, (content, _) in project.files().items()
        if not path.startswith(("results/logs/", "results/benchmarks/")) and path.rpartition("/")[2] not in DURATIONS
    }


@pytest.mark.parametrize("suffix", [".pt", ".csv", ".csv.gz", ".png", ".svg", ".h5ad"])
def test_second_run_elsewhere_on_one_core_gives_the_same_bytes(finished, again, suffix):
    ours, theirs = comparable(finished), comparable(again)
    assert ours.keys() == theirs.keys()
    paths = [path for path in ours if path.endswith(suffix)]
    assert paths
    assert [path for path in paths if ours[path] != theirs[path]] == []


@pytest.fixture(scope="module")
def relabelled(finished, tmp_path_factory):
    """The toy data with all annotation of the cells permuted; trained."""
    project = Project.create(tmp_path_factory.mktemp("relabelled") / "project", finished.workflow, finished.config)
    cells = toy_cells()
    cells.obs = cells.obs.iloc[::-1].set_index(cells.obs_names)
    cells.obs["another"] = range(cells.n_obs)
    cells.write_h5ad(project.path("toy.h5ad"))
    project.run(*(f"results/toy/{model}/seed0/model.pt" for model in MODELS))
    return project


@pytest.mark.parametrize("model", MODELS)
def test_labels_have_no_influence_on_training(finished, relabelled, model):
    path = f"results/toy/{model}/seed0/model.pt"
    assert relabelled.path(path).read_bytes() == finished.path(path).read_bytes()


def test_expression_that_is_trained_on_holds_no_annotation(finished, relabelled):
    path = "results/toy/expression.h5ad"
    assert relabelled.path(path).read_bytes() == finished.path(path).read_bytes()
