"""Whether reconstructed and generated cells are like real ones: mean, variance and zeros of each gene.

Reconstructed cells are decoded from the posterior of real cells, and show what the latents keep. Generated cells are
decoded from the model's prior; if they differ from reconstructed ones, the prior does not match the posterior. A
decoder trained on squared error gives the expected expression, without counting noise; that of a model of counts gives
shares, from which counts are drawn at the depths of real cells. If genes were standardised,
values are in standard deviations above a gene without a count.
"""

import numpy as np
import pandas as pd

from scae import results

REAL, RECONSTRUCTED, GENERATED = "real", "reconstructed", "generated"
MOST_CELLS = 5_000  # reconstructed cells, and generated cells; all real cells are used
DECODED_AT_ONCE = 250  # decoded cells in memory
READ_AT_ONCE = 5_000  # real cells whose entries are in double precision
ROUNDING = 1e-9  # of the mean square: smaller variances are rounding errors
SAME = 1e-4  # of the largest value: genes that differ by less are equal
STATISTICS = ["mean", "variance", "zeros"]
COLUMNS = results.BY_NAME["generated_genes"].column_names
SUMMARY_COLUMNS = results.BY_NAME["generated"].column_names


def real_statistics(expression):
    """Mean, variance and share of zeros of each gene over all cells.

    Args:
        expression: scae.data.expression.Expression; the offset of standardised genes is not added.

    Returns:
        (pandas.DataFrame, numpy.ndarray): index gene; mean, variance (mean squared deviation) and zeros (share of
        cells without an entry above 0). And (genes,) half the smallest entry above 0 of the gene (of all genes, if no
        cell has it): decoded values below it count as zero.
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


def decoded_statistics(decode, points, like, zero_below, expression):
    """The same statistics of cells decoded from latents.

    Args:
        decode: function (latents, their ``like``) -> (cells, genes).
        points: (cells, latents).
        like: (cells,) numbers of the real cells that they are like, which give them a batch and a depth.
        zero_below: (genes,) as from `real_statistics`.
        expression: scae.data.expression.Expression; its offset is subtracted from decoded values.

    Returns:
        pandas.DataFrame: as from `real_statistics`.
    """
    sums, squares, zeros = (np.zeros(len(zero_below)) for _ in range(3))
    for start in range(0, len(points), DECODED_AT_ONCE):
        some = slice(start, start + DECODED_AT_ONCE)
        decoded = decode(np.ascontiguousarray(points[some], np.float32), like[some])
        decoded = decoded.astype(float) - expression.offset
        sums += decoded.sum(axis=0)
        squares += np.square(decoded).sum(axis=0)
        zeros += (decoded < zero_below).sum(axis=0)
    return _table(sums / len(points), squares / len(points), zeros / len(points), expression.genes)


def compare(real, decoded, seed):
    """Compare decoded cells with real ones over all genes.

    Args:
        real: as from `real_statistics`.
        decoded: {RECONSTRUCTED and perhaps GENERATED: as from `decoded_statistics`}.
        seed: of the run.

    Returns:
        pandas.DataFrame: seed, cells, statistic; correlation (Pearson, over genes) of the statistic in decoded and in
        real cells, NaN if one is the same for all genes; ratio of its sum over genes in decoded cells to that in real
        ones, NaN if the latter is 0.
    """
    rows = []
    for cells, statistics in decoded.items():
        for name in STATISTICS:
            first, second = real[name].to_numpy(), statistics[name].to_numpy()
            alike = np.corrcoef(first, second)[0, 1] if _differs(first) and _differs(second) else np.nan
            ratio = second.sum() / first.sum() if first.sum() else np.nan
            rows.append((seed, cells, name, float(alike), float(ratio)))
    return pd.DataFrame(rows, columns=SUMMARY_COLUMNS)


def by_gene(real, decoded, seed):
    """The statistics of every gene in real and in decoded cells.

    Args:
        real, decoded, seed: as in `compare`.

    Returns:
        pandas.DataFrame: seed, cells (``real``, ``reconstructed`` or ``generated``), gene, and those of `STATISTICS`.
    """
    rows = [
        table.astype(np.float32).rename_axis("gene").reset_index().assign(cells=cells)
        for cells, table in {REAL: real, **decoded}.items()
    ]
    return pd.concat(rows).assign(seed=seed)[COLUMNS]


def _table(mean, mean_square, zeros, genes):
    variance = mean_square - np.square(mean)
    variance = np.where(variance > ROUNDING * mean_square, variance, 0.0)
    return pd.DataFrame({"mean": mean, "variance": variance, "zeros": zeros}, index=list(genes))


def _differs(values):
    return np.ptp(values) > SAME * np.abs(values).max()
