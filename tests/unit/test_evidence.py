"""The page of evidence from made-up tables, and how often intervals hold the truth; `make evidence` does more of it."""

import runpy

import pandas as pd
import pytest
import yaml
from places import ROOT

from scae.config import loader
from scae.evaluation import comparison

MEASURES = {"steps": 1300, "recovered_programs": 0.5, "reconstruction": 40.4, "unexplained": 50, "total": 60, "live": 3}
TOOL = runpy.run_path(str(ROOT / "tools/evidence.py"))


@pytest.mark.parametrize("n_seeds", TOOL["SEEDS"])
@pytest.mark.parametrize("name", ["normal", "heavy tails (t, 5 degrees of freedom)"])
def test_intervals_hold_the_truth_as_often_as_they_say(name, n_seeds):
    [(draw, truth)] = [(draw, truth) for known, draw, truth in TOOL["DISTRIBUTIONS"] if known == name]
    assert 0.93 < TOOL["coverage"](draw, truth, n_seeds, n_tables=20_000) < 0.97


def test_the_presets_are_in_order_and_train_long_enough():
    schema = yaml.safe_load((ROOT / "config/schema.yaml").read_text(encoding="utf-8"))
    merged = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    mine = yaml.safe_load((ROOT / "config/evidence.yaml").read_text(encoding="utf-8"))
    for section, entries in mine.items():
        merged[section] = entries if section == "run" else merged[section] | entries
    config = loader.load(merged, schema)
    training = config["training"]
    for name in config["run"]["datasets"]:
        simulation = config["datasets"][name]["simulation"]
        assert training["epochs"] * -(-simulation["cells"] // training["batch_size"]) >= 1_000
        assert TOOL["read_config"]()["datasets"][name]["about"]
    assert len(config["run"]["seeds"]) == 5


def tables_of(means):
    """What a run of the presets `shallow` and `coil` gives if these are the means of dae and pca."""
    rows = [
        (name, model, seed, "simulation", "latent", metric, mean + 0.01 * (seed - 2) * (1 if model == "dae" else -1))
        for name, of_models in means.items()
        for model, mean in of_models.items()
        for seed in range(5)
        for metric in TOOL["SCORES"]
    ]
    columns = ["dataset", "model", "seed", "labels", "space", "metric", "value"]
    metrics = pd.DataFrame(rows, columns=columns)
    pairs = [(name, model) for name, of_models in means.items() for model in of_models]
    health = [(*pair, "all", measure, value) for pair in pairs for measure, value in MEASURES.items()]
    stability = [(*pair, "latent", measure, 10, 0.75) for pair in pairs for measure in ("ari", "canonical_correlation")]
    return {
        "intervals": comparison.over_seeds(metrics),
        "differences": comparison.differences(metrics, [("dae", "pca")]),
        "health": pd.DataFrame(health, columns=["dataset", "model", "latent", "measure", "value"]),
        "stability": pd.DataFrame(stability, columns=["dataset", "model", "space", "measure", "pairs", "value"]),
    }


def test_the_page_says_who_is_shown_ahead_and_who_behind():
    config = TOOL["read_config"]() | {
        "run": {"datasets": ["shallow", "coil", "rare"], "models": ["dae", "pca"], "seeds": [0] * 5}
    }
    means = {"shallow": {"dae": 0.5, "pca": 0.7}, "coil": {"dae": 0.9, "pca": 0.6}, "rare": {"dae": 0.5, "pca": 0.5}}
    page = TOOL["page"](config, tables_of(means))
    assert "- Shown ahead of `pca`: `dae` on coil." in page
    assert "- Shown behind `pca`: `dae` on shallow." in page
    assert "| `shallow` | behind: -0.20 (-0.24 to -0.16) |" in page
    assert "| `rare` | +0.00 |" in page
    assert "| `coil` | **0.90 (0.88–0.92)** | 0.60 (0.58–0.62) |" in page
    assert "1,300 gradient steps" in page
    assert "Not run for this page: `batches`, `cycle`, `nuisance`, `twenty`" in page
    assert "| `coil` | 50% | 50% |" in page
    assert "| `coil` | 40 (3.0 live) | 40 (3.0 live) | 60 |" in page
