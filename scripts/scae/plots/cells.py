"""Pictures of cells in their 2-D t-SNE: by label, cluster and batch, and all representations side by side."""

import matplotlib.pyplot as plt
import numpy as np
from adjustText import adjust_text
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from scae import style, tables
from scae.evaluation import summary
from scae.plots import drawing

LEGEND_COLUMNS = 2
MOST_NAMED = 30  # types whose names are written into a picture
NUMBERS, SMALL_NUMBERS = (15, 8), (10, 5)  # sizes of circle and text, up to MOST_NAMED clusters and above
ADJUSTMENTS = 60  # steps of moving names apart; a time limit would make the picture depend on the machine
HALO = [withStroke(linewidth=2.5, foreground="white")]
PANELS_IN_A_ROW = 3
THUMBNAIL = 3.2  # inches, of a square picture


def clusters(points, labels, clusters, title, styles=None, batches=None):
    """2-D t-SNE by cell type, by k-means cluster with numbered centroids, and by batch where there are batches.

    A cluster has the colour of its most frequent type. Where a type has several clusters, the largest is filled and the
    others are outlines, so that a colour not filled on the right is a type that was not detected.

    Args:
        points: (cells, 2).
        labels, clusters: (cells,); cells without a label are grey and do not count in a cluster.
        title: heading.
        styles: {type: (colour, matplotlib marker, plotly symbol)} as in colors.csv; by default in order of name.
        batches: (cells,) or None; cells without a batch are grey.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    styles = styles or _default_styles(labels)
    n_panels, n_groups = 2, max(len(styles), len(set(clusters)))
    if batches is not None:
        batches = np.asarray(batches)
        batch_styles = _default_styles(batches)
        n_panels, n_groups = 3, max(n_groups, len(batch_styles))
    height = 5.6 + 0.2 * -(-n_groups // LEGEND_COLUMNS)
    figure, panels = plt.subplots(
        1, n_panels, figsize=(6 * n_panels, height), sharex=True, sharey=True, layout="constrained"
    )
    figure.suptitle(title)
    _scatter(panels[0], points, labels, _counted(styles, labels))
    panels[0].set_title("labels (number of cells)")
    name_groups(panels[0], points, labels, styles)
    _clusters(panels[1], points, labels, clusters, styles)
    if batches is not None:
        _scatter(panels[2], points, batches, _counted(batch_styles, batches), without="batch")
        _scatter_mixed(panels[2], points, batches, batch_styles)
        panels[2].set_title("batches (number of cells)")
    for panel in panels:
        panel.set(xlabel="t-SNE 1", xticks=[], yticks=[])
    panels[0].set_ylabel("t-SNE 2")
    return figure


def _default_styles(names):
    return style.styles(names[names != tables.UNSCORED])


def _counted(styles, groups):
    """{group: (style, legend text)} with the number of cells."""
    return {name: (styles[name], f"{drawing.shortened(name)} ({(groups == name).sum():,})") for name in styles}


def _clusters(panel, points, labels, clusters, styles):
    """The k-means partition with its centroids."""
    has_label = labels != tables.UNSCORED
    owners = summary.cluster_owners(labels[has_label], clusters[has_label])
    shown, outlined, filled = {}, set(), set()
    for cluster, owner in owners.sort_values("owned_cells", ascending=False).iterrows():
        name = owner["label"]
        outlined |= {cluster} if name in filled else set()
        filled.add(name)
        shown[cluster] = (styles[name], f"k{cluster}: {owner['share']:.0%} {drawing.shortened(name)}")
    unlabelled = {cluster: f"k{cluster}" for cluster in sorted(set(clusters) - set(shown))}
    own_styles = style.styles(unlabelled.values())
    shown |= {cluster: (own_styles[name], name) for cluster, name in unlabelled.items()}
    shown = {cluster: shown[cluster] for cluster in sorted(shown)}
    _scatter(panel, points, clusters, shown, outlined)
    circle, text = NUMBERS if len(shown) <= MOST_NAMED else SMALL_NUMBERS
    for cluster in shown:
        x, y = points[clusters == cluster].mean(axis=0)
        panel.plot(x, y, "o", markersize=circle, color="white", markeredgecolor="black", zorder=3)
        panel.annotate(f"k{cluster}", (x, y), ha="center", va="center", fontsize=text, weight="bold", zorder=4)
    panel.set_title(f"k-means: {len(filled)} of {len(styles)} types detected" if styles else "k-means")


def _scatter_mixed(panel, points, groups, styles):
    """Points in a fixed random order, so that no group covers the others because of its name."""
    order = np.random.default_rng(0).permutation(len(points))
    for shape in dict.fromkeys(marker for _, marker, _ in styles.values()):
        cells = [cell for cell in order if groups[cell] in styles and styles[groups[cell]][1] == shape]
        colors = [styles[groups[cell]][0] for cell in cells]
        panel.scatter(*points[cells].T, s=drawing.point_size(len(points)), c=colors, marker=shape, linewidths=0)


def name_groups(panel, points, labels, styles):
    """Write each type's name at the median of its cells, moved where names would overlap.

    So types never differ by colour alone. Above `MOST_NAMED` types only the legend has the names.
    """
    if len(styles) > MOST_NAMED:
        return
    medians = {name: np.median(points[labels == name], axis=0) for name in styles}
    text = {"fontsize": 8, "ha": "center", "va": "center", "zorder": 4, "path_effects": HALO}
    texts = [panel.text(*place, drawing.shortened(name), **text) for name, place in medians.items()]
    if len(texts) > 1:
        line = {"arrowstyle": "-", "color": "#555555", "linewidth": 0.6}
        adjust_text(texts, ax=panel, iter_lim=ADJUSTMENTS, ensure_inside_axes=True, arrowprops=line)


def _scatter(panel, points, groups, shown, outlined=(), without="label"):
    size = drawing.point_size(len(points))
    if (rest := groups == tables.UNSCORED).any():
        grey = (style.UNSCORED_COLOR, "o", None)
        shown = {tables.UNSCORED: (grey, f"no {without} ({rest.sum():,})")} | shown
    for name, ((color, marker, _), text) in shown.items():
        fill = (
            {"facecolors": "none", "edgecolors": color, "linewidths": 0.6}
            if name in outlined
            else {"c": color, "linewidths": 0}
        )
        panel.scatter(*points[groups == name].T, s=size, marker=marker, label=text, **fill)
    handles, texts = panel.collections[-len(shown) :], [text for _, text in shown.values()]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.06), "ncols": LEGEND_COLUMNS}
    panel.legend(handles, texts, markerscale=(40 / size) ** 0.5, fontsize=8, **place)


def embeddings(runs, labels, styles=None):
    """The 2-D t-SNE of every representation side by side, one seed each.

    Args:
        runs: {representation: (cells, 2)}.
        labels: (cells,).
        styles: as in `clusters`.
    """
    labels = np.asarray(labels)
    styles = styles or _default_styles(labels)
    columns = min(PANELS_IN_A_ROW, max(1, len(runs)))
    rows = -(-max(1, len(runs)) // columns)
    figure, panels = plt.subplots(
        rows,
        columns,
        figsize=(3.6 * columns, 3.5 * rows + 0.28 * (len(styles) // columns + 1)),
        squeeze=False,
        layout="constrained",
    )
    for panel in panels.flat[len(runs) :]:
        panel.set_axis_off()
    for panel, (name, points) in zip(panels.flat, runs.items(), strict=False):
        _thumbnail(panel, points, labels, styles)
        panel.set_title(name)
    handles = [
        Line2D([], [], linestyle="", marker=marker, color=color, markersize=7, label=drawing.shortened(name))
        for name, (color, marker, _) in styles.items()
    ]
    if (labels == tables.UNSCORED).any():
        handles.append(Line2D([], [], linestyle="", marker="o", color=style.UNSCORED_COLOR, label="no label"))
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=9)
    return figure


def thumbnail(points, labels, styles):
    """The 2-D t-SNE of one representation by cell type, without text; arguments as in `clusters`."""
    figure, panel = plt.subplots(figsize=(THUMBNAIL, THUMBNAIL))
    figure.subplots_adjust(0.02, 0.02, 0.98, 0.98)
    _thumbnail(panel, points, np.asarray(labels), styles)
    return figure


def _thumbnail(panel, points, labels, styles):
    options = {"s": drawing.point_size(len(points), 3000, 0.6, 8), "linewidths": 0, "rasterized": True}
    panel.scatter(*points[labels == tables.UNSCORED].T, c=style.UNSCORED_COLOR, **options)
    for name, (color, marker, _) in styles.items():
        panel.scatter(*points[labels == name].T, c=color, marker=marker, **options)
    panel.set(xticks=[], yticks=[])
    panel.spines[:].set_visible(False)
