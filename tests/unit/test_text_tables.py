"""Tables as spreadsheets, R and Python write them; anything else is rejected with its line or column."""

import gzip
import re

import pytest
from small_data import MATRIX, assert_matrix, fails, write

from scae.sources import reader, text_tables

CELLS = ["first", "second", "third"]
ROWS = ["1,0,2,0", "0,0,0,7", "3,4,0,0"]
COMMA = "\n".join(["cell,CD3D,LYZ,MS4A1,MT-CO1", *(f"{cell},{row}" for cell, row in zip(CELLS, ROWS, strict=True))])
TAB = COMMA.replace(",", "\t")
BY_GENE = "gene\tfirst\tsecond\tthird\nCD3D\t1\t0\t3\nLYZ\t0\t0\t4\nMS4A1\t2\t0\t0\nMT-CO1\t0\t7\t0\n"

GOOD = {
    "commas": COMMA,
    "tabs": TAB,
    "semicolons": COMMA.replace(",", ";"),
    "spaces": COMMA.replace(",", " "),
    "decimal commas": COMMA.replace(",", ";").replace("3;4", "3;4,0"),
    "comments": f"# made by a tool\n# on a day\n{COMMA}",
    "empty lines": COMMA.replace("\n", "\n\n") + "\n\n",
    "R's short header": TAB.replace("cell\t", ""),
    "R's quotes": COMMA.replace("first", '"first"').replace("cell", '""'),
    "no name of the first column": COMMA.replace("cell", ""),
    "Windows": COMMA.replace("\n", "\r\n"),
    "old Macs": COMMA.replace("\n", "\r"),
    "byte order mark": "\ufeff" + COMMA,
    "spaces around names": COMMA.replace("first", " first ").replace("LYZ", " LYZ "),
    "gzip": gzip.compress(TAB.encode()),
}


def table(folder, text, name="data.csv"):
    return write(folder / name, text if isinstance(text, bytes) else text.encode())


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize("name", ["data.csv", "download"])
def test_tables_from_many_tools(way, name, tmp_path):
    assert_matrix(reader.read(table(tmp_path, GOOD[way], name)), cells=CELLS)


def test_names_are_text_whatever_they_look_like(tmp_path):
    data = reader.read(table(tmp_path, "cell,1,2\n001,1,0\nNA,0,2\n"))
    assert_matrix(data, [[1, 0], [0, 2]], ["1", "2"], ["001", "NA"])


BARCODES = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "AAACCTGAGAAACCTA-1"]


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        (BY_GENE, 'its first column is named "gene"'),
        (BY_GENE.replace("gene", ""), "CD3D, a gene, is a row"),
        (
            re.sub("(CD|LY|MS|MT)", r"n\1", BY_GENE).replace("gene\tfirst\tsecond\tthird", "\t".join(["", *BARCODES])),
            f"{BARCODES[0]}, a cell, is a column",
        ),
    ],
)
def test_genes_in_rows_are_noticed(text, evidence, tmp_path):
    path = table(tmp_path, text)
    message = fails(path)
    assert f"seems to have genes in rows, since {evidence}" in message
    assert "genes_in_rows" in message
    found = reader.read(path, orientation="genes_in_rows")
    assert found.X.toarray().tolist() == MATRIX.tolist()
    assert reader.read(path, orientation="cells_in_rows").n_obs == 4


def test_annotation_among_the_genes_goes_to_obs(tmp_path):
    lines = zip(COMMA.split("\n"), ["cluster,n_counts,type", "0,3,B", "1,7,NK", "0,7,B"], strict=True)
    data = reader.read(table(tmp_path, "\n".join(f"{line},{more}" for line, more in lines)))
    assert_matrix(data, cells=CELLS)
    assert list(data.obs["cluster"]) == [0, 1, 0]
    assert list(data.obs["n_counts"]) == [3, 7, 7]
    assert list(data.obs["type"]) == ["B", "NK", "B"]


def with_second_row(row):
    return COMMA.replace("0,0,0,7", row)


BAD = {
    "a row too long": (with_second_row("0,0,0,7,9"), "line 3 has 6 fields, but the header has 5"),
    "a row too short": (with_second_row("0,0,0"), "line 3 has 4 fields, but the header has 5"),
    "all rows too long": ("cell,A,B\na,1,2,3\nb,1,2,3\n", "line 2 has 4 fields, but the header has 3"),
    "no header": ("first,1,0,2\nsecond,0,0,7\n", "has no header"),
    "no header and no first name": (",1,0,0\nsecond,0,0,7\n", "has no header"),
    "no cell names": ("A,B,C\n1,2,3\n4,5,6\n", 'its first column "A" holds numbers'),
    "NUL": (COMMA.replace("7", "7\x00"), "line 3 contains a NUL"),
    "Latin-1": (COMMA.replace("second", "größe").encode("latin-1"), "is not UTF-8"),
    "a line break in a cell": (COMMA.replace("second", '"se\rcond"'), "cell 2: its name"),
    "a line break in a gene": (COMMA.replace("LYZ", '"L\nYZ"'), "fields, but the header has 5"),
    "only names": ("cell\na\nb\n", "has only one column"),
    "only a header": ("cell,A,B\n", "has no rows"),
    "a gap": (with_second_row("0,,0,7"), "cell second, gene LYZ: nan is not a finite number"),
    "NA": (with_second_row("0,NA,0,7"), "cell second, gene LYZ: nan is not a finite number"),
    "infinite": (with_second_row("0,inf,0,7"), "cell second, gene LYZ: inf is not a finite number"),
    "negative": (with_second_row("0,-2,0,7"), "cell second, gene LYZ: -2.0 is negative"),
    "a typo": (with_second_row("0,l,0,7"), "cell second, gene LYZ: 'l' is not a number"),
    "a typo in the first row": (COMMA.replace("1,0,2,0", "1,l,2,0"), "cell first, gene LYZ: 'l' is not a number"),
    "duplicate cells": (COMMA.replace("second", "first"), "1 cells have the same name as another cell (first)"),
    "a cell without name": (COMMA.replace("second", ""), "cell 2 has no name"),
}


@pytest.mark.parametrize("way", BAD)
def test_bad_tables_are_one_line(way, tmp_path):
    text, says = BAD[way]
    assert says in fails(table(tmp_path, text))


def test_text_with_genes_in_rows_is_annotation_of_the_genes(tmp_path):
    text = "gene\ta\ttype\tLength\nA\t1\tx\t100\nB\t2\ty\t200\n"
    data = reader.read(table(tmp_path, text), orientation="genes_in_rows")
    assert_matrix(data, [[1, 2]], ["A", "B"], ["a"])
    assert data.var.to_dict("list") == {"type": ["x", "y"], "Length": [100, 200]}


def test_an_endless_line_is_not_read_into_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(text_tables, "LONGEST_LINE", 1000)
    assert "line 1 is longer than 1,000 characters" in fails(table(tmp_path, gzip.compress(b"0" * 1_000_000)))
