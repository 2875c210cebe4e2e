"""Tables of labels as written by R, spreadsheets and Python."""

import gzip

import pytest
from small_data import line_of

from scae.data import label_tables
from scae.errors import UserError


def read(folder, text, name="types.csv", **columns):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return label_tables.read(path, **columns).to_dict()


@pytest.mark.parametrize(
    "text",
    [
        'cell,label\nA-1,B cell\nA-2,"T, CD4"\n',
        "cell\tlabel\nA-1\tB cell\nA-2\tT, CD4\n",
        "cell;label\r\nA-1;B cell\r\nA-2;T, CD4\r\n",
        'label,n,cell\nB cell,1,A-1\n"T, CD4",2,A-2\n',
        '\ufeffcell,label\nA-1,B cell\nA-2,"T, CD4"\n',
        '"","label"\n"A-1","B cell"\n"A-2","T, CD4"\n',
        '"label" "n"\n"A-1" "B cell" 1\n"A-2" "T, CD4" 2\n',
        "label\nA-1\tB cell\nA-2\tT, CD4\n",
        gzip.compress(b'cell,label\nA-1,B cell\nA-2,"T, CD4"\n', mtime=0),
    ],
)
def test_tables_of_many_makers_give_the_same_labels(text, tmp_path):
    assert read(tmp_path, text) == {"A-1": "B cell", "A-2": "T, CD4"}


def test_columns_can_be_named_and_text_stays_text(tmp_path):
    text = "barcode,cluster,cell\n001,NA,1\n002,,2\n"
    assert read(tmp_path, text, cell_column="barcode", label_column="cluster") == {"001": "NA", "002": ""}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("barcode,celltype\nA,B\n", '"cell"; set labels.cell_column to one of "barcode", "celltype"'),
        ("cell,celltype\nA,B\n", '"label"; set labels.column to one of "cell", "celltype"'),
        ("cell,label\nA,B\nA,B\n", "cell A has two labels"),
        ("AAACCTGAGAAACCAT-1,B\nAAACCTGAGAAACCGC-1,T\n", "write the line cell,label above it"),
        ("", "text (UTF-8)"),
        ('cell,label\na,"B\n', "text (UTF-8)"),
        ("cell,label\nA,Ümlaut\n".encode("latin-1"), "text (UTF-8)"),
        (b"\xff\xfec\x00", "text (UTF-8)"),
        (b"PK\x03\x04\x80 a spreadsheet", "text (UTF-8)"),
        (gzip.compress(b"cell,label\nA,B\n", mtime=0)[:-9], "text (UTF-8)"),
    ],
)
def test_bad_tables_are_rejected(text, says, tmp_path):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert says in line_of(caught)
    assert "types.csv: " in line_of(caught)
