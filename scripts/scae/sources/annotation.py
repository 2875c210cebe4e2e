"""Names and annotation of cells and genes as plain text, categories and numbers, whatever their types in a file."""

import logging
import re

import numpy as np
import pandas as pd

from scae.errors import UserError

log = logging.getLogger(__name__)

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # would break a table or a terminal
RESERVED = {"_index": "index_"}  # of .h5ad


def plain(frame):
    """Annotation with text names as index and columns of numbers, booleans or categories of text.

    Missing values stay missing; lists, dates and all other types become text. Of columns with the same name the first
    is kept.
    """
    columns = {}
    for position, name in enumerate(map(str, frame.columns)):
        name = RESERVED.get(name, name)
        if name in columns:
            log.warning('there are several columns "%s"; the first is kept', name)
        else:
            columns[name] = _plain_column(frame.iloc[:, position])
    kept = isinstance(frame.index.name, str) and frame.index.name not in {*columns, *RESERVED}  # as .h5ad requires
    return pd.DataFrame(
        columns, index=pd.Index(text(frame.index), dtype=object, name=frame.index.name if kept else None)
    )


def text(names):
    """Names as text; missing ones are empty."""
    return ["" if name is None or name is pd.NA or name != name else _as_text(name) for name in list(names)]


def _as_text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _plain_column(column):
    if isinstance(column.dtype, pd.CategoricalDtype):
        if column.cat.categories.dtype.kind != "O" or not column.cat.categories.map(type).isin([str]).all():
            column = column.astype(object)
        else:
            return column.array
    if pd.api.types.is_bool_dtype(column) and not column.isna().any():
        return column.to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(column) and column.dtype.kind != "c":
        return column.to_numpy(dtype=float, na_value=np.nan) if column.isna().any() else column.to_numpy()
    missing = column.isna().to_numpy()
    values = np.array(["" if gone else _as_text(value) for value, gone in zip(column, missing, strict=True)], object)
    categories = sorted(set(values[~missing]))
    codes = pd.Index(categories, dtype=object).get_indexer(values)
    codes[missing] = -1
    return pd.Categorical.from_codes(codes, categories=pd.Index(categories, dtype=object))


def check_cells(names):
    """Reject cell names that are empty, duplicated or contain control characters.

    Raises:
        UserError: naming three of the cells.
    """
    names = pd.Index(names)
    _check_text(names, "cell")
    if names.duplicated().any():
        some = ", ".join(names[names.duplicated()].unique()[:3])
        raise UserError(
            f"{names.duplicated().sum()} cells have the same name as another cell ({some}); make the names unique, or "
            "give each sample as its own file (source: {name: path, …})"
        )


def check_column(obs, column, key="labels.column"):
    """Reject data without the column of obs that a config key names.

    Raises:
        UserError: with the columns that exist.
    """
    if column not in obs:
        raise UserError(f'{key}: the data have no column "{column}"; columns of obs: {quoted(sorted(obs.columns))}')


def quoted(names):
    """Names in quotation marks, for a message."""
    return ", ".join(f'"{name}"' for name in names) or "none"


def check_genes(genes):
    """Reject genes without names: empty ones, or row numbers if no column of the annotation holds text."""
    names = genes.index
    _check_text(names, "gene")
    by_text = any(isinstance(genes[column].dtype, pd.CategoricalDtype) for column in genes)
    if are_rows(names) and not by_text:  # else a column may name them (genes.names)
        raise UserError("its gene names are 0, 1, 2, …; write the names into the file (var_names)")


def are_rows(names):
    """Whether names are just row numbers."""
    return len(names) > 1 and list(names) == [str(number) for number in range(len(names))]


def _check_text(names, kind):
    for number, name in enumerate(names):
        if not name:
            raise UserError(f"{kind} {number + 1} has no name; give it one")
        if CONTROL.search(name):
            raise UserError(f"{kind} {number + 1}: its name {name[:40]!r} contains a control character; rename it")
