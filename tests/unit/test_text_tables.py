"""Tables as spreadsheets, R and Python write them; what is not a table of expression stops with its line or column."""

import gzip

import numpy as np
import pytest

from scae.errors import UserError
from scae.sources import reader

MATRIX = np.array([[1, 0, 2, 0], [0, 0, 0, 7], [3, 4, 0, 0]], dtype=np.float32)
GENES = ["CD3D", "LYZ", "MS4A1", "MT-CO1"]
CELLS = ["first", "second", "third"]
ROWS = ["1,0,2,0", "0,0,0,7", "3,4,0,0"]
COMMA = "\n".join(["cell,CD3D,LYZ,MS4A1,MT-CO1", *(f"{cell},{row}" for cell, row in zip(CELLS, ROWS, strict=True))])
TAB = COMMA.replace(",", "\t")
TRANSPOSED = "\n".join(
    [
        "gene\tfirst\tsecond\tthird",
        *("\t".join([gene, *map(str, row)]) for gene, row in zip(GENES, MATRIX.T, strict=True)),
    ]
)

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
    "no heading of the names": COMMA.replace("cell", ""),
    "line ends of Windows": COMMA.replace("\n", "\r\n"),
    "line ends of old Macs": COMMA.replace("\n", "\r"),
    "a byte order mark": "\ufeff" + COMMA,
    "blanks around names": COMMA.replace("first", " first ").replace("LYZ", " LYZ "),
}


def read(folder, text, name="data.csv", **reading):
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return reader.read(path, **reading)


def assert_is_the_matrix(data):
    assert list(data.obs_names) == CELLS
    assert list(data.var_names) == GENES
    np.testing.assert_array_equal(data.X.toarray(), MATRIX)


@pytest.mark.parametrize("way", GOOD)
@pytest.mark.parametrize("name", ["data.csv", "data.tsv", "data.txt", "download"])
def test_a_table(way, name, tmp_path):
    assert_is_the_matrix(read(tmp_path, GOOD[way], name))


def test_a_compressed_table(tmp_path):
    assert_is_the_matrix(read(tmp_path, gzip.compress(TAB.encode()), "data.txt.gz"))


def test_genes_in_rows(tmp_path):
    assert_is_the_matrix(read(tmp_path, TRANSPOSED, orientation="genes_in_rows"))


BARCODES = ["AAACCTGAGAAACCAT-1", "AAACCTGAGAAACCGC-1", "AAACCTGAGAAACCTA-1"]


@pytest.mark.parametrize(
    ("text", "evidence"),
    [
        (TRANSPOSED, 'its first column is called "gene"'),
        (TRANSPOSED.replace("gene", ""), "MT-CO1, a mitochondrial gene, is a row"),
        (f"\t{chr(9).join(BARCODES)}\nA\t1\t2\t3\nB\t0\t0\t4\n", f"{BARCODES[0]}, a barcode, is a column"),
    ],
)
def test_a_table_that_lies_the_other_way_round_is_noticed(text, evidence, tmp_path):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert f"seems to have genes in rows, since {evidence}; write orientation: genes_in_rows" in str(caught.value)
    assert read(tmp_path, text, orientation="genes_in_rows").n_obs == 3


def test_annotation_among_the_genes_goes_to_obs(tmp_path):
    lines = [
        f"{line},{more}"
        for line, more in zip(COMMA.split("\n"), ["cluster,n_counts", "0,3", "1,7", "0,7"], strict=True)
    ]
    data = read(tmp_path, "\n".join(lines))
    assert_is_the_matrix(data)
    assert list(data.obs["cluster"]) == [0, 1, 0]
    assert list(data.obs["n_counts"]) == [3, 7, 7]


BAD = {
    "a row too long": (COMMA.replace("0,0,0,7", "0,0,0,7,9"), "line 3 has 6 fields, but the header names 5"),
    "a row too short": (COMMA.replace("0,0,0,7", "0,0,0"), "line 3 has 4 fields, but the header names 5"),
    "all rows too long": ("cell,A,B\na,1,2,3\nb,1,2,3\n", "line 2 has 4 fields, but the header names 3"),
    "no header": ("first,1,0,2\nsecond,0,0,7\n", "has no header; write a first line with cell"),
    "no header and no name in front": (",1,0,0\nsecond,0,0,7\n", "has no header"),
    "no cells": ("A,B,C\n1,2,3\n4,5,6\n", 'its first column "A" holds numbers; add a column cell before it'),
    "NUL": (COMMA.replace("7", "7\x00"), "line 3 holds a NUL"),
    "Latin-1": (COMMA.replace("second", "größe").encode("latin-1"), "is not UTF-8"),
    "a line end in a name": (COMMA.replace("second", '"se\rcond"'), "cell number 2 has a control character"),
    "a line end in a gene": (COMMA.replace("LYZ", '"L\nYZ"'), "fields, but the header names 5"),
    "names alone": ("cell\na\nb\n", "has no column besides the names"),
    "no separator": ("one\ntwo\nthree\n", "has no column besides the names"),
    "a gap": (COMMA.replace("0,0,0,7", "0,,0,7"), "cell second, gene LYZ: nan is not a finite number"),
    "NA": (COMMA.replace("0,0,0,7", "0,NA,0,7"), "cell second, gene LYZ: nan is not a finite number"),
    "infinite": (COMMA.replace("0,0,0,7", "0,inf,0,7"), "cell second, gene LYZ: inf is not a finite number"),
    "negative": (COMMA.replace("0,0,0,7", "0,-2,0,7"), "cell second, gene LYZ: -2.0 is negative"),
    "a slip": (COMMA.replace("0,0,0,7", "0,l,0,7"), "cell second, gene LYZ: 'l' is no number; mend it"),
    "cells of one name": (COMMA.replace("second", "first"), "1 cells have the name of another one (first)"),
    "a cell without name": (COMMA.replace("second", ""), "cell number 2 has no name"),
    "text in a table of genes": (TRANSPOSED.replace("\t", "\tx\t", 5), "fields"),
}


@pytest.mark.parametrize("way", BAD)
def test_what_is_no_table_of_expression_is_one_line(way, tmp_path):
    text, says = BAD[way]
    with pytest.raises(UserError) as caught:
        read(tmp_path, text, orientation="genes_in_rows" if "genes" in way else "auto")
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_without_end_is_not_read_into_memory(tmp_path, monkeypatch):
    from scae.sources import text_tables

    monkeypatch.setattr(text_tables, "LONGEST_LINE", 1000)
    with pytest.raises(UserError, match="line 1 is longer than 1,000 characters"):
        read(tmp_path, gzip.compress(b"0" * 1_000_000))
