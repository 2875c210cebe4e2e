"""Quality control and normalisation of the original study (Seurat's PBMC3k tutorial)."""

import logging

import numpy as np
from scipy import sparse

from scae.errors import UserError

log = logging.getLogger(__name__)


def preprocess(data, qc, scale_factor):
    """Filter cells and genes and log-normalise.

    Seurat's order: cells with at least ``min_genes`` genes, then genes found in at least ``min_cells`` of these
    cells, then cells with ``min_genes`` < genes < ``max_genes`` and less than ``max_pct_mito`` % mitochondrial counts.

    Args:
        data: AnnData, CSR, cells x genes; ``uns["values"]`` is what X holds: ``counts``, ``corrected_counts``,
            ``normalized`` (in each cell, without logarithm) or ``log_normalized``.
        qc: dict with min_cells, min_genes, max_genes, max_pct_mito (the last two may be None: no limit) and
            mito_prefix.
        scale_factor: counts per cell after normalisation.

    Returns:
        AnnData: X = log1p(counts / counts of the cell * scale_factor), CSR float32, or the logarithm of what is
        normalised already; ``layers["counts"]`` if X held counts, corrected or not; obs has n_genes and, of these,
        total and pct_mito, never an annotation: training cannot see labels.

    Raises:
        UserError: if a limit needs counts and X holds logarithms, or no cell or gene passes.
    """
    import anndata

    matrix = sparse.csr_matrix(data.X, copy=True)
    matrix.eliminate_zeros()  # a stored zero is no expression
    values = str(data.uns["values"])
    if values == "log_normalized" and qc["max_pct_mito"] is not None:
        raise UserError(
            "qc.max_pct_mito: needs counts, but the data are log-normalised; set it to null, or take one with counts"
        )
    cells = np.flatnonzero(np.diff(matrix.indptr) >= qc["min_genes"])
    genes = np.flatnonzero(np.bincount(matrix[cells].indices, minlength=matrix.shape[1]) >= qc["min_cells"])
    matrix = matrix[cells][:, genes]

    n_genes = np.diff(matrix.indptr)
    total = np.asarray(matrix.sum(axis=1)).ravel()
    mitochondrial = data.var_names[genes].str.startswith(qc["mito_prefix"])
    with np.errstate(invalid="ignore"):
        pct_mito = 100 * np.asarray(matrix[:, mitochondrial].sum(axis=1)).ravel() / total
    keep = (n_genes > qc["min_genes"]) & (total > 0)
    if qc["max_genes"] is not None:
        keep &= n_genes < qc["max_genes"]
    if qc["max_pct_mito"] is not None:
        keep &= pct_mito < qc["max_pct_mito"]
    if not keep.any() or not len(genes):
        raise UserError(f"no cell of {data.n_obs} passes quality control {qc}; loosen the limits under qc")
    log.info("kept %d of %d cells and %d of %d genes", keep.sum(), data.n_obs, len(genes), data.n_vars)

    result = anndata.AnnData(
        X=matrix[keep],
        obs=data.obs.iloc[cells[keep]][[]].assign(n_genes=n_genes[keep]),
        var=data.var.iloc[genes][[]],
    )
    if values in ("counts", "corrected_counts"):
        result.obs = result.obs.assign(total=total[keep], pct_mito=pct_mito[keep])
        result.layers["counts"] = result.X.copy()
        result.X = log_normalize(result.X, scale_factor)
    elif values == "normalized":
        result.X = np.log1p(result.X)
    return result


def log_normalize(counts, scale_factor):
    """LogNormalize of Seurat: log1p(counts / counts of the cell * scale_factor), CSR float32, cells x genes."""
    total = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    scaled = counts.astype(np.float64).multiply((scale_factor / total)[:, None]).tocsr()
    return np.log1p(scaled).astype(np.float32)
