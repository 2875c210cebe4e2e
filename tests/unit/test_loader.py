"""The config: a mistake is one line that names the key, equal settings come out equal, nothing heavy is imported."""

import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from places import ROOT
from settings import SCHEMA, changed, load, problem, problems
from snakemake.utils import update_config

from scae.config import loader
from scae.models import registry

CLUSTERS, SIMULATED = {"from": "clusters"}, {"source": "simulated"}
URL, DIGEST, LABELS = "https://example.org/a", "0" * 64, {"from": "csv"}


# Invalid configs; tests/unit/bad_inputs.yaml has more of them


@pytest.mark.parametrize(
    ("key", "value", "fragment"),
    [
        ("trainig", {"epochs": 3}, '"training"'),
        ("training.epoch", 3, '"epochs"'),
        ("run.seed", [0], '"seeds"'),
        ("datasets.toy.sorce", "x.h5ad", '"source"'),
        ("datasets.toy.qc.min_cell", 3, '"min_cells"'),
        ("datasets.toy.labels.columns", "x", '"column"'),
        ("models.vae.n_latents", 3, '"n_latent"'),
        ("latent.estimates", "sample", '"estimate"'),
        ("kmeans.zzz", 1, "n_init, k"),
        ("models.vae.alpha", 1.0, "unknown key"),
        ("datasets.toy.labels.resolution", 1.0, "unknown key"),
        ("datasets.toy.genes.variabel", 2000, '"variable"'),
    ],
)
def test_an_unknown_key_is_named_with_known_ones(key, value, fragment, config):
    message = problem(changed(config, key, value))
    assert message.startswith(f"{key}: unknown key; ")
    assert fragment in message


@pytest.mark.parametrize(
    ("key", "value", "fragment"),
    [
        ("training.epochs", "many", "not of type integer"),
        ("training.epochs", 2.5, "not of type integer"),
        ("training", [1], "not of type object"),
        ("run.datasets", "toy", "'toy' is not a list; write [toy]"),
        ("run.seeds", 3, "3 is not a list; write [0, 1, 2]"),
        ("run.datasets", {}, "not of type array"),
        ("datasets", ["toy"], "not of type object"),
        ("datasets.toy", "counts.h5ad", "not of type object"),
        ("datasets.toy.qc.max_genes", "none", "not of type integer or null"),
        ("models.vae", "beta_vae", "not of type object"),
        ("models.vae.beta", [2.0], "not of type number"),
        ("run.models", [3], ".0: "),
        ("training.learning_rate", "+1e4", "'+1e4'"),
        ("tsne.perplexity", float("inf"), "finite"),
        ("training.epochs", 0, "minimum"),
        ("training.learning_rate", 0, "minimum"),
        ("run.seeds", [-1], ".0: "),
        ("models.vae.beta", -0.1, "minimum"),
        ("models.sparse.alpha", 1, "maximum"),
        ("datasets.toy.source", "", "non-empty"),
        ("datasets.toy.qc.max_pct_mito", 101, "maximum"),
        ("datasets.toy.qc.mito_prefix", "", ""),
        ("datasets.other.labels.prune", 1.5, "maximum"),
        ("datasets.toy.sha256", "g" * 64, "64 hexadecimal"),
        ("models.vae.kind", "vea", "my_model.py"),
        ("latent.estimate", "mean", "posterior_mean, slab_mean, sample"),
        ("datasets.toy.values", "raw", "log_normalized"),
        ("run", ..., "is missing"),
        ("datasets", ..., "is missing"),
        ("run.models", ..., "is missing"),
        ("models.vae.kind", ..., "is missing"),
        ("run.datasets", ["nope"], "other, toy"),
        ("run.models", ["nope"], "plain, sparse, vae"),
        ("datasets.toy.source", ..., "give it, or a sample table"),
        ("datasets.toy", {"samples": "no.csv"}, ".samples: "),
        ("datasets.toy.source", "nowhere.h5ad", '"nowhere.h5ad" does not exist (looked in {folder})'),
        ("datasets.toy.source", "ftp://example.org/a.h5ad", "https://"),
        ("datasets.toy.qc", {"mito_genes": "no.txt"}, ".mito_genes: "),
        ("datasets.toy.qc", {"min_genes": 200, "max_genes": 201}, ".max_genes: "),
        ("datasets.toy.labels", {"from": "none"}, ".from: none needs"),
        ("datasets.toy.labels", {"from": "csv", "path": "no.csv"}, '.path: "no.csv" does not exist'),
        ("datasets.toy.labels", CLUSTERS | {"n_pcs": 50, "n_variable_genes": 50}, ".n_pcs: "),
        ("datasets.toy", SIMULATED | {"simulation": None}, ".simulation: is null"),
        ("training.threads", 9, "8"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_key(key, value, fragment, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["datasets"]["other"]["labels"] = CLUSTERS
    message = problem(changed(config, key, value), processors=8)
    assert message.startswith(key)
    assert fragment.format(folder=tmp_path) in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        (
            {"datasets.toy.values": "log_normalized", "datasets.toy.qc": {"max_pct_mito": 5}},
            "datasets.toy.qc.max_pct_mito",
        ),
        ({"datasets.toy.values": "log_normalized", "datasets.toy.labels": CLUSTERS}, "datasets.toy.labels.from"),
        ({"datasets.toy.values": "normalized", "models.vae.kind": "scvi"}, "models.vae"),
        ({"datasets.Toy": {"source": f"{URL}.h5ad"}, "run.datasets": ["toy", "Toy"]}, "run.datasets"),
        ({"models.VAE": {"kind": "dae"}, "run.models": ["vae", "VAE"]}, "run.models"),
        ({"models.vae": {"kind": "given"}}, "models.vae"),
        ({"models.vae": {"kind": "given", "key": "X_umap", "path": "types.csv"}}, "models.vae"),
        ({"models.vae": {"kind": "given", "path": "no.csv"}}, "models.vae.path"),
        ({"models.vae": {"kind": "given", "path": "table.xlsx"}}, "models.vae.path"),
        ({"models.vae": {"kind": "given", "key": "X"}, "datasets.toy.source": f"{URL}.tar.gz"}, "models.vae.key"),
        ({"models.vae": {"kind": "given", "key": "X"}, "datasets.toy.source": {"a": f"{URL}.h5ad"}}, "models.vae.key"),
        ({"datasets.toy.source": {"a": f"{URL}.h5ad"}, "datasets.toy.sha256": DIGEST}, "datasets.toy.sha256"),
        ({"datasets.toy.source": {"a": f"{URL}.h5ad"}, "datasets.toy.sha256": {"b": DIGEST}}, "datasets.toy.sha256.b"),
        ({"datasets.toy.labels": LABELS | {"path": {"a": "types.csv"}}}, "datasets.toy.labels.path.a"),
        ({"datasets.toy.labels": LABELS | {"path": f"{URL[:8]}me:pw@host/t.csv"}}, "datasets.toy.labels.path"),
        (
            {"datasets.toy.labels": LABELS | {"path": "types.csv", "sha256": {"a": DIGEST}}},
            "datasets.toy.labels.sha256",
        ),
    ],
)
def test_settings_that_contradict_each_other_are_one_line(settings, key, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("types.csv").touch()
    for name, value in settings.items():
        config = changed(config, name, value)
    assert problems(config)[0].startswith(f"{key}: ")


def test_settings_that_only_look_contradictory_are_accepted(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("counts.h5ad", "types.csv"):
        (tmp_path / name).touch()
    given = changed(config, "models.vae", {"kind": "given", "key": "X_umap"})
    for found in (
        changed(config, "datasets.other.source", "nowhere.h5ad"),  # not run
        changed(config, "datasets.toy", {"source": "counts.h5ad", "labels": {"from": "csv", "path": "types.csv"}}),
        changed(changed(config, "datasets.toy.labels", {"from": "none"}), "kmeans.k", 8),
        changed(changed(config, "training.early_stopping", 5), "training.holdout", 0.1),
        changed(changed(config, "models.vae.batch", True), "datasets.toy.batch", "lane"),
        given,
        changed(given, "datasets.toy.source", f"{URL}.h5ad?raw=1"),
        changed(config, "datasets.toy.qc", {"min_genes": 200, "max_genes": 202}),
        changed(config, "datasets.toy.labels", CLUSTERS | {"n_pcs": 49, "n_variable_genes": 50}),
        changed(config, "training.threads", 8),
    ):
        assert load(found, processors=8)


def test_all_mistakes_are_named_at_once(config):
    config = changed(changed(config, "training.epochs", 0), "models.vae.beta", "x")
    assert {line.split(":")[0] for line in problems(config)} == {"training.epochs", "models.vae.beta"}


@pytest.mark.parametrize("section", ["datasets", "models"])
def test_a_name_must_be_usable_as_a_folder(section, config):
    entry = next(iter(config[section].values()))
    reserved = ["logs", "Logs", "benchmarks"] if section == "datasets" else ["export", "Export", "download"]
    for name in [*reserved, "a/b", "a.b", "_x", "-x", "a b", "", "ä", "a|b", "{a}", "x" * 101]:
        message = problem(changed(config, section, config[section] | {name: entry}))
        assert message.startswith(section)
        assert name[:20] in message
    for name in ("Logs2", "pbmc-3k_v2", "3k", "exports", 68):
        found = changed(config, section, {name: entry} if section == "models" else config[section] | {name: entry})
        found["run"][section] = [str(name)]
        assert load(found)["run"][section] == [str(name)]


@pytest.mark.parametrize("key", ["source", "labels"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_file_below_results_is_refused(key, exists, config, tmp_path, monkeypatch):
    """The first run would not find it, and the second another one."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "results/toy/labels.csv"
    if exists:
        path.parent.mkdir(parents=True)
        path.write_text("cell,label\n")
    value = "./results/toy/labels.csv" if key == "source" else {"from": "csv", "path": str(path)}
    message = problem(changed(config, f"datasets.toy.{key}", value))
    assert message.startswith(f"datasets.toy.{key}{'.path' * (key == 'labels')}: ")
    assert "results/" in message


def test_rules_of_an_importing_workflow_may_make_missing_files(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["datasets"]["toy"] = {"source": "made.h5ad", "labels": {"from": "csv", "path": "made.csv"}}
    assert len(problems(config)) == 2
    assert loader.load(config, SCHEMA, importer=config)["datasets"]["toy"]["source"] == "made.h5ad"
    assert loader.load(config, SCHEMA, datasets_too=False)


# Defaults, types and order


def test_defaults_are_those_of_the_study(config):
    found = load(config)
    training = {"epochs": 200, "batch_size": 256, "learning_rate": 0.001, "threads": 1, "device": "cpu"}
    assert found["training"].items() >= training.items()
    off = {"batch": False}
    assert found["models"]["vae"] == {"kind": "beta_vae", "n_latent": 6, "beta": 2.0} | off
    sparse = {"kind": "beta_vsc", "n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0}
    assert found["models"]["sparse"] == sparse | off
    assert found["models"]["plain"] == {"kind": "dae", "n_latent": 6, "batch": False}
    assert (found["run"]["seeds"], found["latent"]) == ([0], {"estimate": "posterior_mean"})
    assert (found["tsne"]["perplexity"], found["kmeans"]) == (40, {"k": None, "n_init": 100})
    dataset = found["datasets"]["other"]
    assert (dataset["sha256"], dataset["matrix"], dataset["values"]) == (None, "auto", "auto")
    assert dataset["scale_factor"] == 10_000
    limits = {"min_cells": 3, "min_genes": 200, "max_genes": None, "max_pct_mito": None, "mito_prefix": "auto"}
    assert dataset["qc"].items() >= limits.items()
    assert dataset["genes"] == {"names": "auto", "exclude": [], "variable": None}
    seurat = {"n_variable_genes": 2000, "n_pcs": 10, "n_neighbors": 20, "resolution": 0.5, "prune": 1 / 15}
    assert dataset["labels"].items() >= (CLUSTERS | seurat).items()
    labels = found["datasets"]["toy"]["labels"]
    assert labels.keys() == {"from", "column", "ignore", "missing"}
    assert labels["missing"] == "error"
    assert {"na", "nan", "unassigned"} <= set(labels["ignore"])


def test_short_forms_are_written_out(config):
    assert load(changed(config, "datasets.other.genes", "all")) == load(config)
    simulated = load(changed(config, "datasets.toy", SIMULATED))["datasets"]["toy"]
    assert simulated["labels"]["column"] == "type"
    assert simulated["simulation"]["cells"] > 0


def test_the_given_config_and_the_defaults_are_not_shared(config):
    before, schema = json.dumps(config), copy.deepcopy(SCHEMA)
    first = load(config)
    assert (json.dumps(config), schema) == (before, SCHEMA)
    assert json.dumps(load(first)) == json.dumps(first)  # a loaded config can be loaded again
    first["datasets"]["toy"]["qc"]["min_cells"] = 99
    first["run"]["seeds"].append(1)
    assert load(config)["datasets"]["toy"]["qc"]["min_cells"] == 3
    assert load(config)["run"]["seeds"] == [0]


def transformed(value, number=lambda number: number, keys=list):
    """A config with its numbers and the order of its keys changed."""
    if isinstance(value, dict):
        return {key: transformed(value[key], number, keys) for key in keys(value)}
    if isinstance(value, list):
        return [transformed(entry, number, keys) for entry in value]
    return number(value)


def other_type(value):
    if type(value) is int:
        return float(value)
    return int(value) if type(value) is float and value.is_integer() else value


def test_settings_that_mean_the_same_come_out_the_same(config):
    config["datasets"]["toy"]["qc"] = {"max_genes": 2500, "max_pct_mito": 5}
    config["datasets"]["toy"]["published"] = {"citation": "study", "scores": {"vae": {"nmi": 1, "ari": 0}}}
    full = load(config)
    for other in (transformed(full, number=other_type), transformed(full, keys=reversed)):
        assert json.dumps(load(other)) == json.dumps(full)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("training.epochs", 3.0, 3),
        ("training.learning_rate", 1, 1.0),
        ("models.vae.beta", 4, 4.0),
        ("datasets.toy.qc.max_pct_mito", 5, 5.0),
        ("datasets.toy.qc.max_genes", 2500.0, 2500),
        ("run.seeds", [10.0, 0, 2], [0, 2, 10]),
        ("run.models", ["vae", "plain"], ["plain", "vae"]),
    ],
)
def test_numbers_have_the_declared_type_and_the_run_is_sorted(key, value, kept, config):
    found = load(changed(config, key, value))
    for name in key.split("."):
        found = found[name]
    assert repr(found) == repr(kept)


def test_numbers_of_the_command_line_are_read(config):
    given = {"training": {"epochs": "3", "learning_rate": "1e-2"}, "kmeans": {"k": "null"}, "run": {"seeds": ["1"]}}
    update_config(config, copy.deepcopy(given))
    found = loader.load(config, SCHEMA, command_line=given)
    assert (found["training"]["epochs"], found["training"]["learning_rate"]) == (3, 0.01)
    assert (found["kmeans"]["k"], found["run"]["seeds"]) == (None, [1])


# Kinds of models


MODEL = """\
ABOUT = {"title": "new", "summary": "a new one", "reference": "", "doi": ""}
CONFIG = {"width": {"type": "integer", "minimum": 1, "default": 9}}
class Model: pass
"""


def test_a_model_file_is_a_kind_with_its_hyperparameters(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_model.py").write_text(MODEL)
    config["models"]["vae"] = {"kind": "my_model.py"}
    assert load(config)["models"]["vae"] == {"kind": "my_model.py", "width": 9}
    assert problem(changed(config, "models.vae.width", 0)).startswith("models.vae.width: ")
    assert problem(changed(config, "models.vae.n_latent", 3)).startswith("models.vae.n_latent: unknown key")
    absolute = changed(config, "models.vae", {"kind": str(Path("my_model.py").absolute()), "width": 4.0})
    assert load(absolute)["models"]["vae"]["width"] == 4
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    config["models"] = {"vae": {"kind": "my_model"}}
    assert load(config)["models"] == {"vae": {"kind": "my_model", "width": 9}}


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (None, '"my_model.py" does not exist'),
        ("def broken(:\n", "my_model.py: line 1"),
        (MODEL.replace('"integer"', '"whole"'), "my_model.py: CONFIG: width.type: 'whole'"),
    ],
)
def test_an_invalid_model_file_is_one_line_if_it_is_run(text, fragment, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        Path("my_model.py").write_text(text)
    config["models"]["new"] = {"kind": "my_model.py", "width": 3}
    assert load(config)["models"]["new"] == {"kind": "my_model.py", "width": 3}
    config["run"]["models"] = ["new"]
    assert problem(config).startswith(f"models.new.kind: {fragment}")


# The configs of the project


@pytest.mark.parametrize("overlay", [None, "pbmc3k", "sweep", "models", "mixology"])
def test_the_configs_of_the_project_are_valid(overlay):
    files, config = [ROOT / "config/config.yaml", *([ROOT / f"config/{overlay}.yaml"] if overlay else [])], {}
    for file in files:
        update_config(config, yaml.safe_load(file.read_text()))
    found = loader.load(config, SCHEMA, files, datasets_too=False)
    assert set(found["run"]["models"]) <= set(found["models"])
    if overlay == "pbmc3k":
        study = found["datasets"]["pbmc3k"]
        assert study["sha256"] == "847d6ebd9a1ec9a768f2be7e40ca42cbfe75ebeb6d76a4c24167041699dc28b5"
        limits = {"min_cells": 3, "min_genes": 200, "max_genes": 2500, "max_pct_mito": 5.0}
        assert study["qc"].items() >= limits.items()
        assert list(study["labels"]) == ["clusters", "markers"]
        assert study["labels"]["markers"]["markers"] == study["labels"]["clusters"]["markers"]
        assert study["published"]["scores"]["beta_vsc"] == {
            "ari": 0.47,
            "completeness": 0.6,
            "homogeneity": 0.69,
            "nmi": 0.65,
        }


def test_checking_a_config_imports_nothing_heavy():
    program = (
        "import sys, yaml; from scae.jobs import code_digest; from scae.config import loader, plan\n"
        "schema = yaml.safe_load(open('config/schema.yaml'))\n"
        "found = loader.load(yaml.safe_load(open('config/config.yaml')), schema, ['config/config.yaml'])\n"
        "plan.Plan(found).targets()\n"
        "print(*sorted({'torch', 'numpy', 'pandas', 'scanpy', 'anndata', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT / "scripts"), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


@pytest.mark.parametrize(
    ("key", "value", "fragment"),
    [
        ("run.models", ["vea"], 'run.models: "vea" is not defined; did you mean "vae"?'),
        ("run.datasets", ["tyo"], 'run.datasets: "tyo" is not defined; did you mean "toy"?'),
        ("run.datasets", ["x"], "is not defined; datasets has "),
        ("models.vae.kind", "beta_vea", 'did you mean "beta_vae"?'),
    ],
)
def test_a_name_close_to_a_known_one_is_offered(key, value, fragment, config):
    assert any(fragment in line for line in problems(changed(config, key, value)))


def test_a_tilde_is_the_home_folder(config, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "toy.h5ad").write_bytes(b"")
    config = changed(config, "datasets.toy.source", "~/toy.h5ad")
    config = changed(config, "datasets.toy.genes.exclude", ["~", "MT-"])
    found = load(config)["datasets"]["toy"]
    assert found["source"] == str(tmp_path / "toy.h5ad")
    assert found["genes"]["exclude"] == ["~", "MT-"]
