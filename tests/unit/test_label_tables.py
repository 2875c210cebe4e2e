"""Files with labels as R, Excel and Python write them."""

import gzip

import pytest

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


def test_columns_can_be_named(tmp_path):
    text = "barcode,cluster,cell\nA,B,1\n"
    assert read(tmp_path, text, cell_column="barcode", label_column="cluster") == {"A": "B"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("barcode,celltype\nA,B\n", '"cell" but "barcode", "celltype"; name the right one in labels.cell_column'),
        ("cell,celltype\nA,B\n", '"label" but "cell", "celltype"; name the right one in labels.column'),
        ("cell,label\nA,B\nA,B\n", "cell A has two labels"),
        (b"\xff\xfec\x00", "text (UTF-8)"),
        (b"PK\x03\x04\x80 a spreadsheet", "text (UTF-8)"),
        (gzip.compress(b"cell,label\nA,B\n", mtime=0)[:-9], "text (UTF-8)"),
    ],
)
def test_what_cannot_be_used_says_why(text, says, tmp_path):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text)
    assert says in str(caught.value)
    assert "types.csv" in str(caught.value)
    assert "\n" not in str(caught.value)
