"""Genes as in 10x files: an id, a symbol, a type and a genome."""

import logging

import pandas as pd

from scae.errors import UserError
from scae.sources import annotation

log = logging.getLogger(__name__)

EXPRESSION = "Gene Expression"


def named(table):
    """Annotation of genes with their symbols as names, or ids where there is no symbol.

    Args:
        table: columns name and, where known, gene_ids, feature_types and genome; text.

    Returns:
        pandas.DataFrame: index: gene names, perhaps duplicated; the other columns.
    """
    names = pd.Series(annotation.text(table["name"]), dtype=object).str.strip()
    others = table.drop(columns="name")
    if "gene_ids" in others and (empty := names == "").any():
        log.info("%d genes have no symbol and are named by their id", empty.sum())
        names = names.where(~empty, others["gene_ids"])
    return annotation.plain(others.set_index(pd.Index(names)))


def wanted(genes, genome=None):
    """Which features to read: gene expression, of one genome if given.

    Args:
        genes: annotation; without a column feature_types all features are genes.
        genome: its name, as in a column genome or as prefix of the gene names (``GRCh38_MT-CO1``).

    Returns:
        numpy.ndarray: (genes,) bool.
    """
    keep = pd.Series(True, index=range(len(genes)))
    if "feature_types" in genes:
        types = genes["feature_types"].astype(str).reset_index(drop=True)
        if (types == EXPRESSION).any():
            keep &= types == EXPRESSION
            if (~keep).any():
                log.info(
                    "dropped %d features other than genes (%s)", (~keep).sum(), ", ".join(sorted(set(types[~keep])))
                )
    if genome is not None:
        if "genome" in genes and (genes["genome"] == genome).any():
            own = genes["genome"].reset_index(drop=True) == genome
        else:
            own = pd.Series(genes.index.str.startswith(f"{genome}_"))
        if not own.any():
            known = f" to one of {', '.join(sorted(set(genes['genome'].astype(str))))}" if "genome" in genes else ""
            raise UserError(f'has no gene of genome "{genome}"; set genome{known or " to null"}')
        keep &= own
    return keep.to_numpy()
