"""A model that a package of its own trains on the counts, beside others: scVI, with the package and without."""

import shutil

import anndata
import numpy as np
import pandas as pd
import pytest
from test_contract import OF_OWN, OF_RUN, contract, header
from warm import Warm
from workflow_project import Project, comparable, toy_cells

from scae.data import preprocessing

MODELS = ["pca", "scvi"]
SEEDS = [0, 1]
OF_TRAINING = {"history.csv", "timing.csv", "losses.png"}
LACKING = (
    "the package scvi, which is not installed here; pip install -r requirements-scvi.txt, or let --sdm conda bring it"
)


def configured(project, **changes):
    project.set("run", {"datasets": ["toy"], "models": MODELS, "seeds": SEEDS})
    project.set("models.scvi", {"kind": "scvi", "n_latent": 3, "epochs": 2} | changes)
    return project


@pytest.fixture(scope="module")
def peers(workflow, tmp_path_factory):
    """A finished run of PCA and scVI. Shared, so look and never change."""
    pytest.importorskip("scvi")
    warm = Warm()
    project = configured(Project.create(tmp_path_factory.mktemp("peers") / "project", workflow, warm=warm))
    done = project.run()
    project.said = done.stdout
    yield project
    warm.close()


def table(project, name, **options):
    return pd.read_csv(project.path(f"results/toy/scvi/{name}"), **options)


def test_run_ends_with_every_file_but_the_weights(peers):
    made = {path for path in peers.files() if not path.startswith(("results/logs/", "results/benchmarks/"))}
    complete = contract(["toy"], ["scvi"], SEEDS) | {f"results/toy/scvi/seed{seed}/kl.csv" for seed in SEEDS}
    complete |= {path for path in contract(["toy"], ["pca"], SEEDS) if path.rpartition("/")[2] not in OF_TRAINING}
    assert made == {path for path in complete if path.rpartition("/")[2] not in {"model.pt", *OF_OWN}}
    assert {path.name for path in peers.folder.iterdir()} == {
        "config",
        "overlay.yaml",
        "results",
        "toy.h5ad",
        ".snakemake",
    }


def test_run_has_nothing_left_to_do_and_its_manifest_takes_all_of_it(peers):
    assert peers.planned() == {}
    assert peers.planned(targets=["manifest"]) == {"write_manifest": {()}}


def test_tables_have_the_columns_of_the_contract(peers):
    for name in set(OF_RUN) - {"latent.csv"}:
        assert header(peers.path(f"results/toy/scvi/seed0/{name}")) == OF_RUN[name]
    for name in ("latent.csv", "kl.csv"):
        assert header(peers.path(f"results/toy/scvi/seed0/{name}")) == "cell,z1,z2,z3"
    assert list(table(peers, "seed0/latent.csv")["cell"]) == list(toy_cells().obs_names)


def test_it_stands_in_the_same_tables_as_the_others(peers):
    times = pd.read_csv(peers.path("results/training_times.csv"))
    assert list(zip(times["model"], times["seed"], times["epochs"], times["threads"], strict=True)) == [
        ("scvi", seed, 2, 1) for seed in SEEDS
    ]
    for name in ("metrics.csv", "health.csv", "recalls.csv", "intervals.csv", "stability.csv"):
        assert set(pd.read_csv(peers.path(f"results/{name}"))["model"]) >= set(MODELS), name
    data = anndata.read_h5ad(peers.path("results/toy/embeddings.h5ad"))
    np.testing.assert_array_equal(
        data.obsm["X_scvi_seed1"].astype(np.float32),
        table(peers, "seed1/latent.csv", index_col="cell").to_numpy(np.float32),
    )


def test_its_health_is_told_by_the_divergence_of_its_posterior(peers):
    health = table(peers, "seed0/health.csv").set_index(["measure", "latent"])["value"]
    kl = table(peers, "seed0/kl.csv", index_col="cell")
    for latent in kl:
        assert health["kl", latent] == pytest.approx(kl[latent].mean(), rel=1e-6)
    assert health["live", "all"] == (kl.mean() > 0.1).sum()
    assert health["steps", "all"] == 2  # of 90 cells in batches of 128
    genes = table(peers, "latent_genes.csv")
    of_first = genes[genes["seed"] == 0]
    assert set(of_first["latent"]) == set(kl.columns[kl.mean() > 0.1])


def test_report_says_what_it_was(peers):
    report = " ".join(peers.path("results/report.html").read_text(encoding="utf-8").split())
    assert "scvi was trained on the counts by a package of its own, with the settings of that, for 2 epochs." in report
    assert "Lopez et al. 2018" in report
    assert "Loss curves" in report
    assert "pca and scvi were trained" not in report


def test_the_user_sees_one_note_and_nothing_of_the_package(peers):
    lines = [line.strip() for line in peers.said.splitlines() if "epochs of training" in line]
    assert lines == [
        "toy (scvi/0, scvi/1): 2 epochs of training, fewer than scVI's own 400; the weight of the KL divergence rose "
        "to 0.0025 of 1, which takes 400 epochs"
    ]
    for word in ("Lightning", "lightning", "Seed set", "GPU available", "warn("):
        assert word not in peers.said
    log = peers.path("results/logs/fit_counts/toy/scvi/seed0.log").read_text(encoding="utf-8")
    assert "epoch 2 of 2: loss " in log
    assert all(" INFO " in line or " NOTE " in line for line in log.splitlines())


def test_made_again_in_a_process_of_its_own_it_has_the_same_bytes(peers, tmp_path):
    project = peers.copy(tmp_path / "project")
    before = comparable(project)
    shutil.rmtree(project.path("results/toy/scvi"))
    project.warm = None
    project.run("results/toy/scvi/seed1/latent.csv")
    again = comparable(project)
    made = [path for path in again if path.startswith("results/toy/scvi/")]
    assert len(made) == 3
    assert {path: again[path] for path in made} == {path: before[path] for path in made}


def test_batches_of_the_data_set_reach_it_and_labels_do_not(peers, tmp_path):
    project = peers.copy(tmp_path / "project")
    project.set("datasets.toy.batch", "donor")
    latent = "results/toy/scvi/seed0/latent.csv"
    before = project.path(latent).read_bytes()
    project.run(latent)
    assert project.path(latent).read_bytes() != before
    project.set("datasets.toy.labels.column", "donor")
    assert project.planned(targets=[latent]) == {}


def test_a_source_without_counts_is_refused_in_one_line(peers, tmp_path):
    project = peers.copy(tmp_path / "project")
    cells = toy_cells()
    cells.X = preprocessing.log_normalize(cells.X.tocsr(), 10_000)
    cells.write_h5ad(project.path("toy.h5ad"))
    done = project.run("results/toy/scvi/seed0/latent.csv", check=False)
    line, *_ = [line for line in done.stdout.splitlines() if line.startswith("fit_counts dataset=")]
    assert line.endswith(
        "seed=0: results/toy/expression.h5ad: scVI needs counts, and the source holds none; take it out of run.models"
    )
    assert "Traceback" not in done.stdout
    done = project.run("check", check=False)
    assert "toy: models.scvi: needs counts, but the values are log_normalized; take it out of run.models" in done.stdout


# On requirements.txt alone, as `make run` has it


@pytest.fixture
def lacking(workflow, tmp_path, bare_python):
    project = configured(Project.create(tmp_path / "project", workflow))
    project.set("run.seeds", [0])
    project.python = bare_python
    return project


def test_without_the_package_its_job_says_how_to_get_it_and_the_others_run(lacking):
    paths = [f"results/toy/{model}/seed0/latent.csv" for model in MODELS]
    done = lacking.snakemake("--cores", 2, "--keep-going", *paths, check=False)
    assert done.returncode
    assert "Traceback" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith("fit_counts dataset=")]
    assert lines == [f"fit_counts dataset=toy model=scvi seed=0: scVI needs {LACKING}"]
    assert [lacking.path(path).exists() for path in paths] == [True, False]


def test_without_the_package_the_check_says_so_where_a_model_of_the_run_needs_it(lacking):
    done = lacking.run("check", check=False)
    assert done.returncode
    assert f"check: models.scvi: scVI needs {LACKING}" in done.stdout
    lacking.set("run.models", ["pca"])
    assert lacking.run("check").returncode == 0
