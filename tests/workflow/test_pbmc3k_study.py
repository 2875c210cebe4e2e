"""The original study's data: PBMC3k from the 10x archive to the report, with few epochs."""

import re

import anndata
import pandas as pd
import pytest
from sklearn.metrics import adjusted_rand_score
from test_contract import contract, made, wrong_columns
from workflow_project import MODELS, Project

CITATION = "original study (one run)"
PUBLISHED = {
    "dae": (0.72, 0.58, 0.77, 0.67),
    "beta_vae": (0.61, 0.44, 0.65, 0.57),
    "beta_vsc": (0.65, 0.47, 0.69, 0.60),
}


@pytest.fixture(scope="module")
def study(workflow, warm, pbmc3k, tmp_path_factory):
    """config/pbmc3k.yaml on the local archive, of its models one seed, with few epochs and iterations; complete."""
    overlay = {
        "run": {"models": list(MODELS), "seeds": [0]},
        "datasets": {
            "pbmc3k": {"source": str(pbmc3k / "pbmc3k_filtered_gene_bc_matrices.tar.gz"), "sha256": None},
        },
        "training": {"epochs": 2},
        "tsne": {"early_exaggeration_iterations": 20, "iterations": 30},
        "kmeans": {"n_init": 5},
    }
    folder = tmp_path_factory.mktemp("pbmc3k") / "project"
    project = Project.create(folder, workflow, overlay, configfiles=[workflow / "config/pbmc3k.yaml"], warm=warm)
    project.run(cores=2)
    return project


def test_study_ends_with_every_file_of_the_contract(study):
    assert made(study) == contract(["pbmc3k"], label_sets=["markers"])
    assert wrong_columns(study) == []


def test_expression_has_the_cells_and_genes_of_seurats_tutorial(study):
    expression = anndata.read_h5ad(study.path("results/pbmc3k/expression.h5ad"))
    assert expression.shape == (2638, 13714)
    assert expression.X.sum(dtype="float64") == pytest.approx(4_535_670, abs=1)


def test_labels_are_nine_named_types_that_agree_with_seurat(study, workflow, pbmc3k):
    labels = pd.read_csv(study.path("results/pbmc3k/labels.csv"), index_col="cell")["label"]
    seurat = pd.read_csv(pbmc3k / "seurat_4.3/clusters.csv", index_col="barcode")["cluster"]
    assert set(labels) == {
        *("Naive CD4 T", "CD14+ Mono", "Memory CD4 T", "B", "CD8 T"),
        *("FCGR3A+ Mono", "NK", "DC", "Platelet"),
    }
    assert set(labels.index) == set(seurat.index)
    assert adjusted_rand_score(seurat.loc[labels.index], labels) >= 0.95


@pytest.fixture(scope="module")
def untrained(study, tmp_path_factory):
    """Scores of what needs no training, {(model, space, metric): value}, on the data of the study."""
    project = study.copy(tmp_path_factory.mktemp("untrained") / "project")
    project.set("run", {"models": ["pca", "random_projection"]})
    project.set("kmeans.n_init", 100)
    project.run("results/metrics.csv")
    scores = pd.read_csv(project.path("results/metrics.csv"))
    scores = scores[scores["labels"] == "clusters"]
    return scores.set_index(["model", "space", "metric"])["value"].to_dict()


def test_pca_is_the_yardstick_that_it_was_measured_to_be(untrained):
    assert untrained["pca", "latent", "ari"] == pytest.approx(0.66, abs=0.02)
    assert untrained["pca", "latent", "nmi"] == pytest.approx(0.76, abs=0.02)


@pytest.mark.parametrize("space", ["tsne2d", "latent"])
def test_a_random_projection_finds_next_to_no_cell_type(untrained, space):
    assert untrained["random_projection", space, "ari"] < 0.06


def test_heatmap_and_report_show_the_published_scores(study):
    heatmap = study.path("results/heatmap.svg").read_text(encoding="utf-8")  # each text stands in it as a comment
    report = study.path("results/report.html").read_text(encoding="utf-8")
    for model in MODELS:
        assert f"<!-- {model}, {CITATION} -->" in heatmap
        row = "".join(rf'<td(?: data-value="[\d.]+")?>{value:.2f}</td>' for value in PUBLISHED[model])
        assert re.search(rf'<th scope="row">{model}, {re.escape(CITATION)}</th>{row}', report)
