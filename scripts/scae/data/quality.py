"""Quality control: which cells and genes pass, and which limits remove the others."""

import logging
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scae.data import genes as gene_names
from scae.data.row_blocks import RowBlocks
from scae.errors import UserError, counted
from scae.jobs.notes import NOTE

log = logging.getLogger(__name__)

TOP_GENES = 20
MAD_TO_SD = 1.4826  # of a normal distribution
MOST = 0.5  # a limit that removes a larger share of the cells gives a warning


@dataclass(frozen=True)
class Quality:
    """The result of quality control."""

    holds: str  # counts, corrected_counts, normalized or log_normalized
    blocks: RowBlocks  # the kept cells, all genes, values as in the source
    cells: pd.DataFrame  # index: all cells; sample, genes, counts, pct_mito, removed_by ("" for a kept cell)
    kept: np.ndarray  # (all cells,) bool
    genes: pd.Index  # names of the kept genes
    gene_rows: np.ndarray  # their numbers in the source
    limits: pd.DataFrame  # sample ("" for all), limit, lower, upper, breaks_it, breaks_only_it (cells)
    top_genes: pd.DataFrame  # index: names; percent_before, percent_after


def measure(data, qc, genes=gene_names.ALL, chosen=None):
    """Apply the limits of quality control, in several passes over blocks of cells.

    Seurat's order: cells with at least ``min_genes`` genes, then genes found in at least ``min_cells`` of these
    cells, then cells with ``min_genes`` < genes < ``max_genes`` and less than ``max_pct_mito`` % mitochondrial counts.
    Limits by median absolute deviation (MAD) are part of the last step and computed per sample: genes and counts on a
    logarithmic scale on both sides, the mitochondrial percentage above only. Cells are measured on the kept genes.

    Args:
        data: AnnData, CSR, cells x genes, in memory or backed; obs may have a ``sample``; ``uns["values"]`` is the
            kind of values: ``counts``, ``corrected_counts``, ``normalized`` (per cell, without logarithm) or
            ``log_normalized``.
        qc: dict with min_cells, min_genes, max_genes, max_pct_mito (the last two may be None: no limit), mito_prefix,
            mito_genes, and mad (dict with genes, counts, pct_mito: numbers of MADs or None).
        genes: dict with names and exclude, as in the config.
        chosen: (cells,) bool, the cells to use; None is all.

    Returns:
        Quality

    Raises:
        UserError: if a limit needs counts but X holds logarithms, or no cell or gene passes.
    """
    names = gene_names.name(data.var, genes["names"])
    obs = data.obs if chosen is None else data.obs[chosen]
    blocks = RowBlocks(data.X, None if chosen is None else np.flatnonzero(chosen))
    values = str(data.uns["values"])
    if values == "log_normalized":
        refuse_limits_on_logarithms(qc)
    if len(names) <= qc["min_genes"]:
        raise UserError(
            f"qc.min_genes: cells must have more than {qc['min_genes']} genes, but the data have only {len(names)}; "
            "lower it"
        )
    before = _sums(blocks)
    rows = np.flatnonzero(~_excluded(names, before, genes["exclude"]))
    n_expressed = np.concatenate([np.diff(block[:, rows].indptr) for block in blocks])
    enough_genes = n_expressed >= qc["min_genes"]
    rows = rows[_found_in(blocks, enough_genes, len(names))[rows] >= qc["min_cells"]]
    names = names[rows]

    mitochondrial = None
    if values != "log_normalized":  # a share of logarithms is meaningless
        mitochondrial = gene_names.mitochondrial(names, qc, data.var.iloc[rows])
    cells = pd.concat([_of_cells(block[:, rows], mitochondrial) for block in blocks]).set_axis(obs.index)
    cells.insert(0, "sample", _samples(obs))
    breaks, limits = _limits(cells, enough_genes, qc)
    kept = ~breaks.any(axis=1).to_numpy()
    if not kept.any() or not len(rows):
        raise UserError(_nothing_left(cells, breaks, n_expressed, len(rows), data.n_vars, qc))
    cells["removed_by"] = np.where(kept, "", breaks.idxmax(axis=1))
    _tell(breaks, kept, len(rows), data.n_vars)
    blocks = blocks.taking(kept)
    top_genes = _top_genes(names, before[rows], _sums(blocks)[rows])
    return Quality(values, blocks, cells, kept, names, rows, limits, top_genes)


def _nothing_left(cells, breaks, n_expressed, n_left, n_genes, qc):
    """The limit that removed all cells or genes, and what to do."""
    if not n_left and (n_expressed >= qc["min_genes"]).any():
        return f"qc.min_cells: {qc['min_cells']} removes all {n_genes} genes; lower it, or shorten genes.exclude"
    if breaks["min_genes"].all():
        return (
            f"qc.min_genes: {qc['min_genes']} removes all {len(cells)} cells, of which none has more than "
            f"{n_expressed.max()} of the {n_genes} genes; lower it"
        )
    removed = breaks.sum().sort_values(ascending=False, kind="stable")
    removed = removed[removed > 0]
    limits = {
        name: qc["mad"][name.removeprefix("mad.")] if name.startswith("mad.") else qc[name] for name in removed.index
    }
    words = ", ".join(f"{name}: {limits[name]:g} removes {number}" for name, number in removed.items())
    lowest = {"max_genes": f"{cells['genes'].min()} genes"}
    if "pct_mito" in cells:
        lowest["max_pct_mito"] = f"{cells['pct_mito'].min():.3g} % mitochondrial counts"
    first = next((name for name in removed.index if name != "min_genes"), removed.index[0])
    each = f"; every cell has at least {lowest[first]}" if first in lowest else ""
    return f"qc.{first}: no cell of {len(cells)} passes quality control ({words}){each}; raise it"


def _sums(blocks):
    """Sum of each gene over the cells, in their order, so that blocks do not change a bit; (genes,) float64."""
    sums = np.zeros(blocks.stored.shape[1])
    for block in blocks:
        np.add.at(sums, block.indices, block.data.astype(np.float64))
    return sums


def _found_in(blocks, counted, n_genes):
    """Number of the ``counted`` cells that express each gene; (genes,)."""
    found, start = np.zeros(n_genes, int), 0
    for block in blocks:
        stop = start + block.shape[0]
        found += np.bincount(block[np.flatnonzero(counted[start:stop])].indices, minlength=n_genes)
        start = stop
    return found


def _of_cells(matrix, mitochondrial):
    """Genes, counts and, unless ``mitochondrial`` is None, the mitochondrial percentage of each cell."""
    cells = pd.DataFrame({"genes": np.diff(matrix.indptr)})
    cells["counts"] = np.asarray(matrix.sum(axis=1)).ravel()
    if mitochondrial is not None:
        with np.errstate(invalid="ignore"):
            cells["pct_mito"] = 100 * np.asarray(matrix[:, mitochondrial].sum(axis=1)).ravel() / cells["counts"]
    return cells


def refuse_limits_on_logarithms(qc):
    """Reject limits that need counts, for log-normalised data."""
    if qc["max_pct_mito"] is not None or qc["mad"].get("pct_mito") is not None:
        raise UserError(
            "qc.max_pct_mito: needs counts, but the data are log-normalised; set it to null, or use data with counts"
        )


def _excluded(names, counts, prefixes):
    excluded = gene_names.exclude(names, prefixes)
    if excluded.any():
        share = 100 * counts[excluded].sum() / max(counts.sum(), 1e-12)
        log.log(NOTE, "%s with %.1f %% of the counts excluded by name", counted(int(excluded.sum()), "gene"), share)
    gene_names.warn_of_spike_ins(names[~excluded], counts[~excluded])
    gene_names.warn_of_few(names[~excluded], counts[~excluded])
    return excluded


def _samples(obs):
    return obs["sample"].astype(str).to_numpy() if "sample" in obs else np.full(len(obs), "")


def _limits(cells, enough_genes, qc):
    """(Which cells break which limits: DataFrame of bool, cells x limits in their order; the table of limits)."""
    breaks = pd.DataFrame({"min_genes": ~enough_genes | (cells["genes"] <= qc["min_genes"])}, index=cells.index)
    limits = {("", "min_genes"): (qc["min_genes"], np.nan)}
    for limit, column in (("max_genes", "genes"), ("max_pct_mito", "pct_mito")):
        if qc[limit] is not None and column in cells:
            breaks[limit] = ~(cells[column] < qc[limit])
            limits["", limit] = (np.nan, qc[limit])
    judged = ~breaks["min_genes"]
    for column, n_mads in sorted(qc["mad"].items()):
        if n_mads is None or column not in cells:
            continue
        limit = f"mad.{column}"
        breaks[limit] = False
        for sample, of_sample in cells[judged].groupby("sample"):
            lower, upper = _mad_limits(of_sample[column], n_mads, column)
            breaks.loc[of_sample.index, limit] = ~of_sample[column].between(lower, upper)
            limits[sample, limit] = (lower, upper)
    table = pd.DataFrame(
        [(*key, *bounds) for key, bounds in limits.items()], columns=["sample", "limit", "lower", "upper"]
    )
    alone = breaks.sum(axis=1) == 1
    for column, chosen in (("breaks_it", breaks), ("breaks_only_it", breaks.loc[alone])):
        samples = cells["sample"].loc[chosen.index]
        table[column] = [
            int(chosen.loc[(samples == sample) | (sample == ""), limit].sum())
            for sample, limit in zip(table["sample"], table["limit"], strict=True)
        ]
    return breaks, table


def _mad_limits(values, n_mads, column):
    """(lower, upper) limits: the median ± ``n_mads`` median absolute deviations, scaled to standard deviations."""
    on_log = column != "pct_mito"  # genes and counts are roughly log-normal over cells
    scaled = np.log1p(values) if on_log else values
    median = np.median(scaled)
    width = n_mads * MAD_TO_SD * np.median(np.abs(scaled - median))
    if width == 0:
        log.warning("qc.mad.%s: more than half of the cells have the same value, so the limit removes none", column)
        return -np.inf, np.inf
    return (np.expm1(median - width), np.expm1(median + width)) if on_log else (-np.inf, median + width)


def _tell(breaks, kept, n_genes, all_genes):
    removed = {limit: int(of_limit.sum()) for limit, of_limit in breaks.items()}
    words = ", ".join(f"{limit} removes {number or 'none'}" for limit, number in removed.items())
    log.log(NOTE, "%d of %d cells and %d of %d genes kept (%s)", kept.sum(), len(kept), n_genes, all_genes, words)
    for limit, number in removed.items():
        if number > MOST * len(kept):
            log.warning("qc.%s removes %d of %d cells; is the limit meant for these data?", limit, number, len(kept))


def _top_genes(names, before, after):
    """The genes with most counts: their percentage of all counts, in all cells and in the kept cells."""
    sums = pd.DataFrame(
        {f"percent_{when}": 100 * sums / sums.sum() for when, sums in (("before", before), ("after", after))},
        index=names,
    )
    return sums.sort_values("percent_before", ascending=False, kind="stable").head(TOP_GENES)
