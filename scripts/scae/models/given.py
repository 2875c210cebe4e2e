"""An embedding that is there already: scVI's, Harmony's, Seurat's, a foundation model's …, scored beside the others.

It comes from ``obsm`` of the data set's source or from a table. Nothing here knows how it was made, nor whether that
saw the cell types.
"""

import logging

import numpy as np
import pandas as pd

from scae.errors import UserError

log = logging.getLogger(__name__)

ABOUT = {
    "title": "given embedding",
    "summary": "an embedding that came with the data or from a file, as it was made elsewhere",
    "reference": "",
    "doi": "",
}
CONFIG = {
    "key": {
        "type": ["string", "null"],
        "minLength": 1,
        "default": None,
        "description": "Entry of obsm of the data set's source (an .h5ad, local or a URL, or a data set of scanpy)",
    },
    "path": {
        "type": ["string", "null"],
        "pattern": "[.](csv|tsv)([.]gz)?$",
        "default": None,
        "description": "Table, .csv or .tsv, also .gz: first the cell, then two or more columns of numbers; cells "
        "that quality control drops may stand in it, and are dropped",
    },
}
DETERMINISTIC = True


def embed(expression, seed, key=None, path=None, table=None):
    """The embedding of the cells of the expression, (cells, dimensions) float32; the same for every seed.

    Args:
        expression: of which only the names of the cells matter.
        seed: does not matter.
        key: what ``table`` is called in obsm.
        path: of a table to read; or
        table: the embedding, DataFrame with index cell.

    Raises:
        UserError: if the embedding lacks a cell, or holds what is no number.
    """
    place = path or f'obsm["{key}"]'
    table = from_table(path) if table is None else table
    if table.shape[1] < 2:
        raise UserError(
            f"{place}: holds {table.shape[1]} column{'' if table.shape[1] == 1 else 's'} of numbers for each cell; "
            "an embedding has two or more (one is a label, a score, or a table with another separator)"
        )
    if (twice := table.index.duplicated()).any():
        raise UserError(f"{place}: cell {table.index[twice][0]} stands twice")
    if (missing := ~np.isin(expression.cells, table.index)).any():
        raise UserError(
            f"{place}: cell {expression.cells[missing][0]} is missing ({missing.sum()} of {len(missing)} cells are); "
            f"its own cells have names such as {table.index[0]}"
        )
    log.info("%s: %d of its %d cells are in the expression", place, len(expression.cells), len(table))
    points = table.loc[expression.cells].to_numpy(np.float64)
    if not np.isfinite(points).all():
        cell, column = np.argwhere(~np.isfinite(points))[0]
        raise UserError(
            f"{place}: cell {expression.cells[cell]}, column {table.columns[column]}: {points[cell, column]} is no "
            "finite number"
        )
    return points.astype(np.float32)


def from_table(path):
    """An embedding from a table: DataFrame of numbers, index cell."""
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
    except Exception as error:  # whatever a damaged file makes pandas raise
        raise UserError(f"{path}: cannot be read as a table ({type(error).__name__}: {_line(error)})") from error
    if table.empty:
        raise UserError(f"{path}: holds {len(table)} cells with {table.shape[1]} columns of numbers each")
    table.index = table.index.astype(str)
    for name, column in table.items():
        if not pd.api.types.is_numeric_dtype(column):
            wrong = pd.to_numeric(column, errors="coerce").isna().argmax()
            raise UserError(
                f'{path}: cell {table.index[wrong]}, column {name}: "{column.iloc[wrong]}" is no number; all columns '
                "after the first must be"
            )
    return table


def _line(error):
    return " ".join(str(error).split())
