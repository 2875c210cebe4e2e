"""The page of models from made-up runs, and what is called sparse; `make models-page` makes the runs."""

import copy
import json
import re
import runpy

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from places import ROOT
from toy import KINDS, expression_of, settings_of

from scae.config import loader
from scae.training import fitting, trained

TOOL = runpy.run_path(str(ROOT / "tools/models_page.py"))
LATENTS_TOOL = runpy.run_path(str(ROOT / "tools/models_latents.py"))
CELLS_TOOL = runpy.run_path(str(ROOT / "tools/models_cells.py"))


@pytest.fixture(scope="module")
def config():
    schema = yaml.safe_load((ROOT / "config/schema.yaml").read_text(encoding="utf-8"))
    merged = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))
    for section, entries in yaml.safe_load((ROOT / "config/models.yaml").read_text(encoding="utf-8")).items():
        merged[section] = entries if section == "run" else merged[section] | entries
    return loader.load(merged, schema)


def made_up(config, seeds=range(5), **of_models):
    """Runs in which every model scores the same but for what is given of it."""
    rows = []
    for dataset in config["run"]["datasets"]:
        for model in config["run"]["models"]:
            for seed in seeds:
                row = {"dataset": dataset, "model": model, "entry": TOOL["_key"](config["models"][model]), "seed": seed}
                row |= {"knn_accuracy": 0.6, "ari": 0.5, "nmi": 0.5, "live": 6.0, "on": np.nan, "switching": np.nan}
                row |= {"cpu_seconds": 12.3, "deterministic": model.startswith("pca")}
                row |= {"recovered_programs": 0.25, "recovered_nuisance": np.nan} | of_models.get(model, {})
                noise = np.random.default_rng([len(model), seed]).normal(0, 1e-3)
                rows.append(row | {"knn_accuracy": row["knn_accuracy"] + noise})
    return pd.DataFrame(rows)


SPARSE = {"live": 6.0, "on": 0.4, "switching": 2.0}
STUDY = {"live": 2.0, "on": 1.0, "switching": 0.0}


def test_gates_are_counted_over_live_latents_and_between_types():
    labels = pd.Series(["A", "A", "B", "B", ""], index=list("vwxyz"))
    gate = np.array([[1, 0.5, 1, 0], [1, 0.9, 1, 0], [0, 0.2, 1, 0], [0, 0.6, 1, 0], [1, 0, 1, 1]])
    kl = np.tile([0.5, 0.5, 0.05, 0.5], (5, 1))  # the third says nothing
    latent = gate * [1.0, 1.0, 1.0, 1.0]
    found = TOOL["of_gates"]({"kl": kl, "gate": gate}, latent, labels)
    assert found["on"] == pytest.approx(7 / 15)
    assert found["switching"] == 2  # the first differs by 1, the second by 1/2; the last is off in both types
    nothing = TOOL["of_gates"]({"kl": 0 * kl, "gate": gate}, latent, labels)
    assert nothing["switching"] == 0
    assert np.isnan(nothing["on"])


@pytest.mark.parametrize(
    ("change", "expected"),
    [({}, True), ({"live": 4.9}, False), ({"on": 0.09}, False), ({"on": 0.61}, False), ({"switching": 0.9}, False)],
)
def test_sparse_is_what_the_page_says(change, expected):
    of_runs = pd.DataFrame([SPARSE | {"knn_accuracy": 0.6} | change] * 2)
    assert TOOL["is_sparse"](of_runs, study=0.6) == expected
    assert not TOOL["is_sparse"](of_runs, study=0.61)


LATENTS = "## What each latent means"


def test_the_page_tells_who_is_ahead_and_whether_the_code_is_sparse(config):
    of_models = made_up(config, beta_vsc=STUDY, beta_vsc_sparse=SPARSE, dae={"knn_accuracy": 0.7}, pca={"ari": 0.9})
    searched = made_up(config, seeds=[100], beta_vsc=STUDY, beta_vsc_sparse=SPARSE)
    text = TOOL["page"](config, of_models, searched, LATENTS)
    names = ", ".join(config["run"]["datasets"])
    assert f"- `dae`: ahead on {names}." in text
    assert "- `pca`: no difference is shown." in text
    assert "- `pca10`" not in text
    assert text.count("| yes |") == text.count("| no |") == len(config["run"]["datasets"])
    assert text.count("**0.90**") == len(config["run"]["datasets"])  # of k-means
    assert "0.60; 6 live, 40% on, 2 differ" in text
    assert "Not run for this page" not in text
    assert "nan" not in text
    assert text.count(LATENTS) == 1
    assert text.count("| 12.3 |") == len(config["run"]["datasets"]) * len(config["run"]["models"]) / 2 or "12.3" in text


def test_a_page_of_some_data_sets_and_seeds_says_what_is_missing(config):
    some = copy.deepcopy(config)
    some["run"]["datasets"] = ["pbmc68k_reduced"]
    of_models = made_up(some, seeds=range(3)).drop(columns=["recovered_programs", "recovered_nuisance"])
    text = TOOL["page"](some, of_models, made_up(config, seeds=[100]), LATENTS)
    assert "Not run for this page: `nuisance`, `pbmc3k_variable`, `rare`, `twenty`, seed 3, seed 4 (" in text
    assert "of which none was run for this page" in text


def test_a_model_that_is_behind_is_said_to_be(config):
    text = TOOL["page"](config, made_up(config, pca10={"knn_accuracy": 0.8}), made_up(config, seeds=[100]), LATENTS)
    assert text.count(": behind on ") == len(config["run"]["models"]) - 1


def test_scvi_is_held_against_the_others_where_there_are_counts(config):
    assert [name for name in config["run"]["datasets"] if not TOOL["_has_counts"](config, name)] == ["pbmc68k_reduced"]
    some = copy.deepcopy(config)
    some["run"]["models"] = [*config["run"]["models"], "scvi"]
    of_models = made_up(some, scvi={"knn_accuracy": 0.7, "ari": 0.4, "live": 9.0}, pca10={"knn_accuracy": 0.5})
    of_models = of_models[(of_models["model"] != "scvi") | (of_models["dataset"] != "pbmc68k_reduced")]
    text = TOOL["page"](some, of_models, made_up(config, seeds=[100]), LATENTS)
    others = [name for name in config["run"]["datasets"] if name != "pbmc68k_reduced"]
    assert f"- `scvi`: ahead on {', '.join(others)}." in text
    rows = [line for line in text.splitlines() if line.endswith("| 9.0 |")]
    assert len(rows) == len(others)
    for row in rows:
        assert re.search(r"^\| `\w+` \| \+0\.(199|20\d) \(\+0\.\d+ to \+0\.\d+\) \| \+0\.(099|10\d) \(", row), row
        assert row.endswith("| -0.100 | -0.100 | 9.0 |")  # the same with every seed: no interval
    assert "| `pbmc68k_reduced` | – |" not in text  # of the first model
    assert "needs requirements-scvi.txt" in TOOL["page"](config, made_up(config), made_up(config, seeds=[100]), LATENTS)


def test_the_search_saw_no_seed_of_the_page_and_its_winners_are_what_is_run(config):
    assert TOOL["SEARCH_SEED"] not in config["run"]["seeds"]
    assert not set(TOOL["FINAL_SEEDS"]) & set(config["run"]["seeds"])
    tried = {TOOL["_key"](entry) for entry in TOOL["TRIED"] + TOOL["FINALISTS"]}
    assert {TOOL["_key"](config["models"][name]) for name in ("beta_vae_calibrated", "beta_vsc_sparse")} <= tried
    assert set(TOOL["SEARCHED_ON"]) <= set(config["run"]["datasets"])
    for key in tried:
        assert json.loads(key)["kind"] in ("beta_vae", "beta_vsc")
    assert set(TOOL["remarks"]()) >= {name for name in config["run"]["datasets"] if name != "pbmc68k_reduced"}


def test_runs_that_are_known_are_not_made_again(config, tmp_path):
    row = {"dataset": "rare", "entry": TOOL["_key"](config["models"]["pca"]), "seed": 0, "ari": 0.5}
    (tmp_path / "runs.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    found = TOOL["runs"](tmp_path, config, [("rare", config["models"]["pca"], 0)], 1)
    assert found.to_dict("records") == [row]


def latents_of_runs(folder, of_models, shared):
    """Effects of every run: three latents of 40 genes, of which the first is the same under all seeds or none is."""
    for number, run in enumerate(of_models.itertuples()):
        random = np.random.default_rng(number)
        latent = random.normal(size=(60, 3))
        slopes = random.normal(size=(3, 40))
        slopes[0] = np.random.default_rng(7).normal(size=40) * 2 if shared else slopes[0]
        cells = [f"cell{number}" for number in range(60)]
        points = pd.DataFrame(latent, cells, ["z1", "z2", "z3"])
        labels = pd.Series(np.where(latent[:, 0] > 0, "B", "T"), cells)
        found = LATENTS_TOOL["measure"](expression_of(latent @ slopes), points, labels, {}, None, run.seed)
        file = LATENTS_TOOL["path"](folder, run.dataset, run.entry, run.seed)
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(file, **found)


@pytest.mark.parametrize("shared", [True, False])
def test_the_page_tells_what_each_latent_does_and_whether_it_comes_back(config, tmp_path, shared):
    config = copy.deepcopy(config)
    config["run"]["datasets"], config["run"]["models"] = ["pbmc3k_variable"], ["dae", "pca"]
    of_models = made_up(config)
    latents_of_runs(tmp_path, of_models, shared)
    text = LATENTS_TOOL["section"](tmp_path, of_models, ["pbmc3k_variable"], ["dae", "pca"])
    row = next(line for line in text.splitlines() if line.startswith("| `pbmc3k_variable` | `dae` | 3.0 |"))
    came_back = float(row.split(" | ")[3].split()[0])
    assert 1 <= came_back < 2 if shared else came_back < 0.5
    assert "`pbmc3k_variable` | `pca`" not in text  # the same again says nothing
    slopes = np.random.default_rng(7).normal(size=40)
    first = next(line for line in text.splitlines() if line.startswith("| `dae` | z1 |"))
    if shared:
        assert first.split(" | ")[2].split()[0] == f"gene{slopes.argmax()}"
        assert first.split(" | ")[3].split()[0] == f"gene{slopes.argmin()}"
    assert first.endswith(f"| B | T | {'yes' if shared else 'no'} |")
    assert text.count("| always the same |") == 3


def test_the_picture_has_a_panel_for_each_data_set_and_a_dot_for_each_model(config):
    names, models = config["run"]["datasets"], config["run"]["models"]
    figure = TOOL["picture"](made_up(config, dae={"knn_accuracy": 0.7}), names, models)
    assert [panel.get_title() for panel in figure.axes] == names
    for panel in figure.axes:
        dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in panel.lines if line.get_marker() == "o"}
        assert dots[models.index("dae")] == pytest.approx(0.7, abs=0.01)
        assert sorted(dots) == list(range(len(models)))


def test_made_cells_have_their_share_of_the_variance(config):
    made = {"variance_reconstructed": 0.3, "variance_generated": 0.2, "means_generated": 0.9}
    of_models = made_up(config, beta_vae=made, dae={"variance_reconstructed": 0.4}, pca={"variance_reconstructed": 0.1})
    text = CELLS_TOOL["section"](of_models, ["rare", "twenty"], config["run"]["models"])
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [*(f"| `{name}` | 0.30 / 0.20 | 0.40 | 0.10 |" for name in ("rare", "twenty")),
                    *(f"| `{name}` | 0.90 |" for name in ("rare", "twenty"))]  # fmt: skip
    text = CELLS_TOOL["section"](
        made_up(config, dae={"variance_reconstructed": 0.4}), ["rare"], config["run"]["models"]
    )
    assert "Correlation over the genes" not in text


def test_what_pca_reconstructs_is_what_its_components_explain():
    random = np.random.default_rng(0)
    table = random.normal(size=(50, 3)) @ random.normal(size=(3, 20)) + 0.1 * random.normal(size=(50, 20))
    left, strength, _ = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)
    points = pd.DataFrame(left[:, :2] * strength[:2], [f"cell{number}" for number in range(50)], ["z1", "z2"])
    found = CELLS_TOOL["measure"](expression_of(table), points, None, 0)
    squares = np.square(strength)
    assert found == {"variance_reconstructed": pytest.approx(squares[:2].sum() / squares.sum(), rel=1e-4)}


def test_made_cells_of_a_trained_model_are_those_of_its_decoder_and_prior():
    table = np.random.default_rng(0).gamma(2.0, 1.0, (40, 12)).astype(np.float32)
    data, settings = expression_of(table), settings_of(epochs=3, batch_size=8)
    for kind, columns in (("dae", CELLS_TOOL["COLUMNS"][:1]), ("beta_vae", CELLS_TOOL["COLUMNS"])):
        model, _, _ = fitting.fit(data, kind, KINDS[kind], settings, 0)
        points = pd.DataFrame(trained.embed(model.eval(), data, "posterior_mean", 0), data.cells)
        found = CELLS_TOOL["measure"](data, points, model, 0)
        assert tuple(found) == columns
        with torch.no_grad():
            decoded = model.decoder(torch.from_numpy(trained.embed(model, data, "sample", 0))).numpy()
        share = decoded.var(axis=0).sum() / table.var(axis=0).sum()
        assert found["variance_reconstructed"] == pytest.approx(share, rel=1e-3)
