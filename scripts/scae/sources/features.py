"""Genes as 10x and its kin describe them: an id, a symbol, a type and a genome."""

import logging

import pandas as pd

from scae.errors import UserError
from scae.sources import annotation

log = logging.getLogger(__name__)

EXPRESSION = "Gene Expression"


def named(table):
    """Annotation of genes with the symbol as name, and the id where a gene has none.

    Args:
        table: columns name and, where known, gene_ids, feature_types and genome; text.

    Returns:
        pandas.DataFrame: index: names of genes, not all different; the other columns, and the symbol as it stood.
    """
    names = pd.Series(annotation.text(table["name"]), dtype=object).str.strip()
    others = table.drop(columns="name")
    if "gene_ids" in others and (empty := names == "").any():
        log.info("%d genes have no symbol and go by their id", empty.sum())
        names = names.where(~empty, others["gene_ids"])
    return annotation.plain(others.set_index(pd.Index(names)))


def wanted(genes, genome=None):
    """Positions of the genes to read: those of gene expression, and of one genome if that is asked for.

    Args:
        genes: annotation; without a column feature_types all are genes.
        genome: its name in a column genome, or before the names of its genes (``GRCh38_MT-CO1``).

    Returns:
        numpy.ndarray: (genes,) truth values.
    """
    keep = pd.Series(True, index=range(len(genes)))
    if "feature_types" in genes:
        types = genes["feature_types"].astype(str).reset_index(drop=True)
        if (types == EXPRESSION).any():
            keep &= types == EXPRESSION
            if (~keep).any():
                log.info(
                    "left out %d features that are no genes (%s)", (~keep).sum(), ", ".join(sorted(set(types[~keep])))
                )
    if genome is not None:
        if "genome" in genes and (genes["genome"] == genome).any():
            own = genes["genome"].reset_index(drop=True) == genome
        else:
            own = pd.Series(genes.index.str.startswith(f"{genome}_"))
        if not own.any():
            known = (
                f"; its genomes are {', '.join(sorted(set(genes['genome'].astype(str))))}" if "genome" in genes else ""
            )
            raise UserError(f'no gene is of genome "{genome}"{known}')
        keep &= own
    return keep.to_numpy()
