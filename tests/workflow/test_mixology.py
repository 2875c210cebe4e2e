"""config/mixology.yaml on local copies of its files: cells of known truth, with labels from one file per sample."""

import os
from pathlib import Path

import anndata
import pandas as pd
import pytest
import yaml
from workflow_project import Project

NAMES = ["cell_lines", "cell_mixtures", "rna_mixtures"]
LINES = ["A549", "H1975", "H2228", "H838", "HCC827"]


@pytest.fixture(scope="module")
def data(workflow, warm, tmp_path_factory):
    folder = os.environ.get("SCAE_TEST_DATA")
    if not folder or not Path(folder, "sc_mixology").is_dir():
        pytest.skip("SCAE_TEST_DATA names no folder with sc_mixology/, the files of config/mixology.yaml")

    def local(files):
        if isinstance(files, dict):
            return {sample: local(file) for sample, file in files.items()}
        return str(Path(folder, "sc_mixology", files.rpartition("/")[2]))  # its SHA-256 is checked all the same

    config = yaml.safe_load((workflow / "config/mixology.yaml").read_text(encoding="utf-8"))
    datasets = {
        name: {"source": local(entry["source"]), "labels": {"path": local(entry["labels"]["path"])}}
        for name, entry in config["datasets"].items()
    }
    options = {"configfiles": [workflow / "config/mixology.yaml"], "warm": warm}
    project = Project.create(
        tmp_path_factory.mktemp("mixology") / "project", workflow, {"datasets": datasets}, **options
    )
    project.run(*(f"results/{name}/labels.csv" for name in NAMES), "results/cell_mixtures/batches.csv")
    return project


def labels_of(project, name):
    return pd.read_csv(project.path(f"results/{name}/labels.csv"), index_col="cell")["label"].dropna()


def test_cell_lines_are_single_cells_by_genotype(data):
    labels = labels_of(data, "cell_lines")
    assert sorted(set(labels)) == [f"{line} SNG" for line in LINES]
    assert len(labels) == 571
    assert labels.groupby(labels.index.str.partition("_").get_level_values(0)).size().to_dict() == {
        "plate1": 156,
        "plate2": 163,
        "plate3": 252,
    }
    assert list(anndata.read_h5ad(data.path("results/cell_lines/expression.h5ad"), backed="r").obs_names) == list(
        labels.index
    )


def test_mixtures_are_labelled_by_their_combination(data):
    proportions, combinations = labels_of(data, "rna_mixtures"), labels_of(data, "cell_mixtures")
    assert proportions.nunique() == 7
    assert "0.33 0.33 0.33" in set(proportions)
    assert combinations.nunique() == 34
    assert {sum(map(int, label.split())) for label in combinations} == {9}
    batches = pd.read_csv(data.path("results/cell_mixtures/batches.csv"))["batch"]
    assert sorted(set(batches)) == ["plate1", "plate2", "plate3", "plate4"]
