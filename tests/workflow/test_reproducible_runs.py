"""The same inputs give the same bytes: whatever the cores, in any order, from any folder; and labels train nothing."""

import re

import pytest
from warm import Warm
from workflow_project import MODELS, Project, comparable, toy_cells

from scae.jobs import record
from scae.report import manifest


def manifest_of(project, **options):
    project.run("manifest", **options)
    return project.path("results/MANIFEST.sha256")


@pytest.fixture(scope="module")
def first(finished, warm, tmp_path_factory):
    """Manifest of the finished run, in a copy of its folder."""
    return manifest_of(finished.copy(tmp_path_factory.mktemp("first") / "moved", warm=warm))


@pytest.fixture(scope="module")
def again(finished, tmp_path_factory):
    """The finished run once more: other folder, the models listed the other way round, one core, one model first.

    Each job of the finished run has drawn a hash seed of its own; here all have another one.
    """
    folder = tmp_path_factory.mktemp("again") / "elsewhere"
    other_hashes = Warm(PYTHONHASHSEED="1")
    project = Project.create(folder, finished.workflow, finished.config, warm=other_hashes)
    project.set("run.models", list(reversed(MODELS)))
    project.run("results/toy/dae/seed0/latent.csv", cores=1)
    project.run(cores=1)
    yield project
    other_hashes.close()


def test_manifest_names_all_results_but_durations(finished, first):
    digests, made = manifest.read(first)
    assert digests.keys() == comparable(finished).keys()
    assert made[0] == f"machine: {record.machine()}"
    assert len(made) == 2  # nothing mixed, nothing unknown
    for package in ("python", "torch", "numpy", "anndata", "sklearn", "openTSNE", "matplotlib", "snakemake"):
        assert f" {package} " in made[1]


def test_run_elsewhere_in_another_order_on_one_core_gives_the_same_bytes(first, again):
    ours, theirs = manifest.read(manifest_of(again))[0], manifest.read(first)[0]
    assert ours.keys() == theirs.keys()
    shown_in_order = {"results/figures/toy/embeddings.svg", "results/figures/toy/embeddings.pdf"}
    shown_in_order |= {"results/toy/stability.png"}
    assert {path for path in ours if ours[path] != theirs[path]} == shown_in_order


def test_manifest_tells_files_of_another_version_apart(project):
    log = project.path("results/logs/train_model/toy/dae/seed0.log")
    log.write_text(re.sub(r'"torch": "[^"]+"', '"torch": "2.0.0"', log.read_text(encoding="utf-8")), encoding="utf-8")
    _, made = manifest.read(manifest_of(project))
    trained = " ".join(f"results/toy/dae/seed0/{name}" for name in ("history.csv", "model.pt"))
    assert f"mixed: torch 2.0.0 made {trained}" in made
    assert "several versions of torch" in project.path("results/logs/write_manifest/all.log").read_text()


def test_moved_results_need_no_job_and_have_the_same_manifest(finished, first, warm, tmp_path):
    project = finished.copy(tmp_path / "elsewhere" / "moved", warm=warm)
    assert project.planned() == {}
    assert manifest.differences(first, manifest_of(project)) == []


@pytest.fixture(scope="module")
def relabelled(finished, warm, tmp_path_factory):
    """The toy data with all annotation of the cells permuted; trained."""
    folder = tmp_path_factory.mktemp("relabelled") / "project"
    project = Project.create(folder, finished.workflow, finished.config, warm=warm)
    cells = toy_cells()
    cells.obs = cells.obs.iloc[::-1].set_index(cells.obs_names)
    cells.obs["another"] = range(cells.n_obs)
    cells.write_h5ad(project.path("toy.h5ad"))
    project.run(*(f"results/toy/{model}/seed0/model.pt" for model in MODELS))
    return project


def test_labels_have_no_influence_on_training(finished, relabelled):
    for path in ["expression.h5ad", *(f"{model}/seed0/model.pt" for model in MODELS)]:
        path = f"results/toy/{path}"
        assert relabelled.path(path).read_bytes() == finished.path(path).read_bytes(), path
