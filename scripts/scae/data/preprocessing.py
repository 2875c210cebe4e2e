"""Normalisation as in the original study (Seurat's PBMC3k tutorial), after quality control."""

import logging

import numpy as np
import pandas as pd
from scipy import sparse

from scae.data import genes as gene_names
from scae.data import row_blocks

log = logging.getLogger(__name__)

COUNTS = ("counts", "corrected_counts")  # kinds of values that are normalised here


def normalize(passed, scale_factor, n_variable=None):
    """Expression of the cells and genes that passed quality control.

    Args:
        passed: `scae.data.quality.Quality`.
        scale_factor: counts per cell after normalisation.
        n_variable: number of most variable genes to keep; None keeps all. Cells are normalised over all genes.

    Returns:
        AnnData: X = log1p(counts / counts of the cell * scale_factor), CSR float32, or the logarithm of values that are
        already normalised; ``layers["counts"]`` if the source has counts, corrected or not; obs has n_genes and, with
        counts, total and pct_mito. It has no other annotation, so training cannot see labels.
    """
    import anndata

    genes = _genes(passed, scale_factor, n_variable)
    matrices = _stacked(_blocks(passed, scale_factor, genes))
    return anndata.AnnData(X=matrices.pop("X"), obs=_obs(passed), var=_var(passed, genes), layers=matrices)


def write(passed, scale_factor, n_variable, path):
    """Write the result of `normalize` as .h5ad in blocks, so that memory does not grow with the number of cells.

    Only the search for variable genes needs one matrix in memory.
    """
    genes = _genes(passed, scale_factor, n_variable)
    blocks = _blocks(passed, scale_factor, genes)
    n_entries = int(passed.cells["genes"][passed.kept].sum())
    row_blocks.write(path, _obs(passed), _var(passed, genes), blocks, n_entries)


def _obs(passed):
    cells = passed.cells[passed.kept]
    obs = pd.DataFrame({"n_genes": cells["genes"]}, index=cells.index)
    if passed.holds in COUNTS:
        obs = obs.assign(total=cells["counts"], pct_mito=cells["pct_mito"])
    return obs


def _var(passed, genes):
    return pd.DataFrame(index=passed.genes[genes])


def _genes(passed, scale_factor, n_variable):
    """Numbers of the genes to keep of those that passed: all, or the most variable."""
    import anndata

    everything = np.arange(len(passed.genes))
    if n_variable is None or n_variable >= len(everything):
        return everything
    name = "counts" if passed.holds in COUNTS else "X"
    matrix = _stacked({name: block[name]} for block in _blocks(passed, scale_factor, everything))[name]
    data = anndata.AnnData(None if name == "counts" else matrix, obs=_obs(passed), var=_var(passed, everything))
    if name == "counts":
        data.layers[name] = matrix
    chosen = np.flatnonzero(passed.genes.isin(gene_names.variable(data, n_variable)))
    log.info("kept the %d most variable genes", len(chosen))
    return chosen


def _blocks(passed, scale_factor, genes):
    """{"X": …} of each block of the kept cells and these genes, with {"counts": …} if the source has counts."""
    for block in passed.blocks:
        block = block[:, passed.gene_rows]
        if passed.holds in COUNTS:
            found = {"X": log_normalize(block, scale_factor), "counts": block}
        else:
            found = {"X": np.log1p(block) if passed.holds == "normalized" else block}
        yield {name: matrix[:, genes] for name, matrix in found.items()} if len(genes) < block.shape[1] else found


def _stacked(blocks):
    blocks = list(blocks)
    return {name: sparse.vstack([block[name] for block in blocks], format="csr") for name in blocks[0]}


def log_normalize(counts, scale_factor, total=None):
    """LogNormalize of Seurat: log1p(counts / counts of the cell * scale_factor), CSR float32, cells x genes.

    ``total`` are the counts of the cells, (cells,), if they include genes that ``counts`` has not.
    """
    total = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel() if total is None else total
    scaled = counts.astype(np.float64).multiply((scale_factor / total)[:, None]).tocsr()
    return np.log1p(scaled).astype(np.float32)
