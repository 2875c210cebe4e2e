"""Normalisation of the original study (Seurat's PBMC3k tutorial), after quality control."""

import logging

import numpy as np

from scae.data import genes as gene_names
from scae.data import quality

log = logging.getLogger(__name__)


def preprocess(data, qc, scale_factor, genes=gene_names.ALL):
    """Filter cells and genes and log-normalise: `quality.measure`, then `normalize`."""
    return normalize(quality.measure(data, qc, genes), scale_factor, genes["variable"])


def normalize(passed, scale_factor, n_variable=None):
    """Expression of the cells and genes that passed quality control.

    Args:
        passed: `quality.Quality`.
        scale_factor: counts per cell after normalisation.
        n_variable: keep so many of the most variable genes; None keeps all. Cells are normalised over all genes.

    Returns:
        AnnData: X = log1p(counts / counts of the cell * scale_factor), CSR float32, or the logarithm of what is
        normalised already; ``layers["counts"]`` if the source held counts, corrected or not; obs has n_genes and, of
        these, total and pct_mito, never an annotation: training cannot see labels.
    """
    import anndata
    import pandas as pd

    cells = passed.cells[passed.kept]
    result = anndata.AnnData(
        X=passed.matrix,
        obs=pd.DataFrame({"n_genes": cells["genes"]}, index=cells.index),
        var=pd.DataFrame(index=passed.genes),
    )
    if passed.holds in ("counts", "corrected_counts"):
        result.obs = result.obs.assign(total=cells["counts"], pct_mito=cells["pct_mito"])
        result.layers["counts"] = result.X.copy()
        result.X = log_normalize(result.X, scale_factor)
    elif passed.holds == "normalized":
        result.X = np.log1p(result.X)
    if n_variable is not None and n_variable < result.n_vars:
        result = result[:, gene_names.variable(result, n_variable)].copy()
        log.info("%d most variable genes taken", result.n_vars)
    return result


def log_normalize(counts, scale_factor):
    """LogNormalize of Seurat: log1p(counts / counts of the cell * scale_factor), CSR float32, cells x genes."""
    total = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    scaled = counts.astype(np.float64).multiply((scale_factor / total)[:, None]).tocsr()
    return np.log1p(scaled).astype(np.float32)
