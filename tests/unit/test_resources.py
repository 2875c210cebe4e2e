"""Requests of memory and time grow with the input and the attempt."""

import pytest

from scae.config.resources import growing


@pytest.mark.parametrize(
    ("options", "attempt", "expected"),
    [
        ({}, 1, 100),
        ({"per_mb": 2}, 1, 100 + 2 * 3),
        ({"per_mb": 2}, 2, 2 * (100 + 2 * 3)),
        ({"per_mb": 2, "of": "../other.h5ad"}, 1, 100 + 2 * 4),
        ({"per_mb": 2, "when": lambda wildcards: wildcards == "yes"}, 1, 100 + 2 * 3),
        ({"per_mb": 2, "when": lambda wildcards: wildcards == "no"}, 1, 100),
    ],
)
def test_a_request_is_linear_in_the_size_of_the_files_that_exist(options, attempt, expected, tmp_path):
    (tmp_path / "model").mkdir()
    for name, megabytes in (("model/one.csv", 1), ("model/two.csv", 2), ("other.h5ad", 4)):
        (tmp_path / name).write_bytes(bytes(megabytes * 2**20))
    files = [str(tmp_path / "model" / name) for name in ("one.csv", "two.csv", "not_yet.csv")]
    assert growing(100, **options)("yes", files, attempt) == expected
