"""Generated and reconstructed cells against real ones: mean, variance and zeros of each gene."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scae.evaluation import generated_cells
from scae.plots import drawing

NAMES = {"mean": "mean expression", "variance": "variance (log 10)", "zeros": "share of zeros"}
SIDE = 28  # hexagons along a side
DECADES = 5  # of variance, shown below the largest
CMAP = drawing.DARKER.resampled(6)


def draw(table, title):
    """A row of panels for reconstructed and one for generated cells, a panel for each statistic, genes as hexagons.

    Args:
        table: generated_genes.csv.
        title: heading.
    """
    kinds = [kind for kind in dict.fromkeys(table["cells"]) if kind != generated_cells.REAL]
    if not kinds:
        return drawing.message(f"{title}: the model has no decoder")
    genes = {kind: rows.set_index("gene") for kind, rows in table.groupby("cells")}
    norm = LogNorm(1, max(len(genes[generated_cells.REAL]), 2))
    size = (7.4, 0.8 + 2.05 * len(kinds))
    figure, panels = plt.subplots(len(kinds), len(NAMES), figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(title)
    for panel, name in zip(panels[0], NAMES.values(), strict=True):
        panel.set_title(name, fontsize=9)
    for row, kind in zip(panels, kinds, strict=True):
        for panel, statistic in zip(row, NAMES, strict=True):
            values = [genes[cells][statistic].to_numpy() for cells in (generated_cells.REAL, kind)]
            drawn = _hexagons(panel, *(_logarithms(values) if statistic == "variance" else values), norm)
        row[0].set_ylabel(f"{kind} cells", fontsize=9)
    figure.supxlabel("real cells", fontsize=9)
    bar = figure.colorbar(drawn, ax=panels, shrink=0.7, pad=0.02, format=FuncFormatter("{:,.0f}".format))
    bar.set_label("genes", fontsize=9)
    bar.ax.tick_params(labelsize=7)
    return figure


def _logarithms(variances):
    """Logarithms of variances, not below `DECADES` under the largest."""
    largest = max(values.max() for values in variances) or 1.0
    return [np.log10(np.maximum(values, largest / 10**DECADES)) for values in variances]


def _hexagons(panel, real, decoded, norm):
    """Hexagons coloured by number of genes, with the line of equality; returns them for a colour bar."""
    low, high = min(real.min(), decoded.min()), max(real.max(), decoded.max())
    high = high if high > low else low + 1
    extent = (low, high, low, high)
    drawn = panel.hexbin(real, decoded, gridsize=SIDE, extent=extent, mincnt=1, cmap=CMAP, norm=norm)
    panel.plot([low, high], [low, high], color="0.4", linewidth=0.8, linestyle=":")
    panel.set_aspect("equal")
    panel.tick_params(labelsize=7)
    ticks = [tick for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
    panel.set_xticks(ticks)
    panel.set_yticks(ticks)
    return drawn
