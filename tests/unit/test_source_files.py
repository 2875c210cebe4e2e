"""A local file is known by its content, a very large one by its size."""

import hashlib
import os

import pytest

from scae import sources


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "cells.csv"
    path.write_text("cell,GENE\nA,1\n")
    return path


def test_content_is_the_sha256(file):
    assert sources.content([file]) == [hashlib.sha256(file.read_bytes()).hexdigest()]


def test_an_old_time_hides_no_change(file):
    before = sources.content([file])
    file.write_text("cell,GENE\nA,2\n")
    os.utime(file, (0, 0))
    assert sources.content([file]) != before


def test_a_large_file_is_not_read(file, monkeypatch):
    monkeypatch.setattr(sources, "HASHED_BYTES", 5)
    assert not sources.is_hashed(file)
    assert sources.content([file]) == [f"{file.stat().st_size} bytes"]
