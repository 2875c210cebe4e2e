"""A run ends with every file of the results contract, in its exact form, and with a record of every job."""

import re

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from workflow_project import CELL_TYPES, EMBEDDINGS, MODELS, NASTY, Project, toy_cells

from scae import results
from scae.evaluation.metrics import metric_info

METRICS = [name for name, metric in metric_info().items() if metric["against"] not in ("batches", "molecules")]
SPACES = ["tsne2d", "latent"]
OPTIONAL = ["pct_mito"]  # where there are counts


def contract(
    datasets=("toy",),
    seeds=(0,),
    own=MODELS,
    external=(),
    untrained=(),
    batched=(),
    label_sets=(),
    sweeps=(),
    halves=(),
):
    """Paths of every file that a run ends with, apart from logs and benchmarks; no given embedding is of a half."""
    trained = [*own, *external]
    models = {"own": own, "external": external, "trained": trained}
    values = {"label_set": label_sets, "sweep": sweeps}
    paths = set()
    for result in results.CONTRACT:
        if result.of == "fetched":
            continue
        values["half"], split = halves, [half.partition(".")[0] for half in halves]
        values["dataset"] = {"batched": batched, "split": split}.get(result.of, datasets)
        values["model"] = models.get(result.of, [*trained, *untrained])
        values["seed"] = seeds[:1] if result.of == "first_seed" else seeds
        paths |= {f"results/{path}" for path in results.paths(result, values)}
        if result.of_half:
            ours = values | {"dataset": halves, "model": [name for name in values["model"] if name not in untrained]}
            first = values | {
                "dataset": halves,
                "model": ["pca"] if {"pca"} & {*values["model"]} else [],
                "seed": seeds[:1],
            }
            paths |= {f"results/{path}" for case in (ours, first) for path in results.paths(result, case)}
    return paths


def made(project):
    """Paths of every file that a run has made, apart from logs and benchmarks."""
    return {path for path in project.files() if not path.startswith(("results/logs/", "results/benchmarks/"))}


def entries(path):
    """The entries of the contract that a path below the results folder is of."""
    patterns = {result: re.sub(r"\\{\w+\\}", "[^/]+", re.escape(result.path)) for result in results.CONTRACT}
    return [result for result, pattern in patterns.items() if re.fullmatch(pattern, path)]


def wrong_columns(project):
    """Paths of the tables of a run whose columns are not those of the contract."""
    wrong = []
    for path in sorted(made(project)):
        [result, *_] = [*entries(path.removeprefix("results/")), None]
        if result and result.columns:
            table = pd.read_csv(project.path(path))
            columns = [name for name in result.column_names if name in table or name not in OPTIONAL]
            more = table.iloc[:, len(columns) :]
            fits = more.empty or (result.columns.endswith("…") and all(kind.kind in "fiu" for kind in more.dtypes))
            if [*table.columns[: len(columns)]] != columns or not fits:
                wrong.append(path)
    return wrong


def test_rules_write_the_files_of_the_contract_and_no_others(everything):
    rules = everything.plan().rules
    written = [re.sub(r"{\w+,[^{}]*}", "x", path) for rule in rules.values() for path in rule["output"]]
    names = {path: [result.name for result in entries(path.removeprefix("results/"))] for path in written}
    asked_for = {path for path, found in names.items() if not found}
    assert {path.rpartition("/")[2] for path in asked_for} == {"MANIFEST.sha256", "choice.csv"}
    names = {path: found for path, found in names.items() if path not in asked_for}
    assert {path: found for path, found in names.items() if len(found) != 1} == {}
    assert {name for [name] in names.values()} == results.BY_NAME.keys()


def test_run_makes_the_files_of_the_contract_and_no_others(finished, everything):
    assert made(finished) == contract()
    assert made(everything) == {"results/MANIFEST.sha256"} | contract(
        *(["mixed"], [0, 1], ["beta_vae_beta0.5", "beta_vae_beta2", "count_vae", "dae", "mine"]),
        external=["scvi"],
        untrained=["given", "pca"],
        batched=["mixed"],
        label_sets=["clusters", "gates"],
        sweeps=["beta_vae"],
        halves=["mixed.half1"],
    )


def test_tables_have_the_columns_of_the_contract(finished, everything):
    assert wrong_columns(finished) == wrong_columns(everything) == []


def test_counts_are_the_source_as_read(finished):
    counts, source = anndata.read_h5ad(finished.path("results/toy/counts.h5ad")), toy_cells()
    assert list(counts.obs_names) == list(source.obs_names)
    assert list(counts.var_names) == list(source.var_names)
    np.testing.assert_array_equal(counts.X.toarray(), source.X.toarray())


def test_expression_is_sparse_log_normalised_and_keeps_the_counts(finished):
    expression = anndata.read_h5ad(finished.path("results/toy/expression.h5ad"))
    counts = expression.layers["counts"].toarray()
    assert sparse.issparse(expression.X)
    assert (expression.X.format, expression.X.dtype) == ("csr", np.float32)
    expected = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 10_000)
    np.testing.assert_allclose(expression.X.toarray(), expected, rtol=1e-6)


def test_labels_name_the_type_of_every_cell_even_with_commas_and_quotes(finished):
    for path in ("results/toy/labels.csv", "results/toy/export/labels.csv"):
        labels = pd.read_csv(finished.path(path), index_col="cell")["label"]
        assert labels.to_dict() == toy_cells().obs["cell_type"].astype(str).to_dict()
    assert NASTY in set(labels)


def test_exported_expression_holds_the_same_values_as_the_h5ad(finished):
    expression = anndata.read_h5ad(finished.path("results/toy/expression.h5ad"))
    table = pd.read_csv(finished.path("results/toy/export/expression.csv.gz"), index_col="cell")
    assert list(table.index) == list(expression.obs_names)
    assert list(table.columns) == list(expression.var_names)
    np.testing.assert_array_equal(table.to_numpy(dtype=np.float32), expression.X.toarray())


@pytest.mark.parametrize("model", MODELS)
def test_files_of_a_run_are_complete(finished, model):
    folder = finished.path(f"results/toy/{model}/seed0")
    saved = torch.load(folder / "model.pt", weights_only=True)
    assert (saved["kind"], saved["hyperparameters"]["n_latent"]) == (model, 6)
    assert all(isinstance(weight, torch.Tensor) for weight in saved["state_dict"].values())
    tables = {path.stem: pd.read_csv(path) for path in folder.glob("*.csv")}
    cells = list(anndata.read_h5ad(finished.path("results/toy/expression.h5ad")).obs_names)
    for name in ("latent", "tsne2d", "tsne3d", "clusters"):
        assert list(tables[name]["cell"]) == cells
        assert not tables[name].isna().any(axis=None)
    assert list(tables["latent"].columns[1:]) == ["z1", "z2", "z3", "z4", "z5", "z6"]
    assert list(tables["history"]["epoch"]) == [1, 2, 3]
    assert np.isfinite(tables["history"].to_numpy()).all()
    assert tables["timing"][["epochs", "device", "threads"]].to_numpy().tolist() == [[3, "cpu", 1]]
    assert all(set(tables["clusters"][space]) == set(range(len(CELL_TYPES))) for space in SPACES)
    scores = list(tables["metrics"][["space", "metric"]].itertuples(index=False, name=None))
    assert scores == [(space, metric) for space in SPACES for metric in METRICS]


@pytest.mark.parametrize("name", ["metrics", "recalls", "health", "training_times"])
def test_tables_over_all_runs_are_those_of_every_run(everything, name):
    table = pd.read_csv(everything.path(f"results/{name}.csv"))
    file = {"training_times": "timing"}.get(name, name)
    if name == "metrics":  # held-out molecules are scored for all runs at once
        table = table[table["metric"] != "held_out"]
    paths = everything.path("results/mixed").glob(f"*/seed*/{file}.csv")
    found = [(path.parts[-3], int(path.parts[-2].removeprefix("seed"))) for path in paths]
    assert list(dict.fromkeys(zip(table["model"], table["seed"], strict=True))) == sorted(found)
    assert set(table["dataset"]) == {"mixed"}
    for (model, seed), rows in table.groupby(["model", "seed"]):
        of_run = pd.read_csv(everything.path(f"results/mixed/{model}/seed{seed}/{file}.csv"))
        rows = rows.drop(columns=["dataset", "model", "seed"]).reset_index(drop=True)
        pd.testing.assert_frame_equal(rows, of_run[rows.columns], check_dtype=False)


def test_embeddings_open_in_anndata_with_labels_clusters_and_every_space(finished):
    data = anndata.read_h5ad(finished.path("results/toy/embeddings.h5ad"))
    seeds = anndata.read_h5ad(finished.path("results/toy/embeddings_seeds.h5ad"))
    assert {"X_tsne", "X_umap", *EMBEDDINGS} <= set(data.obsm)
    assert list(seeds.obs_names) == list(data.obs_names)
    assert data.obs["label"].to_dict() == toy_cells().obs["cell_type"].astype(str).to_dict()
    for model in MODELS:
        folder = finished.path(f"results/toy/{model}/seed0")
        for suffix, name in (("", "latent"), ("_tsne", "tsne2d"), ("_tsne3d", "tsne3d")):
            table = pd.read_csv(folder / f"{name}.csv", index_col="cell", float_precision="round_trip")
            points = table.loc[data.obs_names].to_numpy(np.float32)
            np.testing.assert_array_equal(data.obsm[f"X_{model}{suffix}"], points)
            np.testing.assert_array_equal(seeds.obsm[f"X_{model}_seed0{suffix}"], points)
        clusters = pd.read_csv(folder / "clusters.csv", index_col="cell").loc[data.obs_names]
        for space, suffix in (("latent", ""), ("tsne2d", "_tsne")):
            assert list(data.obs[f"clusters_{model}{suffix}"].astype(int)) == list(clusters[space])


@pytest.mark.parametrize(("kind", "suffix"), [("logs", ".log"), ("benchmarks", ".tsv")])
def test_every_job_leaves_a_log_and_a_benchmark(finished, kind, suffix):
    files = [path.split("/") for path in finished.files(f"results/{kind}")]
    assert all(parts[-1].endswith(suffix) for parts in files)
    per_rule = {rule: sum(parts[2] == rule for parts in files) for rule in {parts[2] for parts in files}}
    assert per_rule == {rule: len(jobs) for rule, jobs in finished.first_plan.items()}


def test_log_of_a_training_tells_loss_progress_and_time_to_go(finished):
    log = finished.path("results/logs/train_model/toy/beta_vae/seed0.log").read_text()
    assert "epoch 3 of 3: loss" in log
    assert "s to go" in log


def test_second_run_has_nothing_to_do(finished):
    before = finished.files()
    assert "Nothing to be done" in finished.run().stdout
    assert finished.files() == before


def test_jobs_import_only_what_they_need(finished, noted):
    slow = {"torch", "scanpy", "matplotlib", "openTSNE", "sklearn"}
    loaded = {}
    for job in noted("finished"):
        loaded.setdefault(job["rule"], set()).update(slow & set(job["modules"]))
    assert loaded.keys() == finished.first_plan.keys()
    assert loaded["train_model"] == loaded["embed_cells"] == {"torch"}
    assert loaded["project_tsne"] == {"openTSNE", "sklearn"}
    for rule in ("plot_model", "plot_training", "plot_dataset", "plot_heatmap", "write_report"):
        assert loaded[rule].isdisjoint({"torch", "scanpy", "openTSNE"}), rule
    assert loaded["summarize_scores"] == loaded["fetch_counts"] == loaded["preprocess_cells"] == set()
    assert loaded["compare_seeds"] == loaded["measure_distances"] == {"sklearn"}


@pytest.mark.parametrize(
    ("overlay", "dataset", "seeds", "own"),
    [((), "pbmc68k_reduced", 3, (*MODELS, "count_vae")), (("pbmc3k.yaml",), "pbmc3k", 5, MODELS)],
)
def test_both_configs_run_all_models_and_the_baselines_with_several_seeds(
    overlay, dataset, seeds, own, tmp_path, warm, workflow
):
    files = [workflow / "config" / name for name in overlay]
    planned = Project.create(tmp_path / "project", workflow, config=None, configfiles=files, warm=warm).planned()
    controls = ("pca", "pca10", "pca50", "random_projection")
    names, half = (dataset, f"{dataset}.half1")[: 1 if overlay else 2], f"{dataset}.half1"
    assert planned["train_model"] == {
        (name, model, str(seed)) for name in names for model in own for seed in range(seeds)
    }
    untrained = {(dataset, model, str(seed)) for model in controls for seed in range(seeds)}
    if not overlay:
        untrained |= {(half, "random_projection", str(seed)) for seed in range(seeds)}
        untrained |= {(half, model, "0") for model in ("pca", "pca10", "pca50")}
    assert planned["represent_cells"] == untrained
    assert sum(map(len, planned.values())) <= 140


def test_embedded_data_set_needs_no_download_and_has_its_published_size(tmp_path, warm, workflow):
    project = Project.create(tmp_path / "project", workflow, config=None, warm=warm)
    project.run("results/pbmc68k_reduced/labels.csv")
    assert anndata.read_h5ad(project.path("results/pbmc68k_reduced/expression.h5ad")).shape == (700, 765)
    assert pd.read_csv(project.path("results/pbmc68k_reduced/labels.csv"))["label"].nunique() == 10
