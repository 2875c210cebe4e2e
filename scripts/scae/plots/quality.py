"""Quality control: distributions before and after filtering, the limits, and what they remove."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from scae.style import UNSCORED_COLOR

KEPT_COLOR = "#332288"
LIMIT_COLOR = "#CC6677"
BINS = 50
BELOW = {"fontsize": 8, "loc": "upper center", "bbox_to_anchor": (0.5, -0.14), "ncols": 2}
LONGEST_NAME = 24
MOST_SAMPLES = 8  # with a row each
COLUMNS = ["genes", "counts", "pct_mito"]


def quality(cells, limits, top_genes, title):
    """A row of histograms per sample (one row for all if there are many), removed cells if any, and the top genes.

    Args:
        cells, limits, top_genes: the tables of a data set's ``quality/``.
        title: heading.
    """
    columns = [column for column in COLUMNS if column in cells]
    total = _total(cells)
    names = dict(zip(COLUMNS, ("genes", total, "mitochondrial counts (%)"), strict=True))
    samples = sorted(cells["sample"].unique())
    rows = samples if len(samples) <= MOST_SAMPLES else [None]
    height, is_removed = 2.6 * len(rows), bool(limits["breaks_it"].any())
    figure = plt.figure(figsize=(4.2 * 3, height + 4.4 if is_removed else max(height, 4.4)), layout="constrained")
    figure.suptitle(title)
    if is_removed:
        above, below = figure.subfigures(2, 1, height_ratios=(height, 4.4))
    else:
        above, below = figure.subfigures(1, 2, width_ratios=(len(columns), 1))
    panels = above.subplots(len(rows), len(columns), squeeze=False)
    for row, sample in zip(panels, rows, strict=True):
        chosen = cells if sample is None else cells[cells["sample"] == sample]
        for panel, column in zip(row, columns, strict=True):
            _histogram(panel, chosen, column, _bounds(limits, column, sample))
            panel.set_xlabel(names[column])
        row[0].set_ylabel(f"{sample}: cells" if sample else "cells")
    panels[0][0].legend(fontsize=8)
    *removed, top = below.subplots(1, 1 + is_removed, squeeze=False)[0]
    for panel in removed:
        _removed(panel, cells, limits)
    _top_genes(top, top_genes, total)
    return figure


def _total(cells):
    """What the column counts holds: counts, decimals, or logarithms, where no mitochondrial share is measured."""
    if "pct_mito" not in cells:
        return "sum of log-normalised expression"
    return "counts" if (cells["counts"] % 1 == 0).all() else "total expression"


def _bounds(limits, column, sample):
    """The limits on a column in a sample."""
    of_column = {"min_genes": "genes", "max_genes": "genes", "max_pct_mito": "pct_mito"}
    about = limits["limit"].map(lambda limit: of_column.get(limit, limit.removeprefix("mad."))) == column
    here = (limits["sample"] == "") | (limits["sample"] == sample)
    bounds = limits.loc[about & here, ["lower", "upper"]].to_numpy(dtype=float).ravel()
    return bounds[np.isfinite(bounds) & (bounds > 0)]


def _histogram(panel, cells, column, bounds):
    values = cells[column].fillna(0).to_numpy(dtype=float)
    kept = (cells["removed_by"] == "").to_numpy()
    if column == "pct_mito":
        edges = np.linspace(0, max(values.max(), *bounds, 1), BINS)
    else:
        values = np.maximum(values, 1)
        edges = np.geomspace(values.min(), max(values.max(), values.min() + 1, *bounds), BINS)
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        panel.xaxis.set_minor_formatter(NullFormatter())
        panel.tick_params(axis="x", labelsize=8)
    panel.hist(values, edges, color=UNSCORED_COLOR, label=f"read: {len(values):,}")
    panel.hist(values[kept], edges, color=KEPT_COLOR, label=f"kept: {kept.sum():,}")
    for bound in bounds:
        panel.axvline(bound, color=LIMIT_COLOR, linewidth=1.5)


def _removed(panel, cells, limits):
    totals = limits.groupby("limit", sort=False)[["breaks_it", "breaks_only_it"]].sum()
    places = np.arange(len(totals))
    panel.barh(places, totals["breaks_it"], color=UNSCORED_COLOR, label="fail this limit")
    panel.barh(places, totals["breaks_only_it"], color=LIMIT_COLOR, label="fail only this limit")
    for place, number in zip(places, totals["breaks_it"], strict=True):
        panel.annotate(f" {number:,}", (number, place), va="center", fontsize=8)
    panel.set_yticks(places, totals.index)
    panel.invert_yaxis()
    panel.set(title=f"cells removed: {(cells['removed_by'] != '').sum():,} of {len(cells):,}", xlabel="cells")
    panel.margins(x=0.15)
    panel.legend(**BELOW)


def _top_genes(panel, genes, total):
    places = np.arange(len(genes))
    panel.barh(places, genes["percent_before"], color=UNSCORED_COLOR, label="all cells")
    panel.plot(genes["percent_after"], places, "|", color=KEPT_COLOR, markersize=9, label="kept cells")
    panel.set_yticks(places, genes["gene"].str.slice(0, LONGEST_NAME), fontsize=7)
    panel.invert_yaxis()
    panel.set(title="most expressed genes", xlabel=f"% of all {total}" if total == "counts" else f"% of the {total}")
    panel.legend(**BELOW)
