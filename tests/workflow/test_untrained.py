"""A run without training: representations that need none, and given embeddings, from the latent on."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from test_contract import contract, made
from warm import Warm
from workflow_project import Project, toy_cells

from scae import results

MODELS = ["given", "pca", "pca_again", "random_projection"]
SEEDS = [0, 1]


@pytest.fixture(scope="module")
def untrained(workflow, tmp_path_factory):
    """A finished run of these models; pca_again is the latent of pca as a given embedding. Shared: read only."""
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


def content(untrained, model, name, seed=0):
    return untrained.path(f"results/toy/{model}/seed{seed}/{name}").read_bytes()


def test_run_ends_with_every_file_from_the_latent_on_and_none_of_a_training(untrained):
    assert made(untrained) == contract(["toy"], SEEDS, own=[], untrained=MODELS)
    assert untrained.planned() == {}
    header = ",".join(results.BY_NAME["training_times"].column_names)
    assert untrained.path("results/training_times.csv").read_text() == f"{header}\n"


def test_every_representation_is_scored(untrained):
    scores = pd.read_csv(untrained.path("results/metrics.csv"))
    assert set(zip(scores["model"], scores["seed"], strict=True)) == {(name, seed) for name in MODELS for seed in SEEDS}
    ari = scores[(scores["metric"] == "ari") & (scores["space"] == "latent")].groupby("model")["value"].mean()
    assert ari["given"] == 1  # its types are six standard deviations apart
    assert ari["random_projection"] < 0.8 * ari["given"]


def test_the_latent_of_pca_as_a_given_embedding_scores_exactly_like_pca(untrained):
    for seed in SEEDS:
        for name in ("latent.csv", "tsne2d.csv", "clusters.csv", "metrics.csv"):
            assert content(untrained, "pca_again", name, seed) == content(untrained, "pca", name, seed)


def test_only_a_random_representation_depends_on_the_seed(untrained):
    same = {
        name: content(untrained, name, "latent.csv") == content(untrained, name, "latent.csv", 1) for name in MODELS
    }
    assert same == {"given": True, "pca": True, "pca_again": True, "random_projection": False}


def test_they_are_in_the_file_for_scanpy_the_heatmap_and_the_report(untrained):
    data = anndata.read_h5ad(untrained.path("results/toy/embeddings_seeds.h5ad"))
    keys = {f"{name}_seed{seed}" for name in MODELS for seed in SEEDS}
    assert {f"X_{key}" for key in keys} <= set(data.obsm)
    assert {f"clusters_{key}{suffix}" for key in keys for suffix in ("", "_tsne")} < set(data.obs)
    heatmap = untrained.path("results/heatmap.svg").read_text(encoding="utf-8")
    report = untrained.path("results/report.html").read_text(encoding="utf-8")
    for name in MODELS:
        assert f"<!-- {name} -->" in heatmap
        assert f'<details class="panel" id="toy.{name}">' in report
    assert "Loss curves" not in report
    assert "gradient steps" not in report


def test_a_given_embedding_has_the_cells_that_quality_control_keeps(untrained, tmp_path):
    project = untrained.copy(tmp_path / "project")
    project.set("datasets.toy.qc.min_genes", 45)
    project.run("results/toy/given/seed0/latent.csv")
    kept = anndata.read_h5ad(project.path("results/toy/expression.h5ad")).obs_names
    assert 0 < len(kept) < len(toy_cells())
    found = pd.read_csv(project.path("results/toy/given/seed0/latent.csv"), index_col="cell")
    assert list(found.index) == list(kept)
    expected = pd.DataFrame(toy_cells().obsm["X_given"], toy_cells().obs_names).loc[kept]
    np.testing.assert_array_equal(found.to_numpy(np.float32), expected.to_numpy(np.float32))


def test_a_trained_model_joins_without_a_new_representation_of_the_others(untrained, tmp_path):
    project = untrained.copy(tmp_path / "project")
    project.set("run.models", [*MODELS, "dae"])
    plan = project.planned()
    assert plan["train_model"] == plan["embed_cells"] == {("toy", "dae", "0"), ("toy", "dae", "1")}
    assert "represent_cells" not in plan
    assert {wildcards[1] for wildcards in plan["project_tsne"]} == {"dae"}
