"""The manifest: digests that sha256sum can check, the software that made the files, and the comparison of two."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from places import ROOT

from scae.errors import UserError
from scae.report import manifest

ORIGIN = {"machine": "Linux x86_64, A", "software": {"python": "3.11.2", "torch": "2.13.0"}}
OTHER = {"machine": "Linux x86_64, B", "software": {"python": "3.11.2", "torch": "2.12.0"}}
FILES = ["model.pt", "latent.csv"]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in FILES:
        Path(name).write_text(name)


def written(files=FILES, origins=None, path="MANIFEST.sha256"):
    manifest.write(files, dict.fromkeys(files, ORIGIN) if origins is None else origins, path)
    return path


def made(origins):
    return manifest.read(written(origins=origins))[1]


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_sha256sum_reads_it():
    check = ["sha256sum", "--check", "--strict", written()]
    assert subprocess.run(check, check=True, capture_output=True, text=True).stdout.count(": OK") == 2
    Path("model.pt").write_text("another")
    assert subprocess.run(check, capture_output=True, check=False).returncode


def test_software_and_machine_are_given_once_or_with_the_files_that_differ():
    assert made(None) == ["machine: Linux x86_64, A", "software: python 3.11.2, torch 2.13.0"]
    origins = {"model.pt": ORIGIN, "latent.csv": OTHER}
    assert made(origins) == [
        "software: python 3.11.2",
        "mixed: torch 2.12.0 made latent.csv",
        "mixed: torch 2.13.0 made model.pt",
        "mixed: machine Linux x86_64, B made latent.csv",
        "mixed: machine Linux x86_64, A made model.pt",
    ]
    assert manifest.mixed(FILES, origins)["torch"] == {"2.13.0": ["model.pt"], "2.12.0": ["latent.csv"]}
    assert "latent.csv" in made({"model.pt": ORIGIN})[-1]  # without a log


def test_equal_files_are_the_same_in_any_order_and_whatever_made_them():
    other = written(FILES[::-1], dict.fromkeys(FILES, OTHER), "two")
    assert manifest.differences(written(path="one"), other) == []


def test_differences_are_listed_with_possible_reasons():
    first = written(path="one")
    Path("model.pt").write_text("another")
    Path("new.csv").write_text("new")
    origin = ORIGIN | {"machine": "Linux x86_64, B"}
    second = written(["model.pt", "new.csv"], dict.fromkeys(["model.pt", "new.csv"], origin), "two")
    found = manifest.differences(first, second)
    assert found[:3] == ["only in one: latent.csv", "only in two: new.csv", "differs: model.pt"]
    assert [line.partition("machine: ")[2] for line in found[3:]] == ["Linux x86_64, A", "Linux x86_64, B"]


@pytest.mark.parametrize("content", [b"", b"0123  results/a.csv\n", b"\xff\xfe"])
def test_another_file_is_refused(content):
    Path("file").write_bytes(content)
    with pytest.raises(UserError, match="file: "):
        manifest.read("file")


def test_verify_reports_by_its_exit_status():
    def verify(*paths):
        command = [sys.executable, ROOT / "tools" / "verify.py", *paths]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    first = written(path="one")
    assert verify(first, first).returncode == 0
    Path("model.pt").write_text("another")
    found = verify(first, written(path="two"))
    assert (found.returncode, found.stderr) == (1, "differs: model.pt\n")
    assert verify(first, "missing").returncode == 1
    assert "usage" in verify(first).stderr
