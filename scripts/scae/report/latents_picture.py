"""The picture of what latents mean: the genes that each moves most, by their expression in each cell type."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from scae.report import plotting

GENES = 3  # of each sign and latent
MOST_LATENTS = 20
AREA = 110.0  # of a dot whose gene every cell of the type has, in square points


def shown(table):
    """The rows of latent_genes.csv of one seed that the picture shows: 3 genes of each sign, of at most 20 latents."""
    sign = np.sign(table["effect"])
    first = table.groupby(["latent", sign], sort=False).cumcount() < GENES
    return table[first & table["latent"].isin(list(dict.fromkeys(table["latent"]))[:MOST_LATENTS])]


def dots(table, means, shares, title):
    """A row of dots for each type: size by the share of its cells that have the gene, colour by the mean expression.

    Args:
        table: as from `shown`; a gene stands once for each latent that moves it.
        means, shares: DataFrames (types, genes) as from `scae.evaluation.effects.by_type`; colours are of each gene's
            mean from its lowest type (0) to its highest (1).
        title: heading.
    """
    if not len(table):
        figure, panel = plt.subplots(figsize=(6, 1.2))
        panel.set_axis_off()
        panel.annotate(f"{title}: no latent is live", (0.5, 0.5), ha="center", va="center")
        return figure
    latents = list(dict.fromkeys(table["latent"]))
    gaps = {latent: number for number, latent in enumerate(latents)}
    places = np.arange(len(table)) + np.array([0.8 * gaps[latent] for latent in table["latent"]])
    low, high = means.min(), means.max()
    colors = ((means - low) / (high - low).where(high > low, np.inf))[table["gene"]]
    sizes = AREA * shares[table["gene"]]
    n_types = len(means)
    figure, panel = plt.subplots(figsize=(4.4 + 0.24 * (places[-1] + 1), 2.0 + 0.27 * n_types), layout="constrained")
    figure.suptitle(title)
    across, down = np.meshgrid(places, np.arange(n_types))
    drawn = panel.scatter(
        across, down, s=sizes.to_numpy(), c=colors.to_numpy(), cmap="cividis_r", vmin=0, vmax=1, linewidths=0
    )
    signs = ["+" if effect > 0 else "\N{MINUS SIGN}" for effect in table["effect"]]
    names = [f"{plotting.shortened(gene)} {sign}" for gene, sign in zip(table["gene"], signs, strict=True)]
    panel.set_xticks(places, names, rotation=90, fontsize=8)
    panel.set_yticks(range(n_types), [plotting.shortened(name) for name in means.index])
    panel.set_xlim(-0.8, places[-1] + 0.8)
    panel.set_ylim(n_types - 0.4, -1.4)
    middle = pd.Series(places).groupby(table["latent"].to_numpy(), sort=False).mean()
    for latent, place in middle.items():
        panel.annotate(latent, (place, -0.7), ha="center", va="center", weight="bold", annotation_clip=False)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    figure.colorbar(drawn, ax=panel, shrink=0.8, pad=0.02, label="mean, from the lowest\ntype to the highest")
    return figure
