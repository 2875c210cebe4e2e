"""A local file is known by its content, a very large one by its size."""

import hashlib
import os

import pytest

from scae.data import source_files


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("cell,GENE\nA,1\n")
    return path


def test_content_is_the_sha256(file):
    assert source_files.content([file]) == [hashlib.sha256(file.read_bytes()).hexdigest()]


def test_an_old_time_hides_no_change(file):
    before = source_files.content([file])
    file.write_text("cell,GENE\nA,2\n")
    os.utime(file, (0, 0))
    assert source_files.content([file]) != before


def test_a_large_file_is_not_read(file, monkeypatch):
    monkeypatch.setattr(source_files, "HASHED_BYTES", 5)
    assert not source_files.is_hashed(file)
    assert source_files.content([file]) == [f"{file.stat().st_size} bytes"]
