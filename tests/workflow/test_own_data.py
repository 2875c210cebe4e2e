"""docs/own-data.md word for word: each of its data sets, in a file that this test writes, gives the latents of .h5ad.

And what labs do to counts gives the scores of the counts, or stops with the line that says what to write.
"""

import gzip
import io
import re
import tarfile

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from places import ROOT
from scipy.io import mmwrite
from scipy.sparse import csc_matrix, csr_matrix
from workflow_project import TOY_CONFIG, Project, toy_cells

PAGE = (ROOT / "docs/own-data.md").read_text(encoding="utf-8")
BLOCKS = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]
DATASETS = {name: entry for block in BLOCKS for name, entry in block["datasets"].items()}
SAMPLES = {"batches", "cohort", "study"}
QC = {"min_cells": 1, "min_genes": 5}
# What the page does not show: names that mislead, and what no run needs but many files hold
OTHERS = {
    "awkward": {"source": "data/awkward.h5ad"},
    "compressed": {"source": "data/mine.h5ad.gz"},
    "misnamed": {"source": "data/called.h5"},
    "parse": {"source": "data/DGE_filtered"},
}


def write_triple(folder, cells, prefix="", pack=bytes, suffix="", values=None):
    stream = io.BytesIO()
    mmwrite(stream, (cells.X if values is None else values).T.tocoo())
    folder.mkdir(parents=True, exist_ok=True)
    genes = "".join(f"ID{number}\t{gene}\tGene Expression\n" for number, gene in enumerate(cells.var_names))
    for name, content in {
        "matrix.mtx": stream.getvalue(),
        "features.tsv": genes.encode(),
        "barcodes.tsv": "".join(f"{cell}\n" for cell in cells.obs_names).encode(),
    }.items():
        (folder / f"{prefix}{name}{suffix}").write_bytes(pack(content))


def write_tenx(path, cells):
    matrix = csr_matrix(cells.X)
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["data"], group["indices"], group["indptr"] = matrix.data.astype("i4"), matrix.indices, matrix.indptr
        group["shape"], group["barcodes"] = matrix.shape[::-1], np.array(cells.obs_names, "S")
        group["features/name"] = np.array(cells.var_names, "S")
        group["features/id"] = np.array([f"ID{number}" for number in range(cells.n_vars)], "S")
        group["features/feature_type"] = np.array(["Gene Expression"] * cells.n_vars, "S")


def write_awkward(path, cells):
    """Text that may be missing, as the coming anndata writes it, and an entry that nobody can read."""
    cells = cells.copy()
    cells.obs = cells.obs.astype({"cell_type": "string", "donor": "string"})
    with anndata.settings.override(allow_write_nullable_strings=True):
        cells.write_h5ad(path)
    with h5py.File(path, "r+") as file:
        file["uns/odd"] = [1, 2, 3]
        file["uns/odd"].attrs["encoding-type"] = "what-is-this"
        file["uns/odd"].attrs["encoding-version"] = "9"


def write_parse(folder, cells):
    folder.mkdir()
    mmwrite(folder / "DGE.mtx", cells.X.tocoo())  # cells in rows
    genes = "".join(f"ID{number},{gene},hg38\n" for number, gene in enumerate(cells.var_names))
    (folder / "all_genes.csv").write_text(f"gene_id,gene_name,genome\n{genes}")
    names = "".join(f"{cell},s1\n" for cell in cells.obs_names)
    (folder / "cell_metadata.csv").write_text(f"bc_wells,sample\n{names}")


def write_all(data):
    """Every file that the page names, with the toy counts."""
    cells = toy_cells()
    data.mkdir()
    cells.layers["scaled"] = cells.X.toarray() - 1
    cells.write_h5ad(data / "mine.h5ad")
    cells.write_zarr(data / "mine.zarr")
    del cells.layers["scaled"]
    write_triple(data / "outs/filtered_feature_bc_matrix", cells, pack=gzip.compress, suffix=".gz")
    write_triple(data / "soupx", cells)  # nothing to correct: whole numbers are corrected counts too
    write_tenx(data / "filtered_feature_bc_matrix.h5", cells)
    for sample in ("GSM1_tumour", "GSM2_healthy"):
        write_triple(data / "raw", cells, f"{sample}_", gzip.compress, ".gz")
    with tarfile.open(data / "GSE1_RAW.tar", "w") as archive:
        for file in sorted((data / "raw").iterdir()):
            archive.add(file, arcname=file.name)
    (data / "counts.txt.gz").write_bytes(gzip.compress(cells.to_df().T.astype(int).to_csv(sep="\t").encode()))
    with h5py.File(data / "mine.loom", "w") as file:
        file["matrix"] = cells.X.toarray().T
        file["row_attrs/Gene"], file["col_attrs/CellID"] = (
            np.array(cells.var_names, "S"),
            np.array(cells.obs_names, "S"),
        )
    with h5py.File(data / "mine.h5ad") as source, h5py.File(data / "mine.h5mu", "w") as file:
        source.copy(source, file.create_group("mod"), "rna")
    (data / "mine.h5ad.gz").write_bytes(gzip.compress((data / "mine.h5ad").read_bytes()))
    (data / "called.h5").write_bytes((data / "mine.h5ad").read_bytes())
    write_awkward(data / "awkward.h5ad", cells)
    write_parse(data / "DGE_filtered", cells)
    (data / "hallmark.gmt").write_text("\t".join(["one", "of three genes", *cells.var_names[:3]]))
    cells[:50].write_h5ad(data / "healthy.h5ad")
    write_tenx(data / "tumour.h5", cells[50:, :55].copy())
    (data / "samples.csv").write_text(re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)[1])


def latent(name):
    return f"results/{name}/dae/seed0/latent.csv"


@pytest.fixture(scope="module")
def run(warm, workflow, tmp_path_factory):
    """One run of all data sets of the page to their latents."""
    project = Project.create(tmp_path_factory.mktemp("own") / "project", workflow, TOY_CONFIG, warm=warm)
    write_all(project.path("data"))
    datasets = DATASETS | {name: DATASETS["mine"] | entry for name, entry in OTHERS.items()}
    datasets["parse"] = {"source": OTHERS["parse"]["source"]}  # has no labels
    project.config["run"] = {"datasets": list(datasets), "models": ["dae"]}
    project.config["training"]["epochs"] = 1
    project.config["datasets"] = {name: entry | {"qc": QC} for name, entry in datasets.items()}
    project.run(*map(latent, datasets))
    return project


@pytest.mark.parametrize("name", sorted((DATASETS | OTHERS).keys() - SAMPLES))
def test_each_format_gives_the_latent_of_the_h5ad(name, run):
    assert len(run.path(latent(name)).read_text().splitlines()) == 91
    assert run.path(latent(name)).read_bytes() == run.path(latent("mine")).read_bytes()


@pytest.mark.parametrize(("name", "n_genes"), [("batches", 55), ("cohort", 55), ("study", 60)])
def test_samples_of_the_page_bear_their_names(name, n_genes, run):
    counts = anndata.read_h5ad(run.path(f"results/{name}/counts.h5ad"))
    assert counts.shape == (90, n_genes)
    assert list(counts.obs_names[[0, -1]]) == ["healthy_CELL000-1", "tumour_CELL089-1"]
    if name == "study":
        assert list(counts.obs["donor"].cat.categories) == ["D1", "D2"]


def test_the_recipes_for_r_find_what_they_take(finished):
    """The recipes themselves were run by hand; that what they name is there and lies so is what can change."""
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
    assert taken["obsm/X_dae_seed0"].shape == (expression.n_obs, 6)
    labels = pd.read_csv(finished.path("results/toy/labels.csv"), index_col=0)["label"]
    assert [taken["obs/label/categories"][code].decode() for code in taken["obs/label/codes"]] == labels.tolist()


# What labs do to counts

SPOILT = {
    "SoupX": lambda counts: counts * 0.97 + (counts > 0) * 0.01,
    "expm1 of a logarithm": lambda counts: np.expm1(np.log1p(counts.astype(np.float32))),
    "logarithm without normalisation": lambda counts: np.log1p(counts),
    "CPM or TPM without logarithm": lambda counts: counts / counts.sum(axis=1, keepdims=True) * 1e6,
}
ROUNDED = {0: 0.05, 3: 0.05}  # how far scores may lie from the clean ones, where the numbers are not the same


@pytest.fixture(scope="module")
def spoilt(warm, workflow, tmp_path_factory):
    """One run of counts and of what was done to them, to scores."""
    project = Project.create(tmp_path_factory.mktemp("spoilt") / "project", workflow, TOY_CONFIG, warm=warm)
    clean = project.config["datasets"]["toy"]
    for number, change in enumerate(SPOILT.values()):
        cells = toy_cells()
        cells.X = csr_matrix(change(cells.X.toarray()).astype(np.float32))
        cells.write_h5ad(project.path(f"{number}.h5ad"))
        project.config["datasets"][f"spoilt{number}"] = clean | {"source": f"{number}.h5ad"}
    project.config["datasets"]["million"] = clean | {"scale_factor": 1e6}
    project.config["run"] = {
        "datasets": ["toy", "million", *(f"spoilt{number}" for number in range(len(SPOILT)))],
        "models": ["dae"],
    }
    project.run(*(f"results/{name}/dae/seed0/metrics.csv" for name in project.config["run"]["datasets"]))
    return project


STEADY = ("nmi", "ari", "homogeneity", "completeness", "silhouette")


@pytest.mark.parametrize("number", range(len(SPOILT)), ids=list(SPOILT))
def test_what_labs_do_to_counts_gives_the_scores_of_the_counts(number, spoilt):
    names = f"spoilt{number}", "million" if number == 3 else "toy"
    tables = [pd.read_csv(spoilt.path(f"results/{name}/dae/seed0/metrics.csv")) for name in names]
    if number in ROUNDED:  # a vote or a number of types may fall another way
        tables = [table[table["metric"].isin(STEADY)] for table in tables]
    ours, clean = (table["value"] for table in tables)
    assert len(ours) >= 2 * len(STEADY)
    np.testing.assert_allclose(ours, clean, atol=ROUNDED.get(number, 0))


def test_what_is_called_log_normalized_and_is_not_stops_with_the_line(spoilt, tmp_path):
    project = spoilt.copy(tmp_path / "project")
    project.set("run.datasets", ["toy"])
    project.set("datasets.toy.values", "log_normalized")
    done = project.run("results/toy/dae/seed0/metrics.csv", check=False)
    assert done.returncode
    line = "toy.h5ad: values: log_normalized is not true of its matrix: X holds whole numbers up to"
    assert line in done.stdout
    assert "Write matrix: X and values: counts" in done.stdout
