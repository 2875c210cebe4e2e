"""Tables of cell types as text, as written by spreadsheets, R and Python."""

import csv
import gzip
import io
import logging
from pathlib import Path

import pandas as pd

from scae.errors import UserError
from scae.sources import annotation

log = logging.getLogger(__name__)

SEPARATORS = "\t,; "


def read(path, cell_column="cell", label_column="label"):
    """Labels by cell name, as unchanged text.

    The table has a header and columns separated by tabs, commas, semicolons or spaces; it may be gzipped. If no column
    is named ``cell``, a first column without a name (R's row names) is used. Of several label columns the texts are
    joined by spaces, and a cell with an empty one has no label.

    Returns:
        pandas.Series: text, index: names of cells; empty text for empty fields.

    Raises:
        UserError: if it is not such a table, lacks a column, has it twice, or has a cell twice.
    """
    table, header = _table(path)
    if cell_column not in table and "" in table and cell_column == "cell":
        log.info("%s: the first column has no name and is used for the cells", path)
        table = table.rename(columns={"": cell_column})
    columns = [label_column] if isinstance(label_column, str) else list(label_column)
    for key, column in (("cell_column", cell_column), *(("column", column) for column in columns)):
        if column not in table:
            there = annotation.quoted(table.columns)
            raise UserError(f'{path}: has no column "{column}"; set labels.{key} to one of {there}')
        if header.count(column) > 1:  # pandas renames the second
            raise UserError(f'{path}: has {header.count(column)} columns "{column}"; rename or remove one')
    twice = table[cell_column].duplicated()
    if twice.any():
        raise UserError(f"{path}: cell {table[cell_column][twice].iloc[0]} has two labels; remove one")
    labels = table.set_index(cell_column)[columns]
    if len(columns) == 1:
        return labels[columns[0]]
    return labels.agg(" ".join, axis=1).where((labels != "").all(axis=1), "")


def _table(path):
    content = Path(path).read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
        separator = _separator(text)
        table = pd.read_csv(io.StringIO(text), sep=separator, dtype=str, keep_default_na=False, na_filter=False)
        header = next(csv.reader(io.StringIO(text), delimiter=separator))
    except (OSError, EOFError, ValueError) as error:  # of gzip, pandas and UTF-8
        raise UserError(
            f"{path}: is not a table of labels; give text (UTF-8) with a header and columns, such as a .csv or .tsv"
        ) from error
    if not isinstance(table.index, pd.RangeIndex):  # R's header lacks the first name
        table = table.rename_axis("").reset_index()
    return table.rename(columns={"Unnamed: 0": ""}), header


def _separator(text):
    """The separator that splits the first two lines into equally many fields, or the second into one more."""
    lines = text[: 1 << 16].splitlines()[:2]
    if len(lines) < 2:
        return ","
    for more in (0, 1):
        for separator in SEPARATORS:
            header, row = (len(next(csv.reader([line], delimiter=separator))) for line in lines)
            if row == header + more and row > 1:
                return separator
    return ","
