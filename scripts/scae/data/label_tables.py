"""Tables of cell types as text, as written by spreadsheets, R and Python."""

import csv
import gzip
import io
import itertools
import logging
from pathlib import Path

import pandas as pd

from scae.errors import UserError
from scae.sources import annotation, orientation

log = logging.getLogger(__name__)

SEPARATORS = "\t,; "


def read(path, cell_column="cell", label_column="label", sample_column=None, twice=False):
    """Labels by cell name, as unchanged text.

    The table has a header and columns separated by tabs, commas, semicolons or spaces; it may be gzipped. If no column
    is named ``cell``, a first column without a name (R's row names) is used. Lines that begin with # above the header
    are skipped. Of several label columns the texts are joined by spaces, and a cell with an empty one has no label.
    With ``sample_column``, cells are named ``<sample>_<cell>``. A cell may only be there ``twice`` if so.

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
    named = [
        ("cell_column", cell_column),
        *(("column", column) for column in columns),
        ("sample_column", sample_column),
    ]
    for key, column in named:
        if column is not None and column not in table:
            if cells := [name for name in table.columns if orientation.a_cell([name])]:
                raise UserError(f'{path}: has no header but "{cells[0]}"; write the line cell,label above it')
            there = annotation.quoted(table.columns)
            raise UserError(f'{path}: has no column "{column}"; set labels.{key} to one of {there}')
        if column is not None and header.count(column) > 1:  # pandas renames the second
            raise UserError(f'{path}: has {header.count(column)} columns "{column}"; rename or remove one')
    if sample_column is not None:
        table[cell_column] = table[sample_column] + "_" + table[cell_column]
    repeated = table[cell_column].duplicated()
    if repeated.any() and not twice:
        cell = table[cell_column][repeated].iloc[0]
        raise UserError(f"{path}: cell {cell} has two labels; remove one" + _offer(table, cell_column, sample_column))
    labels = table.set_index(cell_column)[columns]
    if len(columns) == 1:
        return labels[columns[0]]
    return labels.agg(" ".join, axis=1).where((labels != "").all(axis=1), "")


def columns_of(path):
    """Names of the columns of a table of labels."""
    return list(_table(path)[0].columns)


def _offer(table, cell_column, sample_column):
    """The columns that tell cells of the same name apart: that of their sample."""
    fitting = [
        column
        for column in table
        if sample_column is None
        and column != cell_column
        and table[column].nunique() < len(table) / 2
        and not table.duplicated([cell_column, column]).any()
    ]
    return f", or set labels.sample_column to {annotation.quoted(fitting)}" if fitting else ""


def _table(path):
    content = Path(path).read_bytes()
    try:
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        text = _without_comments(content.decode("utf-8-sig"))
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


def _without_comments(text):
    """The text from its header on: lines of comments, as BD Rhapsody writes, are only skipped above it."""
    lines = text.splitlines(keepends=True)
    return "".join(itertools.dropwhile(lambda line: line.startswith("#") and not _is_header(line), lines))


def _is_header(line):
    """Whether a line that begins with # is a header (#cell,label), not a comment."""
    return line.startswith("#") and not line.startswith(("##", "# ")) and any(mark in line for mark in "\t,;")


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
