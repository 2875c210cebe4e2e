"""Files with the cell types, as spreadsheets, R and Python write them."""

import csv
import gzip
import io
import logging
from pathlib import Path

import pandas as pd

from scae.errors import UserError

log = logging.getLogger(__name__)

SEPARATORS = "\t,; "


def read(path, cell_column="cell", label_column="label"):
    """Labels by cell name, text as it stands in the file.

    The table has a header and columns separated by tabs, commas, semicolons or blanks; it may be gzipped. A first
    column without a name (R's row names) is the cells' where no other is.

    Returns:
        pandas.Series: text, index cell names; empty text where the field is empty.

    Raises:
        UserError: if it is no such table, lacks a column, or gives a cell twice.
    """
    table = _table(path)
    if cell_column not in table and "" in table and cell_column == "cell":
        log.info("%s: the first column has no name and is taken for the cells", path)
        table = table.rename(columns={"": cell_column})
    for key, column in (("cell_column", cell_column), ("column", label_column)):
        if column not in table:
            there = ", ".join(f'"{name}"' for name in table.columns)
            raise UserError(f'{path}: has no column "{column}" but {there}; name the right one in labels.{key}')
    twice = table[cell_column].duplicated()
    if twice.any():
        raise UserError(f"{path}: cell {table[cell_column][twice].iloc[0]} has two labels")
    return table.set_index(cell_column)[label_column]


def _table(path):
    content = Path(path).read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig")
        table = pd.read_csv(io.StringIO(text), sep=_separator(text), dtype=str, keep_default_na=False, na_filter=False)
    except (OSError, EOFError, ValueError) as error:  # of gzip; pandas' own kinds, and text that is not UTF-8
        raise UserError(
            f"{path}: is no table with the columns cell,label; give text (UTF-8) with a header, such as a .csv or .tsv"
        ) from error
    if not isinstance(table.index, pd.RangeIndex):  # R's header, one name short
        table = table.rename_axis("").reset_index()
    return table.rename(columns={"Unnamed: 0": ""})


def _separator(text):
    """The separator by which the first line and the next have as many fields; the next may have one more."""
    lines = text[: 1 << 16].splitlines()[:2]
    if len(lines) < 2:
        return ","
    for more in (0, 1):
        for separator in SEPARATORS:
            header, row = (len(next(csv.reader([line], delimiter=separator))) for line in lines)
            if row == header + more and row > 1:
                return separator
    return ","
