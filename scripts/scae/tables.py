"""Reading and writing the CSV tables of the results contract."""

from pathlib import Path

import pandas as pd

from scae.errors import UserError

TEXT = (
    *("cell", "label", "dataset", "model", "labels", "origin", "space", "metric", "device"),
    *("over", "first", "second", "latent", "measure", "move", "sign", "set", "genes"),
    *("sample", "batch", "removed_by", "limit", "gene"),
)
NUMBERS = (  # of which a table may lack some
    *("value", "mean", "sd", "low", "high", "p", "p_holm"),
    *("lower", "upper", "pct_mito"),
    *("kept_tsne2d", "kept_latent"),
    *("correlation", "ratio"),
)
HELD_OUT = "held_out_"  # before the name of a term of the loss, of cells that were not trained on
BEST_EPOCH = f"{HELD_OUT}best_epoch"  # the best epoch so far, where training may end early
UNSCORED = ""  # the label of a cell without one: it is trained, embedded and drawn


def read(path):
    """Read a table; names of cells, labels, models … stay text whatever they look like ("NA", "007")."""
    return pd.read_csv(
        path,
        dtype=dict.fromkeys(TEXT, str),
        keep_default_na=False,
        na_values={key: [""] for key in NUMBERS},
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
    return read(path).set_index("cell")["label"]


def read_batches(path):
    """Batches by cell: Series of text, index ``cell``; `UNSCORED` where a cell has none."""
    return read(path).set_index("cell")["batch"]


def scored(labels):
    """The labels of the cells that have one: all that k and scores are about. Decided here and nowhere else."""
    return labels[labels != UNSCORED]


def read_points(path, cells=None):
    """Coordinates or cluster ids by cell: DataFrame with index ``cell``, in the order of ``cells`` if given.

    Raises:
        UserError: if the file is not about these cells.
    """
    table = read(path).set_index("cell")
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


def collect(paths):
    """Stack tables that lie at ``…/{dataset}/{model}/seed{seed}/<file>``, with these three as first columns.

    No tables make one without columns.
    """
    tables = []
    for path in map(Path, paths):
        table = read(path)
        dataset, model, seed = path.parts[-4:-1]
        for column, value in enumerate((dataset, model, int(seed.removeprefix("seed")))):
            table.insert(column, ("dataset", "model", "seed")[column], value)
        tables.append(table)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
