"""docs/own-data.md word for word: each of its data sets, in files written here, gives the latents of .h5ad."""

import gzip
import re

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from places import ROOT
from scipy.sparse import csc_matrix, csr_matrix
from small_data import tar, triple
from workflow_project import TOY_CONFIG, Project, toy_cells

PAGE = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
DATASETS = {name: entry for block in BLOCKS for name, entry in block["datasets"].items()}
LABELLED = ("typed", "by_column", "scanpy")
SAMPLES = {"batches", "cohort", "study", "by_column", "scanpy"}
QC = {"min_cells": 1, "min_genes": 5}


def write_tenx(path, cells):
    matrix = csr_matrix(cells.X)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = matrix.data.astype("i4"), matrix.indices, matrix.indptr
        group["shape"], group["barcodes"] = matrix.shape[::-1], np.array(cells.obs_names, "S")
        group["features/name"] = np.array(cells.var_names, "S")
        group["features/id"] = np.array([f"ID{number}" for number in range(cells.n_vars)], "S")
        group["features/feature_type"] = np.array(["Gene Expression"] * cells.n_vars, "S")


def write_triple(folder, cells, prefix="", suffix=""):
    ids, types = [f"ID{number}" for number in range(cells.n_vars)], ["Gene Expression"] * cells.n_vars
    names = (f"{prefix}{name}{suffix}" for name in ("matrix.mtx", "features.tsv", "barcodes.tsv"))
    triple(folder, *names, (ids, cells.var_names, types), cells.X.T, cells.obs_names)


def write_all(data):
    """Every file of the page, with the toy counts."""
    cells = toy_cells()
    data.mkdir()
    cells.layers["scaled"] = cells.X.toarray() - 1
    cells.write_h5ad(data / "mine.h5ad")
    cells.write_zarr(data / "mine.zarr")
    del cells.layers["scaled"]
    write_triple(data / "outs/filtered_feature_bc_matrix", cells, suffix=".gz")
    write_triple(data / "soupx", cells)  # whole numbers are corrected counts too
    write_tenx(data / "filtered_feature_bc_matrix.h5", cells)
    for sample in ("GSM1_tumour", "GSM2_healthy"):
        write_triple(data / "raw", cells, f"{sample}_", ".gz")
    tar(data / "GSE1_RAW.tar", data / "raw")
    (data / "counts.txt.gz").write_bytes(gzip.compress(cells.to_df().T.astype(int).to_csv(sep="\t").encode()))
    with h5py.File(data / "mine.loom", "w") as file:
        file["matrix"] = cells.X.toarray().T
        file["row_attrs/Gene"] = np.array(cells.var_names, "S")
        file["col_attrs/CellID"] = np.array(cells.obs_names, "S")
    with h5py.File(data / "mine.h5ad") as source, h5py.File(data / "mine.h5mu", "w") as file:
        source.copy(source, file.create_group("mod"), "rna")
    (data / "hallmark.gmt").write_text("\t".join(["one", "of three genes", *cells.var_names[:3]]))
    cells[:50].write_h5ad(data / "healthy.h5ad")
    write_tenx(data / "tumour.h5", cells[50:, :55].copy())
    types = pd.DataFrame(
        {"barcode": cells.obs_names, "cell": cells.obs_names, "label": cells.obs["cell_type"].to_numpy()}
    )
    types["donor"] = ["healthy"] * 50 + ["tumour"] * 40
    types.to_csv(data / "donors.csv", index=False)
    types.assign(cell=types["cell"] + pd.Series(["-0"] * 50 + ["-1"] * 40)).to_csv(data / "joined.csv", index=False)
    types.assign(barcode=types["barcode"] + "-0", cell_type=types["label"]).to_csv(data / "types.csv", index=False)
    (data / "samples.csv").write_text(re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)[1])


def latent(name):
    return f"results/{name}/dae/seed0/latent.csv"


@pytest.fixture(scope="module")
def run(warm, workflow, tmp_path_factory):
    """One run of all data sets of the page to their latents."""
    project = Project.create(tmp_path_factory.mktemp("own") / "project", workflow, TOY_CONFIG, warm=warm)
    write_all(project.path("data"))
    project.config["run"] = {"datasets": list(DATASETS), "models": ["dae"]}
    project.config["training"]["epochs"] = 1
    project.config["datasets"] = {name: entry | {"qc": QC} for name, entry in DATASETS.items()}
    project.run(*map(latent, DATASETS), *(f"results/{name}/labels.csv" for name in LABELLED))
    return project


@pytest.mark.parametrize("name", sorted(DATASETS.keys() - SAMPLES))
def test_each_format_gives_the_latent_of_the_h5ad(name, run):
    assert len(run.path(latent(name)).read_text().splitlines()) == 91
    assert run.path(latent(name)).read_bytes() == run.path(latent("mine")).read_bytes()


@pytest.mark.parametrize("name", LABELLED)
def test_labels_from_a_file_are_those_of_the_cells(name, run):
    labels = pd.read_csv(run.path(f"results/{name}/labels.csv"))["label"]
    assert labels.tolist() == toy_cells().obs["cell_type"].tolist()


@pytest.mark.parametrize(
    ("name", "n_genes"), [("batches", 55), ("cohort", 55), ("study", 60), ("by_column", 55), ("scanpy", 55)]
)
def test_cells_of_samples_are_named_by_them(name, n_genes, run):
    counts = anndata.read_h5ad(run.path(f"results/{name}/counts.h5ad"))
    assert counts.shape == (90, n_genes)
    assert list(counts.obs_names[[0, -1]]) == ["healthy_CELL000-1", "tumour_CELL089-1"]
    if name == "study":
        assert list(counts.obs["donor"].cat.categories) == ["D1", "D2"]


def test_the_files_that_the_recipes_for_r_read_exist(finished):
    """The recipes were run by hand; this tests that the files and entries in them exist with this layout."""
    recipes = "".join(re.findall(r"```r\n(.*?)```", PAGE[PAGE.index("## To R") :], re.DOTALL))
    tables = re.findall(r'"(results/mine/[^"]+)"', recipes)
    assert len(tables) == 4
    for path in tables:
        assert finished.path(path.replace("/mine/", "/toy/")).exists()
    expression = anndata.read_h5ad(finished.path("results/toy/expression.h5ad"))
    with h5py.File(finished.path("results/toy/embeddings.h5ad")) as file:
        taken = {path: file[path][()] for path in re.findall(r'values\("([^"]+)"\)', recipes)}
        assert [file[frame].attrs["_index"] for frame in ("obs", "var")] == ["_index"] * 2
    parts = [taken[f"layers/counts/{part}"] for part in ("data", "indices", "indptr")]
    genes_by_cells = csc_matrix(tuple(parts), expression.shape[::-1])
    assert (genes_by_cells.toarray() == expression.layers["counts"].toarray().T).all()
    assert taken["obsm/X_dae"].shape == (expression.n_obs, 6)
    labels = pd.read_csv(finished.path("results/toy/labels.csv"), index_col=0)["label"]
    assert [taken["obs/label/categories"][code].decode() for code in taken["obs/label/codes"]] == labels.tolist()
