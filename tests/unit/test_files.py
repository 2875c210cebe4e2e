"""Config files: an invalid one is one line with the file and the line; tests/unit/bad_inputs.yaml has more of them."""

import json

import pytest

from scae.config import files
from scae.errors import UserError


@pytest.mark.parametrize(
    ("content", "fragments"),
    [
        (b"training:\n  epochs: 3\n  batch_size: 8\n  epochs: 4\n", ['"epochs"', "lines 2 and 4"]),
        (b"a: 1\n---\nb: 2\n", ["line 2", "---"]),
        (b"a: 2024-13-45\n", ["quotes"]),
        (b"a:\n  b:\n    c: 1\n   d: {e: 1}\n", ["line 4", "indented differently"]),
        (b"[" * 5000, ["nested"]),
        (b"a: " + b"{a: " * 5000, ["nested"]),
        (b"pbmc3k\n", ["str"]),
        (None, ["does not exist", "{folder}"]),
    ],
)
def test_an_invalid_file_is_one_line(content, fragments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(UserError) as caught:
        files.read("mine.yaml")
    message = str(caught.value)
    assert message.startswith("config: mine.yaml: ")
    assert "\n" not in message
    for fragment in fragments:
        assert fragment.format(folder=tmp_path) in message


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("a: 1\nb: {a: 1}\nc: [{a: 1}, {a: 2}]\n", {"a": 1, "b": {"a": 1}, "c": [{"a": 1}, {"a": 2}]}),
        ("x: &x {a: 1}\ny: {<<: *x, b: 2}\n", {"x": {"a": 1}, "y": {"a": 1, "b": 2}}),
        ("\ufeffa: 1\n", {"a": 1}),
        (json.dumps({"a": {"b": 1}}, indent="\t"), {"a": {"b": 1}}),
    ],
)
def test_a_valid_file_is_read(text, content, tmp_path):
    (tmp_path / "mine.yaml").write_text(text, encoding="utf-8")
    assert files.read(tmp_path / "mine.yaml") == content


def test_all_files_of_a_command_are_checked(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config/config.yaml").write_text("a: 1\n")
    (tmp_path / "good.yaml").write_text("a: 1\n")
    (tmp_path / "bad.yaml").write_text("a: [1\n")
    files.check_all(["snakemake", "--configfile", str(tmp_path / "good.yaml")], tmp_path)
    with pytest.raises(SystemExit, match=r"bad\.yaml"):
        files.check_all(
            ["snakemake", "--configfile", str(tmp_path / "good.yaml"), str(tmp_path / "bad.yaml")], tmp_path
        )
    (tmp_path / "config/config.yaml").write_text("a: [1\n")
    with pytest.raises(SystemExit, match=r"config\.yaml"):
        files.check_all(["snakemake"], tmp_path)
