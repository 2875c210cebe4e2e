"""The static pictures. Each function returns a matplotlib figure; `save` writes it with reproducible bytes."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from adjustText import adjust_text
from matplotlib.patheffects import withStroke

from scae import tables
from scae.evaluation import summary
from scae.style import RASTER_DPI, UNSCORED_COLOR, styles

plt.rcdefaults()  # a matplotlibrc of the user's would change every picture
plt.rcParams.update(
    {
        "svg.hashsalt": "scae",  # fixed ids within an SVG
        "font.size": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.titlesize": 11,
        "legend.frameon": False,
        "text.parse_math": False,  # a name may hold a $
        "figure.dpi": 100,
    }
)

CONTROL_COLOR = "#5a6478"  # of the names of what models are held against
LEGEND_ROWS = 18  # beside a picture
LEGEND_COLUMNS = 2  # below one
LONGEST_NAME = 30  # characters
MOST_NAMED = 30  # types whose names stand in a picture
NUMBERS, SMALL_NUMBERS = (15, 8), (10, 5)  # circle and text that number up to so many clusters, and more of them
ADJUSTMENTS = 60  # steps of moving names apart; steps, since time would decide the picture
HALO = [withStroke(linewidth=2.5, foreground="white")]
METADATA = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


def save(figure, path, editable=False):
    """Write a figure as .png, .svg or .pdf; the same figure always gives the same bytes.

    ``editable`` keeps text as text in .svg and .pdf, for a paper; else it looks the same whatever fonts there are.
    """
    suffix = "." + str(path).rsplit(".", 1)[-1]
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it would move things again at each drawing
    fonts = {"svg.fonttype": "none", "pdf.fonttype": 42} if editable else {}
    with matplotlib.rc_context(fonts):
        figure.savefig(path, dpi=RASTER_DPI, bbox_inches="tight", metadata=METADATA[suffix])


def words(text):
    """A picture of a line of text, where there is nothing to draw."""
    figure, panel = plt.subplots(figsize=(6, 1.2))
    panel.set_axis_off()
    panel.annotate(text, (0.5, 0.5), ha="center", va="center")
    return figure


def title(wildcards):
    """Heading of the pictures of one run."""
    return f"{wildcards.model} on {wildcards.dataset}, seed {wildcards.seed}"


def shortened(name):
    """A name that fits beside a picture, without its middle: long names often begin alike. The tables have it whole."""
    if len(name) <= LONGEST_NAME:
        return name
    end = LONGEST_NAME // 2
    return f"{name[: LONGEST_NAME - end - 1].rstrip()}…{name[-end:].lstrip()}"


def clusters(points, labels, clusters, title, looks=None):
    """2-D t-SNE coloured by cell type beside its k-means partition with numbered centroids.

    A cluster takes the colour of the cell type that owns it (its most frequent one). Where a type owns several, the
    largest is filled and the others are outlines, so that a colour not filled on the right is a type not detected.

    Args:
        points: (cells, 2).
        labels, clusters: (cells,); cells without a label are grey and own no cluster.
        title: heading.
        looks: {type: look} of all types, as in colors.csv; without, in the order of their names.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    scored = labels != tables.UNSCORED
    looks = looks or styles(labels[scored])
    owners = summary.cluster_owners(labels[scored], clusters[scored])
    rows = -(-max(len(looks), len(set(clusters))) // LEGEND_COLUMNS)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(12, 5.6 + 0.2 * rows), sharex=True, sharey=True, layout="constrained"
    )
    figure.suptitle(title)
    _scatter(
        left, points, labels, {name: (looks[name], f"{shortened(name)} ({(labels == name).sum():,})") for name in looks}
    )
    left.set_title("by label (number of cells)")
    name_groups(left, points, labels, looks)

    cluster_looks, outlined = {}, set()
    for cluster, owner in owners.sort_values("owned_cells", ascending=False).iterrows():
        if owner["label"] in {name for name, _, _ in cluster_looks.values()}:
            outlined.add(cluster)
        text = f"k{cluster}: {owner['share']:.0%} {shortened(owner['label'])}"
        cluster_looks[cluster] = (owner["label"], looks[owner["label"]], text)
    unowned = sorted(set(clusters) - set(cluster_looks))  # they hold no cell with a label
    without = {cluster: f"k{cluster}" for cluster in unowned}
    own_looks = styles(without.values())
    cluster_looks |= {cluster: (None, own_looks[name], name) for cluster, name in without.items()}
    drawn = {cluster: cluster_looks[cluster][1:] for cluster in sorted(cluster_looks)}
    _scatter(right, points, clusters, drawn, outlined)
    circle, text = NUMBERS if len(cluster_looks) <= MOST_NAMED else SMALL_NUMBERS
    for cluster in sorted(cluster_looks):
        x, y = points[clusters == cluster].mean(axis=0)
        right.plot(x, y, "o", markersize=circle, color="white", markeredgecolor="black", zorder=3)
        right.annotate(f"k{cluster}", (x, y), ha="center", va="center", fontsize=text, weight="bold", zorder=4)
    detected = owners["label"].nunique()
    right.set_title(f"by k-means: {detected} of {len(looks)} labels own a cluster" if looks else "by k-means")
    for axes in (left, right):
        axes.set(xlabel="t-SNE 1", xticks=[], yticks=[])
    left.set_ylabel("t-SNE 2")
    return figure


def batches(points, labels, batches, title, looks=None):
    """2-D t-SNE coloured by cell type beside the same by batch.

    The cells of the batches are drawn in a fixed random order, so that none lies on the others for its name.

    Args:
        points: (cells, 2).
        labels, batches: (cells,); cells without are grey.
        title: heading.
        looks: {type: look} of all types, as in colors.csv; without, in the order of their names.
    """
    labels, batches = np.asarray(labels), np.asarray(batches)
    of_types = looks or styles(labels[labels != tables.UNSCORED])
    of_batches = styles(batches[batches != tables.UNSCORED])
    rows = -(-max(len(of_types), len(of_batches)) // LEGEND_COLUMNS)
    figure, panels = plt.subplots(1, 2, figsize=(12, 5.6 + 0.2 * rows), sharex=True, sharey=True, layout="constrained")
    figure.suptitle(title)
    both = ("cell types", labels, of_types), ("batches", batches, of_batches)
    for axes, (heading, names, looks) in zip(panels, both, strict=True):
        shown = {name: (looks[name], f"{shortened(name)} ({(names == name).sum():,})") for name in looks}
        _scatter(axes, points, names, shown, without="label" if names is labels else "batch")
        axes.set(title=f"{heading} (number of cells)", xlabel="t-SNE 1", xticks=[], yticks=[])
    panels[0].set_ylabel("t-SNE 2")
    _scatter_mixed(panels[1], points, batches, of_batches)
    return figure


def _scatter_mixed(axes, points, groups, looks):
    """Points in a fixed random order, each in the colour and with the marker of its group."""
    order = np.random.default_rng(0).permutation(len(points))
    for shape in dict.fromkeys(marker for _, marker, _ in looks.values()):
        cells = [cell for cell in order if groups[cell] in looks and looks[groups[cell]][1] == shape]
        colors = [looks[groups[cell]][0] for cell in cells]
        axes.scatter(*points[cells].T, s=_size(points), c=colors, marker=shape, linewidths=0)


def _size(points):
    return float(np.clip(6000 / len(points), 1, 14))


def name_groups(axes, points, labels, looks):
    """Write the name of each type at the median of its cells, moved where names would overlap.

    So colour alone never tells a type. Above `MOST_NAMED` types the legend has to do.
    """
    if len(looks) > MOST_NAMED:
        return
    medians = {name: np.median(points[labels == name], axis=0) for name in looks}
    style = {"fontsize": 8, "ha": "center", "va": "center", "zorder": 4, "path_effects": HALO}
    texts = [axes.text(*place, shortened(name), **style) for name, place in medians.items()]
    if len(texts) > 1:
        line = {"arrowstyle": "-", "color": "#555555", "linewidth": 0.6}
        adjust_text(texts, ax=axes, iter_lim=ADJUSTMENTS, ensure_inside_axes=True, arrowprops=line)


def _scatter(axes, points, groups, looks, outlined=(), below=True, without="label", **options):
    size = _size(points)
    if (unscored := groups == tables.UNSCORED).any():
        looks = {tables.UNSCORED: ((UNSCORED_COLOR, "o", None), f"no {without} ({unscored.sum():,})")} | looks
    for name, ((color, marker, _), text) in looks.items():
        chosen = groups == name
        look = (
            {"facecolors": "none", "edgecolors": color, "linewidths": 0.6}
            if name in outlined
            else {"c": color, "linewidths": 0}
        )
        axes.scatter(*points[chosen].T, s=size, marker=marker, label=text, **look, **options)
    handles, texts = axes.collections[-len(looks) :], [text for _, text in looks.values()]
    place = (
        {"loc": "upper center", "bbox_to_anchor": (0.5, -0.06), "ncols": LEGEND_COLUMNS}
        if below
        else {"loc": "center left", "bbox_to_anchor": (1.08, 0.5), "ncols": -(-len(looks) // LEGEND_ROWS)}
    )
    axes.legend(handles, texts, markerscale=(40 / size) ** 0.5, fontsize=8, **place)


def tsne3d(points, labels, title, looks=None):
    """3-D t-SNE coloured by cell type; points: (cells, 3), labels: (cells,), looks: as in `clusters`."""
    labels = np.asarray(labels)
    looks = looks or styles(labels[labels != tables.UNSCORED])
    width = 7.5 + 3 * (-(-len(set(labels)) // LEGEND_ROWS) - 1)
    figure = plt.figure(figsize=(width, 5.2), layout="constrained")
    axes = figure.add_subplot(projection="3d")
    drawn = {name: (look, shortened(name)) for name, look in looks.items()}
    _scatter(axes, points, labels, drawn, below=False, depthshade=False)
    axes.set(
        title=title,
        xlabel="t-SNE 1",
        ylabel="t-SNE 2",
        zlabel="t-SNE 3",
        xticklabels=[],
        yticklabels=[],
        zticklabels=[],
    )
    axes.view_init(elev=20, azim=-60)
    return figure


def losses(history, title):
    """Every loss term over the epochs, one panel each; history: DataFrame with epoch and one column per term.

    Cells that were held out, if any, have a dashed curve of their own; with early stopping a line stands at the epoch
    whose weights are kept.
    """
    held_out = tables.HELD_OUT
    terms = [
        name for name in history.columns if name != "epoch" and not name.startswith(held_out) and history[name].any()
    ]
    if "reconstruction" in terms and history["loss"].equals(history["reconstruction"]):
        terms.remove("loss")  # a model with one term has one curve
    names = {"loss": "total loss", "reconstruction": "reconstruction", "kl": "KL divergence (nats)"}
    figure, axes = plt.subplots(1, len(terms), figsize=(4.2 * len(terms), 3.2), squeeze=False, layout="constrained")
    figure.suptitle(title)
    for panel, name in zip(axes[0], terms, strict=True):
        panel.plot(history["epoch"], history[name], color="#332288")
        panel.set(title=f"{names.get(name, name)}, mean over cells", xlabel="epoch")
        panel.set_ylim(bottom=min(0, history[name].min()))
        if f"{held_out}{name}" in history:
            panel.lines[0].set_label("trained on")
            panel.plot(history["epoch"], history[f"{held_out}{name}"], color="#CC6677", dashes=(4, 2), label="held out")
            panel.legend(fontsize=8)
        if tables.BEST_EPOCH in history:
            kept = history[tables.BEST_EPOCH].iloc[-1]
            panel.axvline(kept, color="#666666", linewidth=1, label=f"kept: epoch {kept:.0f}")
            panel.legend(fontsize=8)
        panel.annotate(
            f"{history[name].iloc[-1]:.4g}",
            (history["epoch"].iloc[-1], history[name].iloc[-1]),
            xytext=(0, 6),
            textcoords="offset points",
            ha="right",
        )
    return figure


def heatmap(metrics, published, described, roles):
    """Scores of all models: a block per data set, a row per model, a column per metric and space.

    With several seeds a cell shows the mean ± standard deviation over them.

    Args:
        metrics: the long table of all scores.
        published: {data set: {"citation": …, "scores": {model: {metric: value}}}}, drawn as further rows.
        described: what scae.evaluation.metrics.described says of the metrics; scores with 1 as their best are drawn.
        roles: {model: "model", "pca" or "floor"}; models stand above what they are held against, whose names are grey.
    """
    rows = summary.score_rows(summary.models_first(metrics, roles), published)
    shown = summary.score_columns(rows, described)
    values = rows.xs("mean", axis=1, level="statistic")[shown].to_numpy(dtype=float)
    spread = rows.xs("sd", axis=1, level="statistic")[shown].to_numpy(dtype=float)
    figure, axes = plt.subplots(figsize=(1.6 + 0.95 * len(shown) + 1.2, 1.6 + 0.5 * len(rows)), layout="constrained")
    lowest, highest = np.nanmin(values, initial=1.0), np.nanmax(values, initial=0.0)
    lowest, highest = (lowest, highest) if lowest < highest else (0, 1)
    image = axes.imshow(np.ma.masked_invalid(values), cmap="cividis", vmin=lowest, vmax=highest, aspect="auto")
    for row, column in np.ndindex(values.shape):
        value, sd = values[row, column], spread[row, column]
        if np.isnan(value):
            continue
        text = f"{value:.2f}" if np.isnan(sd) else f"{value:.2f}\n± {sd:.2f}"
        axes.annotate(
            text,
            (column, row),
            ha="center",
            va="center",
            fontsize=8.5,
            color="black" if image.norm(value) > 0.5 else "white",
        )
    names = [described[metric]["heading"] for _, metric in shown]
    axes.set_xticks(range(len(shown)), names, rotation=35, ha="left", rotation_mode="anchor")
    axes.xaxis.tick_top()
    axes.set_yticks(range(len(rows)), summary.row_names(rows))
    for (_, name, source, _), text in zip(rows.index, axes.get_yticklabels(), strict=True):
        if not source and roles.get(name) != "model":
            text.set(style="italic", color=CONTROL_COLOR)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    spaces = [space for space, _ in shown]
    for space in dict.fromkeys(spaces):
        columns = [column for column, name in enumerate(spaces) if name == space]
        axes.annotate(
            f"k-means on the {summary.SPACE_NAMES.get(space, space)}",
            (np.mean(columns), len(rows) - 0.4),
            ha="center",
            va="top",
            annotation_clip=False,
        )
        if columns[0]:
            axes.axvline(columns[0] - 0.5, color="white", linewidth=4)
    datasets = rows.index.get_level_values("dataset")
    for row in range(1, len(rows)):
        if datasets[row] != datasets[row - 1]:
            axes.axhline(row - 0.5, color="white", linewidth=4)
    figure.colorbar(image, ax=axes, shrink=0.8, label="score", pad=0.02)
    return figure
