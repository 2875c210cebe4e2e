"""Scripts pass their inputs, params and seeds to the library as they should; the library's tests hold the numbers."""

import logging
import runpy
from pathlib import Path
from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
from places import ROOT
from scipy import sparse

from scae import tables
from scae.evaluation import neighbors, scoring
from scae.jobs import code_digest

CELLS = [f"c{number}" for number in range(40)]
TYPES = np.array(["B", "NK, bright", "007", ""])[np.arange(40) % 4]
COUNTS = np.random.default_rng(0).poisson(2.0, (40, 30)).astype(np.float32)


class Named(SimpleNamespace):
    """Files, params or wildcards as a script sees them: by attribute, by name and in order."""

    def __getitem__(self, name):
        return vars(self)[name]

    def __iter__(self):
        for value in vars(self).values():
            yield from value if isinstance(value, list) else [value]

    def items(self):
        return vars(self).items()


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    obs, var = pd.DataFrame({"type": TYPES}, CELLS), pd.DataFrame(index=[f"g{number}" for number in range(30)])
    data = anndata.AnnData(sparse.csr_matrix(COUNTS), obs, var)
    data.obsm["X_scvi"] = COUNTS[:, :4] * 2
    data.write_h5ad("source.h5ad")
    data[::-1].copy().write_h5ad("expression.h5ad")
    yield
    logging.captureWarnings(False)


def run(script, inputs, outputs, resources=None, wildcards=None, **params):
    for path in Named(**outputs):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    snakemake = SimpleNamespace(
        input=Named(**inputs),
        output=Named(**outputs),
        params=Named(code=code_digest.code(script), **params),
        resources=SimpleNamespace(mem_mb=1500, tmpdir="scratch", **(resources or {})),
        wildcards=Named(**(wildcards or {})),
        log=["logs/test.log"],
        rule=script,
        threads=1,
    )
    runpy.run_path(str(ROOT / f"scripts/{script}.py"), {"snakemake": snakemake})


def fetch(sha256=None, label="", batch=""):
    reading = {"format": "auto", "genome": None, "join": "inner", "matrix": "auto", "member": None, "modality": "rna"}
    reading |= {"orientation": "auto", "samples": None, "simulation": None, "values": "auto"}
    source = reading | {"source": "source.h5ad", "sha256": sha256}
    run("fetch_counts", {}, {"counts": "counts.h5ad"}, {"label_column": label, "batch_column": batch}, source=source)


def test_counts_are_as_in_the_source():
    fetch(label="type")
    data = anndata.read_h5ad("counts.h5ad")
    assert list(data.obs_names) == CELLS
    np.testing.assert_array_equal(data.X.toarray(), COUNTS)


@pytest.mark.parametrize(
    ("options", "line"),
    [({"label": "no"}, "labels.column"), ({"batch": "no"}, "batch"), ({"sha256": "0" * 64}, "SHA-256")],
)
def test_a_wrong_column_or_digest_is_one_line_and_no_file(options, line, capfd):
    with pytest.raises(SystemExit):
        fetch(**options)
    err = capfd.readouterr().err
    assert line in err
    assert err.count("\n") == 1
    assert not Path("counts.h5ad").exists()


def test_labels_and_a_given_embedding_come_in_the_order_of_the_expression():
    entry = {"from": "obs", "column": "type", "ignore": [], "missing": "unscored"}
    inputs = {"counts": "source.h5ad", "expression": "expression.h5ad", "fetched_labels": []}
    run("label_cells", inputs, {"labels": "labels.csv"}, {"label_set": ""}, labels={"labels": entry})
    labels = tables.read_labels("labels.csv")
    assert labels.index.tolist() == CELLS[::-1]
    assert labels.tolist() == TYPES[::-1].tolist()
    run(
        "represent_cells",
        {"expression": "expression.h5ad"},
        {"latent": "results/toy/given/seed0/latent.csv"},
        wildcards={"seed": "0"},
        expression={"scale": False},
        model={"kind": "given", "key": "X_scvi", "path": None},
        source={"source": "source.h5ad", "sha256": None},
    )
    latent = tables.read_points("results/toy/given/seed0/latent.csv")
    assert latent.index.tolist() == CELLS[::-1]
    np.testing.assert_array_equal(latent.to_numpy(np.float32), COUNTS[::-1, :4] * 2)


def test_scores_of_each_seed_go_to_its_file():
    sets = {"obs": pd.Series(TYPES, pd.Index(CELLS, name="cell")), "other": pd.Series(TYPES[::-1], CELLS)}
    spaces, random = [], np.random.default_rng(1)
    for number in range(2):
        points = {"tsne2d": random.normal(size=(40, 2)), "latent": random.normal(size=(40, 3))}
        spaces.append({name: pd.DataFrame(table, CELLS) for name, table in points.items()})
        for name, table in points.items():
            tables.write_points(table, "xyz"[: table.shape[1]], CELLS, f"{name}{number}.csv")
    for name, labels in sets.items():
        tables.write(pd.DataFrame({"cell": CELLS, "label": labels.to_numpy()}), f"{name}.csv")
    distances = {"cells": np.array(CELLS), "squared": neighbors.squared_distances(pd.DataFrame(COUNTS))}
    np.savez("distances.npz", **distances)
    settings, seeds, names = {"k": None, "n_init": 3}, [4, 7], scoring.Scores._fields
    run(
        "score_clusters",
        {"labels": "obs.csv", "more_labels": ["other.csv"], "batches": [], "distances": "distances.npz"}
        | {name: [f"{name}0.csv", f"{name}1.csv"] for name in ("tsne2d", "latent")},
        {name: [f"{name}0.csv", f"{name}1.csv"] for name in names},
        label_sets=["obs", "other"],
        kmeans=settings,
        seeds=seeds,
    )
    for number, seed in enumerate(seeds):
        expected = scoring.score(spaces[number], sets, distances, settings, seed)
        for name in names:
            found = tables.read(name, f"{name}{number}.csv")
            pd.testing.assert_frame_equal(found, getattr(expected, name).reset_index(drop=True), check_dtype=False)
