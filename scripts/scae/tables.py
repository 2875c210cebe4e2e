"""Reading and writing the CSV tables of the results contract."""

import pandas as pd

from scae import results
from scae.errors import UserError

HELD_OUT = "held_out_"  # before the name of a term of the loss, of cells that were not trained on
BEST_EPOCH = f"{HELD_OUT}best_epoch"  # the best epoch so far, where training may end early
UNSCORED = ""  # the label of a cell without one: it is trained, embedded and drawn


def read(name, path):
    """Read a table of the results contract; text stays text whatever it looks like ("NA", "007").

    Args:
        name: of the table in `results.CONTRACT`.
        path: of the file.
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
    """Labels by cell: Series of text, index ``cell``; `UNSCORED` where a cell has none."""
    return read("labels", path).set_index("cell")["label"]


def read_batches(path):
    """Batches by cell: Series of text, index ``cell``; `UNSCORED` where a cell has none."""
    return read("batches", path).set_index("cell")["batch"]


def scored(labels):
    """The labels of the cells that have one: all that k and scores are about. Decided here and nowhere else."""
    return labels[labels != UNSCORED]


def read_points(path, cells=None):
    """Coordinates or cluster ids by cell: DataFrame with index ``cell``, in the order of ``cells`` if given.

    Raises:
        UserError: if the file is not about these cells.
    """
    table = read("latent", path).set_index("cell")
    if cells is None:
        return table
    if len(table) != len(cells) or not table.index.isin(cells).all():
        raise UserError(f"{path}: is about other cells than the labels; delete it and run again")
    return table.loc[cells]


def write_points(points, names, cells, path):
    """Write (cells, dimensions) coordinates with the columns cell and ``names``."""
    table = pd.DataFrame(points, columns=list(names))
    table.insert(0, "cell", list(cells))
    write(table, path)
