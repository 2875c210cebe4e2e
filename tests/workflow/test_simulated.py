"""A run on simulated cells, whose truth reaches every table that can use it."""

import anndata
import pandas as pd
import pytest
from workflow_project import Project

SIMULATION = {"cells": 60, "genes": 80, "types": [3, 2, 1], "program_genes": 20, "signal": 2, "cycle": 1, "batches": 2}


@pytest.fixture(scope="module")
def simulated(workflow, warm, tmp_path_factory):
    project = Project.create(tmp_path_factory.mktemp("simulated") / "project", workflow, warm=warm)
    qc = {"min_cells": 1, "min_genes": 5}
    project.set("datasets", {"made": {"source": "simulated", "simulation": SIMULATION, "qc": qc}})
    project.set("run", {"datasets": ["made"], "models": ["pca"], "seeds": [0]})
    project.run("results/verdict.txt")
    return project


def test_counts_hold_the_truth_and_expression_does_not(simulated):
    counts = anndata.read_h5ad(simulated.path("results/made/counts.h5ad"))
    assert counts.shape == (60, 80)
    assert {"type", "batch", "phase"} <= set(counts.obs)
    assert counts.obsm["true_programs"].shape == (60, 3)
    assert counts.varm["true_nuisance"].shape == (80, 2)
    expression = anndata.read_h5ad(simulated.path("results/made/expression.h5ad"))
    assert not {"type", "batch"} & set(expression.obs)
    assert not expression.obsm.keys()


def test_labels_are_the_types_and_scores_say_that_a_simulation_made_them(simulated):
    counts = anndata.read_h5ad(simulated.path("results/made/counts.h5ad"), backed="r").obs
    labels = pd.read_csv(simulated.path("results/made/labels.csv"), index_col="cell")["label"]
    assert labels.to_dict() == counts["type"].astype(str).to_dict()
    assert set(pd.read_csv(simulated.path("results/metrics.csv"))["labels"]) == {"simulation"}


def test_health_says_which_programs_are_recovered(simulated):
    health = pd.read_csv(simulated.path("results/health.csv")).set_index("measure")["value"]
    assert health["true_programs"] == 3
    assert health["true_nuisance"] == 2
    assert 0 < health["recovered_programs"] <= 1


def test_another_run_of_the_simulation_has_the_same_bytes_and_another_seed_has_not(simulated, tmp_path):
    path = "results/made/counts.h5ad"
    again = Project(tmp_path, simulated.config, simulated.workflow, warm=simulated.warm)
    again.run(path)
    assert again.path(path).read_bytes() == simulated.path(path).read_bytes()
    again.set("datasets.made.simulation.seed", 1)
    assert again.planned("fetch_counts") == {("made",)}


def test_the_check_describes_what_would_be_made(simulated):
    said = simulated.snakemake("check", "--cores", 1).stdout
    assert "simulated: 60 cells x 80 genes" in said
    assert "3 types: Type 1" in said
