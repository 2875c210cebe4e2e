"""An existing embedding (scVI, Harmony, Seurat, a foundation model …), scored with the other models.

It is read from ``obsm`` of the source or from a table. The workflow does not know whether it was computed with the cell
types.
"""

import logging

import numpy as np
import pandas as pd

from scae.errors import UserError

log = logging.getLogger(__name__)

ABOUT = {
    "title": "given embedding",
    "summary": "an embedding that was computed elsewhere, read from the data set or from a file",
    "reference": "",
    "doi": "",
}
CONFIG = {
    "key": {
        "type": ["string", "null"],
        "minLength": 1,
        "default": None,
        "description": "Entry of obsm of the source (an .h5ad, local or a URL, or a data set of scanpy)",
    },
    "path": {
        "type": ["string", "null"],
        "pattern": "[.](csv|tsv)([.]gz)?$",
        "default": None,
        "description": "Table, .csv or .tsv, also .gz: the cell, then two or more numeric columns; cells that quality "
        "control removed are ignored",
    },
    "half": {
        "type": ["object", "null"],
        "additionalProperties": False,
        "default": None,
        "off": None,
        "description": "The same embedding, computed from the training half of the molecules alone "
        "(`{dataset}.half1/expression.h5ad`): {key: …} or {path: …}. Without it the embedding has seen the held-out "
        "molecules, and is not scored by them",
        "properties": {
            "key": {"type": ["string", "null"], "minLength": 1, "default": None},
            "path": {"type": ["string", "null"], "pattern": "[.](csv|tsv)([.]gz)?$", "default": None},
        },
    },
}
DETERMINISTIC = True


def embed(expression, seed, key=None, path=None, table=None):
    """The embedding of the cells of the expression, (cells, dimensions) float32; the same for every seed.

    Args:
        expression: only its cell names matter.
        seed: ignored.
        key: name of ``table`` in obsm, for messages.
        path: path of a table to read; or
        table: the embedding, DataFrame with index cell.

    Raises:
        UserError: if the embedding lacks a cell, has fewer than two columns, or holds a value that is not finite.
    """
    place = path or f'obsm["{key}"]'
    table = from_table(path) if table is None else table
    if table.shape[1] < 2:
        raise UserError(
            f"{place}: has {table.shape[1]} numeric column{'' if table.shape[1] == 1 else 's'}; an embedding needs two "
            "or more (is the separator right?)"
        )
    if (twice := table.index.duplicated()).any():
        raise UserError(f"{place}: cell {table.index[twice][0]} occurs twice; remove one row")
    if (missing := ~np.isin(expression.cells, table.index)).any():
        raise UserError(
            f"{place}: cell {expression.cells[missing][0]} is missing ({missing.sum()} of {len(missing)} cells are "
            f"missing); the table names its cells like {table.index[0]}"
        )
    log.info("%s: uses %d of %d cells", place, len(expression.cells), len(table))
    points = table.loc[expression.cells].to_numpy(np.float64)
    if not np.isfinite(points).all():
        cell, column = np.argwhere(~np.isfinite(points))[0]
        raise UserError(
            f"{place}: cell {expression.cells[cell]}, column {table.columns[column]}: {points[cell, column]} is not a "
            "finite number"
        )
    return points.astype(np.float32)


def from_table(path):
    """Read an embedding from a table.

    Returns:
        pandas.DataFrame: numbers, index cell.

    Raises:
        UserError: if the file is not a table, is empty, or a column is not numeric.
    """
    try:
        table = pd.read_csv(
            path,
            sep="\t" if ".tsv" in path.rpartition("/")[2] else ",",
            index_col=0,
            dtype={0: str},
            float_precision="round_trip",
            keep_default_na=False,  # a cell may be called "NA"
            na_values=[""],
        )
    except Exception as error:  # a damaged file can make pandas raise anything
        message = " ".join(str(error).split())
        raise UserError(f"{path}: cannot be read as a table ({type(error).__name__}: {message})") from error
    if table.empty:
        raise UserError(
            f"{path}: holds {len(table)} cells and {table.shape[1]} numeric columns; an embedding needs two or more"
        )
    table.index = table.index.astype(str)
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            wrong = pd.to_numeric(column, errors="coerce").isna().argmax()
            raise UserError(
                f'{path}: cell {table.index[wrong]}, column {name}: "{column.iloc[wrong]}" is not a number; every '
                "column after the first must be numeric"
            )
    return table
