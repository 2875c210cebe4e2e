"""The batch of each cell, and warnings if batches are confounded with cell types."""

import logging

import h5py
import pandas as pd

from scae import tables
from scae.data import labels
from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import annotation

log = logging.getLogger(__name__)

NEARLY_THE_SAME = 0.8  # adjusted mutual information of two partitions
SHOWN_TYPES = 5


def of_cells(obs, column, cells):
    """The batch of each cell.

    Args:
        obs: annotation of the cells as read.
        column: of ``obs``.
        cells: names.

    Returns:
        pandas.Series: name ``batch``, index ``cell``, text; `tables.UNSCORED` where a cell has none.

    Raises:
        UserError: if the column is missing, or its values do not look like batches.
    """
    annotation.check_column(obs, column, "batch")
    found = labels.without_words(obs[column]).loc[cells]
    labels.refuse_numbers(found, "batch", "batches")
    without = found.isna()
    if without.all():
        raise UserError(f'batch: the column "{column}" is empty; choose another one, or set batch to null')
    if without.any():
        log.log(NOTE, "%d of %d cells have no batch: excluded from batch scores", without.sum(), len(found))
    found = found.astype(object).where(~without, tables.UNSCORED).astype(str)
    log.info("batches: %s", found[found != tables.UNSCORED].value_counts().to_dict())
    return found.rename("batch").rename_axis("cell")


def read(path, column, cells):
    """The batch of each cell, without importing anndata, which is a large part of a small training job.

    Args:
        path: of a counts.h5ad, with annotation as from `scae.sources.annotation.plain`.
        column, cells: as for `of_cells`, which has the returned value and errors.
    """
    with h5py.File(path) as file:
        stored = file["obs"]
        found = {}
        if column in stored:
            entry = stored[column]
            if isinstance(entry, h5py.Group):
                found[column] = pd.Categorical.from_codes(entry["codes"][:], entry["categories"].asstr()[:])
            else:
                found[column] = entry[:]
        obs = pd.DataFrame(found, index=stored[stored.attrs["_index"]].asstr()[:])
    return of_cells(obs, column, cells)


def warn_of_types(types, batches):
    """Warn if batches are confounded with cell types, so that batch mixing cannot be judged.

    Args:
        types, batches: Series by cell; `tables.UNSCORED` for missing ones.
    """
    if batches[batches != tables.UNSCORED].nunique() < 2:
        log.warning("batch: all cells are of one batch, so batch mixing is not scored")
        return
    known = (types != tables.UNSCORED) & (batches != tables.UNSCORED)
    for sentence in _alike(types[known], batches[known]):
        log.warning("batch: %s", sentence)


def _alike(types, batches):
    from sklearn.metrics import adjusted_mutual_info_score

    cells = pd.crosstab(types, batches)
    if len(cells) < 2:
        return
    alone = cells.index[(cells > 0).sum(axis=1) == 1]
    if len(alone) == len(cells):
        yield "each type occurs in only one batch: types and batches are confounded, so mixing scores mean nothing"
        return
    if len(alone):
        named = [f'"{name}" in "{cells.loc[name].idxmax()}"' for name in alone[:SHOWN_TYPES]]
        more = f" and {len(alone) - SHOWN_TYPES} more" if len(alone) > SHOWN_TYPES else ""
        yield (
            f"{len(alone)} of {len(cells)} types occur in only one batch ({', '.join(named)}{more}): mixing of these "
            "cannot be judged"
        )
    alike = adjusted_mutual_info_score(types, batches)
    if alike >= NEARLY_THE_SAME:
        yield (
            f"types and batches are nearly the same partition (adjusted mutual information {alike:.2f}): separating "
            "types separates batches, so mixing scores mean little"
        )
