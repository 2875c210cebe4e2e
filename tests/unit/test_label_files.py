"""Labels from a URL and from one file per sample, as R writes them."""

import gzip
import hashlib

import pytest
from server import serving
from small_data import line_of

from scae.data import label_files
from scae.errors import UserError

DEFAULTS = {"cell_column": "cell", "cell_names": {}, "column": "label", "sha256": None}
R_TABLE = '"line","class","n"\n"A1","H838","SNG",1\n"A2","H838","DBL",2\n"A3","","SNG",1\n'  # its header is one short


def table(folder, text=R_TABLE, name="types.csv.gz"):
    """(path, SHA-256) of a gzipped table."""
    content = gzip.compress(text.encode(), mtime=0)
    (folder / name).write_bytes(content)
    return str(folder / name), hashlib.sha256(content).hexdigest()


def fetch(folder, **settings):
    found = label_files.fetch(DEFAULTS | settings, folder / "download")
    assert list(found) == ["cell", "label"]
    return found.set_index("cell")["label"].to_dict()


def test_values_of_several_columns_are_joined(tmp_path):
    path, digest = table(tmp_path)
    expected = {"A1": "H838 SNG", "A2": "H838 DBL", "A3": ""}  # without a line, A3 has no label
    assert fetch(tmp_path, path=path, column=["line", "class"], sha256=digest) == expected


def test_cells_of_a_file_per_sample_are_named_as_in_the_data(tmp_path):
    first, digest = table(tmp_path)
    second, _ = table(tmp_path, "cell\tline\nx-A1\tA549\n", "other.tsv.gz")
    paths = {"plate2": second, "plate1": first}
    found = fetch(tmp_path, path=paths, column="line", sha256={"plate1": digest}, cell_names={"drop_prefix": "x-"})
    assert found == {"plate1_A1": "H838", "plate1_A2": "H838", "plate1_A3": "", "plate2_A1": "A549"}


@pytest.mark.parametrize("per_sample", [False, True])
def test_another_file_is_rejected(per_sample, tmp_path):
    path, digest = table(tmp_path)
    wrong = {"path": {"one": path}, "sha256": {"one": "0" * 64}} if per_sample else {"path": path, "sha256": "0" * 64}
    with pytest.raises(UserError) as caught:
        fetch(tmp_path, column="line", **wrong)
    assert line_of(caught).startswith(f"{path}: SHA-256 is {digest}, expected 000")


def test_a_url_is_downloaded_and_checked(tmp_path):
    text = "cell,label\nA1,B cell\n"
    answer = {"headers": {"Content-Length": len(text)}, "text": text}
    with serving([answer]) as server:
        path = server.url("/types.csv")
        assert fetch(tmp_path, path=path, sha256=hashlib.sha256(text.encode()).hexdigest()) == {"A1": "B cell"}
        with pytest.raises(UserError) as caught:
            fetch(tmp_path, path=path, sha256="0" * 64)
    assert "expected 000" in line_of(caught)
