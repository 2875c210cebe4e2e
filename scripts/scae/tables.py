"""Reading and writing the CSV tables of the results contract."""

import re
from pathlib import Path

import pandas as pd

from scae import results
from scae.errors import UserError

HELD_OUT = "held_out_"  # prefix of a loss term over held-out cells
BEST_EPOCH = f"{HELD_OUT}best_epoch"  # the best epoch so far, with early stopping
UNSCORED = ""  # the label of an unlabelled cell, which is trained on, embedded and drawn, but not scored
PATTERNS = [  # of the paths of the contract, the wildcards being named groups
    (result.name, re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(result.path))) for result in results.CONTRACT
]


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


class Files:
    """The inputs or outputs of a job by their name in the results contract.

    Args:
        paths: files of the contract below one results folder; other files are ignored.
    """

    def __init__(self, paths):
        places = [Path(path) for path in paths]
        roots = [*places[0].parents][::-1] if places else []  # the shortest one that fits most
        found = max((_below(root, places) for root in roots), key=len, default=[])
        self._found = {}
        for name, wildcards, path in found:
            self._found.setdefault(name, {})[tuple(wildcards.items())] = str(path)

    def all(self, name, **wildcards):
        """[(wildcards, path)] of the files with this name and these wildcards, in the given order."""
        found = [(dict(values), path) for values, path in self._found.get(name, {}).items()]
        wanted = {key: str(value) for key, value in wildcards.items()}
        return [(values, path) for values, path in found if wanted.items() <= values.items()]

    def path(self, name, **wildcards):
        """The only file with this name and these wildcards.

        Raises:
            KeyError: if there is none, or several.
        """
        found = self.all(name, **wildcards)
        if len(found) != 1:
            raise KeyError(f"{len(found)} files are {name} with {wildcards}")
        return found[0][1]

    def read(self, name, **wildcards):
        """The table with this name and these wildcards: DataFrame."""
        return read(name, self.path(name, **wildcards))

    def collect(self, name, **wildcards):
        """The tables with this name, stacked, with their wildcards as first columns; empty if there is none."""
        stacked = []
        for values, path in self.all(name, **wildcards):
            table = read(name, path)
            for place, (column, value) in enumerate(values.items()):
                table.insert(place, column, int(value) if column == "seed" else value)
            stacked.append(table)
        return pd.concat(stacked, ignore_index=True) if stacked else pd.DataFrame()


def _below(root, places):
    """[(name, wildcards, path)] of the files of the contract below a folder."""
    below = [(path.relative_to(root).as_posix(), path) for path in places if path.is_relative_to(root)]
    return [
        (name, match.groupdict(), path)
        for text, path in below
        for name, pattern in PATTERNS
        if (match := re.fullmatch(pattern, text))
    ]
