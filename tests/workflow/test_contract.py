"""A run ends with every file of the results contract, in its exact form, and with a record of every job."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from workflow_project import CELL_TYPES, MODELS, NASTY, Project, toy_cells

from scae.evaluation.metrics import described

METRICS = [name for name, metric in described().items() if not metric["of_batches"]]  # the toy cells have no batch
SPACES = ["tsne2d", "latent"]
OF_DATASET = [
    *("counts.h5ad", "expression.h5ad", "labels.csv", "export/expression.csv.gz", "export/labels.csv"),
    *("quality/cells.csv", "quality/limits.csv", "quality/top_genes.csv"),
]
OF_RUN = {
    "history.csv": "epoch,loss,reconstruction,kl",
    "timing.csv": "epochs,seconds,cells_per_second,device,threads,engine",
    "latent.csv": "cell,z1,z2,z3,z4,z5,z6",
    "tsne2d.csv": "cell,x,y",
    "tsne3d.csv": "cell,x,y,z",
    "clusters.csv": "cell,tsne2d,latent",
    "metrics.csv": "labels,space,metric,value",
    "health.csv": "latent,measure,value",
    "recalls.csv": "labels,space,label,cells,recall",
    "spreads.csv": "labels,space,metric,mean,sd,low,high",
}
OVER_MODELS = ["colors.csv", "distances.npz", "embeddings.h5ad", "stability.csv", "cell_stability.csv", "stability.png"]
OVER_ALL = {
    "metrics.csv": "dataset,model,seed,labels,space,metric,value",
    "health.csv": "dataset,model,seed,latent,measure,value",
    "recalls.csv": "dataset,model,seed,labels,space,label,cells,recall",
    "intervals.csv": "dataset,model,labels,origin,space,metric,over,n,mean,sd,low,high",
    "differences.csv": "dataset,labels,origin,space,metric,first,second,n,mean,sd,low,high,p,p_holm",
    "stability.csv": "dataset,model,space,measure,pairs,value",
    "references.csv": "dataset,reference,seed,labels,metric,value",
    "training_times.csv": "dataset,model,seed,epochs,seconds,cells_per_second,device,threads",
}
OF_MODEL = {
    "latent_genes.csv": "seed,latent,move,low,high,gene,effect",
    "latent_matches.csv": "seed,latent,others,agreement,null_mean,null_95,p,p_holm,reproducible",
    "latent_sets.csv": "seed,latent,sign,set,shared,of,expected,p,q,genes",
    "latent_traversals.csv": "seed,latent,gene,value,expression",
}
OF_TRAINED_MODEL = {
    "generated.csv": "seed,cells,statistic,correlation,ratio",
    "generated_genes.csv": "seed,cells,gene,mean,variance,zeros",
}
OF_OWN = {*OF_TRAINED_MODEL, "generated.png"}  # of models that this workflow trains itself
PICTURES = ["clusters.png", "tsne3d.png", "losses.png"]


def contract(datasets, models=MODELS, seeds=(0,)):
    """Paths of every file that a run ends with, logs and benchmarks apart."""
    return {
        *(f"results/{dataset}/{name}" for dataset in datasets for name in [*OF_DATASET, *OVER_MODELS]),
        *(
            f"results/{dataset}/{model}/seed{seed}/{name}"
            for dataset in datasets
            for model in models
            for seed in seeds
            for name in ["model.pt", *OF_RUN, *PICTURES]
        ),
        *(
            f"results/{dataset}/{model}/{name}"
            for dataset in datasets
            for model in models
            for name in [*OF_MODEL, "latents.png", *OF_OWN]
        ),
        *(f"results/{dataset}/quality/quality.png" for dataset in datasets),
        *(
            f"results/figures/{dataset}/{name}.{suffix}"
            for dataset in datasets
            for name in ("scores", "embeddings", "recalls")
            for suffix in ("svg", "pdf")
        ),
        *(f"results/{name}" for name in [*OVER_ALL, "verdict.txt", "heatmap.png", "heatmap.svg", "report.html"]),
    }


def header(path):
    with open(path, encoding="utf-8") as file:
        return file.readline().rstrip("\n")


def test_run_makes_the_files_of_the_contract_and_no_others(finished):
    made = {path for path in finished.files() if not path.startswith(("results/logs/", "results/benchmarks/"))}
    assert made == contract(["toy"])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", OF_RUN)
def test_tables_of_a_run_have_the_columns_of_the_contract(finished, model, name):
    assert header(finished.path(f"results/toy/{model}/seed0/{name}")) == OF_RUN[name]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("name", OF_MODEL | OF_TRAINED_MODEL)
def test_tables_of_a_model_have_the_columns_of_the_contract(finished, model, name):
    assert header(finished.path(f"results/toy/{model}/{name}")) == (OF_MODEL | OF_TRAINED_MODEL)[name]


@pytest.mark.parametrize("name", OVER_ALL)
def test_tables_over_all_runs_have_the_columns_of_the_contract(finished, name):
    assert header(finished.path(f"results/{name}")) == OVER_ALL[name]


def test_counts_are_the_source_as_read(finished):
    counts, source = anndata.read_h5ad(finished.path("results/toy/counts.h5ad")), toy_cells()
    assert list(counts.obs_names) == list(source.obs_names)
    assert list(counts.var_names) == list(source.var_names)
    np.testing.assert_array_equal(counts.X.toarray(), source.X.toarray())


def test_expression_is_sparse_log_normalised_and_keeps_the_counts(finished):
    expression = anndata.read_h5ad(finished.path("results/toy/expression.h5ad"))
    counts = expression.layers["counts"].toarray()
    assert sparse.issparse(expression.X)
    assert expression.X.format == "csr"
    assert expression.X.dtype == np.float32
    expected = np.log1p(counts / counts.sum(axis=1, keepdims=True) * 10_000)
    np.testing.assert_allclose(expression.X.toarray(), expected, rtol=1e-6)


def test_labels_name_the_type_of_every_cell_even_with_commas_and_quotes(finished):
    for path in ("results/toy/labels.csv", "results/toy/export/labels.csv"):
        assert header(finished.path(path)) == "cell,label"
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
def test_model_file_loads_with_weights_only_and_holds_weights_and_config(finished, model):
    content = torch.load(finished.path(f"results/toy/{model}/seed0/model.pt"), weights_only=True)
    assert content["kind"] == model
    assert content["hyperparameters"]["n_latent"] == 6
    assert all(isinstance(weight, torch.Tensor) for weight in content["state_dict"].values())


@pytest.mark.parametrize("model", MODELS)
def test_tables_of_a_run_are_complete(finished, model):
    tables = {name: pd.read_csv(finished.path(f"results/toy/{model}/seed0/{name}")) for name in OF_RUN}
    cells = list(anndata.read_h5ad(finished.path("results/toy/expression.h5ad")).obs_names)
    for name in ("latent.csv", "tsne2d.csv", "tsne3d.csv", "clusters.csv"):
        assert list(tables[name]["cell"]) == cells
        assert not tables[name].isna().any(axis=None)
    assert list(tables["history.csv"]["epoch"]) == [1, 2, 3]
    assert np.isfinite(tables["history.csv"].to_numpy()).all()
    assert tables["timing.csv"][["epochs", "device", "threads"]].to_numpy().tolist() == [[3, "cpu", 1]]
    for space in SPACES:
        assert set(tables["clusters.csv"][space]) == set(range(len(CELL_TYPES)))
    scores = list(tables["metrics.csv"][["space", "metric"]].itertuples(index=False, name=None))
    assert scores == [(space, metric) for space in SPACES for metric in METRICS]


def test_collected_metrics_are_those_of_every_run(finished):
    table = pd.read_csv(finished.path("results/metrics.csv"))
    assert list(dict.fromkeys(table["model"])) == sorted(MODELS)
    for model, scores in table.groupby("model"):
        of_run = pd.read_csv(finished.path(f"results/toy/{model}/seed0/metrics.csv"))
        pd.testing.assert_frame_equal(scores[["labels", "space", "metric", "value"]].reset_index(drop=True), of_run)
        assert set(zip(scores["dataset"], scores["seed"], strict=True)) == {("toy", 0)}


def test_collected_training_times_are_those_of_every_run(finished):
    table = pd.read_csv(finished.path("results/training_times.csv"))
    models = sorted(MODELS)
    assert list(table["model"]) == models
    seconds = [pd.read_csv(finished.path(f"results/toy/{model}/seed0/timing.csv"))["seconds"][0] for model in models]
    assert list(table["seconds"]) == seconds


def test_embeddings_open_in_anndata_with_labels_clusters_and_every_space(finished):
    data = anndata.read_h5ad(finished.path("results/toy/embeddings.h5ad"))
    assert data.obs["label"].to_dict() == toy_cells().obs["cell_type"].astype(str).to_dict()
    for model in MODELS:
        folder = finished.path(f"results/toy/{model}/seed0")
        for suffix, name in (("", "latent"), ("_tsne2d", "tsne2d"), ("_tsne3d", "tsne3d")):
            table = pd.read_csv(folder / f"{name}.csv", index_col="cell", float_precision="round_trip")
            points = table.loc[data.obs_names].to_numpy(np.float32)
            np.testing.assert_array_equal(data.obsm[f"X_{model}_seed0{suffix}"], points)
        clusters = pd.read_csv(folder / "clusters.csv", index_col="cell").loc[data.obs_names]
        for space in SPACES:
            assert list(data.obs[f"{model}_seed0_{space}"].astype(int)) == list(clusters[space])


@pytest.mark.parametrize(("kind", "suffix"), [("logs", ".log"), ("benchmarks", ".tsv")])
def test_every_job_leaves_a_log_and_a_benchmark(finished, kind, suffix):
    files = [path.split("/") for path in finished.files(f"results/{kind}")]
    assert all(parts[-1].endswith(suffix) for parts in files)
    of_rule = {rule: sum(parts[2] == rule for parts in files) for rule in {parts[2] for parts in files}}
    assert of_rule == {rule: len(jobs) for rule, jobs in finished.first_plan.items()}


def test_log_of_a_training_tells_loss_progress_and_time_to_go(finished):
    log = finished.path("results/logs/train_model/toy/beta_vae/seed0.log").read_text()
    assert "epoch 3 of 3: loss" in log
    assert "s to go" in log


def test_second_run_has_nothing_to_do(finished):
    before = finished.files()
    assert "Nothing to be done" in finished.run().stdout
    assert finished.files() == before


@pytest.mark.parametrize(
    "rule", ["plot_clusters", "plot_tsne3d", "plot_losses", "plot_heatmap", "plot_figures", "write_report"]
)
def test_plotting_job_imports_neither_torch_nor_scanpy(finished, noted_imports, rule):
    notes = list(noted_imports.glob(f"*.{rule}.py.*"))
    assert len(notes) == len(finished.first_plan[rule])
    for note in notes:
        imported = set(note.read_text().split())
        assert "scae" in imported
        assert imported.isdisjoint({"torch", "scanpy"})


def test_training_job_imports_neither_scanpy_nor_matplotlib(finished, noted_imports):
    notes = list(noted_imports.glob("*.train_model.py.*"))
    assert len(notes) == len(MODELS)
    for note in notes:
        imported = set(note.read_text().split())
        assert "torch" in imported
        assert imported.isdisjoint({"scanpy", "matplotlib"})


CONTROLS = ("pca", "pca10", "random_projection")


@pytest.mark.parametrize(("overlay", "dataset", "seeds"), [((), "pbmc68k_reduced", 3), (("pbmc3k.yaml",), "pbmc3k", 5)])
def test_both_configs_run_all_models_and_the_controls_with_several_seeds(
    overlay, dataset, seeds, tmp_path, warm, workflow
):
    files = [workflow / "config" / name for name in overlay]
    planned = Project.create(tmp_path / "project", workflow, config=None, configfiles=files, warm=warm).planned()
    assert planned["train_model"] == {(dataset, model, str(seed)) for model in MODELS for seed in range(seeds)}
    assert planned["represent_cells"] == {(dataset, model, str(seed)) for model in CONTROLS for seed in range(seeds)}


def test_embedded_data_set_needs_no_download_and_has_its_published_size(tmp_path, warm, workflow):
    project = Project.create(tmp_path / "project", workflow, config=None, warm=warm)
    project.run("results/pbmc68k_reduced/labels.csv")
    expression = anndata.read_h5ad(project.path("results/pbmc68k_reduced/expression.h5ad"))
    assert expression.shape == (700, 765)
    assert pd.read_csv(project.path("results/pbmc68k_reduced/labels.csv"))["label"].nunique() == 10
