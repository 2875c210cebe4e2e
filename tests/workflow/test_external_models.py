"""A model that an external package trains on the counts, beside others: scVI, with the package and without."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from test_contract import contract, made, wrong_columns
from warm import Warm
from workflow_project import Project, comparable, toy_cells

from scae.data import preprocessing

MODELS = ["pca", "scvi"]
SEEDS = [0, 1]
LATENT = "results/toy/scvi/seed0/latent.csv"
MISSING = "scVI needs the package scvi, which is not installed here; pip install -r requirements-scvi.txt"


def configured(project):
    project.set("run", {"datasets": ["toy"], "models": MODELS, "seeds": SEEDS})
    project.set("models.scvi", {"kind": "scvi", "n_latent": 3, "epochs": 2})
    return project


@pytest.fixture(scope="module")
def external(workflow, tmp_path_factory):
    """A finished run of PCA and scVI. Shared: read only."""
    pytest.importorskip("scvi")
    warm = Warm()
    project = configured(Project.create(tmp_path_factory.mktemp("external") / "project", workflow, warm=warm))
    project.said = project.run().stdout
    yield project
    warm.close()


@pytest.fixture
def copy(external, tmp_path):
    return external.copy(tmp_path / "project")


def table(project, name, **options):
    return pd.read_csv(project.path(f"results/toy/scvi/{name}"), **options)


def failures(done):
    """The lines by which jobs of scVI failed, from the colon on."""
    assert done.returncode
    assert "Traceback" not in done.stdout
    lines = [line.partition(" dataset=toy model=scvi seed=0: ") for line in done.stdout.splitlines()]
    return [message for _, separator, message in lines if separator]


def test_run_ends_with_every_file_but_the_weights(external):
    assert made(external) == contract(["toy"], SEEDS, own=[], external=["scvi"], untrained=["pca"])
    assert wrong_columns(external) == []
    left = {path.name for path in external.folder.iterdir()}
    assert left == {"config", "overlay.yaml", "results", "toy.h5ad", ".snakemake"}
    assert external.planned() == {}
    assert list(table(external, "seed0/latent.csv")["cell"]) == list(toy_cells().obs_names)


def test_its_results_appear_in_the_same_tables(external):
    times = pd.read_csv(external.path("results/training_times.csv"))[["model", "seed", "epochs", "threads"]]
    assert times.to_numpy().tolist() == [["scvi", seed, 2, 1] for seed in SEEDS]
    for name in ("metrics.csv", "health.csv", "recalls.csv", "intervals.csv", "stability.csv"):
        assert set(pd.read_csv(external.path(f"results/{name}"))["model"]) >= set(MODELS), name
    data = anndata.read_h5ad(external.path("results/toy/embeddings_seeds.h5ad"))
    expected = table(external, "seed1/latent.csv", index_col="cell").to_numpy(np.float32)
    np.testing.assert_array_equal(data.obsm["X_scvi_seed1"].astype(np.float32), expected)
    report = external.path("results/report.html").read_text(encoding="utf-8")
    assert "Lopez et al. 2018" in report
    assert "Loss curves" in report


def test_its_diagnostics_are_those_of_its_posterior(external):
    values = table(external, "seed0/health.csv").set_index(["measure", "latent"])["value"]
    kl = table(external, "seed0/kl.csv", index_col="cell")
    for latent in kl:
        assert values["kl", latent] == pytest.approx(kl[latent].mean(), rel=1e-6)
    assert values["active", "all"] == (kl.mean() > 0.1).sum()
    assert values["steps", "all"] == 2  # 90 cells in batches of 128
    genes = table(external, "latent_genes.csv")
    assert set(genes[genes["seed"] == 0]["latent"]) == set(kl.columns[kl.mean() > 0.1])


def test_the_user_sees_one_note_and_no_message_of_the_package(external):
    [note] = [line for line in external.said.splitlines() if "fewer than its default of 400" in line]
    assert note.strip().startswith("toy (scvi/0, scvi/1): ")
    for word in ("Lightning", "lightning", "Seed set", "GPU available", "warn("):
        assert word not in external.said
    [log] = external.path("results/logs").glob("fit_*/toy/scvi/seed0.log")
    assert "epoch 2 of 2: loss " in log.read_text(encoding="utf-8")


def test_another_process_gives_the_same_bytes(copy):
    before = comparable(copy)
    shutil.rmtree(copy.path("results/toy/scvi"))
    copy.warm = None
    copy.run("results/toy/scvi/seed1/latent.csv")
    made = {path: digest for path, digest in comparable(copy).items() if path.startswith("results/toy/scvi/")}
    assert len(made) == 3
    assert made.items() <= before.items()


def test_batches_of_the_data_set_reach_it_and_labels_do_not(copy):
    copy.set("datasets.toy.batch", "donor")
    before = copy.path(LATENT).read_bytes()
    copy.run(LATENT)
    assert copy.path(LATENT).read_bytes() != before
    copy.set("datasets.toy.labels.column", "donor")
    assert copy.planned(targets=[LATENT]) == {}


def test_a_source_without_counts_is_refused_in_one_line(copy):
    cells = toy_cells()
    cells.X = preprocessing.log_normalize(cells.X.tocsr(), 10_000)
    cells.write_h5ad(copy.path("toy.h5ad"))
    [line] = set(failures(copy.run(LATENT, check=False)))
    assert line.startswith("results/toy/expression.h5ad: scVI needs counts")
    assert "toy: models.scvi: needs counts" in copy.run("check", check=False).stdout


# On requirements.txt alone, as `make run` has it


def test_without_the_package_only_its_job_fails_and_says_how_to_install_it(workflow, tmp_path, bare_python):
    project = configured(Project.create(tmp_path / "project", workflow))
    project.set("run.seeds", [0])
    project.python = bare_python
    paths = [f"results/toy/{model}/seed0/latent.csv" for model in MODELS]
    [line] = failures(project.snakemake("--cores", 2, "--keep-going", *paths, check=False))
    assert line.startswith(MISSING)
    assert [project.path(path).exists() for path in paths] == [True, False]
    done = project.run("check", check=False)
    assert done.returncode
    assert f"models.scvi: {MISSING}" in done.stdout
    project.set("run.models", ["pca"])
    assert project.run("check").returncode == 0
