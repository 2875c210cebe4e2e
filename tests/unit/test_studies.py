"""Smoke test of studies/: the documents from made-up tables. `make evidence` and `make models-page` run the studies."""

import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from places import ROOT

from scae.evaluation import comparison, held_out

sys.path.insert(0, str(ROOT / "studies"))
import choose
import evidence
import models


def test_intervals_contain_the_true_mean_as_often_as_promised():
    for name, draw, truth in evidence.DISTRIBUTIONS[:4:2]:
        assert 0.93 < evidence.coverage(draw, truth, 5, n_tables=20_000) < 0.97, name


def test_evidence_states_which_models_are_ahead_and_behind():
    config = yaml.safe_load(evidence.CONFIG.read_text(encoding="utf-8"))
    config["run"] |= {"datasets": ["shallow", "coil", "rare"], "models": ["dae", "pca"]}
    means = {("shallow", "dae"): 0.5, ("shallow", "pca"): 0.7, ("coil", "dae"): 0.9, ("coil", "pca"): 0.6}
    means |= {("rare", "dae"): 0.5, ("rare", "pca"): 0.5}
    measures = {"steps": 1300, "reconstruction": 40.4, "total": 60, "active": 3, "recovered_programs": 0.5}
    agreements = {"ari": 0.75, "canonical_correlation": 0.5}
    metrics = [
        (*key, seed, "types", "latent", metric, mean + 0.01 * (seed - 2) * (1 if key[1] == "dae" else -1))
        for key, mean in means.items()
        for seed in range(5)
        for metric in evidence.SCORES
    ]
    metrics = pd.DataFrame(metrics, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])
    whole = [(*key, "all", *row) for key in means for row in measures.items()]
    stability = [(*key, "latent", *row) for key in means for row in agreements.items()]
    found = {
        "intervals": comparison.over_seeds(metrics),
        "differences": comparison.differences(metrics, {"dae": "model", "pca": "pca"}),
        "health": pd.DataFrame(whole, columns=["dataset", "model", "latent", "measure", "value"]),
        "stability": pd.DataFrame(stability, columns=["dataset", "model", "space", "measure", "value"]),
    }
    text = evidence.document(config, found, "")
    assert "shown ahead of `pca`: `dae` on coil. Shown behind: `dae` on shallow." in text
    assert "| `shallow` | **-0.20 (-0.24 to -0.16)** |" in text
    assert "| `coil` | **0.90 (0.88–0.92)** | 0.60 (0.58–0.62) |" in text
    assert "Not included: `batches`, `cycle`, `nuisance`, `twenty`" in text


def test_models_states_differences_from_the_pca_of_the_same_size_and_the_best():
    config = models.read_config()
    names, kinds = config["run"]["datasets"], config["run"]["models"]
    base = {"knn_accuracy": 0.6, "ari": 0.5, "active": 6.0, "used": 6.0, "reproducible": 3.0, "seconds": 9.0}
    base |= {"steps": 1200.0}
    special = {"count_vae": {"knn_accuracy": 0.7}, "pca50": {"knn_accuracy": 0.8}, "beta_vsc": {"gates_off": 0.3}}
    values = pd.DataFrame(
        [
            (dataset, model, seed, measure, value + np.random.default_rng([len(model), seed]).normal(0, 1e-3))
            for dataset in names
            for model in kinds
            for seed in range(5)
            for measure, value in (base | special.get(model, {})).items()
        ],
        columns=["dataset", "model", "seed", "measure", "value"],
    )
    scores = values[values["measure"].isin(models.SCORES)].rename(columns={"measure": "metric"})
    scores = scores.assign(labels="types", space="latent")
    roles = {model: "pca" if model.startswith("pca") else "model" for model in kinds}
    sizes = {"pca10": 10, "pca20": 20, "pca50": 50, "count_vae": 10}
    sizes = {name: {model: sizes.get(model, 6) for model in kinds} for name in names}
    text = models.document(config, models.over_seeds(values), comparison.differences(scores, roles, sizes))
    where = ", ".join(names)
    assert (
        f"- `count_vae` against the PCA of its size: ahead on {where}; against the best PCA: behind on {where}." in text
    )
    assert (
        f"- `dae` against the PCA of its size: no difference is shown; against the best PCA: behind on {where}." in text
    )
    assert "- `pca" not in text
    assert "`dae` 1,200 to 1,200" in text
    assert f"| `{names[0]}` | 6.0 (6.0–6.0) | 6.0 (6.0–6.0) | 0.30 (0.30–0.30) | – |" in text


def test_gates_are_counted_over_used_dimensions_and_between_types():
    labels = pd.Series(["A", "A", "B", "B", ""], index=list("vwxyz"))
    gate = np.array([[1, 0.5, 1, 0], [1, 0.9, 1, 0], [0, 0.2, 1, 0], [0, 0.04, 1, 0], [1, 0, 1, 1]])
    found = dict(models.gate_measures(np.array([True, True, False, True]), gate, labels))
    assert found == {"gates_off": pytest.approx(8 / 15), "gates_differing": 2}
    assert models.gate_measures(np.zeros(4, bool), gate, labels) == [("gates_differing", 0.0)]


@pytest.mark.parametrize("name", ["twenty", "nuisance"])
def test_held_out_molecules_rank_sizes_as_the_true_types_do(name):
    dataset = choose.settings()["datasets"][name]
    table = choose.measure(name, 0, dataset, {}, sizes={"pca": held_out.SIZES, "count_vae": ()})
    assert table["held_out"].rank().corr(table["accuracy"].rank()) >= 0.8
    assert (choose.losses(table) <= choose.WITHIN).all()
