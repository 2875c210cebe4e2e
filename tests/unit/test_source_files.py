"""A local file is known by its content, a very large one by its size."""

import hashlib
import os

import pytest

from scae.sources import address


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("cell,GENE\nA,1\n")
    return path


def test_content_is_the_sha256(file):
    assert address.content([file]) == [hashlib.sha256(file.read_bytes()).hexdigest()]


def test_an_old_time_hides_no_change(file):
    before = address.content([file])
    file.write_text("cell,GENE\nA,2\n")
    os.utime(file, (0, 0))
    assert address.content([file]) != before


def test_of_a_large_file_with_braces_in_its_name_the_time_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(address, "HASHED_BYTES", 5)
    path = tmp_path / "{cells}.csv"
    path.write_text("cell,GENE\nA,1\n")
    before = address.content([path])
    os.utime(path, (0, 0))
    assert address.content([path]) != before


def test_a_large_file_is_not_read(file, monkeypatch):
    monkeypatch.setattr(address, "HASHED_BYTES", 5)
    assert not address.is_hashed(file)
    assert address.content([file]) == [f"{file.stat().st_size} bytes"]


def test_the_names_that_scanpy_may_be_asked_for_are_those_it_has():
    import scanpy

    assert set(address.SHIPPED_DATASETS) == set(scanpy.datasets.__all__) - {"ebi_expression_atlas"}


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("https://example.org/a.h5ad?token=secret#x", "https://example.org/a.h5ad"),
        ("https://me:secret@example.org/a.h5ad", "https://example.org/a.h5ad"),
        ("/home/me/a.h5ad", "a.h5ad"),
        ("data/a.h5ad", "data/a.h5ad"),
        ("scanpy:pbmc68k_reduced", "scanpy:pbmc68k_reduced"),
    ],
)
def test_a_page_shows_no_secret_and_no_folder_of_the_machine(source, shown):
    assert address.shown(source) == shown


@pytest.mark.parametrize(
    "url", ["https://", "http://[::1", "https://a b/c", "http://host:99999/x", "http://a..b/x", f"http://{'a' * 64}/x"]
)
def test_what_is_no_address_is_said(url):
    assert address.problem_of_url(url).startswith("is no address")


@pytest.mark.parametrize(
    "url", ["https://example.org/a.h5ad", "http://127.0.0.1:80/x?y=1", "http://[::1]:8080/x", "http://a./x"]
)
def test_an_address_has_no_problem(url):
    assert address.problem_of_url(url) is None


@pytest.mark.parametrize("url", ["https://me:secret@host/x", "https://me@host/x"])
def test_a_password_is_refused_and_not_repeated(url):
    assert "netrc" in address.problem_of_url(url)
    assert "secret" not in address.problem_of_url(url)


@pytest.mark.parametrize("other", ["matrix.mtx.bak", "barcodes.tsv~", "features.tsv.old", ".matrix.mtx.swp"])
def test_what_lies_beside_a_10x_matrix_is_not_watched(other, tmp_path):
    for name in ("matrix.mtx", "genes.tsv", "barcodes.tsv"):
        (tmp_path / name).write_text("")
    before = address.local_files(str(tmp_path))
    assert len(before) == 3
    (tmp_path / other).write_text("")
    assert address.local_files(str(tmp_path)) == before


def test_only_a_large_source_is_left_out_of_the_export_unless_the_config_says_so(file, monkeypatch):
    dataset = {"source": str(file), "export": "auto"}
    assert address.is_exported(dataset)
    monkeypatch.setattr(address, "EXPORTED_BYTES", 5)
    assert not address.is_exported(dataset)
    assert address.is_exported(dataset | {"export": True})
    assert address.is_exported({"source": "https://example.org/cells.h5ad", "export": "auto"})
    assert not address.is_exported({"source": "simulated", "export": False})
