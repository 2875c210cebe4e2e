"""Provenance in the logs: what made a file, and whether it is unchanged."""

import hashlib
import logging
import os
import sys
from types import ModuleType, SimpleNamespace

import anndata
import numpy as np
import pytest

from scae.errors import UserError
from scae.jobs import record

KEY = "0123456789abcdef"
FIRST = f"key of the records: {KEY}\n"


@pytest.fixture
def note(tmp_path, caplog, monkeypatch):
    """Function: write files, and their record as the log of a job of some age."""
    monkeypatch.chdir(tmp_path)

    def write(name, files, age_s=0):
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(f"content of {file}")
        caplog.clear()
        with caplog.at_level(logging.INFO):
            params, inputs = [{"seed": 0}, "text", [1.5]], ["b.h5ad", "a.csv"]
            record.note(SimpleNamespace(rule="train_model", input=inputs, output=files, params=params), KEY)
        path = tmp_path / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{FIRST}2026-01-01 00:00:00 INFO {caplog.messages[-1]}\n", encoding="utf-8")
        os.utime(path, (1e9 - age_s, 1e9 - age_s))

    return write


def test_each_file_has_its_record(note):
    note("train_model/toy.log", ["a.pt", "b, {c}.csv"])
    found = record.read("logs")
    assert found.keys() == {"a.pt", "b, {c}.csv"}
    assert found["a.pt"] == {
        "content": {"bytes": 15, "sha256": hashlib.sha256(b"content of a.pt").hexdigest()},
        "rule": "train_model",
        "inputs": ["a.csv", "b.h5ad"],
        "params": ["'text'", "[1.5]", "{'seed': 0}"],
        "machine": record.machine(),
        "software": record.software(),
    }


def test_the_latest_record_counts(note, monkeypatch):
    note("a/new.log", ["a.pt"])
    monkeypatch.setattr(np, "__version__", "0.1")
    note("b/old.log", ["a.pt"], age_s=10)
    assert record.read("logs")["a.pt"]["software"]["numpy"] != "0.1"


def test_the_record_that_describes_a_file_counts_and_not_the_latest(note, tmp_path):
    note("a/old.log", ["a.pt", "b.pt"], age_s=10)
    (tmp_path / "a.pt").write_text("other")
    old = {"a.pt": record._content("a.pt"), "b.pt": record._content("b.pt")}
    text = (tmp_path / "logs/a/old.log").read_text()
    note("b/new.log", ["a.pt", "b.pt"])
    (tmp_path / "a.pt").write_text("other")
    found = record.made_as_they_are({"a.pt", "b.pt"}, "logs")
    assert found.keys() == {"b.pt"}
    assert found["b.pt"]["content"] == old["b.pt"]
    (tmp_path / "logs/a/old.log").write_text(text.replace(record._content("b.pt")["sha256"], "0" * 64))
    assert record.made_as_they_are({"b.pt"}, "logs").keys() == {"b.pt"}


def test_files_are_followed_to_those_they_were_made_from():
    records = {"c": {"inputs": ["b", "x"]}, "b": {"inputs": ["a"]}, "stale": {"inputs": ["a"]}, "a": {"inputs": ["a"]}}
    assert record.below(["c"], records) == {"a", "b", "c", "x"}


@pytest.mark.parametrize(
    ("log", "file"),
    [
        ("summarize_scores/all.log", "results/metrics.csv"),
        ("label_cells/toy.log", "results/toy/labels.csv"),
        ("label_cells/toy/gates.log", "results/toy/labels/gates.csv"),
        ("train_model/toy/dae/seed0.log", "results/toy/dae/seed0/model.pt"),
        ("diagnose_latents/toy/dae.log", "results/toy/dae/seed0/health.csv"),
        ("plot_sweep/toy/beta.log", "results/figures/toy/sweeps/beta.svg"),
    ],
)
def test_only_logs_of_jobs_that_may_have_made_a_file_are_read(log, file, note):
    note(log, [file])
    note("train_model/other/pca/seed7.log", ["results/other.csv"])
    assert record.read("logs", [file]).keys() == {file}


def test_logs_that_are_removed_cut_short_or_in_another_form_are_skipped(note):
    note("rule/toy.log", ["a.pt"])
    os.symlink("nowhere.log", "logs/gone.log")
    for number, content in enumerate(
        [
            f"{FIRST}made with care\n\udcff\udcfe\n",
            f'{FIRST}made with {KEY} {{"files": {{"a.pt": {{"byt',
            'made with {"files": {"b.pt": {}}}',  # of early versions, or a message
            f'{FIRST}made with {{"files": {{"b.pt": {{}}}}}}',
            f'made with {KEY} {{"files": {{"b.pt": {{}}}}}}\n{FIRST}',
            f'{FIRST.replace("0", "1")}made with {KEY} {{"files": {{"b.pt": {{}}}}}}',
        ]
    ):
        with open(f"logs/{number}.log", "wb") as file:
            file.write(content.encode(errors="surrogateescape"))
    assert record.read("logs").keys() == {"a.pt"}
    os.remove("logs/rule/toy.log")
    record.refuse_damaged(["a.pt"], "logs")  # a file without a record passes


def test_software_is_python_and_all_loaded_packages_outside_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "without_version", ModuleType("without_version"))
    found = record.software()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert found["anndata"] == anndata.__version__  # not a plain attribute of the module
    assert not {"json", "logging", "without_version", "scae"} & found.keys()


def test_machine_names_system_and_processor():
    assert os.uname().machine in record.machine()
    assert record.machine().count(",") >= 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("content of", "truncated"),
        ("", "truncated"),
        ("content of b.pt", "replaced or edited"),
        ("content of a.pt and more", "replaced or edited"),
    ],
)
def test_a_file_that_has_changed_since_its_job_is_refused(content, problem, note, tmp_path):
    note("train_model/all.log", ["a.pt", "a.csv"])
    (tmp_path / "a.pt").write_text(content)
    record.refuse_damaged(["a.csv"], "logs")
    with pytest.raises(UserError, match=rf"^a\.pt: .*{problem}.*; delete it and run again$"):
        record.refuse_damaged(["a.csv", "a.pt"], "logs")


def test_a_job_compares_a_large_file_by_size_and_a_restored_record_all_of_it(note, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "HASHED_BYTES", 10)
    note("train_model/all.log", ["a.pt"])
    assert record.made_as_they_are({"a.pt"}, "logs").keys() == {"a.pt"}
    (tmp_path / "a.pt").write_text("content of b.pt")
    record.refuse_damaged(["a.pt"], "logs")
    assert record.made_as_they_are({"a.pt"}, "logs") == {}
    (tmp_path / "a.pt").write_text("content of a")
    with pytest.raises(UserError, match="truncated"):
        record.refuse_damaged(["a.pt"], "logs")
