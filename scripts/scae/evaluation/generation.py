"""Whether the cells that a model makes are like real ones: mean, variance and zeros of each gene.

A decoder makes cells of the latents of real ones (``reconstructed``) and, where a model has a prior, of latents drawn
from that (``generated``): the first tells what the latents keep, the second whether the prior is where the cells are. A
decoder that is trained on the squared error gives the expected expression: the noise of counting is not in it, so that
made cells vary less, and a gene is in nearly all of them or in none. How far they are off is what is measured here.
"""

import numpy as np
import pandas as pd
from scipy import stats

REAL, RECONSTRUCTED, GENERATED = "real", "reconstructed", "generated"
MOST_CELLS = 5_000  # that are made; real ones are all looked at
CELLS_AT_ONCE = 250  # whose whole expression is in memory
STATISTICS = ["mean", "variance", "zeros"]
COLUMNS = ["seed", "cells", "gene", *STATISTICS]
SUMMARY_COLUMNS = ["seed", "cells", "statistic", "correlation", "ratio"]


def of_real(expression):
    """Mean, variance and share of zeros of each gene over all cells.

    Args:
        expression: scae.training.expression.Expression.

    Returns:
        (pandas.DataFrame, numpy.ndarray): index gene, the three of `STATISTICS`; and (genes,) half the smallest
        expression above 0 that any cell has of the gene, below which a made one counts as zero.
    """
    n_cells, n_genes = expression.shape
    sums, squares, n_found = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
    smallest = np.full(n_genes, np.inf)
    for start in range(0, n_cells, MOST_CELLS):
        entries = slice(*expression.indptr[[start, min(start + MOST_CELLS, n_cells)]])
        genes, values = expression.indices[entries], expression.data[entries].astype(float)
        sums += np.bincount(genes, values, n_genes)
        squares += np.bincount(genes, np.square(values), n_genes)
        n_found += np.bincount(genes[values > 0], minlength=n_genes)
        np.minimum.at(smallest, genes[values > 0], values[values > 0])
    smallest[np.isinf(smallest)] = smallest.min()  # of a gene that no cell has
    return _table(sums / n_cells, squares / n_cells, 1 - n_found / n_cells, expression.genes), smallest / 2


def of_made(decode, points, zero_below, genes):
    """The same of cells that a decoder makes.

    Args:
        decode: function (cells, latents) float32 array -> (cells, genes) array.
        points: (cells, latents), what is decoded.
        zero_below: (genes,) as from `of_real`.
        genes: names.

    Returns:
        pandas.DataFrame: index gene, the three of `STATISTICS`.
    """
    sums, squares, zeros = (np.zeros(len(genes)) for _ in range(3))
    for start in range(0, len(points), CELLS_AT_ONCE):
        made = np.asarray(decode(np.ascontiguousarray(points[start : start + CELLS_AT_ONCE], np.float32)), float)
        sums += made.sum(axis=0)
        squares += np.square(made).sum(axis=0)
        zeros += (made < zero_below).sum(axis=0)
    return _table(sums / len(points), squares / len(points), zeros / len(points), genes)


def some(latent):
    """Latents of at most 5,000 of the cells, always the same ones: (cells, latents)."""
    points = latent.to_numpy(dtype=np.float32)
    if len(points) <= MOST_CELLS:
        return points
    return points[np.sort(np.random.default_rng(0).choice(len(points), MOST_CELLS, replace=False))]


def compared(real, made, seed):
    """How made cells differ from real ones, over all genes.

    Args:
        real: as from `of_real`.
        made: {RECONSTRUCTED and perhaps GENERATED: as from `of_made`}.
        seed: of the run.

    Returns:
        pandas.DataFrame: seed, cells, statistic; correlation, over the genes, of the statistic of made and of real
        cells (Pearson), empty where one of both is the same for all; ratio, its sum over the genes for made by that for
        real cells: of variance the share that is made.
    """
    rows = []
    for cells, of_made_cells in made.items():
        for name in STATISTICS:
            first, second = real[name].to_numpy(), of_made_cells[name].to_numpy()
            alike = stats.pearsonr(first, second).statistic if np.ptp(first) and np.ptp(second) else np.nan
            ratio = second.sum() / first.sum() if first.sum() else np.nan
            rows.append((seed, cells, name, float(alike), float(ratio)))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def by_gene(real, made, seed):
    """The statistics of every gene, of real and of made cells.

    Returns:
        pandas.DataFrame: seed, cells (``real``, ``reconstructed`` or ``generated``), gene, and those of `STATISTICS`.
    """
    rows = [
        table.astype(np.float32).rename_axis("gene").reset_index().assign(cells=cells)
        for cells, table in {REAL: real, **made}.items()
    ]
    return pd.concat(rows).assign(seed=seed)[COLUMNS]


def _table(mean, mean_square, zeros, genes):
    variance = np.maximum(mean_square - np.square(mean), 0)  # of all cells, without a degree of freedom taken off
    return pd.DataFrame({"mean": mean, "variance": variance, "zeros": zeros}, index=list(genes))
