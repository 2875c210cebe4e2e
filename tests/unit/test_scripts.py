"""The adapters, run one after the other on a small data set, write the files of the results contract."""

import gzip
import hashlib
import json
import logging
import runpy
import shutil
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from places import ROOT
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from scae.config import loader
from scae.data import export
from scae.evaluation import baselines, metrics
from scae.jobs import code_digest, manifest
from scae.models import registry
from scae.sources import reader

N_CELLS, N_GENES = 48, 30
CELLS = [f"cell-{number}" for number in range(N_CELLS)]
GENES = [f"MT-{number}" if number < 2 else f"G{number}" for number in range(N_GENES)]
TYPES = np.array(["B", "NK, bright", "007"])[np.arange(N_CELLS) % 3]
LANES = np.array(["early", "late"])[np.arange(N_CELLS) // 4 % 2]
READING = ("format", "genome", "matrix", "member", "modality", "orientation", "values")
RUNS = [("dae", 0), ("beta_vae", 0), ("beta_vsc", 3), ("pca", 0)]
TRAINED_RUNS = RUNS[:3]


class Namedlist:
    """Files or wildcards as a script sees them: by attribute, by index, in order, and by items()."""

    def __init__(self, *unnamed, **named):
        self._named = named
        self._all = [*unnamed]
        for value in named.values():
            self._all.extend(value if isinstance(value, list) else [value])

    def __getattr__(self, name):
        if name.startswith("_") or name not in self._named:
            raise AttributeError(name)
        return self._named[name]

    def __getitem__(self, key):
        return self._named[key] if isinstance(key, str) else self._all[key]

    def __iter__(self):
        return iter(self._all)

    def __len__(self):
        return len(self._all)

    def items(self):
        return self._named.items()


def run(script, *, inputs=None, outputs=None, wildcards=None, label_column="", batch_column="", **params):
    """Run an adapter as Snakemake would; ``inputs`` and ``outputs`` are dicts, or lists of unnamed files."""
    named = [
        Namedlist(**files) if isinstance(files, dict) else Namedlist(*(files or [])) for files in (inputs, outputs)
    ]
    for path in named[1]:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    snakemake = SimpleNamespace(
        input=named[0],
        output=named[1],
        params=Namedlist(code=code_digest.code(script), **params),
        wildcards=Namedlist(**{name: str(value) for name, value in (wildcards or {}).items()}),
        resources=SimpleNamespace(
            mem_mb=1500,
            tmpdir="scratch",
            checkpoint_minutes="5",
            label_column=label_column,
            batch_column=batch_column,
        ),
        log=[f"results/logs/{script}/test.log"],
        rule=script,
        threads=1,
    )
    try:
        runpy.run_path(str(ROOT / "scripts" / f"{script}.py"), {"snakemake": snakemake})
    finally:
        logging.captureWarnings(False)


def config_of():
    config = {
        "run": {"datasets": ["toy"], "models": [model for model, _ in RUNS]},
        "datasets": {
            "toy": {
                "source": "toy.csv",
                "qc": {"min_cells": 1, "min_genes": 1},
                "labels": {"from": "csv", "path": "types.csv"},
                "batch": "lane",
                "published": {"citation": "study", "scores": {"dae": {"nmi": 0.72}}},
            }
        },
        "models": {kind: {"kind": kind} for kind, _ in RUNS},
        "training": {"epochs": 3, "batch_size": 20},
        "tsne": {"perplexity": 6, "iterations": 60, "early_exaggeration_iterations": 30, "max_cells": 1000},
        "kmeans": {"n_init": 3},
    }
    return loader.load(config, yaml.safe_load((ROOT / "config/schema.yaml").read_text()))


def source():
    random = np.random.default_rng(0)
    means = np.full((3, N_GENES), 1.0)
    for group in range(3):
        means[group, 6 + 6 * group : 12 + 6 * group] = 12
    table = random.poisson(means[np.arange(N_CELLS) % 3])
    return anndata.AnnData(
        sparse.csr_matrix(table, dtype=np.float32),
        obs=pd.DataFrame({"type": TYPES}, index=CELLS),
        var=pd.DataFrame(index=GENES),
    )


def subset(config, *keys):
    return {key: config["datasets"]["toy"][key] for key in sorted(keys)}


def training_of(config):
    """The settings of training that reach a job as params, as in rules/params.smk."""
    return {key: value for key, value in config["training"].items() if key != "checkpoint_minutes"}


def folder_of(model, seed):
    return f"results/toy/{model}/seed{seed}"


def train(config, model, seed):
    folder, toy = folder_of(model, seed), "results/toy"
    wildcards = {"dataset": "toy", "model": model, "seed": seed}
    run(
        "train_model",
        inputs={"counts": [], "expression": f"{toy}/expression.h5ad"},
        outputs={name: f"{folder}/{file}" for name, file in TRAINED.items()},
        wildcards=wildcards,
        expression=config["expression"],
        model=config["models"][model],
        training=training_of(config),
    )
    run(
        "embed_cells",
        inputs={"expression": f"{toy}/expression.h5ad", "model": f"{folder}/model.pt"},
        outputs={"latent": f"{folder}/latent.csv"},
        wildcards=wildcards,
        expression=config["expression"],
        latent=config["latent"],
    )
    run(
        "plot_losses",
        inputs={"history": f"{folder}/history.csv"},
        outputs=[f"{folder}/losses.png"],
        wildcards=wildcards,
    )


def run_model(config, model, seed):
    folder, toy = folder_of(model, seed), "results/toy"
    wildcards = {"dataset": "toy", "model": model, "seed": seed}
    if (model, seed) in TRAINED_RUNS:
        train(config, model, seed)
    else:
        run(
            "represent_cells",
            inputs={"expression": f"{toy}/expression.h5ad"},
            outputs={"latent": f"{folder}/latent.csv"},
            wildcards=wildcards,
            expression=config["expression"],
            model=config["models"][model],
            source={},
        )
    for dimensions in (2, 3):
        run(
            "project_tsne",
            inputs={"latent": f"{folder}/latent.csv"},
            outputs={"tsne": f"{folder}/tsne{dimensions}d.csv"},
            wildcards=wildcards | {"dimensions": dimensions},
            tsne=config["tsne"],
        )
    spaces = {"tsne2d": f"{folder}/tsne2d.csv", "latent": f"{folder}/latent.csv"}
    labels, clusters = {"labels": f"{toy}/labels.csv"}, {"clusters": f"{folder}/clusters.csv"}
    run("cluster_cells", inputs=labels | spaces, outputs=clusters, wildcards=wildcards, kmeans=config["kmeans"])
    run(
        "score_clusters",
        inputs=labels
        | clusters
        | spaces
        | {"batches": f"{toy}/batches.csv", "distances": f"{toy}/distances.npz"}
        | {"more_labels": []},
        outputs={name: f"{folder}/{name}.csv" for name in ("metrics", "recalls", "spreads")},
        wildcards=wildcards,
        label_sets=["csv"],
    )
    is_trained = (model, seed) in TRAINED_RUNS
    trained = {name: f"{folder}/{TRAINED[name]}" if is_trained else [] for name in ("history", "model")}
    run(
        "check_latents",
        inputs=labels
        | trained
        | {
            "expression": f"{toy}/expression.h5ad",
            "latent": f"{folder}/latent.csv",
            "counts": [],
            "kl": [],
            "batches": [],
        },
        outputs={"health": f"{folder}/health.csv"},
        wildcards=wildcards,
        expression=config["expression"],
        training=training_of(config),
    )
    tsne2d, tsne3d = {"tsne2d": f"{folder}/tsne2d.csv"}, {"tsne3d": f"{folder}/tsne3d.csv"}
    labels |= {"colors": f"{toy}/colors.csv"}
    run("plot_clusters", inputs=labels | tsne2d | clusters, outputs=[f"{folder}/clusters.png"], wildcards=wildcards)
    batches = {"batches": f"{toy}/batches.csv"}
    run("plot_batches", inputs=labels | tsne2d | batches, outputs=[f"{folder}/batches.png"], wildcards=wildcards)
    run("plot_tsne3d", inputs=labels | tsne3d, outputs=[f"{folder}/tsne3d.png"], wildcards=wildcards)


QUALITY = {name: f"results/toy/quality/{name}.csv" for name in ("cells", "limits", "top_genes")}
OF_REPORT = ("clusters", "tsne2d", "tsne3d", "clusters_png", "losses_png", "batches_png")
OF_TRAINED = ("losses.png", "timing.csv")
TRAINED = {"model": "model.pt", "history": "history.csv", "timing": "timing.csv"}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The folder ``results`` of a run of every adapter: one data set, three models, one seed each."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("run")
        patch.chdir(folder)
        export.write_csv(source(), "toy.csv.gz")
        table = pd.read_csv("toy.csv.gz")
        table.insert(1, "lane", LANES)
        table.to_csv("toy.csv", index=False)
        pd.DataFrame({"cell": CELLS, "label": TYPES}).iloc[::-1].to_csv("types.csv", index=False)
        config = config_of()
        toy = "results/toy"
        run(
            "fetch_counts",
            inputs=["toy.csv"],
            outputs={"counts": f"{toy}/counts.h5ad"},
            wildcards={"dataset": "toy"},
            source=subset(config, "sha256", "source", *READING),
        )
        run(
            "preprocess_cells",
            inputs={"counts": f"{toy}/counts.h5ad"},
            outputs={"expression": f"{toy}/expression.h5ad"} | QUALITY,
            wildcards={"dataset": "toy"},
            preprocessing=subset(config, "genes", "qc", "scale_factor"),
            drop_unlabelled=None,
        )
        both = {"counts": f"{toy}/counts.h5ad", "expression": f"{toy}/expression.h5ad"}
        run(
            "label_cells",
            inputs=both,
            outputs={"labels": f"{toy}/labels.csv"},
            wildcards={"dataset": "toy"},
            labels=subset(config, "labels"),
        )
        gates = {"from": "markers", "threshold": 0.7, "markers": {"B": ["G6", "G7"], "NK, bright": ["G12", "G13"]}}
        run(
            "label_again",
            inputs=both,
            outputs={"labels": f"{toy}/labels/gates.csv"},
            wildcards={"dataset": "toy", "label_set": "gates"},
            labels={"labels": gates},
        )
        run(
            "assign_batches",
            inputs={"counts": f"{toy}/counts.h5ad", "labels": f"{toy}/labels.csv"},
            outputs={"batches": f"{toy}/batches.csv"},
            wildcards={"dataset": "toy"},
            batch=subset(config, "batch"),
        )
        run(
            "export_csv",
            inputs={"expression": f"{toy}/expression.h5ad", "labels": f"{toy}/labels.csv"},
            outputs={"expression": f"{toy}/export/expression.csv.gz", "labels": f"{toy}/export/labels.csv"},
            wildcards={"dataset": "toy"},
        )
        run(
            "measure_distances",
            inputs={"expression": f"{toy}/expression.h5ad"},
            outputs={"distances": f"{toy}/distances.npz"},
            wildcards={"dataset": "toy"},
            neighbors=config["neighbors"],
        )
        run(
            "color_types",
            inputs={"expression": f"{toy}/expression.h5ad", "labels": f"{toy}/labels.csv"},
            outputs={"colors": f"{toy}/colors.csv"},
            wildcards={"dataset": "toy"},
        )
        for model, seed in RUNS:
            run_model(config, model, seed)
        of_runs = {
            name: [f"{folder_of(*key)}/{file}" for key in (TRAINED_RUNS if file in OF_TRAINED else RUNS)]
            for name, file in {
                "clusters": "clusters.csv",
                "latent": "latent.csv",
                "tsne2d": "tsne2d.csv",
                "tsne3d": "tsne3d.csv",
                "clusters_png": "clusters.png",
                "tsne3d_png": "tsne3d.png",
                "batches_png": "batches.png",
                "losses_png": "losses.png",
                "metrics": "metrics.csv",
                "health": "health.csv",
                "recalls": "recalls.csv",
                "spreads": "spreads.csv",
                "timing": "timing.csv",
            }.items()
        }
        run(
            "collect_metrics",
            inputs={name: of_runs[name] for name in ("metrics", "recalls")},
            outputs={name: f"results/{name}.csv" for name in ("metrics", "recalls")},
        )
        run("collect_health", inputs=of_runs["health"], outputs=["results/health.csv"])
        stability = {"stability": f"{toy}/stability.csv", "cell_stability": f"{toy}/cell_stability.csv"}
        of_models = {}
        for model in dict.fromkeys(model for model, _ in RUNS):
            seeds = [seed for name, seed in RUNS if name == model]
            folders = [folder_of(model, seed) for seed in seeds]
            meaning = {
                "genes": f"{toy}/{model}/latent_genes.csv",
                "matches": f"{toy}/{model}/latent_matches.csv",
                "sets": f"{toy}/{model}/latent_sets.csv",
                "traversals": f"{toy}/{model}/latent_traversals.csv",
            }
            run(
                "interpret_latents",
                inputs={
                    "expression": f"{toy}/expression.h5ad",
                    "kl": [],
                    "latent": [f"{path}/latent.csv" for path in folders],
                    "model": [f"{path}/model.pt" for path in folders] if registry.find(model).trained else [],
                },
                outputs=meaning,
                wildcards={"dataset": "toy", "model": model},
                expression={"scale": False},
                gene_sets={"gene_sets": None},
                runs={"deterministic": registry.find(model).deterministic, "seeds": seeds},
            )
            run(
                "plot_latents",
                inputs={
                    "expression": f"{toy}/expression.h5ad",
                    "latent_genes": meaning["genes"],
                    "labels": f"{toy}/labels.csv",
                    "latent_traversals": meaning["traversals"],
                },
                outputs=[f"{toy}/{model}/latents.png"],
                wildcards={"dataset": "toy", "model": model},
                seed=seeds[0],
            )
            of_models[model] = meaning | {"png": f"{toy}/{model}/latents.png"}
            if not registry.find(model).trained:
                continue
            made = {"genes": f"{toy}/{model}/generated_genes.csv", "summary": f"{toy}/{model}/generated.csv"}
            run(
                "generate_cells",
                inputs={
                    "counts": [],
                    "expression": f"{toy}/expression.h5ad",
                    "model": [f"{path}/model.pt" for path in folders],
                },
                outputs=made,
                wildcards={"dataset": "toy", "model": model},
                expression={"scale": False},
                runs={"deterministic": False, "seeds": seeds},
            )
            run(
                "plot_generated",
                inputs={"generated_genes": made["genes"]},
                outputs=[f"{toy}/{model}/generated.png"],
                wildcards={"dataset": "toy", "model": model},
                seed=seeds[0],
            )
            of_models[model] |= {"generated": made["summary"], "generated_png": f"{toy}/{model}/generated.png"}
        run(
            "measure_stability",
            inputs={name: of_runs[name] for name in ("clusters", "latent")},
            outputs=stability,
            wildcards={"dataset": "toy"},
            runs={model: 1 for model, _ in RUNS},
        )
        run("collect_stability", inputs=[stability["stability"]], outputs=["results/stability.csv"])
        run(
            "plot_stability",
            inputs=stability | {"tsne2d": of_runs["tsne2d"]},
            outputs=[f"{toy}/stability.png"],
            wildcards={"dataset": "toy"},
            models=[model for model, _ in RUNS],
        )
        run(
            "score_references",
            inputs={"all_labels": [f"{toy}/labels.csv"], "expression": [f"{toy}/expression.h5ad"]},
            outputs={"references": "results/references.csv"},
            seeds=[0, 3],
            sets={"toy": {"csv": {"from": "csv"}}},
        )
        run(
            "summarize_scores",
            inputs={
                "metrics": "results/metrics.csv",
                "references": "results/references.csv",
                "spreads": of_runs["spreads"],
            },
            outputs={name: f"results/{name}.csv" for name in ("intervals", "differences")},
            origins={"toy": {"csv": "csv"}},
            roles=dict.fromkeys(config["models"], "model"),
        )
        run(
            "write_verdict",
            inputs={name: f"results/{name}.csv" for name in ("intervals", "differences", "health", "stability")},
            outputs={"verdict": "results/verdict.txt"},
            roles=dict.fromkeys(config["models"], "model"),
            origins={"toy": {"csv": "csv"}},
        )
        run("collect_training_times", inputs=of_runs["timing"], outputs=["results/training_times.csv"])
        run(
            "collect_embeddings",
            inputs=both
            | {"labels": f"{toy}/labels.csv", "colors": f"{toy}/colors.csv", "more_labels": []}
            | {name: of_runs[name] for name in ("clusters", "latent", "metrics", "tsne2d", "tsne3d")},
            outputs={"embeddings": f"{toy}/embeddings.h5ad"},
            wildcards={"dataset": "toy"},
            genes=subset(config, "genes"),
            label_sets=["csv"],
            runs={
                f"{model}_seed{seed}": {"model": model, "seed": seed, "settings": config["models"][model]}
                for model, seed in RUNS
            },
        )
        run("plot_quality", inputs=QUALITY, outputs=[f"{toy}/quality/quality.png"], wildcards={"dataset": "toy"})
        published = {"toy": config["datasets"]["toy"]["published"]}
        run(
            "plot_heatmap",
            inputs={name: f"results/{name}.csv" for name in ("metrics", "references")},
            roles=dict.fromkeys(config["models"], "model"),
            outputs={"png": "results/heatmap.png", "svg": "results/heatmap.svg"},
            described=metrics.described(),
            published=published,
        )
        seed0 = {name: paths[:2] for name, paths in of_runs.items()}
        shown = {
            "described": metrics.described(),
            "order": {"datasets": ["toy"], "models": ["dae", "beta_vae"]},
            "origins": {"toy": {"csv": "csv"}},
            "roles": {"dae": "model", "beta_vae": "model"},
        }
        drawn = {
            f"{name}_{suffix}": f"results/figures/toy/{name}.{suffix}"
            for name in ("scores", "embeddings", "recalls")
            for suffix in ("svg", "pdf")
        }
        run(
            "plot_figures",
            inputs={
                "intervals": "results/intervals.csv",
                "recalls": "results/recalls.csv",
                "labels": f"{toy}/labels.csv",
                "colors": f"{toy}/colors.csv",
                "tsne2d": seed0["tsne2d"],
            },
            outputs=drawn,
            wildcards={"dataset": "toy"},
            models=["dae", "beta_vae"],
            **shown,
        )
        points = {"dae": {"n_latent": 6}, "beta_vae": {"n_latent": 6}}
        swept = {suffix: f"results/figures/toy/sweeps/any.{suffix}" for suffix in ("svg", "pdf")}
        run(
            "plot_sweep",
            inputs={"intervals": "results/intervals.csv"},
            outputs=swept,
            wildcards={"dataset": "toy", "sweep": "any"},
            points=points,
            **{name: value for name, value in shown.items() if name != "order"},
        )
        run(
            "write_report",
            inputs={
                **{
                    name: f"results/{name}.csv"
                    for name in (
                        "metrics",
                        "intervals",
                        "differences",
                        "recalls",
                        "references",
                        "health",
                        "stability",
                        "training_times",
                    )
                },
                **{name: [path] for name, path in drawn.items() if name.endswith("_svg")},
                "stability_png": [f"{toy}/stability.png"],
                "sweeps_svg": [swept["svg"]],
                **{
                    f"latent_{name}": [of_models[model][name] for model in ("dae", "beta_vae")]
                    for name in ("genes", "matches", "sets")
                },
                "latents_png": [of_models[model]["png"] for model in ("dae", "beta_vae")],
                **{
                    name: [of_models[model][name] for model in ("dae", "beta_vae")]
                    for name in ("generated", "generated_png")
                },
                "heatmap": "results/heatmap.png",
                "verdict": "results/verdict.txt",
                "labels": [f"{toy}/labels.csv"],
                "colors": [f"{toy}/colors.csv"],
                "batches": [f"{toy}/batches.csv"],
                "cells": [QUALITY["cells"]],
                "limits": [QUALITY["limits"]],
                "quality_png": [f"{toy}/quality/quality.png"],
            }
            | {name: seed0[name] for name in OF_REPORT},
            outputs={"report": "results/report.html"},
            **shown,
            models={
                model: registry.find(model).about | {"trained": True, "deterministic": False, "peer": False}
                for model in ("dae", "beta_vae")
            },
            run={"datasets": ["toy"], "models": ["dae", "beta_vae"], "seeds": [0]},
            published=published,
            settings={"datasets": config["datasets"], "training": training_of(config)},
            sweeps={"any": points},
        )
        run(
            "write_manifest",
            inputs=["results/heatmap.png", "results/metrics.csv"],
            outputs=["results/MANIFEST.sha256"],
        )
        yield folder / "results"


def read(path):
    return pd.read_csv(path, dtype={"cell": str, "label": str})


def test_manifest_has_every_file_and_what_made_it(results):
    digests, made = manifest.read(results / "MANIFEST.sha256")
    assert digests.keys() == {"results/heatmap.png", "results/metrics.csv"}
    assert digests["results/metrics.csv"] == hashlib.sha256((results / "metrics.csv").read_bytes()).hexdigest()
    assert [line.partition(":")[0] for line in made] == ["machine", "software"]


def test_every_adapter_was_run(results):
    adapters = {path.stem for path in (ROOT / "scripts").glob("*.py")}
    adapters -= {"check", "fit_counts"}  # makes no file; needs a package of its own and is run by test_peers.py
    assert {path.name for path in (results / "logs").iterdir()} == adapters


def test_counts_are_as_read(results):
    data = anndata.read_h5ad(results / "toy/counts.h5ad")
    assert list(data.obs_names) == CELLS
    assert list(data.var_names) == GENES
    np.testing.assert_array_equal(data.X.toarray(), source().X.toarray())


def test_expression_is_log_normalised_and_keeps_the_counts(results):
    data = anndata.read_h5ad(results / "toy/expression.h5ad")
    table = data.layers["counts"].toarray()
    np.testing.assert_array_equal(table, source().X.toarray())
    expected = np.log1p(table / table.sum(axis=1, keepdims=True) * 10_000)
    np.testing.assert_allclose(data.X.toarray(), expected, rtol=1e-6)
    assert isinstance(data.X, sparse.csr_matrix)
    assert data.X.dtype == np.float32
    assert "type" not in data.obs


def test_labels_are_in_the_order_of_the_cells(results):
    table = read(results / "toy/labels.csv")
    assert list(table.columns) == ["cell", "label"]
    assert table["cell"].tolist() == CELLS
    assert table["label"].tolist() == TYPES.tolist()


def test_the_export_holds_the_expression_bit_for_bit(results):
    expression = anndata.read_h5ad(results / "toy/expression.h5ad")
    exported = reader.read(results / "toy/export/expression.csv.gz")
    assert exported.X.toarray().tobytes() == expression.X.toarray().tobytes()
    header = gzip.decompress((results / "toy/export/expression.csv.gz").read_bytes()).decode().splitlines()[0]
    assert header.split(",") == ["cell", *GENES]
    assert (results / "toy/export/labels.csv").read_bytes() == (results / "toy/labels.csv").read_bytes()


@pytest.fixture(params=TRAINED_RUNS, ids=lambda run: "-".join(map(str, run)))
def of_run(request, results):
    model, seed = request.param
    return results / "toy" / model / f"seed{seed}"


def test_a_model_folder_holds_the_files_of_the_contract(of_run):
    tables = {"history.csv", "timing.csv", "latent.csv", "tsne2d.csv", "tsne3d.csv", "clusters.csv", "metrics.csv"}
    assert {path.name for path in of_run.iterdir()} >= tables | {"model.pt"}


def test_what_is_not_trained_has_no_file_of_a_training(results):
    tables = {
        "latent.csv",
        "tsne2d.csv",
        "tsne3d.csv",
        "clusters.csv",
        "metrics.csv",
        "health.csv",
        "recalls.csv",
        "spreads.csv",
    }
    assert {path.name for path in (results / "toy/pca/seed0").iterdir()} == tables | {
        "batches.png",
        "clusters.png",
        "tsne3d.png",
    }
    assert list(read(results / "toy/pca/seed0/latent.csv").columns) == ["cell", "z1", "z2", "z3", "z4", "z5", "z6"]


def test_a_model_loads_without_trust(of_run):
    content = torch.load(of_run / "model.pt", weights_only=True)
    assert content["kind"] == of_run.parent.name
    assert content["genes"] == GENES


@pytest.mark.parametrize(
    ("file", "columns", "n_rows"),
    [
        ("history.csv", ["epoch", "loss", "reconstruction", "kl"], 3),
        ("timing.csv", ["epochs", "seconds", "cells_per_second", "device", "threads", "engine"], 1),
        ("latent.csv", ["cell", "z1", "z2", "z3", "z4", "z5", "z6"], N_CELLS),
        ("tsne2d.csv", ["cell", "x", "y"], N_CELLS),
        ("tsne3d.csv", ["cell", "x", "y", "z"], N_CELLS),
        ("clusters.csv", ["cell", "tsne2d", "latent"], N_CELLS),
        ("metrics.csv", ["labels", "space", "metric", "value"], 2 * len(metrics.METRICS)),
        ("recalls.csv", ["labels", "space", "label", "cells", "recall"], 6),
        ("spreads.csv", ["labels", "space", "metric", "mean", "sd", "low", "high"], 6),
    ],
)
def test_a_table_has_the_columns_of_the_contract(file, columns, n_rows, of_run):
    table = read(of_run / file)
    assert list(table.columns) == columns
    assert len(table) == n_rows
    assert table.notna().all(axis=None)
    if "cell" in columns:
        assert table["cell"].tolist() == CELLS


def test_there_are_as_many_clusters_as_cell_types(of_run):
    clusters = read(of_run / "clusters.csv")
    assert set(clusters["tsne2d"]) == set(clusters["latent"]) == {0, 1, 2}


def test_both_spaces_have_all_metrics(of_run):
    table = read(of_run / "metrics.csv")
    names = list(metrics.described())
    assert table["metric"].tolist() == names * 2
    assert table["space"].tolist() == ["tsne2d"] * len(names) + ["latent"] * len(names)
    assert set(table["labels"]) == {"csv"}


def test_all_scores_stand_in_one_long_table(results):
    table = pd.read_csv(results / "metrics.csv")
    assert list(table.columns) == ["dataset", "model", "seed", "labels", "space", "metric", "value"]
    assert len(table) == 34 * len(RUNS)
    assert list(table[["model", "seed"]].drop_duplicates().itertuples(index=False, name=None)) == RUNS
    single = pd.read_csv(results / "toy/beta_vsc/seed3/metrics.csv")
    assert table[table["model"] == "beta_vsc"]["value"].tolist() == single["value"].tolist()


def test_training_times_stand_in_one_table(results):
    table = pd.read_csv(results / "training_times.csv")
    columns = ["dataset", "model", "seed", "epochs", "seconds", "cells_per_second", "device", "threads"]
    assert list(table.columns) == columns
    assert len(table) == len(TRAINED_RUNS)


def test_embeddings_hold_everything_for_scanpy(results):
    data = anndata.read_h5ad(results / "toy/embeddings.h5ad")
    assert data.obs["label"].tolist() == TYPES.tolist()
    for model, seed in RUNS:
        run_folder = results / "toy" / model / f"seed{seed}"
        name = f"{model}_seed{seed}"
        for suffix, file in (("", "latent.csv"), ("_tsne2d", "tsne2d.csv"), ("_tsne3d", "tsne3d.csv")):
            expected = read(run_folder / file).set_index("cell").to_numpy(dtype=np.float32)
            np.testing.assert_array_equal(data.obsm[f"X_{name}{suffix}"], expected)
        clusters = read(run_folder / "clusters.csv")
        assert data.obs[f"{name}_latent"].astype(int).tolist() == clusters["latent"].tolist()
        assert data.obs[f"{name}_tsne2d"].astype(int).tolist() == clusters["tsne2d"].tolist()
        about = json.loads(data.uns["scae"][f"X_{name}"])
        assert (about["model"], about["seed"], about["settings"]["n_latent"]) == (model, seed, 6)
        scores = pd.read_csv(run_folder / "metrics.csv", float_precision="round_trip")
        scores = scores.set_index(["space", "metric"])["value"]
        assert about["scores"]["latent"]["ari"] == scores["latent", "ari"]


def test_pictures_and_report_are_there(results):
    for path in [results / "heatmap.png", *results.glob("toy/*/seed*/*.png")]:
        assert path.read_bytes().startswith(b"\x89PNG")
    assert len(list(results.glob("toy/*/seed*/*.png"))) == 3 * len(RUNS) + len(TRAINED_RUNS)
    assert (results / "heatmap.svg").read_text().startswith("<?xml")
    html = (results / "report.html").read_text()
    assert "NK, bright" in html
    assert "study" in html


@pytest.fixture
def workdir(results, tmp_path, monkeypatch):
    """A working directory of its own with what a first run of the data rules left."""
    (tmp_path / "results").mkdir()
    for name in ("counts.h5ad", "expression.h5ad", "labels.csv"):
        (tmp_path / "results/toy").mkdir(exist_ok=True)
        shutil.copy(results / "toy" / name, tmp_path / "results/toy" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label(settings, **inputs):
    files = {"counts": "results/toy/counts.h5ad", "expression": "results/toy/expression.h5ad"} | inputs
    run(
        "label_cells",
        inputs=files,
        outputs={"labels": "labels.csv"},
        wildcards={"dataset": "toy"},
        labels={"labels": {"ignore": ["NA"], "missing": "error"} | settings},
    )


def test_labels_can_come_from_the_annotation(workdir):
    source().write_h5ad("annotated.h5ad")
    label({"from": "obs", "column": "type"}, counts="annotated.h5ad")
    assert read("labels.csv")["label"].tolist() == TYPES.tolist()


def test_cells_without_label_are_scored_nowhere_and_drawn(workdir, results):
    partly = source()
    partly.obs["type"] = ["NA" if number % 4 == 3 else name for number, name in enumerate(TYPES)]
    partly.write_h5ad("annotated.h5ad")
    label({"from": "obs", "column": "type", "missing": "unscored"}, counts="annotated.h5ad")
    found = read("labels.csv")["label"].fillna("")
    assert (found == "").sum() == N_CELLS // 4
    run_folder = results / "toy/dae/seed0"
    spaces = {name: str(run_folder / f"{name}.csv") for name in ("tsne2d", "latent")}
    wildcards = {"dataset": "toy", "model": "dae", "seed": 0}
    inputs = {"labels": "labels.csv"} | spaces
    run(
        "cluster_cells",
        inputs=inputs,
        outputs={"clusters": "clusters.csv"},
        wildcards=wildcards,
        kmeans={"n_init": 3, "k": None},
    )
    clusters = read("clusters.csv")
    assert clusters["cell"].tolist() == CELLS
    assert clusters["latent"].nunique() == 3
    run(
        "score_clusters",
        inputs=inputs
        | {
            "batches": [],
            "more_labels": [],
            "clusters": "clusters.csv",
            "distances": str(results / "toy/distances.npz"),
        },
        outputs={name: f"{name}.csv" for name in ("metrics", "recalls", "spreads")},
        wildcards=wildcards,
        label_sets=["obs"],
    )
    scored = (found != "").to_numpy()
    scores = pd.read_csv("metrics.csv").set_index(["space", "metric"])["value"]
    expected = adjusted_rand_score(found[scored], clusters["latent"][scored])
    assert scores["latent", "ari"] == pytest.approx(expected, abs=1e-12)
    run(
        "plot_clusters",
        inputs={
            "colors": str(results / "toy/colors.csv"),
            "labels": "labels.csv",
            "tsne2d": spaces["tsne2d"],
            "clusters": "clusters.csv",
        },
        outputs=["clusters.png"],
        wildcards=wildcards,
    )


def test_a_further_set_of_labels_is_scored_on_its_cells_with_the_clusters_of_the_first(workdir, results):
    further = str(results / "toy/labels/gates.csv")
    gates = read(further)["label"].fillna("")
    of_types = {"B": TYPES == "B", "NK, bright": TYPES == "NK, bright"}
    assert (gates != "").any()
    assert not [name for name, of_type in of_types.items() if (gates[~of_type] == name).any()]
    run_folder = results / "toy/dae/seed0"
    files = {name: str(run_folder / f"{name}.csv") for name in ("tsne2d", "latent", "clusters")}
    run(
        "score_clusters",
        inputs=files
        | {"labels": "results/toy/labels.csv", "more_labels": [further], "batches": str(results / "toy/batches.csv")}
        | {"distances": str(results / "toy/distances.npz")},
        outputs={name: f"{name}.csv" for name in ("metrics", "recalls", "spreads")},
        wildcards={"dataset": "toy", "model": "dae", "seed": 0},
        label_sets=["csv", "gates"],
    )
    for name in ("metrics", "recalls", "spreads"):  # the first set's rows stay as they were, and stand first
        alone, both = (run_folder / f"{name}.csv").read_text(), Path(f"{name}.csv").read_text()
        assert both.startswith(alone)
        assert set(pd.read_csv(f"{name}.csv")["labels"]) == {"csv", "gates"}
    scores = pd.read_csv("metrics.csv").set_index(["labels", "space", "metric"])["value"].sort_index()
    clusters, labelled = read(run_folder / "clusters.csv"), (gates != "").to_numpy()
    for space in ("latent", "tsne2d"):
        expected = adjusted_rand_score(gates[labelled], clusters[space][labelled])
        assert scores["gates", space, "ari"] == pytest.approx(expected, abs=1e-12)
    of_input = {"ilisi", "knn_recall_15", "knn_recall_50", "trustworthiness", "continuity"}
    assert set(scores["csv", "latent"].index) - set(scores["gates", "latent"].index) == of_input
    recalls = pd.read_csv("recalls.csv", keep_default_na=False)
    recalls = recalls[(recalls["labels"] == "gates") & (recalls["space"] == "latent")]
    assert recalls["cells"].sum() == labelled.sum()


def test_data_without_labels_are_clustered_and_have_no_scores(workdir, results):
    label({"from": "none"})
    assert read("labels.csv")["label"].isna().all()
    run_folder = results / "toy/dae/seed0"
    inputs = {"labels": "labels.csv"} | {name: str(run_folder / f"{name}.csv") for name in ("tsne2d", "latent")}
    wildcards = {"dataset": "toy", "model": "dae", "seed": 0}
    run(
        "cluster_cells",
        inputs=inputs,
        outputs={"clusters": "clusters.csv"},
        wildcards=wildcards,
        kmeans={"n_init": 3, "k": 5},
    )
    assert set(read("clusters.csv")["tsne2d"]) == set(range(5))
    run(
        "score_clusters",
        inputs=inputs
        | {
            "batches": [],
            "more_labels": [],
            "clusters": "clusters.csv",
            "distances": str(results / "toy/distances.npz"),
        },
        outputs={name: f"{name}.csv" for name in ("metrics", "recalls", "spreads")},
        wildcards=wildcards,
        label_sets=["obs"],
    )
    scores = pd.read_csv("metrics.csv").set_index("metric")["value"]
    without_types = {"knn_recall_15", "knn_recall_50", "trustworthiness", "continuity"}
    assert set(scores.index[scores.notna()]) == without_types
    assert pd.read_csv("recalls.csv").empty


def test_labels_can_come_from_clusters_and_are_held_against_the_same_clustering(workdir):
    markers = {"B": ["G6", "G7"], "NK, bright": ["G12", "G13"], "007": ["G18", "G19"]}
    settings = {"n_variable_genes": 20, "n_pcs": 3, "n_neighbors": 8, "prune": 1 / 15, "resolution": 0.5}
    settings |= {"from": "clusters", "n_starts": 2, "markers": markers}
    label(settings)
    assert read("labels.csv")["label"].tolist() == TYPES.tolist()
    run(
        "score_references",
        inputs={"all_labels": ["labels.csv"] * 2, "expression": ["results/toy/expression.h5ad"]},
        outputs={"references": "references.csv"},
        seeds=[0, 1],
        sets={"toy": {"ours": settings, "theirs": {"from": "csv"}}},
    )
    ari = pd.read_csv("references.csv").query("metric == 'ari'").set_index(["labels", "reference", "seed"])["value"]
    ari = ari.sort_index()
    assert set(ari["ours"].index) == {
        (reference, seed) for reference in ("shuffled", *baselines.AGAIN) for seed in (0, 1)
    }
    assert list(ari["ours", "other_seed"]) == [1.0, 1.0]
    assert set(ari["theirs"].index) == {("shuffled", 0), ("shuffled", 1)}
    assert ari[:, "shuffled"].abs().max() < 0.1


def test_shuffled_labels_have_their_intervals_beside_the_scores(results):
    table = pd.read_csv(results / "references.csv")
    assert list(table.columns) == baselines.COLUMNS
    assert set(table["reference"]) == {"shuffled"}
    rows = pd.read_csv(results / "intervals.csv").query("space == 'labels' and metric == 'ari'")
    values = table.query("metric == 'ari'")["value"]
    assert rows[["dataset", "model", "labels", "origin", "over", "n"]].to_numpy().tolist() == [
        ["toy", "shuffled", "csv", "csv", "seeds", 2]
    ]
    assert rows["mean"].item() == pytest.approx(values.mean())
    assert rows["sd"].item() == pytest.approx(values.std())


def test_a_missing_column_is_one_line(workdir, capfd):
    with pytest.raises(SystemExit) as caught:
        label({"from": "obs", "column": "type"})
    assert caught.value.code == 1
    err = capfd.readouterr().err
    assert err.startswith("label_cells dataset=toy: labels.column: ")
    assert err.count("\n") == 1
    assert not (workdir / "labels.csv").exists()


def fetch(settings, **columns):
    run(
        "fetch_counts",
        **columns,
        outputs={"counts": "counts.h5ad"},
        wildcards={"dataset": "toy"},
        source={"sha256": None} | settings,
    )


def test_the_column_of_the_labels_is_missed_when_the_file_is_read(workdir, capfd):
    source().write_h5ad("toy.h5ad")
    with pytest.raises(SystemExit):
        fetch({"source": "toy.h5ad"}, label_column="celltype")
    assert 'labels.column: the data has no column "celltype"; it has "type"' in capfd.readouterr().err
    assert not (workdir / "counts.h5ad").exists()
    fetch({"source": "toy.h5ad"}, label_column="type")


def test_the_column_of_the_batches_is_missed_when_the_file_is_read(workdir, capfd):
    source().write_h5ad("toy.h5ad")
    with pytest.raises(SystemExit):
        fetch({"source": "toy.h5ad"}, batch_column="donor")
    assert 'batch: the data has no column "donor"; it has "type"' in capfd.readouterr().err


def test_a_data_set_without_batch_has_no_score_of_mixing(workdir, results):
    folder = results / "toy/dae/seed0"
    files = {name: str(folder / f"{name}.csv") for name in ("clusters", "tsne2d", "latent")}
    run(
        "score_clusters",
        inputs=files
        | {
            "batches": [],
            "more_labels": [],
            "labels": "results/toy/labels.csv",
            "distances": str(results / "toy/distances.npz"),
        },
        outputs={name: f"{name}.csv" for name in ("metrics", "recalls", "spreads")},
        wildcards={"dataset": "toy", "model": "dae", "seed": 0},
        label_sets=["csv"],
    )
    theirs = read(folder / "metrics.csv")
    of_batches = theirs["metric"].isin(["ilisi", "clisi", "graph_connectivity"])
    assert of_batches.sum() == 6
    pd.testing.assert_frame_equal(read("metrics.csv"), theirs[~of_batches].reset_index(drop=True))


def test_a_local_file_with_its_digest_is_read(workdir):
    source().write_h5ad("toy.h5ad")
    fetch({"source": "toy.h5ad", "sha256": reader.sha256("toy.h5ad")})
    assert anndata.read_h5ad("counts.h5ad").shape == (N_CELLS, N_GENES)


def test_a_local_file_with_another_digest_is_refused(workdir, capfd):
    source().write_h5ad("toy.h5ad")
    with pytest.raises(SystemExit):
        fetch({"source": "toy.h5ad", "sha256": "0" * 64})
    assert "SHA-256" in capfd.readouterr().err
    assert not (workdir / "counts.h5ad").exists()


@pytest.mark.parametrize("kind", ["folder", "scanpy"])
def test_a_digest_of_what_is_no_file_is_explained(kind, workdir, capfd):
    (workdir / "hg19").mkdir()
    with pytest.raises(SystemExit):
        fetch({"source": {"folder": "hg19", "scanpy": "scanpy:pbmc68k_reduced"}[kind], "sha256": "0" * 64})
    err = capfd.readouterr().err
    assert "unexpected" not in err
    assert "sha256" in err


def test_an_address_is_downloaded_before_it_is_read(workdir, monkeypatch):
    from scae.sources import download

    source().write_h5ad("elsewhere.h5ad")
    asked = []
    monkeypatch.setattr(download, "fetch", lambda *arguments: asked.append(arguments) or "elsewhere.h5ad")
    fetch({"source": "https://example.org/toy.h5ad", "sha256": "1" * 64})
    assert asked == [("https://example.org/toy.h5ad", Path("download"), "1" * 64)]
    assert anndata.read_h5ad("counts.h5ad").shape == (N_CELLS, N_GENES)


def test_a_given_embedding_is_read_from_what_was_downloaded(workdir, monkeypatch):
    from scae.sources import download

    data = source()
    data.obsm["X_scvi"] = np.random.default_rng(0).normal(size=(N_CELLS, 4)).astype(np.float32)
    data[::-1].copy().write_h5ad("elsewhere.h5ad")
    asked = []
    monkeypatch.setattr(download, "fetch", lambda *arguments: asked.append(arguments) or "elsewhere.h5ad")
    run(
        "represent_cells",
        inputs={"expression": "results/toy/expression.h5ad"},
        outputs={"latent": "results/toy/scvi/seed0/latent.csv"},
        wildcards={"dataset": "toy", "model": "scvi", "seed": 0},
        expression={"scale": False},
        model={"kind": "given", "key": "X_scvi", "path": None},
        source={"source": "https://example.org/toy.h5ad", "sha256": None},
    )
    assert asked == [("https://example.org/toy.h5ad", Path("results/toy/download"), None)]
    table = read("results/toy/scvi/seed0/latent.csv").set_index("cell")
    assert table.index.tolist() == CELLS
    np.testing.assert_array_equal(table.to_numpy(np.float32), data.obsm["X_scvi"])


def test_the_embedded_data_set_is_real_cells_with_labels(workdir):
    fetch({"source": "scanpy:pbmc68k_reduced", "matrix": "raw"})
    data = anndata.read_h5ad("counts.h5ad")
    assert data.shape == (700, 765)
    assert data.obs["bulk_labels"].nunique() == 10
    assert data.X.min() >= 0


def test_training_does_not_see_the_labels(results, workdir):
    """Other labels, in every place where labels stand, leave the weights as they are."""
    expression = anndata.read_h5ad("results/toy/expression.h5ad")
    expression.obs["label"] = TYPES[::-1]
    expression.write_h5ad("results/toy/expression.h5ad")
    for name in ("toy.csv", "types.csv"):
        shutil.copy(results.parent / name, name)
    config = config_of()
    run(
        "train_model",
        inputs={"counts": [], "expression": "results/toy/expression.h5ad"},
        outputs=TRAINED,
        wildcards={"dataset": "toy", "model": "dae", "seed": 0},
        expression=config["expression"],
        model=config["models"]["dae"],
        training=training_of(config),
    )
    assert (workdir / "model.pt").read_bytes() == (results / "toy/dae/seed0/model.pt").read_bytes()
    assert (workdir / "history.csv").read_bytes() == (results / "toy/dae/seed0/history.csv").read_bytes()


def test_the_mock_is_like_snakemake():
    files = Namedlist("first.csv", latent="z.csv", clusters=["a.csv", "b.csv"])
    assert list(files) == ["first.csv", "z.csv", "a.csv", "b.csv"]
    assert (files.latent, files["latent"], files[0], len(files)) == ("z.csv", "z.csv", "first.csv", 4)
    assert json.dumps(dict(Namedlist(seed="0").items())) == '{"seed": "0"}'
