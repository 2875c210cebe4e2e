"""Cell types by gates on marker genes: without clustering, principal components or neighbours."""

import logging

import numpy as np
import pandas as pd

from scae.data import row_blocks
from scae.errors import UserError
from scae.jobs.notes import NOTE

log = logging.getLogger(__name__)

PEAK = 0.99  # quantile of a gene over the cells that have it; the maximum would be a single cell's
SHOWN = 8  # missing markers in a message


def from_markers(data, settings):
    """Label the cells in which all markers of one type are on.

    A marker is on in a cell whose log-expression reaches a share of the marker's peak, so that a gene that all cells
    have a little of (LYZ, S100A4) is on where there is much of it. Where all markers of two types are on and one type
    has all markers of the other and more, that one counts (T: CD3D; CD8 T: CD3D, CD8A). Whatever else is of several
    types or of none has no label.

    Args:
        data: AnnData with log-normalised X, which may stay in a file.
        settings: a set of labels: ``markers``, {type: [genes]}, and ``threshold``, the share.

    Returns:
        pandas.Series: type of each cell, by cell name; missing where it has none.

    Raises:
        UserError: if the data lack a marker, or no cell passes.
    """
    markers = settings["markers"]
    refuse_missing(markers, data.var_names)
    genes = dict.fromkeys(gene for of_type in markers.values() for gene in of_type)
    expression = row_blocks.columns(data.X, data.var_names.get_indexer(list(genes)))
    on = {gene: is_on(expression[:, [column]], settings["threshold"]) for column, gene in enumerate(genes)}
    passed = {name: np.all([on[gene] for gene in of_type], axis=0) for name, of_type in markers.items()}
    narrower = {
        name: [passed[other] for other in markers if set(markers[other]) > set(markers[name])] for name in markers
    }
    member = np.column_stack([passed[name] & ~np.any(narrower[name], axis=0) for name in markers])  # (cells, types)
    of_types = member.sum(axis=1)
    if not (of_types == 1).any():
        raise UserError(
            f"labels.threshold: in none of {data.n_obs} cells are all markers of one type on at "
            f"{settings['threshold']:g} of their peak; lower it, or name other markers"
        )
    n_none, n_several = int((of_types == 0).sum()), int((of_types > 1).sum())
    log.info("gates on markers: %d cells are of no type and %d of several", n_none, n_several)
    member &= (of_types == 1)[:, None]
    if empty := [name for name, cells in zip(markers, member.T, strict=True) if not cells.any()]:
        log.log(NOTE, "no cell passes the gate of %s", ", ".join(empty))
    names = np.array(list(markers), dtype=object)[member.argmax(axis=1)]
    return pd.Series(np.where(of_types == 1, names, pd.NA), index=data.obs_names)


def is_on(expression, share):
    """Where a gene reaches a share of its peak; (cells,) bool.

    Args:
        expression: sparse (cells, 1), log-normalised.
        share: above 0.
    """
    values = expression.toarray().ravel()
    present = values[values > 0]
    return values >= share * np.quantile(present, PEAK) if len(present) else np.zeros(len(values), bool)


def refuse_missing(markers, genes):
    """Refuse markers that the data lack: with one gene less a gate would let other cells pass.

    Raises:
        UserError: naming them, with their types.
    """
    there = set(genes)
    missing = [f"{gene} ({name})" for name, of_type in markers.items() for gene in of_type if gene not in there]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise UserError(
            f"labels.markers: the data lack {', '.join(missing[:SHOWN])}{more}, and a gate needs all its genes; they "
            f"are named {', '.join(genes[:3])}, …: write the markers so, or leave these out"
        )
