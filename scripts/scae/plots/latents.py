"""The genes that change most with each latent dimension, in each cell type and along the dimension."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from scae.evaluation import latent_genes
from scae.plots import drawing

MOST_LATENTS = 20
AREA = 90.0  # square points, of a dot whose gene all cells of the type express
IN_A_ROW = 4  # latent dimensions, so that the text can be read at the width of a page
NAME_GAP = 0.11  # between the names of curves, as a share of the panel height
RISES, FALLS = "#332288", "#aa4400"


def shown(table):
    """The rows of latent_genes.csv of one seed that are drawn: 3 genes of each sign, at most 20 latent dimensions."""
    sign = np.sign(table["effect"])
    first = table.groupby(["latent", sign], sort=False).cumcount() < latent_genes.CURVES
    return table[first & table["latent"].isin(list(dict.fromkeys(table["latent"]))[:MOST_LATENTS])]


def draw(table, means, shares, curves, title):
    """Above, dots by cell type; below, the decoded curves of a model with a decoder.

    Args:
        table: rows of latent_genes.csv as from `shown`.
        means, shares: DataFrames (types, genes) as from `scae.evaluation.latent_genes.by_type`.
        curves: rows of latent_traversals.csv of one seed; none without a decoder.
        title: heading.
    """
    latents = list(dict.fromkeys(table["latent"]))
    if not latents:
        return drawing.message(f"{title}: no latent dimension is active")
    rows = [latents[start : start + IN_A_ROW] for start in range(0, len(latents), IN_A_ROW)]
    heights = [1.5 + 0.24 * len(means)] * len(rows) + ([1.9] * len(rows) if len(curves) else [])
    n_places = max(_places(table[table["latent"].isin(row)])[-1] for row in rows) + 1
    width = 4.0 + 0.23 * n_places
    figure = plt.figure(figsize=(max(width, 9.5) if len(curves) else width, 0.5 + sum(heights)), layout="constrained")
    figure.suptitle(title)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    panels, drawn = [], None
    for part, row in zip(parts, rows, strict=False):
        panels.append(part.subplots())
        drawn = _dots(panels[-1], table[table["latent"].isin(row)], means, shares, n_places)
        part.colorbar(drawn, ax=panels[-1], shrink=0.9, pad=0.02, label="mean expression, lowest\nto highest type")
    for part, row in zip(parts[len(rows) :], rows, strict=False):
        below = part.subplots(1, IN_A_ROW, squeeze=False).flat
        for panel in below[len(row) :]:
            panel.set_axis_off()
        for panel, latent in zip(below, row, strict=False):
            _along(panel, curves[curves["latent"] == latent], table[table["latent"] == latent])
        part.supylabel("change in decoded\nexpression", fontsize=9)
    if len(curves):
        parts[-1].supxlabel("value of the latent dimension, the others fixed", fontsize=9)
    return figure


def _places(table):
    """Places of the genes in a row of dots, with a gap between latent dimensions."""
    return np.arange(len(table)) + 0.8 * pd.factorize(table["latent"])[0]


def _along(panel, curves, table):
    """A curve for each gene of one latent dimension, named at its end: rising ones solid, falling ones dashed.

    The axis is inverted where the move goes to lower values (a gate whose slab is below 0).
    """
    effect_of = table.set_index("gene")["effect"]
    ends = {}
    for gene, points in curves[curves["gene"].isin(effect_of.index)].groupby("gene", sort=False):
        color, style = (RISES, "-") if effect_of[gene] > 0 else (FALLS, "--")
        change = points["expression"] - points["expression"].iloc[0]
        panel.plot(points["value"], change, color=color, linestyle=style, linewidth=1.2)
        ends[gene] = (change.iloc[-1], color)
    if curves["value"].iloc[0] > curves["value"].iloc[-1]:
        panel.invert_xaxis()
    low, high = panel.get_ylim()
    place = -np.inf
    for gene, (end, color) in sorted(ends.items(), key=lambda found: found[1][0]):
        place = max((end - low) / (high - low), place + NAME_GAP)
        where = {"xycoords": "axes fraction", "va": "center", "fontsize": 8, "annotation_clip": False}
        panel.annotate(drawing.shortened(gene), (1.02, place), color=color, **where)
    panel.set_title(table["latent"].iloc[0], fontsize=9)
    panel.tick_params(labelsize=8)
    panel.xaxis.set_major_locator(MaxNLocator(3))
    panel.yaxis.set_major_locator(MaxNLocator(3))


def _dots(panel, table, means, shares, n_places):
    """A row of dots for each type: size by the share of its cells that express the gene, colour by mean expression.

    Colours run from each gene's lowest type (0) to its highest (1). Args as in `draw`; returns the dots.
    """
    places = _places(table)
    low, high = means.min(), means.max()
    colors = ((means - low) / (high - low).where(high > low, np.inf))[table["gene"]]
    sizes = AREA * shares[table["gene"]]
    n_types = len(means)
    across, down = np.meshgrid(places, np.arange(n_types))
    drawn = panel.scatter(
        across, down, s=sizes.to_numpy(), c=colors.to_numpy(), cmap=drawing.DARKER, vmin=0, vmax=1, linewidths=0
    )
    signs = ["+" if effect > 0 else "\N{MINUS SIGN}" for effect in table["effect"]]
    names = [f"{drawing.shortened(gene)} {sign}" for gene, sign in zip(table["gene"], signs, strict=True)]
    panel.set_xticks(places, names, rotation=90, fontsize=9)
    panel.set_yticks(range(n_types), [drawing.shortened(name) for name in means.index])
    panel.set_xlim(-0.8, n_places - 0.2)
    panel.set_ylim(n_types - 0.4, -1.4)
    middle = pd.Series(places).groupby(table["latent"].to_numpy(), sort=False).mean()
    for latent, place in middle.items():
        panel.annotate(latent, (place, -0.7), ha="center", va="center", weight="bold", annotation_clip=False)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    return drawn
