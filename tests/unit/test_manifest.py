"""The manifest: what sha256sum can check, what it says on origins, and how two are compared."""

import copy
import shutil
import subprocess
import sys

import pytest
from places import ROOT

from scae.errors import UserError
from scae.report import manifest

ORIGIN = {"machine": "Linux x86_64, A", "software": {"python": "3.11.2", "torch": "2.13.0"}}


@pytest.fixture
def results(tmp_path, monkeypatch):
    """Two files in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("model.pt", "latent.csv"):
        (tmp_path / name).write_text(name)
    return ["model.pt", "latent.csv"]


def written(files, origins=None, path="MANIFEST.sha256"):
    manifest.write(files, dict.fromkeys(files, ORIGIN) if origins is None else origins, path)
    return path


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="sha256sum is not installed")
def test_sha256sum_reads_it(results, tmp_path):
    path = written(results)
    check = ["sha256sum", "--check", "--strict", path]
    assert subprocess.run(check, check=True, capture_output=True, text=True).stdout.count(": OK") == 2
    (tmp_path / "model.pt").write_text("another")
    assert subprocess.run(check, capture_output=True, check=False).returncode


def test_the_order_of_the_files_does_not_matter(results):
    first = written(results, path="one")
    second = written(results[::-1], path="two")
    assert manifest.read(first) == manifest.read(second)


def test_what_made_all_files_stands_once(results):
    _, made = manifest.read(written(results))
    assert made == ["machine: Linux x86_64, A", "software: python 3.11.2, torch 2.13.0"]


def test_what_was_mixed_stands_with_its_files(results):
    other = copy.deepcopy(ORIGIN)
    other["software"]["torch"] = "2.12.0"
    other["machine"] = "Linux x86_64, B"
    origins = {"model.pt": ORIGIN, "latent.csv": other}
    _, made = manifest.read(written(results, origins))
    assert made == [
        "software: python 3.11.2",
        "mixed: torch 2.12.0 made latent.csv",
        "mixed: torch 2.13.0 made model.pt",
        "mixed: machine Linux x86_64, B made latent.csv",
        "mixed: machine Linux x86_64, A made model.pt",
    ]
    assert manifest.mixed(results, origins)["torch"] == {"2.13.0": ["model.pt"], "2.12.0": ["latent.csv"]}


def test_a_file_whose_log_is_gone_is_named(results):
    _, made = manifest.read(written(results, {"model.pt": ORIGIN}))
    assert made[-1] == "unknown, since their logs are gone: latent.csv"


def test_manifests_of_the_same_bytes_do_not_differ_whatever_made_them(results):
    other = {"machine": "another", "software": {"python": "3.12.0"}}
    assert (
        manifest.differences(written(results, path="one"), written(results, dict.fromkeys(results, other), "two")) == []
    )


def test_differences_are_named_with_what_may_explain_them(results, tmp_path):
    first = written(results, path="one")
    (tmp_path / "model.pt").write_text("another")
    (tmp_path / "new.csv").write_text("new")
    other = {"machine": "Linux x86_64, B", "software": ORIGIN["software"]}
    second = written(["model.pt", "new.csv"], dict.fromkeys(["model.pt", "new.csv"], other), "two")
    assert manifest.differences(first, second) == [
        "only in one: latent.csv",
        "only in two: new.csv",
        "differs: model.pt",
        "one alone says machine: Linux x86_64, A",
        "two alone says machine: Linux x86_64, B",
    ]


@pytest.mark.parametrize("content", [b"", b"0123  results/a.csv\n", b"\xff\xfe"])
def test_what_is_no_manifest_is_refused(content, tmp_path):
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(UserError, match="file: "):
        manifest.read(tmp_path / "file")


def test_verify_tells_by_its_exit_status(results, tmp_path):
    def verify(*paths):
        return subprocess.run(
            [sys.executable, ROOT / "tools" / "verify.py", *paths], capture_output=True, text=True, check=False
        )

    first = written(results, path="one")
    assert verify(first, first).stdout == "the same 2 files\n"
    (tmp_path / "model.pt").write_text("another")
    found = verify(first, written(results, path="two"))
    assert (found.returncode, found.stderr) == (1, "differs: model.pt\n")
    assert verify(first, "missing").returncode == 1
    assert "usage" in verify(first).stderr
