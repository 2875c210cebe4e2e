"""A run without any training: representations that need none, and embeddings that are given, from the latent on."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from test_contract import OF_OWN, OVER_ALL, contract, header
from warm import Warm
from workflow_project import Project, toy_cells

MODELS = ["given", "pca", "pca_again", "random_projection"]
SEEDS = [0, 1]
OF_TRAINING = {"model.pt", "history.csv", "timing.csv", "losses.png", *OF_OWN}


@pytest.fixture(scope="module")
def untrained(workflow, tmp_path_factory):
    """A finished run of these models; pca_again is given the latent of pca. Shared, so look and never change."""
    warm = Warm()
    project = Project.create(tmp_path_factory.mktemp("untrained") / "project", workflow, warm=warm)
    project.set("run", {"datasets": ["toy"], "models": ["pca"], "seeds": SEEDS})
    project.set("models", {"given": {"kind": "given", "key": "X_given"}})
    project.run("results/toy/pca/seed0/latent.csv")
    shutil.copy(project.path("results/toy/pca/seed0/latent.csv"), project.path("pca.csv"))
    project.set("models.pca_again", {"kind": "given", "path": "pca.csv"})
    project.set("run.models", MODELS)
    project.run()
    yield project
    warm.close()


def of_run(untrained, model, name, seed=0):
    return untrained.path(f"results/toy/{model}/seed{seed}/{name}").read_bytes()


def test_run_ends_with_every_file_from_the_latent_on_and_none_of_a_training(untrained):
    made = {path for path in untrained.files() if not path.startswith(("results/logs/", "results/benchmarks/"))}
    complete = contract(["toy"], MODELS, SEEDS)
    assert made == {path for path in complete if path.rpartition("/")[2] not in OF_TRAINING}


def test_run_has_nothing_left_to_do_and_its_parts_are_complete(untrained):
    assert untrained.planned() == {}
    assert untrained.planned(targets=["manifest"]) == {"write_manifest": {()}}


def test_table_of_training_times_has_its_columns_and_no_row(untrained):
    assert untrained.path("results/training_times.csv").read_text() == OVER_ALL["training_times.csv"] + "\n"


def test_scores_are_those_of_every_representation(untrained):
    scores = pd.read_csv(untrained.path("results/metrics.csv"))
    assert set(zip(scores["model"], scores["seed"], strict=True)) == {(name, seed) for name in MODELS for seed in SEEDS}
    ari = scores[(scores["metric"] == "ari") & (scores["space"] == "latent")].groupby("model")["value"].mean()
    assert ari["given"] == 1  # it keeps the types six standard deviations apart
    assert ari["random_projection"] < 0.8 * ari["given"]


def test_latent_of_pca_given_back_scores_exactly_like_pca(untrained):
    for seed in SEEDS:
        for name in ("latent.csv", "tsne2d.csv", "tsne3d.csv", "clusters.csv", "metrics.csv"):
            assert of_run(untrained, "pca_again", name, seed) == of_run(untrained, "pca", name, seed)


def test_only_a_random_representation_has_another_latent_for_another_seed(untrained):
    same = {
        name: of_run(untrained, name, "latent.csv", 0) == of_run(untrained, name, "latent.csv", 1) for name in MODELS
    }
    assert same == {"given": True, "pca": True, "pca_again": True, "random_projection": False}
    assert header(untrained.path("results/toy/given/seed0/latent.csv")) == "cell,z1,z2,z3"
    given = pd.read_csv(untrained.path("results/toy/given/seed0/latent.csv"), index_col="cell")
    np.testing.assert_array_equal(given.to_numpy(np.float32), toy_cells().obsm["X_given"].astype(np.float32))


def test_they_stand_in_the_file_for_scanpy(untrained):
    data = anndata.read_h5ad(untrained.path("results/toy/embeddings.h5ad"))
    keys = {f"{name}_seed{seed}" for name in MODELS for seed in SEEDS}
    assert {f"X_{key}{suffix}" for key in keys for suffix in ("", "_tsne2d", "_tsne3d")} == set(data.obsm)
    assert {f"{key}_{space}" for key in keys for space in ("latent", "tsne2d")} < set(data.obs)


def test_heatmap_and_report_show_them_and_nothing_of_a_training(untrained):
    heatmap = untrained.path("results/heatmap.svg").read_text(encoding="utf-8")
    report = untrained.path("results/report.html").read_text(encoding="utf-8")
    for name in MODELS:
        assert f"<!-- {name} · toy -->" in heatmap
        assert f'<h3 id="toy.{name}">' in report
    assert "Loss curves" not in report
    assert 'id="times"' not in report
    assert "The latent of given, pca, pca_again is the same for every seed" in report


def test_given_embedding_loses_the_cells_that_quality_control_drops(untrained, tmp_path):
    project = untrained.copy(tmp_path / "project")
    project.set("datasets.toy.qc.min_genes", 45)
    project.run("results/toy/given/seed0/latent.csv")
    kept = anndata.read_h5ad(project.path("results/toy/expression.h5ad")).obs_names
    assert 0 < len(kept) < len(toy_cells())
    found = pd.read_csv(project.path("results/toy/given/seed0/latent.csv"), index_col="cell")
    assert list(found.index) == list(kept)
    expected = pd.DataFrame(toy_cells().obsm["X_given"], toy_cells().obs_names).loc[kept]
    np.testing.assert_array_equal(found.to_numpy(np.float32), expected.to_numpy(np.float32))


def failure(untrained, tmp_path, **models):
    """The line by which a job of represent_cells fails."""
    project = untrained.copy(tmp_path / "project")
    for name, model in models.items():
        project.set(f"models.{name}", model)
    done = project.run(*(f"results/toy/{name}/seed0/latent.csv" for name in models), check=False)
    assert done.returncode
    assert "Traceback" not in done.stdout
    line, *_ = [line for line in done.stdout.splitlines() if line.startswith("represent_cells dataset=")]
    return line


def test_key_that_is_not_there_names_those_that_are(untrained, tmp_path):
    line = failure(untrained, tmp_path, given={"kind": "given", "key": "X_scvi"})
    assert line.endswith('seed=0: toy.h5ad: has no obsm["X_scvi"]; it has X_given, X_other')


def test_more_components_than_there_can_be_are_refused(untrained, tmp_path):
    line = failure(untrained, tmp_path, pca={"kind": "pca", "n_latent": 60})
    assert "n_latent: 60 principal components need more cells and genes than that; there are 90 cells x 60" in line


def test_a_trained_model_joins_without_a_representation_made_again(untrained, tmp_path):
    project = untrained.copy(tmp_path / "project")
    project.set("run.models", [*MODELS, "dae"])
    plan = project.planned()
    assert plan["train_model"] == plan["embed_cells"] == {("toy", "dae", "0"), ("toy", "dae", "1")}
    assert "represent_cells" not in plan
    assert {wildcards[1] for wildcards in plan["project_tsne"]} == {"dae"}
