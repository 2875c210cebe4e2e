"""A job's note of what made its files, and how it is found again."""

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

INPUTS, PARAMS = ["b.h5ad", "a.csv"], [{"seed": 0}, "text", [1.5]]


@pytest.fixture
def note(tmp_path, caplog, monkeypatch):
    """Write files and their note as the log of a job, as old as wanted."""
    monkeypatch.chdir(tmp_path)

    def write(name, files, age_s=0):
        for file in files:
            (tmp_path / file).write_text(f"content of {file}")
        caplog.clear()
        with caplog.at_level(logging.INFO):
            record.note(SimpleNamespace(rule="train_model", input=INPUTS, output=files, params=PARAMS))
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"first line\n2026-01-01 00:00:00 INFO {caplog.messages[-1]}\n", encoding="utf-8")
        os.utime(path, (1e9 - age_s, 1e9 - age_s))

    return write


def test_each_file_is_found_with_what_made_it(note, tmp_path):
    note("train_model/toy.log", ["a.pt", "b, {c}.csv"])
    found = record.read(tmp_path)
    assert found.keys() == {"a.pt", "b, {c}.csv"}
    assert found["a.pt"] == {
        "content": {"bytes": 15, "sha256": hashlib.sha256(b"content of a.pt").hexdigest()},
        "rule": "train_model",
        "inputs": ["a.csv", "b.h5ad"],
        "params": ["'text'", "[1.5]", "{'seed': 0}"],
        "machine": record.machine(),
        "software": record.software(),
    }


def test_the_latest_of_two_notes_counts(note, tmp_path, monkeypatch):
    note("a/new.log", ["a.pt"])
    monkeypatch.setattr(np, "__version__", "0.1")
    note("b/old.log", ["a.pt"], age_s=10)
    assert record.read(tmp_path)["a.pt"]["software"]["numpy"] != "0.1"


def test_a_log_that_is_gone_when_it_is_read_is_passed_over(note, tmp_path):
    before = record.read(tmp_path)
    (tmp_path / "gone.log").symlink_to(tmp_path / "nowhere.log")
    assert record.read(tmp_path) == before


def test_log_of_a_job_that_did_not_finish_says_nothing(tmp_path):
    (tmp_path / "a.log").write_bytes(b"made with care\n\xff\xfe\n")
    assert record.read(tmp_path) == {}


def test_software_is_python_and_all_that_is_loaded_outside_its_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "without_version", ModuleType("without_version"))
    found = record.software()
    assert found["python"] == ".".join(map(str, sys.version_info[:3]))
    assert found["numpy"] == np.__version__
    assert found["anndata"] == anndata.__version__  # which does not carry it as a plain attribute
    assert not {"json", "logging", "without_version", "scae"} & found.keys()


def test_machine_names_system_and_processor():
    assert os.uname().machine in record.machine()
    assert record.machine().count(",") >= 1


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("content of", "is damaged (truncated)"),
        ("", "is damaged (truncated)"),
        ("content of b.pt", "is damaged, or was replaced or edited after its job wrote it"),
        ("content of a.pt and more", "is damaged, or was replaced or edited after its job wrote it"),
    ],
)
def test_a_file_that_is_not_what_its_job_wrote_is_refused(content, problem, note, tmp_path):
    note("train_model/toy.log", ["a.pt", "a.csv"])
    (tmp_path / "a.pt").write_text(content)
    record.refuse_damaged(["a.csv"], tmp_path)
    with pytest.raises(UserError) as caught:
        record.refuse_damaged(["a.csv", "a.pt"], tmp_path)
    assert str(caught.value) == f"a.pt: {problem}; delete it and run again"


def test_a_large_file_is_known_by_its_size(note, tmp_path, monkeypatch):
    monkeypatch.setattr(record, "HASHED_BYTES", 10)
    note("train_model/toy.log", ["a.pt"])
    (tmp_path / "a.pt").write_text("content of b.pt")
    record.refuse_damaged(["a.pt"], tmp_path)
    (tmp_path / "a.pt").write_text("content of a")
    with pytest.raises(UserError, match=r"a\.pt: is damaged \(truncated\)"):
        record.refuse_damaged(["a.pt"], tmp_path)


@pytest.mark.parametrize("log", ['made with {"files": {"a.pt": {"byt', 'made with {"files": ["a.pt"]}', "made with {}"])
def test_a_file_without_a_readable_note_is_taken_as_it_is(log, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.log").write_text(log)
    (tmp_path / "a.pt").write_text("content")
    record.refuse_damaged(["a.pt"], tmp_path)
