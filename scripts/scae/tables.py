"""Reading and writing the CSV tables of the results contract."""

import pandas as pd

from scae import results
from scae.errors import UserError

HELD_OUT = "held_out_"  # prefix of a loss term over held-out cells
BEST_EPOCH = f"{HELD_OUT}best_epoch"  # the best epoch so far, with early stopping
UNSCORED = ""  # the label of an unlabelled cell, which is trained on, embedded and drawn, but not scored


def read(name, path):
    """Read a table of the results contract; text columns stay text, even "NA" and "007".

    Args:
        name: name of the table in `results.CONTRACT`.
        path: path of the file.

    Returns:
        pandas.DataFrame: numbers to the last digit; an empty number is NaN.
    """
    result = results.BY_NAME[name]
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(result.text_columns, str),
        keep_default_na=False,
        na_values={column: [""] for column in result.column_names if column not in result.text_columns},
        float_precision="round_trip",
    )


def write(table, path):
    """Write a table; the same table always gives the same bytes."""
    table.to_csv(path, index=False, lineterminator="\n")


def write_rows(rows, path):
    """Write a list of dicts with the same keys."""
    write(pd.DataFrame(rows), path)


def read_labels(path):
    """Labels by cell: Series of text, index ``cell``; `UNSCORED` for unlabelled cells."""
    return read("labels", path).set_index("cell")["label"]


def read_batches(path):
    """Batches by cell: Series of text, index ``cell``; `UNSCORED` for cells without one."""
    return read("batches", path).set_index("cell")["batch"]


def scored(labels):
    """The labels of labelled cells, which alone determine k and the scores."""
    return labels[labels != UNSCORED]


def read_points(path, cells=None):
    """Coordinates or cluster ids by cell: DataFrame with index ``cell``, in the order of ``cells`` if given.

    Raises:
        UserError: if the file has other cells.
    """
    table = read("latent", path).set_index("cell")
    if cells is None:
        return table
    if len(table) != len(cells) or not table.index.isin(cells).all():
        raise UserError(f"{path}: has other cells than the labels; delete it and run again")
    return table.loc[cells]


def write_points(points, names, cells, path):
    """Write (cells, dimensions) coordinates with the columns cell and ``names``."""
    table = pd.DataFrame(points, columns=list(names))
    table.insert(0, "cell", list(cells))
    write(table, path)
