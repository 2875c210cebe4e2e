"""Cell types by gates on marker genes, without clustering, principal components or neighbours."""

import logging

import numpy as np
import pandas as pd

from scae.data import row_blocks
from scae.errors import UserError
from scae.jobs.notes import NOTE

log = logging.getLogger(__name__)

PEAK = 0.99  # quantile of a gene over the cells that express it; the maximum would depend on one cell
SHOWN = 8  # missing markers in a message


def from_markers(data, settings):
    """Label the cells in which all markers of one type are on.

    A marker is on if its log-expression reaches a share of its peak, so genes with a low level in all cells (LYZ,
    S100A4) are on only where they are high. If the markers of one type include those of another, the type with more
    markers wins (T: CD3D; CD8 T: CD3D, CD8A). Other cells of several types, and cells of none, have no label.

    Args:
        data: AnnData with log-normalised X, which may stay in a file.
        settings: a label set: ``markers``, {type: [genes]}, and ``threshold``, the share.

    Returns:
        pandas.Series: type of each cell, by cell name; missing for cells without one.

    Raises:
        UserError: if a marker is missing from the data, or no cell passes.
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
            f"labels.threshold: no cell of {data.n_obs} has all markers of exactly one type on at "
            f"{settings['threshold']:g} of their peak; change it, or choose other markers"
        )
    n_none, n_several = int((of_types == 0).sum()), int((of_types > 1).sum())
    log.info("gates on markers: %d cells have no type and %d have several", n_none, n_several)
    member &= (of_types == 1)[:, None]
    if empty := [name for name, cells in zip(markers, member.T, strict=True) if not cells.any()]:
        log.log(NOTE, "no cell passes the gate of %s", ", ".join(empty))
    names = np.array(list(markers), dtype=object)[member.argmax(axis=1)]
    return pd.Series(np.where(of_types == 1, names, pd.NA), index=data.obs_names)


def is_on(expression, share):
    """Whether a gene reaches a share of its peak; (cells,) bool.

    Args:
        expression: sparse (cells, 1), log-normalised.
        share: above 0.
    """
    values = expression.toarray().ravel()
    present = values[values > 0]
    return values >= share * np.quantile(present, PEAK) if len(present) else np.zeros(len(values), bool)


def refuse_missing(markers, genes):
    """Reject markers that the data lack, since a gate with fewer genes passes other cells.

    Raises:
        UserError: with their names and types.
    """
    there = set(genes)
    missing = [f"{gene} ({name})" for name, of_type in markers.items() for gene in of_type if gene not in there]
    if missing:
        more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise UserError(
            f"labels.markers: the data lack {', '.join(missing[:SHOWN])}{more}, but a gate needs all its genes; name "
            f"the markers as in the data ({', '.join(genes[:3])}, …), or remove these"
        )
