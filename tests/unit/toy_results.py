"""A small results folder with every file that the pictures and the report read, and the study that it belongs to."""

from itertools import product

import anndata
import numpy as np
import pandas as pd
from PIL import Image
from scipy import sparse

from scae import results, style, tables
from scae.data import type_colors
from scae.evaluation import metrics
from scae.report.contents import Study

HOSTILE = '<b>"T" & co</b></script>'
N_CELLS = 12
CELLS = [f"c{number}" for number in range(N_CELLS)]
EFFECTS = {"CD79A": 2.0, HOSTILE: 1.0, "LYZ": -3.0}  # of z1 on genes
SCORES = {"nmi": 0.7, "ari": 0.5, "silhouette": float("nan"), "detected_types": 2.0, "knn_accuracy": 0.6}
MIXING = {"ilisi": 0.25, "clisi": 0.75}
BASELINES = {"pca": "pca", "projection": "floor"}
TITLES = {"dae": "deep autoencoder", "beta_vae": "beta-VAE", "pca": "PCA", "projection": "random projection"}
SETTINGS = {"training": {"epochs": 200, "batch_size": 256, "learning_rate": 0.001}, "models": {"dae": {"kind": "dae"}}}
VERSION = "0.0 (commit 123)"
KINDS = ("reconstructed", "generated")  # of decoded cells; dae has no prior


def write(root, datasets=("toy",), models=("dae", "beta_vae"), seeds=(0,), types=("B", HOSTILE, "NK"), **options):
    """Write the folder; options: batched (names of data sets), sweeps and what else a `Study` has.

    Returns:
        scae.report.contents.Study
    """
    batched, sweeps = options.pop("batched", ()), options.get("sweeps", {})
    trained = [name for name in models if name not in BASELINES]
    values = {"dataset": datasets, "model": models, "seed": seeds, "sweep": list(sweeps), "label_set": [], "half": ()}
    only = {"trained": {"model": trained}, "own": {"model": trained}, "first_seed": {"seed": seeds[:1]}}
    only |= {
        "batched": {"dataset": batched},
        "exported": {"dataset": ()},
        "external": {"model": ()},
        "split": {"dataset": ()},
    }
    rows = table_rows(datasets, models, trained, seeds, types, batched)
    paths = []
    for result in results.CONTRACT:
        for path in (root / name for name in results.paths(result, values | only.get(result.of, {}))):
            path.parent.mkdir(parents=True, exist_ok=True)
            if result.name in rows:
                table = pd.DataFrame(rows[result.name], columns=result.column_names)
                if result.name.startswith("generated") and "/dae/" in path.as_posix():
                    table = table[table["cells"] != "generated"]
                tables.write(table, path)
            elif result.name in ("tsne2d", "tsne3d"):
                points = np.random.default_rng(len(paths)).normal(size=(N_CELLS, int(result.name[4])))
                tables.write_points(points, "xyz"[: points.shape[1]], CELLS, path)
            elif result.name == "colors":
                tables.write(type_colors.table(style.styles(set(types) - {""})), path)
            elif result.name == "expression":
                counts = np.random.default_rng(0).poisson(1.0, (N_CELLS, len(EFFECTS))).astype(np.float32)
                var = pd.DataFrame(index=list(EFFECTS))
                anndata.AnnData(sparse.csr_matrix(counts), pd.DataFrame(index=CELLS), var).write_h5ad(path)
            elif result.name == "verdict":
                path.write_text("".join(f"{dataset}: Nothing is <shown>.\n" for dataset in datasets))
            elif path.suffix in (".png", ".svg", ".pdf"):
                picture(path, path.relative_to(root).as_posix())
            elif result.columns and not result.columns.endswith("…"):
                tables.write(plain_table(result, seeds), path)
            else:
                continue
            paths.append(path)
    return Study(
        files=tables.Files(paths),
        datasets=list(datasets),
        models={name: description(name) for name in models},
        seeds=list(seeds),
        roles={name: BASELINES.get(name, "model") for name in models},
        label_sources={dataset: {"obs": "obs"} for dataset in datasets},
        metric_info=metrics.metric_info(),
        **{
            "published": {},
            "settings": SETTINGS,
            "software": {"torch": "1.0"},
            "machines": ["Linux"],
            "version": VERSION,
        }
        | options,
    )


def table_rows(datasets, models, trained, seeds, types, batched):
    """{name of a table: its rows}, the same for each path."""
    runs, several = list(product(datasets, models, seeds)), len(seeds) > 1
    labels, names = np.array(types, object)[np.arange(N_CELLS) % len(types)], sorted(set(types) - {""})
    batches = np.array(["", HOSTILE, "late"])[np.arange(N_CELLS) // 4]
    scores = {name: SCORES | (MIXING if name in batched else {}) for name in datasets}
    agreement = [("latent", measure, 1, 0.8 if several else np.nan) for measure in ("ari", "canonical_correlation")]
    health = [("all", "latents", 2), ("all", "active", 1), ("all", "repeated_pairs", 0), ("z1", "kl", 2.5)]
    health += [("z2", "kl", 0.01), ("z1", "gate_one", 0.75), ("z2", "gate_one", 0)]
    health += [(latent, measure, 0) for latent in ("z1", "z2") for measure in ("constant", "zeros")]
    variances = {"reconstructed": 0.4, "generated": 0.2}
    return {
        "labels": list(zip(CELLS, labels, strict=True)),
        "batches": list(zip(CELLS, batches, strict=True)),
        "cells": [
            *((cell, "s1", 9 + place, 90 + place, 1.0, "") for place, cell in enumerate(CELLS)),
            ("dead", "s1", 5, 50, 30.0, "max_pct_mito"),
        ],
        "limits": [("", "max_genes", np.nan, 2500, 1, 0), ("s1", "mad.pct_mito", -np.inf, 4.875, 1, 1)],
        "top_genes": [("MALAT1", 5.0, 4.0), ("LYZ", 3.0, 3.5)],
        "clusters": [(cell, place % 2, place % 3) for place, cell in enumerate(CELLS)],
        "history": [(1, 9.0, 7.0, 1.0), (2, 5.0, 4.0, 0.5), (3, 4.0, 3.5, 0.25)],
        "latent_genes": [(seed, "z1", "percentiles", -1, 1, *effect) for seed in seeds for effect in EFFECTS.items()],
        "latent_matches": [(seed, "z1", 1, 0.8, 0.6, 0.7, 0.001, 0.002, 1) for seed in seeds if several],
        "latent_sets": [(seed, "z1", "-", HOSTILE, 3, 4, 0.5, 0.001, 0.01, "LYZ CST3") for seed in seeds],
        "latent_traversals": [
            (seed, "z1", gene, value, value * effect)
            for seed in seeds
            for gene, effect in EFFECTS.items()
            for value in (-1, 0, 1)
        ],
        "generated": [
            (seed, kind, statistic, 0.9, variances[kind])
            for seed in seeds
            for kind in KINDS
            for statistic in ("mean", "variance", "zeros")
        ],
        "generated_genes": [
            (seeds[0], kind, f"g{gene}", 1.0 + gene, 0.5, 0.1) for kind in ("real", *KINDS) for gene in range(3)
        ],
        "all_metrics": [
            (*run, "obs", space, metric, value + 0.1 * run[2])
            for run in runs
            for space in ("tsne2d", "latent")
            for metric, value in scores[run[0]].items()
        ],
        "intervals": [
            (dataset, model, "obs", "obs", space, metric, over, 3, value - 0.01 * place, 0.02, low, high)
            for dataset in datasets
            for place, model in enumerate(models)
            for space in ("tsne2d", "latent")
            for metric, value in scores[dataset].items()
            for over, width in (("seeds", 0.05), ("cells", 0.02))
            for low, high in [(value - 0.01 * place - width, value - 0.01 * place + width)]
        ],
        "differences": [
            (dataset, "obs", "obs", "latent", "ari", "dae", "pca", "best PCA", *values)
            for dataset in datasets
            for values in [(3, 0.1, 0.02, 0.05, 0.15, 0.01, 0.08, 0.12, 0.001, 0.01, 0.02, 0.03, 0.17, 0.07, 3)]
        ],
        "all_recalls": [
            (*run, "obs", "latent", label, 4, 0.9 - 0.4 * place) for run in runs for place, label in enumerate(names)
        ],
        "all_health": [(*run, *row) for run in runs for row in health],
        "all_stability": [(*model, *row) for model in product(datasets, models) for row in agreement],
        "stability": [(model, *row) for model in models for row in agreement],
        "cell_stability": [(model, cell, 0.5, 0.5) for model in models for cell in CELLS],
        "references": [
            (dataset, "shuffled", seed, "obs", "ari", value)
            for dataset in datasets
            for seed, value in enumerate((0.01, -0.03))
        ],
        "training_times": [(*run, 200, 12.5 + run[2], 4321.0, "cpu", 1) for run in runs if run[1] in trained],
    }


def plain_table(result, seeds):
    """Any other table: a row for each seed, numbers 0.5 and texts the names of their columns."""
    rows = [{name: name if name in result.text_columns else 0.5 for name in result.column_names} for _ in seeds]
    return pd.DataFrame(rows).assign(**({"seed": seeds} if "seed" in result.column_names else {}))


def description(name):
    """A model as the config describes it."""
    said = {"title": TITLES.get(name, name), "summary": f"the {name} model", "reference": "Somebody 2014, A <title>"}
    said |= {"doi": "10.1/x", "external": False}
    return said | {"trained": name not in BASELINES, "deterministic": name == "pca"}


def picture(path, name):
    """A small picture whose content differs by name."""
    if path.suffix == ".png":
        random = np.random.default_rng(sum(map(ord, name)))
        Image.fromarray(random.integers(0, 255, (20, 300, 3), dtype=np.uint8)).save(path)
    else:
        path.write_text(f'<svg xmlns="http://www.w3.org/2000/svg" width="300pt" height="150pt"><!-- {name} --></svg>')
