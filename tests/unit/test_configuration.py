"""The config: a mistake is one line that names the key, equal settings come out equal, nothing heavy is imported."""

import copy
import json
import subprocess
import sys

import pytest
import yaml
from places import ROOT
from settings import MARKED, SCHEMA, changed, load, problem, problems

from scae.config import loader
from scae.errors import UserError
from scae.models import registry
from scae.sources import address


@pytest.mark.parametrize(
    ("key", "value", "suggestion"),
    [
        ("trainig", {"epochs": 3}, "training"),
        ("training.epoch", 3, "epochs"),
        ("run.seed", [0], "seeds"),
        ("datasets.toy.sorce", "x.h5ad", "source"),
        ("datasets.toy.qc.min_cell", 3, "min_cells"),
        ("datasets.toy.labels.columns", "x", "column"),
        ("models.vae.n_latents", 3, "n_latent"),
        ("models.sparse.alfa", 0.5, "alpha"),
        ("tsne.perplexty", 3, "perplexity"),
        ("kmeans.ninit", 3, "n_init"),
        ("latent.estimates", "sample", "estimate"),
    ],
)
def test_an_unknown_key_suggests_the_one_that_was_meant(key, value, suggestion, config):
    assert problem(changed(config, key, value)) == f'{key}: unknown key; did you mean "{suggestion}"?'


def test_an_unknown_key_like_no_other_lists_the_known_ones(config):
    message = problem(changed(config, "kmeans.zzz", 1))
    assert message.startswith("kmeans.zzz: unknown key; known keys are")
    assert "n_init" in message


@pytest.mark.parametrize(("kind", "key"), [("dae", "beta"), ("beta_vae", "alpha"), ("beta_vae", "c"), ("dae", "c")])
def test_a_hyperparameter_of_another_kind_is_unknown(kind, key, config):
    assert problem(changed(config, "models.vae", {"kind": kind, key: 1.0})).startswith(f"models.vae.{key}: unknown key")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.epochs", "many"),
        ("training.epochs", 2.5),
        ("training.epochs", True),
        ("training", [1]),
        ("training", None),
        ("run", "pbmc3k"),
        ("run.datasets", "toy"),
        ("run.models", "vae"),
        ("run.seeds", 0),
        ("datasets", ["toy"]),
        ("datasets.toy", "counts.h5ad"),
        ("datasets.toy.source", 3),
        ("datasets.toy.qc.max_genes", "none"),
        ("datasets.toy.published", []),
        ("models.vae", "beta_vae"),
        ("models.vae.kind", 1),
        ("models.vae.beta", [2.0]),
        ("models.vae.n_latent", "6 or so"),
    ],
)
def test_a_value_of_another_type_is_named(key, value, config):
    message = problems(changed(config, key, value))[0]
    assert message.startswith(f"{key}: ")
    assert "type" in message or "is text" in message


@pytest.mark.parametrize("text", ["1e-3", "5E-4", "0.001", "3", "+1e4"])
def test_a_number_that_yaml_reads_as_text_explains_itself(text, config):
    message = problem(changed(config, "training.learning_rate", text))
    assert message.startswith("training.learning_rate: ")
    assert text in message
    assert "1.0e-3" in message


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.epochs", 0),
        ("training.batch_size", -1),
        ("training.learning_rate", 0),
        ("training.threads", 0),
        ("tsne.perplexity", 1.9),
        ("tsne.iterations", 0),
        ("tsne.early_exaggeration_iterations", -1),
        ("kmeans.n_init", 0),
        ("run.datasets", []),
        ("run.models", []),
        ("run.seeds", []),
        ("models.vae.n_latent", 0),
        ("models.vae.beta", -0.1),
        ("models.sparse.alpha", 0),
        ("models.sparse.alpha", 1),
        ("models.sparse.c", 0),
        ("datasets.toy.scale_factor", 0),
        ("datasets.toy.source", ""),
        ("datasets.toy.qc.min_cells", -1),
        ("datasets.toy.qc.min_genes", -1),
        ("datasets.toy.qc.max_genes", 0),
        ("datasets.toy.qc.max_pct_mito", 101),
        ("datasets.toy.qc.max_pct_mito", 0),
        ("datasets.toy.qc.mito_prefix", ""),
        ("datasets.other.labels.resolution", 0),
        ("datasets.other.labels.prune", 1.5),
        ("datasets.other.labels.n_neighbors", 1),
    ],
)
def test_a_value_out_of_range_is_named(key, value, config):
    config = changed(config, "datasets.other.labels", {"from": "clusters"})
    assert problem(changed(config, key, value)).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("key", "item"), [("run.seeds", -1), ("run.seeds", 0.5), ("run.seeds", "zero"), ("run.models", 3)]
)
def test_a_wrong_item_of_a_list_is_named(key, item, config):
    assert problems(changed(config, key, [item]))[0].startswith(f"{key}.0: ")


@pytest.mark.parametrize(("key", "value"), [("run.seeds", [1, 1]), ("run.models", ["vae", "vae"])])
def test_an_item_that_stands_twice_is_named(key, value, config):
    assert problem(changed(config, key, value)).startswith(f"{key}: ")


@pytest.mark.parametrize("key", ["training.learning_rate", "tsne.perplexity", "models.vae.beta", "models.sparse.c"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused(key, value, config):
    assert problem(changed(config, key, value)).startswith(f"{key}: ")


@pytest.mark.parametrize(
    ("key", "value", "choices"),
    [
        ("models.vae.kind", "vea", ["dae", "beta_vae", "beta_vsc"]),
        ("latent.estimate", "mean", ["posterior_mean", "slab_mean", "sample"]),
        ("datasets.toy.values", "raw", ["counts", "log_normalized"]),
        ("datasets.toy.labels.from", "file", ["obs", "csv", "clusters"]),
    ],
)
def test_a_choice_that_there_is_not_lists_those_there_are(key, value, choices, config):
    message = problem(changed(config, key, value))
    assert message.startswith(f"{key}: '{value}' is not one of ")
    assert all(choice in message for choice in choices)


@pytest.mark.parametrize(
    "key",
    [
        *("run", "datasets", "models", "run.datasets", "run.models", "models.vae.kind"),
        *("datasets.toy.source", "datasets.toy.labels.from", "datasets.toy.labels.column"),
    ],
)
def test_a_missing_key_is_named(key, config):
    assert problem(changed(config, key, ...)).startswith(f"{key}: is missing; ")


def test_a_missing_column_and_path_say_what_they_are(config):
    config["datasets"]["toy"]["labels"] = {"from": "csv"}
    config["datasets"]["other"]["labels"] = {"from": "obs"}
    found = problems(config)
    assert any(line.startswith("datasets.toy.labels.path: is missing; Table") for line in found)
    assert any(line.startswith("datasets.other.labels.column: is missing; Column") for line in found)


def test_all_mistakes_are_named_at_once(config):
    config = changed(changed(config, "training.epochs", 0), "models.vae.beta", "x")
    found = problems(config)
    assert len(found) == 2
    assert {line.split(":")[0] for line in found} == {"training.epochs", "models.vae.beta"}


@pytest.mark.parametrize(("section", "known"), [("datasets", "other, toy"), ("models", "plain, sparse, vae")])
def test_a_name_in_run_that_is_not_defined_lists_those_that_are(section, known, config):
    message = problem(changed(config, f"run.{section}", ["nope"]))
    assert message.startswith(f"run.{section}: ")
    assert '"nope"' in message
    assert known in message


@pytest.mark.parametrize("name", ["logs", "Logs", "benchmarks", "a/b", "a.b", "_x", "-x", "a b", "", "ä", "a|b", "{a}"])
def test_a_data_set_with_a_name_that_cannot_be_a_folder_is_refused(name, config):
    config["datasets"][name] = config["datasets"]["toy"]
    message = problem(config)
    assert repr(name) in message
    assert message.startswith("datasets")


@pytest.mark.parametrize("name", ["export", "Export", "download", "a/b", "seed.0", ""])
def test_a_model_with_a_name_that_cannot_be_a_folder_is_refused(name, config):
    config["models"][name] = {"kind": "dae"}
    message = problem(config)
    assert repr(name) in message
    assert message.startswith("models")


@pytest.mark.parametrize("name", ["Logs2", "logs2", "pbmc-3k_v2", "3k", "exports"])
def test_other_names_are_free(name, config):
    config["datasets"][name] = config["datasets"]["toy"]
    config["models"][name] = {"kind": "dae"}
    config["run"] = {"datasets": [name], "models": [name]}
    assert load(config)["run"]["models"] == [name]


@pytest.mark.parametrize(("section", "number"), [("datasets", 68), ("models", 1), ("datasets", True)])
def test_a_name_that_yaml_reads_as_a_number_is_the_users_to_quote(section, number, config):
    config[section][number] = next(iter(config[section].values()))
    config["run"][section] = [number]
    assert any(str(number) in line for line in problems(config))


@pytest.mark.parametrize("number", [68, False])
def test_a_numeric_name_that_is_not_run_does_no_harm_to_other_messages(number, config):
    config["datasets"][number] = config["datasets"]["toy"]
    config["run"]["datasets"] = ["nope"]
    assert any("nope" in line or str(number) in line for line in problems(config))


@pytest.mark.parametrize("sha256", ["abc", "g" * 64, "A" * 64, "0" * 63, 12])
def test_a_digest_that_is_none_is_named(sha256, config):
    assert problems(changed(config, "datasets.toy.sha256", sha256))[0].startswith("datasets.toy.sha256: ")


def test_a_source_that_is_not_there_says_where_it_was_looked_for(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = problem(changed(config, "datasets.toy.source", "data/counts.h5ad"))
    assert message.startswith('datasets.toy.source: "data/counts.h5ad" does not exist')
    assert str(tmp_path) in message


def test_rules_of_an_importing_workflow_may_make_what_is_not_there(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["datasets"]["toy"] = {"source": "made.h5ad", "labels": {"from": "csv", "path": "made.csv"}}
    assert len(problems(config)) == 2
    assert loader.load(config, SCHEMA, importer=config)["datasets"]["toy"]["source"] == "made.h5ad"


def test_a_label_file_that_is_not_there_is_named(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = problem(changed(config, "datasets.toy.labels", {"from": "csv", "path": "labels.csv"}))
    assert message.startswith('datasets.toy.labels.path: "labels.csv" does not exist')


def test_files_that_are_there_are_fine(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("counts.h5ad", "labels.csv"):
        (tmp_path / name).touch()
    config["datasets"]["toy"] = {"source": "counts.h5ad", "labels": {"from": "csv", "path": "labels.csv"}}
    assert load(config)["datasets"]["toy"]["source"] == "counts.h5ad"


def test_files_of_data_sets_that_are_not_run_are_not_looked_for(config):
    assert load(changed(config, "datasets.other.source", "nowhere.h5ad"))


def test_a_folder_without_a_matrix_is_named(config, tmp_path):
    message = problem(changed(config, "datasets.toy.source", str(tmp_path)))
    assert message.startswith("datasets.toy.source: ")
    assert "folder" in message


def test_clusters_of_log_normalized_values_are_refused(config):
    config["datasets"]["toy"] |= {"values": "log_normalized", "labels": {"from": "clusters"}}
    assert problem(config).startswith("datasets.toy.labels.from: clusters needs counts")


def test_a_key_that_stands_twice_names_file_and_lines(config, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("training:\n  epochs: 3\n  batch_size: 8\n  epochs: 4\n")
    with pytest.raises(UserError) as caught:
        load(config, files=[path])
    message = str(caught.value)
    for part in (str(path), '"epochs"', "lines 2 and 4"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["a: 1\nb: {a: 1}\nc: [{a: 1}, {a: 2}]\n", "x: &x {a: 1}\ny: {<<: *x, b: 2}\n"])
def test_the_same_key_in_different_places_is_no_repetition(text, config, tmp_path):
    (tmp_path / "mine.yaml").write_text(text)
    assert load(config, files=[tmp_path / "mine.yaml"])


def test_a_json_config_may_be_indented_with_tabs(config, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps(config, indent="\t"))
    assert load(config, files=[tmp_path / "mine.json"])


def test_settings_that_were_left_out_are_those_of_the_study(config):
    found = load(config)
    assert found["run"]["seeds"] == [0]
    training = found["training"]
    assert (training["epochs"], training["batch_size"], training["learning_rate"]) == (200, 256, 0.001)
    assert training["threads"] == 1
    off = {"batch": False, "calibrated": False, "free_nats": 0.0, "kl_warmup": 0}
    assert found["models"]["vae"] == {"kind": "beta_vae", "n_latent": 6, "beta": 2.0} | off
    sparse = {"kind": "beta_vsc", "n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0, "spike": "clamp"}
    assert found["models"]["sparse"] == sparse | off
    assert found["models"]["plain"] == {"kind": "dae", "n_latent": 6, "batch": False}
    assert found["latent"] == {"estimate": "posterior_mean"}
    assert found["tsne"]["perplexity"] == 40
    assert found["kmeans"] == {"k": None, "n_init": 100}


def test_every_part_of_a_data_set_has_a_default(config):
    found = load(config)["datasets"]["other"]
    assert found["sha256"] is None
    assert (found["matrix"], found["values"], found["scale_factor"]) == ("auto", "auto", 10_000)
    assert found["qc"] == {
        "min_cells": 3,
        "min_genes": 200,
        "max_genes": None,
        "max_pct_mito": None,
        "mito_prefix": "auto",
        "mito_genes": None,
        "mad": {"genes": None, "counts": None, "pct_mito": None},
    }
    assert found["genes"] == {"names": "auto", "exclude": [], "variable": None}
    labels = found["labels"]
    assert labels["from"] == "clusters"
    assert (labels["n_variable_genes"], labels["n_pcs"], labels["n_neighbors"]) == (2000, 10, 20)
    assert (labels["resolution"], labels["markers"]) == (0.5, {})
    assert labels["prune"] == 1 / 15


def test_all_genes_can_be_written_as_a_word(config):
    config["datasets"]["other"]["genes"] = "all"
    written = load(config)
    del config["datasets"]["other"]["genes"]
    assert written == load(config)


@pytest.mark.parametrize("genes", ["some", {"variable": 1}, {"variabel": 2000}, ["all"]])
def test_genes_are_all_or_chosen_by_known_keys(genes, config):
    config["datasets"]["other"]["genes"] = genes
    with pytest.raises(UserError, match=r"datasets\.other\.genes"):
        load(config)


def test_labels_from_elsewhere_get_no_settings_of_the_clustering(config):
    found = load(config)["datasets"]["toy"]["labels"]
    assert found.keys() == {"from", "column", "ignore", "missing"}
    assert found["missing"] == "error"
    assert {"na", "nan", "unassigned"} <= set(found["ignore"])


def test_data_without_labels_need_a_number_of_clusters(config):
    config["datasets"]["toy"]["labels"] = {"from": "none"}
    assert problem(config).startswith("datasets.toy.labels.from: none needs a number of clusters in kmeans.k")
    assert load(changed(config, "kmeans.k", 8))["kmeans"]["k"] == 8


def test_a_loaded_config_can_be_loaded_again(config):
    once = load(config)
    assert json.dumps(load(once)) == json.dumps(once)


def test_defaults_are_not_shared_between_data_sets_or_calls(config):
    first = load(config)
    first["datasets"]["toy"]["qc"]["min_cells"] = 99
    first["run"]["seeds"].append(1)
    again = load(config)
    assert again["datasets"]["toy"]["qc"]["min_cells"] == again["datasets"]["other"]["qc"]["min_cells"] == 3
    assert again["run"]["seeds"] == [0]


def reversed_keys(value):
    if isinstance(value, dict):
        return {key: reversed_keys(value[key]) for key in reversed(value)}
    return value


def with_other_number_types(value):
    if isinstance(value, dict):
        return {key: with_other_number_types(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [with_other_number_types(entry) for entry in value]
    if type(value) is int:
        return float(value)
    if type(value) is float and value.is_integer():
        return int(value)
    return value


@pytest.fixture
def full(config):
    """A config in which every number is written out."""
    config["datasets"]["toy"]["qc"] = {"max_genes": 2500, "max_pct_mito": 5}
    config["datasets"]["toy"]["published"] = {"citation": "study", "scores": {"vae": {"nmi": 1, "ari": 0}}}
    return load(config)


@pytest.mark.parametrize("other", [reversed_keys, with_other_number_types, copy.deepcopy])
def test_settings_that_mean_the_same_come_out_the_same(other, full):
    assert json.dumps(load(other(full))) == json.dumps(full)


@pytest.mark.parametrize(
    ("key", "value", "kept"),
    [
        ("training.epochs", 3.0, 3),
        ("training.learning_rate", 1, 1.0),
        ("models.vae.beta", 4, 4.0),
        ("models.vae.n_latent", 4.0, 4),
        ("tsne.perplexity", 30, 30.0),
        ("datasets.toy.qc.max_pct_mito", 5, 5.0),
        ("datasets.toy.qc.max_genes", 2500.0, 2500),
        ("datasets.toy.scale_factor", 100, 100.0),
        ("run.seeds", [1.0, 2], [1, 2]),
        ("datasets.toy.published", {"citation": "a", "scores": {"vae": {"nmi": 1}}}, None),
    ],
)
def test_a_number_has_the_type_that_the_schema_declares(key, value, kept, config):
    found = load(changed(config, key, value))
    for name in key.split("."):
        found = found[name]
    if kept is None:
        found, kept = found["scores"]["vae"]["nmi"], 1.0
    assert repr(found) == repr(kept)


def test_what_is_run_is_sorted_so_that_its_order_changes_no_table(config):
    config["run"] |= {"models": ["vae", "plain", "sparse"], "seeds": [10, 0, 2]}
    found = load(config)["run"]
    assert found["models"] == ["plain", "sparse", "vae"]
    assert found["seeds"] == [0, 2, 10]


def test_the_config_that_was_given_is_left_as_it_was(config):
    before = json.dumps(config)
    schema = copy.deepcopy(SCHEMA)
    load(config)
    assert json.dumps(config) == before
    assert schema == SCHEMA


PAGE = """\
ABOUT = {"title": "new", "summary": "a new one", "reference": "", "doi": ""}
CONFIG = {"width": {"type": "integer", "minimum": 1, "default": 9}}
class Model: pass
"""


def test_a_new_kind_is_one_page(config, tmp_path, monkeypatch):
    (tmp_path / "brand_new.py").write_text(PAGE)
    monkeypatch.setattr(registry, "FOLDER", tmp_path)
    config["models"] = {"vae": {"kind": "brand_new"}}
    assert load(config)["models"] == {"vae": {"kind": "brand_new", "width": 9}}


@pytest.fixture
def outside(config, tmp_path, monkeypatch):
    """A config whose model is a page in the working directory, my_model.py; returns the page, not written yet."""
    monkeypatch.chdir(tmp_path)
    config["models"]["vae"] = {"kind": "my_model.py"}
    return tmp_path / "my_model.py"


def test_a_page_outside_the_library_is_a_kind_with_hyperparameters_of_its_own(config, outside):
    outside.write_text(PAGE)
    assert load(config)["models"]["vae"] == {"kind": "my_model.py", "width": 9}
    config["models"]["vae"]["width"] = 0
    assert problem(config).startswith("models.vae.width: ")
    config["models"]["vae"] = {"kind": "my_model.py", "n_latent": 3}
    assert problem(config).startswith("models.vae.n_latent: unknown key")
    config["models"]["vae"] = {"kind": str(outside), "width": 4.0}
    assert load(config)["models"]["vae"]["width"] == 4


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, '"my_model.py" does not exist (looked in {folder}). Give the path of a model file, relative'),
        ("def broken(:\n", "my_model.py: line 1: invalid syntax"),
        ("\xe9".encode("latin-1"), "my_model.py: cannot be read as Python"),
        ("", 'my_model.py: needs ABOUT = {{"title"'),
        (PAGE.replace('"doi": ""', '"do": ""'), 'my_model.py: needs ABOUT = {{"title"'),
        (PAGE.replace('"new"', "1"), 'my_model.py: needs ABOUT = {{"title"'),
        (PAGE.replace("CONFIG", "SETTINGS"), "my_model.py: needs CONFIG"),
        (PAGE.replace('"width": {', '"width": 3, "x": {'), "my_model.py: needs CONFIG"),
        (PAGE.replace('"width"', "WIDTH"), "my_model.py: line 2: CONFIG must be a literal"),
        (PAGE.replace('"width"', '"kind"'), 'my_model.py: CONFIG: "kind" is reserved'),
        (PAGE.replace('"integer"', '"whole"'), "my_model.py: CONFIG: width.type: 'whole' is not valid"),
        (PAGE.replace("Model", "Net"), "my_model.py: needs a class Model, or a function"),
        (PAGE + "from .mine import x\n", "my_model.py: line 4: relative imports"),
    ],
)
def test_a_page_that_is_not_one_is_one_line(text, line, config, outside):
    if text is not None:
        outside.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert problem(config).startswith("models.vae.kind: " + line.format(folder=outside.parent))


@pytest.mark.parametrize("text", [None, "def broken(:\n"])
def test_a_page_that_is_not_run_is_not_looked_at(text, config, outside):
    config["models"] |= {"new": {"kind": "my_model.py", "width": 3}, "vae": {"kind": "beta_vae"}}
    if text:
        outside.write_text(text)
    assert load(config)["models"]["new"] == {"kind": "my_model.py", "width": 3}


@pytest.mark.parametrize("given", [{}, {"key": "X_umap", "path": "table.csv"}])
def test_a_given_embedding_comes_from_one_place(given, config):
    config["models"]["vae"] = {"kind": "given"} | given
    assert "either key (of obsm) or path (of a table)" in problems(config)[0]


def test_a_given_table_that_is_not_there_is_named(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["models"]["vae"] = {"kind": "given", "path": "table.csv"}
    assert problem(config).startswith('models.vae.path: "table.csv" does not exist (looked in ')
    config["models"]["vae"]["path"] = "table.xlsx"
    assert "'table.xlsx' is not usable here; Table, .csv or .tsv" in problem(config)


def test_only_an_h5ad_has_obsm(config, tmp_path):
    config["models"]["vae"] = {"kind": "given", "key": "X_umap"}
    assert load(config)
    for source, good in (("https://example.org/a.h5ad?raw=1", True), ("https://example.org/a.tar.gz", False)):
        config["datasets"]["toy"]["source"] = source
        if good:
            assert load(config)
        else:
            assert problem(config) == "models.vae.key: only an .h5ad has obsm, which toy is not; use path"
    config["datasets"]["toy"]["source"] = {"one": "https://example.org/a.h5ad"}
    assert problem(config).startswith("models.vae.key: obsm is read from a data set of one source")


@pytest.mark.parametrize("source", ["http://x.org/a.h5ad", "https://x.org/a.h5ad"])
def test_addresses_are_no_local_files(source):
    assert address.is_url(source)
    assert address.local_files(source) == []


def test_a_data_set_of_scanpy_has_no_local_files():
    assert address.local_files("scanpy:pbmc68k_reduced") == []


def test_a_local_file_is_watched(tmp_path):
    assert not address.is_url("data/a.h5ad")
    assert address.local_files("data/a.h5ad") == ["data/a.h5ad"]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_10x_folder_is_watched_file_by_file(suffix, tmp_path):
    names = sorted(f"{name}{suffix}" for name in ("matrix.mtx", "genes.tsv", "barcodes.tsv"))
    for name in [*names, "notes.txt"]:
        (tmp_path / name).touch()
    assert address.local_files(str(tmp_path)) == [str(tmp_path / name) for name in names]


def merged(base, overlay):
    """What Snakemake makes of two config files: dicts merge, all else is replaced."""
    if isinstance(base, dict) and isinstance(overlay, dict):
        return base | {key: merged(base.get(key), value) for key, value in overlay.items()}
    return overlay


FILES = [ROOT / "config/config.yaml", ROOT / "config/pbmc3k.yaml"]


@pytest.mark.parametrize("n_files", [1, 2])
def test_the_configs_of_the_project_are_valid(n_files):
    config = {}
    for file in FILES[:n_files]:
        config = merged(config, yaml.safe_load(file.read_text()))
    found = load(config, FILES[:n_files])
    assert found["run"]["datasets"] == [["pbmc68k_reduced"], ["pbmc3k"]][n_files - 1]
    assert found["run"]["models"] == ["beta_vae", "beta_vsc", "dae", "pca", "pca10", "random_projection"]
    assert len(found["run"]["seeds"]) == [3, 5][n_files - 1]


def test_the_study_is_configured_as_it_was_published():
    found = load(merged(*(yaml.safe_load(file.read_text()) for file in FILES)))
    pbmc3k = found["datasets"]["pbmc3k"]
    assert pbmc3k["sha256"] == "847d6ebd9a1ec9a768f2be7e40ca42cbfe75ebeb6d76a4c24167041699dc28b5"
    limits = {"min_cells": 3, "min_genes": 200, "max_genes": 2500, "max_pct_mito": 5.0}
    assert pbmc3k["qc"].items() >= limits.items()
    assert pbmc3k["genes"] == {"exclude": [], "names": "auto", "variable": None}
    assert list(pbmc3k["labels"]) == ["clusters", "markers"]
    assert pbmc3k["labels"]["markers"]["markers"] == pbmc3k["labels"]["clusters"]["markers"]
    assert len(pbmc3k["labels"]["clusters"]["markers"]) == 9
    scores = {model: list(values.values()) for model, values in pbmc3k["published"]["scores"].items()}
    assert scores == {
        "dae": [0.58, 0.67, 0.77, 0.72],
        "beta_vae": [0.44, 0.57, 0.65, 0.61],
        "beta_vsc": [0.47, 0.60, 0.69, 0.65],
    }
    study = {
        "batch_size": 256,
        "epochs": 200,
        "learning_rate": 0.001,
        "threads": 1,
        "device": "cpu",
        "precision": "float32",
    }
    assert found["training"].items() >= study.items()
    written = {"alpha": 0.5, "beta": 2.0, "c": 50.0, "kind": "beta_vsc", "n_latent": 6}
    assert found["models"]["beta_vsc"] == written | {
        "batch": False,
        "calibrated": False,
        "free_nats": 0.0,
        "kl_warmup": 0,
        "spike": "clamp",
    }


def test_checking_a_config_imports_nothing_heavy():
    program = (
        "import sys, yaml; from scae.jobs import code_digest; from scae.config import loader\n"
        "schema = yaml.safe_load(open('config/schema.yaml'))\n"
        "loader.load(yaml.safe_load(open('config/config.yaml')), schema, ['config/config.yaml'])\n"
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


# What an overlay replaces


def labels(settings):
    return {"datasets": {"toy": {"labels": settings}}}


def test_an_overlay_may_make_another_choice(layered):
    found = layered(labels({"from": "csv", "path": "types.csv"}))["datasets"]["toy"]["labels"]
    assert found == found | {"from": "csv", "path": "types.csv", "column": "label"}
    assert not {"resolution", "markers"} & found.keys()


def test_so_may_the_command_line(layered):
    found = layered(command_line=labels({"from": "csv", "path": "types.csv"}))["datasets"]["toy"]["labels"]
    assert found == found | {"from": "csv", "path": "types.csv", "column": "label"}
    assert not {"resolution", "markers"} & found.keys()


def test_settings_that_the_new_choice_has_too_stay(layered, config):
    config["models"]["vae"] |= {"beta": 3.0, "n_latent": 4}
    loaded = layered({"models": {"vae": {"kind": "dae"}}})
    assert loaded["models"]["vae"] == {"kind": "dae", "n_latent": 4, "batch": False}


def test_a_choice_that_is_made_again_keeps_its_settings(layered):
    loaded = layered(labels({"from": "clusters", "resolution": 1.0}))
    assert loaded["datasets"]["toy"]["labels"]["markers"] == {"B": ["MS4A1"]}
    assert loaded["datasets"]["toy"]["labels"]["resolution"] == 1.0


def test_of_two_overlays_the_last_choice_counts(layered):
    loaded = layered(labels({"from": "csv", "path": "types.csv"}), labels({"from": "obs", "column": "bulk_labels"}))
    found = loaded["datasets"]["toy"]["labels"]
    assert found == found | {"from": "obs", "column": "bulk_labels"}
    assert "path" not in found


def test_a_column_of_the_old_choice_is_none_of_the_new(layered, config):
    config["datasets"]["toy"]["labels"] = {"from": "obs", "column": "bulk_labels", "missing": "drop"}
    found = layered(labels({"from": "csv", "path": "types.csv"}))["datasets"]["toy"]["labels"]
    assert (found["column"], found["missing"]) == ("label", "drop")


def test_a_choice_and_its_settings_may_stand_in_two_overlays(layered):
    found = layered(labels({"from": "csv"}), labels({"path": "types.csv"}))["datasets"]["toy"]["labels"]
    assert found == found | {"from": "csv", "path": "types.csv"}
    assert "markers" not in found


GATES = {"from": "markers", "markers": {"B": ["CD19"], "T": ["CD3D"]}}
SETS = {"seurat": MARKED, "gates": GATES}


def test_several_sets_keep_their_order_and_have_the_defaults_of_their_origins(layered):
    found = layered(labels({"z": {"from": "csv", "path": "types.csv"}, "a": GATES}))["datasets"]["toy"]["labels"]
    assert list(found) == ["z", "a"]
    assert (found["z"]["column"], found["a"]["threshold"]) == ("label", 0.5)
    assert found["a"]["markers"] == GATES["markers"]


def test_sets_replace_an_entry_and_an_entry_sets(layered, config):
    assert list(layered(labels(SETS))["datasets"]["toy"]["labels"]) == ["seurat", "gates"]
    config["datasets"]["toy"]["labels"] = {"clusters": MARKED, "markers": GATES}
    found = layered(labels({"from": "clusters", "markers": {"NK": ["GNLY"]}}))["datasets"]["toy"]["labels"]
    assert found["markers"] == {"NK": ["GNLY"]}
    assert found["from"] == "clusters"
    assert "clusters" not in found


def test_an_overlay_reaches_into_sets_and_an_entry_alike(layered, config):
    found = layered(labels({"markers": {"NK": ["GNLY"]}}))["datasets"]["toy"]["labels"]
    assert found["markers"] == {"B": ["MS4A1"], "NK": ["GNLY"]}
    config["datasets"]["toy"]["labels"] = {"clusters": MARKED, "markers": GATES}
    found = layered(labels({"markers": {"threshold": 0.25}}))["datasets"]["toy"]["labels"]
    assert found["markers"] == GATES | {"threshold": 0.25}
    assert list(found) == ["clusters", "markers"]


def test_a_set_may_come_from_elsewhere_in_an_overlay(layered, config):
    config["datasets"]["toy"]["labels"] = SETS
    found = layered(labels({"seurat": {"from": "csv", "path": "types.csv"}}))["datasets"]["toy"]["labels"]
    assert list(found) == ["seurat", "gates"]
    assert found["seurat"]["path"] == "types.csv"
    assert not {"resolution", "markers"} & found["seurat"].keys()


def test_of_several_changes_of_form_the_last_counts(layered):
    found = layered(labels(SETS), labels({"from": "obs", "column": "type"}), labels({"only": GATES}))
    assert list(found["datasets"]["toy"]["labels"]) == ["only"]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({}, "labels.from: is missing"),
        ({"seurat": {}}, "labels.from: is missing"),
        (SETS | {"resolution": 0.5}, "labels.resolution: stands beside the sets seurat, gates; write it below the one"),
        (SETS | {"a b": GATES}, "labels: 'a b' is not usable here; a set of labels is named by"),
        (SETS | {"Gates": GATES}, "labels.Gates: and gates differ in case only"),
        (SETS | {"none": {"from": "none"}}, "labels.none.from: none is no set of labels"),
        (SETS | {"more": {}}, "labels.more.from: is missing"),
        (SETS | {"more": {"from": "file"}}, "labels.more.from: 'file' is not one of"),
        (SETS | {"gates": GATES | {"thresold": 1}}, 'labels.gates.thresold: unknown key; did you mean "threshold"?'),
        (SETS | {"more": {"from": "csv", "path": "gone.csv"}}, 'labels.more.path: "gone.csv" does not exist'),
        (
            SETS | {"more": {"from": "obs", "column": "type", "missing": "drop"}},
            "labels.more.missing: cells are dropped",
        ),
        ({"gates": GATES | {"markers": {"B": ["A", "B"], "T": ["B", "A"]}}}, 'labels.gates.markers: "B" and "T"'),
    ],
)
def test_what_is_wrong_with_sets_is_one_line(wrong, told, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config["datasets"]["toy"]["values"] = "counts"
    assert problem(changed(config, "datasets.toy.labels", wrong)).startswith(f"datasets.toy.{told}")


@pytest.mark.parametrize("overlays", [1, 2])
def test_what_the_overlay_itself_writes_in_vain_stays_an_error(overlays, layered):
    chosen, vain = {"from": "csv", "path": "types.csv"}, {"markers": {"B": ["CD19"]}}
    with pytest.raises(UserError, match=r"datasets\.toy\.labels\.markers: unknown key"):
        layered(*([labels(chosen | vain)] if overlays == 1 else [labels(chosen), labels(vain)]))


@pytest.mark.parametrize(
    "wrong", [[], "text", None, {"toy": []}, {"toy": {"labels": "csv"}}, {"toy": {"labels": None}}]
)
def test_layers_that_are_wrong_are_told_as_ever(wrong, layered):
    with pytest.raises(UserError, match=r"datasets"):
        layered({"datasets": wrong})


@pytest.mark.parametrize("key", ["source", "labels"])
@pytest.mark.parametrize("exists", [False, True])
def test_a_file_that_runs_write_is_no_source(key, exists, config, tmp_path, monkeypatch):
    """It would not be there in the first run, and another in the second."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "results/toy/labels.csv"
    if exists:
        path.parent.mkdir(parents=True)
        path.write_text("cell,label\n")
    value = "./results/toy/labels.csv" if key == "source" else {"from": "csv", "path": str(path)}
    where = "source" if key == "source" else "labels.path"
    told = problem(changed(config, f"datasets.toy.{key}", value))
    assert told.startswith(f"datasets.toy.{where}: ")
    assert told.endswith("lies in results/, where runs write and remove; copy it elsewhere and give that path")
