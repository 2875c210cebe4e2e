"""Promise: what a user can cause is one line, which no name from the data can turn into another."""

import h5py
import pytest
from workflow_project import copy_workflow, toy_cells

from scae import tables
from scae.data import label_tables
from scae.errors import UserError

HOSTILE = "\x1b]0;owned\x07\x1b[2J\nmade with {}\r\u202e\x9b1A"


def plain(text):
    return all(line.isprintable() for line in text.splitlines())


@pytest.mark.parametrize("target", ["check", "results/toy/counts.h5ad"])
def test_names_in_the_data_reach_neither_terminal_nor_log_raw(target, empty):
    """The name of a column that cannot be read, of a layer, and of a cell type."""
    cells = toy_cells()
    cells.layers[f"layer{HOSTILE}"] = cells.X.copy()
    cells.obs[f"column{HOSTILE}"] = range(cells.n_obs)
    cells.obs["cell_type"] = cells.obs["cell_type"].where(cells.obs["donor"] == "first", f"type{HOSTILE}")
    cells.write_h5ad(empty.path("toy.h5ad"))
    damage_column(empty.path("toy.h5ad"), f"column{HOSTILE}")
    done = empty.run(target, check=False)
    assert "column" in done.stdout
    assert plain(done.stdout)
    log = next(empty.path("results/logs").rglob("*.log")).read_text(encoding="utf-8")
    assert plain(log)


def damage_column(path, name):
    """Make a column of obs unreadable: its encoding is none that anndata knows."""
    with h5py.File(path, "a") as file:
        file["obs"][name].attrs["encoding-type"] = "unknown"


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        *[("results/toy", False), ("results/toy/dae", False), ("results/logs", False), ("results/benchmarks", False)],
        *[("results/toy/labels.csv", True), ("results/metrics.csv", True), ("results/toy/counts.h5ad", True)],
        *[("results/logs/fetch_counts", False), ("results/benchmarks/label_cells", False), (".snakemake", False)],
    ],
)
def test_a_file_for_a_folder_and_a_folder_for_a_file(path, folder, empty):
    empty.set("run.models", ["dae"])
    place = empty.path(path)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir() if folder else place.write_text("mine")
    done = empty.run("results/toy/counts.h5ad", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert any(path in line and "move" in line for line in done.stdout.splitlines()), done.stdout
    assert place.is_dir() if folder else place.read_text() == "mine"


@pytest.mark.parametrize(
    "key", ["datasets.toy.qc.mito_genes", "datasets.toy.gene_sets", "datasets.toy.labels.path", "models.dae.path"]
)
def test_a_folder_where_a_file_is_meant(key, empty):
    empty.path("folder.csv").mkdir()
    if key.startswith("models"):
        empty.set("models.dae", {"kind": "given"})
    elif "labels" in key:
        empty.set("datasets.toy.labels", {"from": "csv"})
    empty.set(key, "folder.csv")
    done = empty.snakemake("-n", check=False)
    assert any(f"config: {key}: " in line and "is a folder" in line for line in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("run: {seeds: [2020-01-01]}", "run.seeds.0: "),
        ("run: {datasets: [2020-01-01]}", "run.datasets.0: "),
        ("datasets: {toy: {source: 2020-01-01 10:00:00}}", "datasets.toy.source: "),
        ("tsne: {perplexity: 2020-01-01}", "tsne.perplexity: "),
        ("run: {models: !!set {dae}}", "run.models: "),
        ("run: {models: [!!binary aGVsbG8=]}", "run.models.0: "),
        ("pathvars: {results: 2020-01-01}", "esults"),
        ("pathvars: [results]", "athvars"),
        ("", "is empty"),
        ("# nothing", "is empty"),
        ("null", "is empty"),
        ('"\\e]0;x\\a": 1\n"\\e]0;x\\a": 2', "is given twice"),
    ],
)
def test_a_value_of_a_type_that_no_key_has(text, says, empty):
    empty.path("mine.yaml").write_text(text)
    empty.config, empty.configfiles = None, [empty.path("mine.yaml")]
    done = empty.snakemake("-n", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert [line for line in done.stdout.splitlines() if says in line], done.stdout
    assert plain(done.stdout)


@pytest.mark.parametrize("text", ["", "null", "[]", "run: [a, b"])
def test_a_default_config_that_is_none(text, empty, workflow):
    empty.workflow = copy_workflow(workflow, empty.path("clone"))
    (empty.workflow / "config/config.yaml").write_text(text)
    empty.config = None
    done = empty.snakemake("-n", check=False)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    assert any("config/config.yaml: " in line for line in done.stdout.splitlines()), done.stdout


@pytest.mark.parametrize(
    "text", ["cell,label,label\nA,x,y\n", "cell\tlabel\tcell\nA\tx\tA\n", 'cell;"label";label\nA;x;y\n']
)
def test_a_label_table_with_two_columns_of_one_name(text, tmp_path):
    (tmp_path / "types.csv").write_text(text)
    with pytest.raises(UserError, match=r'has 2 columns "(label|cell)"; rename or remove one'):
        label_tables.read(tmp_path / "types.csv")


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1"])
def test_names_are_written_as_they_are_in_the_data(name, tmp_path):
    """A prefix against spreadsheets would be another cell; docs/faq.md says how to open the tables there."""
    tables.write_points([[1.0]], ["z1"], [name], tmp_path / "latent.csv")
    assert list(tables.read_points(tmp_path / "latent.csv").index) == [name]
