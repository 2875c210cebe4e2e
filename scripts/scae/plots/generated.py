"""The picture of made cells against real ones: mean, variance and zeros of each gene."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.ticker import FuncFormatter, MaxNLocator

from scae.evaluation import generated_cells
from scae.plots import drawing

NAMES = {"mean": "mean expression", "variance": "variance (log 10)", "zeros": "share of cells without"}
SIDE = 28  # hexagons along a side
DECADES = 5  # of variance that are shown below the largest
CMAP = plt.get_cmap("cividis_r", 6)


def draw(table, title):
    """A row of panels for each way in which cells were made, a panel for each statistic, hexagons of genes in it.

    Args:
        table: generated_genes.csv.
        title: heading.

    Returns:
        matplotlib figure
    """
    ways = [way for way in dict.fromkeys(table["cells"]) if way != generated_cells.REAL]
    if not ways:
        return drawing.words(f"{title}: its page has no decoder")
    of = {way: rows.set_index("gene") for way, rows in table.groupby("cells")}
    most = LogNorm(1, max(len(of[generated_cells.REAL]), 2))
    size = (7.4, 0.8 + 2.05 * len(ways))
    figure, panels = plt.subplots(len(ways), len(NAMES), figsize=size, squeeze=False, layout="constrained")
    figure.suptitle(title)
    for panel, name in zip(panels[0], NAMES.values(), strict=True):
        panel.set_title(name, fontsize=9)
    for row, way in zip(panels, ways, strict=True):
        for panel, statistic in zip(row, NAMES, strict=True):
            values = [of[cells][statistic].to_numpy() for cells in (generated_cells.REAL, way)]
            drawn = against(panel, *(logarithms(values) if statistic == "variance" else values), most)
        row[0].set_ylabel(f"{way} cells", fontsize=9)
    figure.supxlabel("real cells", fontsize=9)
    bar = figure.colorbar(drawn, ax=panels, shrink=0.7, pad=0.02, format=FuncFormatter("{:,.0f}".format))
    bar.set_label("genes", fontsize=9)
    bar.ax.tick_params(labelsize=7)
    return figure


def logarithms(values):
    """Logarithms of variances, of which those that are all but 0 are at the lower end of what is shown."""
    largest = max(of_cells.max() for of_cells in values) or 1.0
    return [np.log10(np.maximum(of_cells, largest / 10**DECADES)) for of_cells in values]


def against(panel, real, made, most):
    """Hexagons of genes by how many there are, with the line on which both are equal.

    Returns:
        what is drawn, for a colour bar.
    """
    low, high = min(real.min(), made.min()), max(real.max(), made.max())
    high = high if high > low else low + 1
    extent = (low, high, low, high)
    drawn = panel.hexbin(real, made, gridsize=SIDE, extent=extent, mincnt=1, cmap=CMAP, norm=most)
    panel.plot([low, high], [low, high], color="0.4", linewidth=0.8, linestyle=":")
    panel.set_aspect("equal")
    panel.tick_params(labelsize=7)
    ticks = [tick for tick in MaxNLocator(3).tick_values(low, high) if low <= tick <= high]
    panel.set_xticks(ticks)
    panel.set_yticks(ticks)
    return drawn
