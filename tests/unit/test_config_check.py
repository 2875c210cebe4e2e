"""`snakemake check` in the process: what it says about a data set, and the problems that would stop a run."""

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from settings import changed, load

from scae.config import check

CELLS = [f"c{number}" for number in range(90)]
TYPES = np.array(["B", "NK", "T"])[np.arange(90) % 3]
GENES = [*(f"G{number}" for number in range(28)), "MT-ND1", "MT-CO1"]
GATES = {"from": "markers", "markers": {"B": ["G1"], "T": ["G2"]}}


@pytest.fixture
def config(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(1.0, (90, 30)).astype(np.float32))
    obs = pd.DataFrame({"type": TYPES, "lane": np.array(["a", "b"])[np.arange(90) % 2]}, CELLS)
    obs["partial"] = np.where(np.arange(90) % 9 == 4, "NA", TYPES)
    obs["score"] = np.arange(90) / 7
    anndata.AnnData(counts, obs, pd.DataFrame(index=GENES)).write_h5ad("toy.h5ad")
    (tmp_path / "sets.gmt").write_text("one\tfirst\tG1\tG2\tG3\ntwo\tother\tG1\tnone\n")
    (tmp_path / "damaged.h5ad").write_bytes((tmp_path / "toy.h5ad").read_bytes()[:3000])
    config["datasets"]["toy"] = {"source": "toy.h5ad", "labels": {"from": "obs", "column": "type"}}
    config["datasets"]["toy"]["qc"] = {"min_genes": 5}
    config["tsne"] = {"perplexity": 20}
    return config


def rows(config, **settings):
    """({row: text}, [problem]) of the data set, with further settings of it."""
    config = changed(config, "datasets.toy", config["datasets"]["toy"] | settings)
    return check.check_dataset("toy", load(config, datasets_too=False), processors=4)


def test_a_good_data_set_is_described(config):
    labels = {"hand": {"from": "obs", "column": "partial", "missing": "unscored"}, "gates": GATES}
    found, problems = rows(config, labels=labels, batch="lane", gene_sets="sets.gmt")
    assert problems == []
    assert found["result"] == "ready"
    assert found["source"] == "toy.h5ad (h5ad): 90 cells x 30 genes"
    assert found["values"] == "counts"
    assert found["kept"].startswith("90 cells x 30 genes")
    assert found["labels hand"].startswith("3 types: ")
    assert "; 10 unlabelled" in found["labels hand"]
    assert "gates" in found["labels gates"]
    assert "2 types" in found["markers gates"]
    assert found["genes"] == "G0, …, MT-CO1; 2 mitochondrial, no limit; 1 gene set with at least 3 of them"
    assert found["batches"] == "2: a (45), b (45)"
    assert "minute on 1 core, " in found["needs"]


def test_the_estimate_follows_the_length_of_each_models_training(config):
    def minutes(model, epochs):
        own = changed(changed(config, "models.one", model), "run.models", ["one"])
        return int(rows(changed(own, "training.epochs", epochs))[0]["needs"].split()[1].replace(",", ""))

    assert minutes({"kind": "dae"}, 1_000_000) > minutes({"kind": "dae"}, 1)
    assert minutes({"kind": "count_vae", "epochs": 1_000_000}, 1) > minutes({"kind": "count_vae"}, 1)
    for model in ({"kind": "count_vae"}, {"kind": "pca"}):
        assert minutes(model, 1_000_000) == minutes(model, 1)


@pytest.mark.parametrize(
    ("settings", "fragment"),
    [
        ({"source": "gone.h5ad"}, 'source: "gone.h5ad" does not exist'),
        ({"source": "damaged.h5ad"}, "damaged.h5ad"),
        ({"labels": {"from": "obs", "column": "celltype"}}, '"celltype"'),
        ({"labels": {"from": "obs", "column": "score"}}, "measurements"),
        ({"labels": {"from": "obs", "column": "partial"}}, "10 of 90 cells"),
        ({"labels": {"from": "none"}}, "kmeans.k"),
        ({"labels": GATES | {"markers": {"B": ["G1", "nope"], "T": ["G2"]}}}, "nope (B)"),
        ({"batch": "donor"}, '"donor"'),
        ({"qc": {"min_genes": 0, "max_pct_mito": 5, "mito_prefix": "mt-"}}, "qc.mito_prefix"),
        ({"genes": {"names": "symbol"}}, '"symbol"'),
        ({"values": "log_normalized"}, "toy.h5ad"),
        ({"qc": {"min_genes": 29}}, "qc.min_genes: "),
        ({"qc": {"min_cells": 91, "min_genes": 1}}, "qc.min_cells: "),
    ],
)
def test_a_problem_is_named(settings, fragment, config):
    found, problems = rows(config, **settings)
    assert [problem for problem in problems if fragment in problem], problems
    assert found["result"].startswith(f"{len(problems)} problem")


@pytest.mark.parametrize(("perplexity", "k", "n_problems"), [(29, 90, 0), (30, 90, 1), (29, 91, 1), (30, 91, 2)])
def test_more_cells_are_needed_than_perplexity_and_k_ask_for(perplexity, k, n_problems, config):
    config |= {"tsne": {"perplexity": perplexity}, "kmeans": {"k": k}}
    assert len(rows(config)[1]) == n_problems


def test_what_each_limit_keeps_is_shown_and_counts_for_the_perplexity(config):
    found, _ = rows(config, qc={"min_genes": 16, "max_genes": 22})
    n_kept = int(found["kept"].split()[0])
    assert 0 < n_kept < 90
    assert "min_genes " in found["kept"]
    assert "max_genes " in found["kept"]
    config["tsne"]["perplexity"] = n_kept / 3
    assert "tsne.perplexity" in rows(config, qc={"min_genes": 16, "max_genes": 22})[1][0]


@pytest.mark.parametrize("labels", [{"from": "none"}, {"from": "obs", "column": "celltype"}])
def test_without_labels_the_columns_like_labels_are_offered(labels, config):
    found, _ = rows(config, labels=labels)
    assert "columns like cell types: type (3 values), " in found["labels"]
    assert "score" not in found["labels"]


def test_a_single_batch_and_small_types_are_warnings(config):
    cells = anndata.read_h5ad("toy.h5ad")
    cells.obs["lane"] = "a"
    cells.write_h5ad("toy.h5ad")
    config["datasets"]["toy"]["batch"] = "lane"
    table, problems = check.check(load(config, datasets_too=False), 4)
    assert problems == []
    assert "  warning       batch: all cells are of one batch" in table


@pytest.mark.parametrize(
    ("given", "fragment"), [({"key": "X_umap"}, "entries of obsm: X_mine"), ({"path": "bad.csv"}, "is not a number")]
)
def test_a_given_embedding_that_cannot_be_read_is_a_problem(given, fragment, config, tmp_path):
    cells = anndata.read_h5ad("toy.h5ad")
    cells.obsm["X_mine"] = np.ones((90, 2))
    cells.write_h5ad("toy.h5ad")
    (tmp_path / "bad.csv").write_text("cell,x,y\nc0,1,one\n")
    config["models"] = {"mine": {"kind": "given"} | given}
    config["run"]["models"] = ["mine"]
    assert [problem for problem in rows(config)[1] if fragment in problem and problem.startswith("models.mine: ")]


def test_a_device_that_this_machine_lacks_is_a_problem(config, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config["training"] = {"device": "cuda"}
    config = load(config, datasets_too=False)
    assert "training.device" in check.check(config, 4)[1][0]
    assert check.check(config, 4, is_local=False)[1] == []


def test_short_trainings_are_foreseen(config):
    config["training"] = {"epochs": 999, "batch_size": 256, "min_steps": 0}
    table = check.check(load(config, datasets_too=False), 4)[0]
    assert "would train for 999 gradient steps, too few" in table
    config["training"]["min_steps"] = 1000
    assert "gradient steps" not in check.check(load(config, datasets_too=False), 4)[0]


def test_a_full_disk_is_foreseen(config, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda place: SimpleNamespace(free=1000))
    assert "of disk, but " in check.check(load(config, datasets_too=False), 4)[0]


def test_a_data_set_takes_few_lines(config):
    config["datasets"]["toy"] |= {"batch": "lane", "gene_sets": "sets.gmt"}
    table, _ = check.check(load(config, datasets_too=False), 4)
    assert len(table.splitlines()) <= 9


def test_all_data_sets_are_checked(config):
    config["datasets"]["gone"] = {"source": "gone.h5ad"}
    config["run"]["datasets"] = ["toy", "gone"]
    table, problems = check.check(load(config, datasets_too=False), 4, ["models.scvi: install it"])
    assert [problem.partition(":")[0] for problem in problems] == ["gone", "models.scvi"]
    assert "toy: ready\n" in table
    assert "gone: 1 problem" in table


def test_a_source_that_is_not_downloaded_is_described_after_a_run(config, tmp_path):
    config["datasets"]["toy"]["source"] = "https://example.org/toy.h5ad"
    found, problems = rows(config)
    assert (found["result"], problems) == ("not checked", [])
    (tmp_path / "results/toy").mkdir(parents=True)
    cells = anndata.read_h5ad("toy.h5ad")
    cells.uns["values"] = "counts"
    cells.write_h5ad("results/toy/counts.h5ad")
    assert rows(config)[0]["result"] == "ready"
