"""Genes and labels as labs name them, through the whole workflow: the scores are those of the clean file."""

import pandas as pd
import pytest
from warm import Warm
from workflow_project import CELL_TYPES, Project, toy_cells

IDS = [f"ENSG{number:011d}" for number in range(60)]
MISSING = ("NA", "nan", "unassigned")


def dirty_cells():
    """The toy cells: a tenth are dying, some labels have spaces, some are missing."""
    cells = toy_cells()
    counts = cells.X.toarray()
    counts[::10, -2:] += 200
    cells.X = counts
    names = [f"{name} " if number % 7 == 0 else str(name) for number, name in enumerate(cells.obs["cell_type"])]
    cells.obs["cell_type"] = [
        MISSING[number // 9 % 3] if number % 9 == 4 else name for number, name in enumerate(names)
    ]
    cells.obs["one"] = "T cell"
    return cells


@pytest.fixture(scope="module")
def scored(workflow, tmp_path_factory):
    """A project with scores of the same cells, clean and as labs name them."""
    warm = Warm()
    project = Project.create(tmp_path_factory.mktemp("labs") / "project", workflow, warm=warm)
    cells = dirty_cells()
    cells.write_h5ad(project.path("dirty.h5ad"))
    clean = cells[~cells.obs["cell_type"].isin(MISSING)].copy()
    clean.obs["cell_type"] = clean.obs["cell_type"].str.strip()
    clean.write_h5ad(project.path("clean.h5ad"))
    by_id = clean.copy()
    by_id.var = pd.DataFrame({"feature_name": by_id.var_names}, index=IDS)
    by_id.write_h5ad(project.path("by_id.h5ad"))
    table = clean.obs["cell_type"].set_axis(clean.obs_names.str.removesuffix("-1"))
    table.rename("type").rename_axis("barcode").to_csv(project.path("types.tsv"), sep="\t")

    qc = {"min_cells": 1, "min_genes": 5, "max_pct_mito": 50}
    labels = {"from": "obs", "column": "cell_type"}
    from_table = {"from": "csv", "path": "types.tsv", "cell_column": "barcode", "column": "type"}
    datasets = {
        "clean": {"source": "clean.h5ad", "labels": labels},
        "dropped": {"source": "dirty.h5ad", "labels": labels | {"missing": "drop"}},
        "unscored": {"source": "dirty.h5ad", "labels": labels | {"missing": "unscored"}},
        "by_id": {"source": "by_id.h5ad", "labels": from_table | {"cell_names": {"add_suffix": "-1"}}},
        "one": {"source": "dirty.h5ad", "labels": {"from": "obs", "column": "one"}},
        "none": {"source": "dirty.h5ad", "labels": {"from": "none"}},
    }
    project.set("datasets", {name: {"qc": qc} | dataset for name, dataset in datasets.items()})
    project.set("run", {"datasets": list(datasets), "models": ["dae"], "seeds": [0]})
    project.set("kmeans.k", 3)
    folders = [f"results/{name}/dae/seed0" for name in datasets]
    files = [f"{folder}/{file}" for folder in folders for file in ("metrics.csv", "clusters.png")]
    project.output = project.run(*files, "results/none/embeddings.h5ad").stdout
    yield project
    warm.close()


def read(project, path, **options):
    return pd.read_csv(project.path(f"results/{path}"), **options)


@pytest.mark.parametrize("name", ["dropped", "by_id"])
@pytest.mark.parametrize("file", ["latent.csv", "clusters.csv", "metrics.csv"])
def test_the_scores_are_those_of_the_clean_file(name, file, scored):
    ours, clean = (scored.path(f"results/{of}/dae/seed0/{file}").read_text() for of in (name, "clean"))
    assert ours.replace("csv,", "obs,") == clean  # the source of the labels is part of a score


def test_the_mitochondrial_limit_works_with_gene_ids(scored):
    assert set(read(scored, "by_id/quality/cells.csv")["removed_by"].dropna()) == {"max_pct_mito"}


def test_unscored_cells_are_trained_but_not_scored(scored):
    labels = read(scored, "unscored/labels.csv", keep_default_na=False)["label"]
    assert set(labels) == {*CELL_TYPES, ""}
    latent = read(scored, "unscored/dae/seed0/latent.csv")
    clusters = read(scored, "unscored/dae/seed0/clusters.csv")
    assert len(labels) == len(latent) == len(clusters) > len(read(scored, "clean/labels.csv"))
    assert read(scored, "unscored/dae/seed0/metrics.csv")["value"].notna().all()


def test_one_type_or_none_have_clusters_but_no_scores(scored):
    for name in ("one", "none"):
        assert read(scored, f"{name}/dae/seed0/clusters.csv")["latent"].nunique() == 3
        scores = read(scored, f"{name}/dae/seed0/metrics.csv")
        of_labels = ~scores["metric"].isin(["knn_recall_15", "knn_recall_50", "trustworthiness", "continuity"])
        assert scores["value"].isna().tolist() == of_labels.tolist()


def test_notes_are_printed_once_at_the_end(scored):
    *_, end = scored.output.rpartition(" jobs, ")
    assert scored.output.count('all cells are of one type, "T cell"') == 1
    for text in (
        'warning: one: all cells are of one type, "T cell"',
        "unscored: labels ignored (labels.ignore): ",
        "cells have no label: trained and drawn, not scored",
        "cells have no label: dropped",
        'by_id: genes are named by the column "feature_name"',
        "max_pct_mito removes ",
    ):
        assert text in end
