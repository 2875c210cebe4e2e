"""Stability across seeds: how many of its cluster-mates each cell keeps, on the t-SNE of the first seed."""

import matplotlib.pyplot as plt
import numpy as np

from scae.plots import drawing
from scae.style import UNSCORED_COLOR

PANELS = 3  # in a row


def stability(of_models, of_cells, points, title):
    """A panel for each model, cells coloured by the share of cluster-mates in the latent kept under another seed.

    Args:
        of_models, of_cells: stability.csv and cell_stability.csv of a data set.
        points: {model: DataFrame (cells, 2) in the order of the cells of that model}.
        title: heading.
    """
    rows = -(-len(points) // PANELS)
    columns = min(PANELS, len(points))
    figure, panels = plt.subplots(
        rows, columns, figsize=(4.2 * columns + 1, 3.8 * rows), squeeze=False, layout="constrained"
    )
    figure.suptitle(title)
    value = of_models.set_index(["model", "space", "measure"])["value"]
    image = None
    for panel, (model, places) in zip(panels.flat, points.items(), strict=False):
        kept = of_cells.loc[of_cells["model"] == model, "kept_latent"].to_numpy(dtype=float)
        size = drawing.point_size(len(kept))
        if np.isnan(kept).all():
            panel.scatter(*places.to_numpy().T, s=size, c=UNSCORED_COLOR, linewidths=0)
            panel.set_title(f"{model}\nunknown: one seed")
        else:
            image = panel.scatter(*places.to_numpy().T, s=size, c=kept, cmap="cividis", vmin=0, vmax=1, linewidths=0)
            ari, shared = value[model, "latent", "ari"], value[model, "latent", "canonical_correlation"]
            panel.set_title(f"{model}\nARI between seeds {ari:.2f}, canonical correlation {shared:.2f}")
        panel.set(xlabel="t-SNE 1", ylabel="t-SNE 2", xticks=[], yticks=[])
    for panel in panels.flat[len(points) :]:
        panel.set_axis_off()
    if image is not None:
        figure.colorbar(image, ax=panels, shrink=0.8, label="overlap of a cell's clusters between seeds")
    return figure
