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
COLUMNS = {"genes": "genes", "counts": "counts", "pct_mito": "mitochondrial counts (%)"}


def quality(cells, limits, top_genes, title):
    """A row of histograms per sample (one row for all if there are many), then removed cells and the top genes.

    Args:
        cells, limits, top_genes: the tables of a data set's ``quality/``.
        title: heading.
    """
    columns = [column for column in COLUMNS if column in cells]
    samples = sorted(cells["sample"].unique())
    rows = samples if len(samples) <= MOST_SAMPLES else [None]
    figure = plt.figure(figsize=(4.2 * 3, 2.6 * len(rows) + 4.4), layout="constrained")
    figure.suptitle(title)
    above, below = figure.subfigures(2, 1, height_ratios=(2.6 * len(rows), 4.4))
    panels = above.subplots(len(rows), len(columns), squeeze=False)
    for row, sample in zip(panels, rows, strict=True):
        chosen = cells if sample is None else cells[cells["sample"] == sample]
        for panel, column in zip(row, columns, strict=True):
            _histogram(panel, chosen, column, _bounds(limits, column, sample))
        row[0].set_ylabel(f"{sample}: cells" if sample else "cells")
    panels[0][0].legend(fontsize=8)
    left, right = below.subplots(1, 2)
    _removed(left, cells, limits)
    _top_genes(right, top_genes)
    return figure


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
    panel.set(xlabel=COLUMNS[column])


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
    if not totals["breaks_it"].any():
        panel.set_xlim(0, 1)
    panel.legend(**BELOW)


def _top_genes(panel, genes):
    places = np.arange(len(genes))
    panel.barh(places, genes["percent_before"], color=UNSCORED_COLOR, label="all cells")
    panel.plot(genes["percent_after"], places, "|", color=KEPT_COLOR, markersize=9, label="kept cells")
    panel.set_yticks(places, genes["gene"].str.slice(0, LONGEST_NAME), fontsize=7)
    panel.invert_yaxis()
    panel.set(title="most expressed genes", xlabel="% of all counts")
    panel.legend(**BELOW)
