"""Whether the cells that a model makes are like real ones: mean, variance and zeros of each gene.

A decoder makes cells of latents that are drawn from the posterior of real ones (``reconstructed``) and, where a model
has a prior, of latents that are drawn from that (``generated``): the first tells what the latents keep, and where the
second differs from it the prior is not where the cells are. A decoder that is trained on the squared error gives the
expected expression: the noise of counting is not in it. Where the genes were standardised, all is in standard
deviations above the value of a gene without a count.
"""

import numpy as np
import pandas as pd

REAL, RECONSTRUCTED, GENERATED = "real", "reconstructed", "generated"
MOST_CELLS = 5_000  # that are made of each kind; real ones are all looked at
MADE_AT_ONCE = 250  # cells whose whole expression is in memory
READ_AT_ONCE = 5_000  # real cells whose entries are in double precision
ROUNDING = 1e-9  # of a mean square: variance below it is the rounding of sums
SAME = 1e-4  # of the largest value: what differs by less is the same for all genes
STATISTICS = ["mean", "variance", "zeros"]
COLUMNS = ["seed", "cells", "gene", *STATISTICS]
SUMMARY_COLUMNS = ["seed", "cells", "statistic", "correlation", "ratio"]


def of_real(expression):
    """Mean, variance and share of zeros of each gene over all cells.

    Args:
        expression: scae.data.expression.Expression; its entries alone, without the offset of standardised genes.

    Returns:
        (pandas.DataFrame, numpy.ndarray): index gene; mean, variance (mean squared deviation) and zeros (share of
        cells without an entry above 0). And (genes,) half the smallest entry above 0 that any cell has of the gene, or
        of any gene where no cell has it: below that a made one counts as zero.
    """
    n_cells, n_genes = expression.shape
    sums, squares, n_found = np.zeros(n_genes), np.zeros(n_genes), np.zeros(n_genes)
    smallest = np.full(n_genes, np.inf)
    for start in range(0, n_cells, READ_AT_ONCE):
        entries = slice(*expression.indptr[[start, min(start + READ_AT_ONCE, n_cells)]])
        genes, values = expression.indices[entries], expression.data[entries].astype(float)
        sums += np.bincount(genes, values, n_genes)
        squares += np.bincount(genes, np.square(values), n_genes)
        n_found += np.bincount(genes[values > 0], minlength=n_genes)
        np.minimum.at(smallest, genes[values > 0], values[values > 0])
    smallest[np.isinf(smallest)] = smallest.min()
    return _table(sums / n_cells, squares / n_cells, 1 - n_found / n_cells, expression.genes), smallest / 2


def of_made(decode, points, batches, zero_below, expression):
    """The same of the cells that a decoder makes of these latents.

    Args:
        decode: function of `scae.training.decoding.decoder`.
        points: (cells, latents).
        batches: (cells,) their numbers, or None.
        zero_below: (genes,) as from `of_real`.
        expression: scae.data.expression.Expression, whose offset is taken off what is decoded.

    Returns:
        pandas.DataFrame: as from `of_real`.
    """
    sums, squares, zeros = (np.zeros(len(zero_below)) for _ in range(3))
    for start in range(0, len(points), MADE_AT_ONCE):
        some = slice(start, start + MADE_AT_ONCE)
        made = decode(np.ascontiguousarray(points[some], np.float32), None if batches is None else batches[some])
        made = made.astype(float) - expression.offset
        sums += made.sum(axis=0)
        squares += np.square(made).sum(axis=0)
        zeros += (made < zero_below).sum(axis=0)
    return _table(sums / len(points), squares / len(points), zeros / len(points), expression.genes)


def compared(real, made, seed):
    """How made cells differ from real ones, over all genes.

    Args:
        real: as from `of_real`.
        made: {RECONSTRUCTED and perhaps GENERATED: as from `of_made`}.
        seed: of the run.

    Returns:
        pandas.DataFrame: seed, cells, statistic; correlation, over the genes, of the statistic of made and of real
        cells (Pearson), NaN where it is the same for all genes of one of both; ratio, its sum over the genes for made
        cells by that for real ones: of variance the share that is made, NaN where the latter is 0.
    """
    rows = []
    for cells, of_cells in made.items():
        for name in STATISTICS:
            first, second = real[name].to_numpy(), of_cells[name].to_numpy()
            alike = np.corrcoef(first, second)[0, 1] if _differs(first) and _differs(second) else np.nan
            ratio = second.sum() / first.sum() if first.sum() else np.nan
            rows.append((seed, cells, name, float(alike), float(ratio)))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def by_gene(real, made, seed):
    """The statistics of every gene, of real and of made cells.

    Args:
        real, made, seed: as in `compared`.

    Returns:
        pandas.DataFrame: seed, cells (``real``, ``reconstructed`` or ``generated``), gene, and those of `STATISTICS`.
    """
    rows = [
        table.astype(np.float32).rename_axis("gene").reset_index().assign(cells=cells)
        for cells, table in {REAL: real, **made}.items()
    ]
    return pd.concat(rows).assign(seed=seed)[COLUMNS]


def _table(mean, mean_square, zeros, genes):
    variance = mean_square - np.square(mean)
    variance = np.where(variance > ROUNDING * mean_square, variance, 0.0)
    return pd.DataFrame({"mean": mean, "variance": variance, "zeros": zeros}, index=list(genes))


def _differs(values):
    return np.ptp(values) > SAME * np.abs(values).max()
