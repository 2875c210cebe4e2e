"""The pictures show what the tables say, with the same bytes each time, and import no heavy package."""

import itertools
import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from places import ROOT

from scae import style
from scae.evaluation.metrics import described
from scae.plots import drawing

ROLES = {"dae": "model", "beta_vae": "model"}
METRICS = ["nmi", "ari", "silhouette", "detected_types"]
PUBLISHED = {"toy": {"citation": "original study", "scores": {"dae": {"nmi": 0.72, "ari": 0.58}}}}


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def metrics_of(seeds=(0,), models=("dae", "beta_vae"), datasets=("toy",), undefined="silhouette"):
    random = np.random.default_rng(0)
    rows = [
        (dataset, model, seed, "hand", space, metric, np.nan if metric == undefined else random.uniform(-0.2, 1))
        for dataset in datasets
        for model in models
        for seed in seeds
        for space in ("tsne2d", "latent")
        for metric in METRICS
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


@pytest.fixture
def cells():
    random = np.random.default_rng(0)
    labels = np.repeat(["B", "NK", "T"], [10, 12, 8])
    clusters = np.repeat([0, 1, 2, 3], [10, 5, 7, 8])
    return random.normal(size=(30, 3)), labels, clusters


def test_cells_without_label_lie_in_grey_behind_the_others_and_own_no_cluster(cells):
    points, labels, clusters = cells
    labels = np.where(np.arange(30) % 5 == 0, "", labels).astype(object)
    clusters = np.where(np.arange(30) == 0, 4, clusters)  # a cluster of an unlabelled cell alone
    figure = drawing.clusters(points[:, :2], labels, clusters, "a title")
    first, *others = figure.axes[0].collections
    assert to_hex(first.get_facecolor()[0]).upper() == style.UNSCORED_COLOR
    assert len(first.get_offsets()) == 6
    assert sum(len(group.get_offsets()) for group in others) == 24
    texts = texts_of(figure)
    assert "no label (6)" in texts
    assert "by k-means: 3 of 3 labels own a cluster" in texts
    assert "k4" in texts
    first = drawing.tsne3d(points, labels, "a title").axes[0].collections[0]
    assert to_hex(first.get_facecolor()[0]).upper() == style.UNSCORED_COLOR


def test_without_labels_there_are_clusters_alone(cells):
    points, _, clusters = cells
    texts = texts_of(drawing.clusters(points[:, :2], np.full(30, "", object), clusters, "a title"))
    assert {"no label (30)", "by k-means", "k0", "k3"} <= set(texts)
    drawing.tsne3d(points, np.full(30, "", object), "a title")


def test_a_heatmap_without_any_score_can_be_drawn():
    metrics = metrics_of().assign(value=np.nan)
    drawing.heatmap(metrics, {}, described(), ROLES).canvas.draw()


HISTORY = pd.DataFrame(
    {"epoch": [1, 2, 3], "loss": [9.0, 5, 4], "reconstruction": [7.0, 4, 3.5], "kl": [1.0, 0.5, 0.25]}
)

FIGURES = {
    "clusters": lambda points, labels, clusters: drawing.clusters(points[:, :2], labels, clusters, "a title"),
    "tsne3d": lambda points, labels, clusters: drawing.tsne3d(points, labels, "a title"),
    "losses": lambda points, labels, clusters: drawing.losses(HISTORY, "a title"),
    "heatmap": lambda points, labels, clusters: drawing.heatmap(metrics_of(), PUBLISHED, described(), ROLES),
}


def texts_of(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


@pytest.mark.parametrize("suffix", ["png", "svg"])
@pytest.mark.parametrize("name", FIGURES)
def test_the_same_picture_is_the_same_bytes(name, suffix, cells, tmp_path):
    for path in (tmp_path / f"one.{suffix}", tmp_path / f"two.{suffix}"):
        drawing.save(FIGURES[name](*cells), path)
    first = (tmp_path / f"one.{suffix}").read_bytes()
    assert first == (tmp_path / f"two.{suffix}").read_bytes()
    assert first.startswith(b"\x89PNG" if suffix == "png" else b"<?xml")


def test_saving_a_figure_twice_gives_the_same_bytes(cells, tmp_path):
    figure = FIGURES["heatmap"](*cells)
    for path in (tmp_path / "one.svg", tmp_path / "two.svg"):
        drawing.save(figure, path)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_picture_carries_neither_date_nor_program(cells, tmp_path):
    for suffix in ("svg", "png"):
        drawing.save(FIGURES["heatmap"](*cells), tmp_path / f"heatmap.{suffix}")
    svg, png = (tmp_path / "heatmap.svg").read_text(), (tmp_path / "heatmap.png").read_bytes()
    assert "dc:date" not in svg
    assert "Matplotlib v" not in svg
    assert b"Software" not in png
    assert b"Creation" not in png


def test_a_png_has_the_declared_resolution(cells, tmp_path):
    drawing.save(FIGURES["losses"](*cells), tmp_path / "losses.png")
    content = (tmp_path / "losses.png").read_bytes()
    position = content.index(b"pHYs") + 4
    per_metre = int.from_bytes(content[position : position + 4], "big")
    assert per_metre == pytest.approx(style.RASTER_DPI / 0.0254, abs=1)


def test_the_title_names_model_data_set_and_seed():
    wildcards = type("Wildcards", (), {"model": "dae", "dataset": "toy", "seed": "3"})
    assert drawing.title(wildcards) == "dae on toy, seed 3"


def test_the_heatmap_has_a_row_per_model_and_published_rows():
    figure = drawing.heatmap(metrics_of(datasets=("toy", "other")), PUBLISHED, described(), ROLES)
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert rows == ["dae · toy", "beta_vae · toy", "dae · original study", "dae · other", "beta_vae · other"]
    image = np.ma.filled(figure.axes[0].images[0].get_array(), np.nan)
    np.testing.assert_array_equal(image[2], [0.72, 0.58, np.nan, np.nan, np.nan, np.nan])
    assert {"0.72", "0.58"} <= set(texts_of(figure))


def test_the_heatmap_shows_every_score_and_leaves_undefined_ones_empty():
    metrics = metrics_of()
    figure = drawing.heatmap(metrics, {}, described(), ROLES)
    image = figure.axes[0].images[0].get_array()
    table = metrics[metrics["metric"] != "detected_types"]
    expected = table["value"].to_numpy().reshape(2, 6)
    np.testing.assert_array_equal(np.ma.filled(image, np.nan), expected)
    shown = texts_of(figure)
    assert "nan" not in " ".join(shown)
    for value in expected[~np.isnan(expected)]:
        assert f"{value:.2f}" in shown


def test_the_heatmap_shows_mean_and_deviation_over_several_seeds():
    metrics = metrics_of(seeds=(0, 1, 2), models=("dae",))
    values = metrics[(metrics["space"] == "latent") & (metrics["metric"] == "ari")]["value"]
    assert f"{np.mean(values):.2f}\n± {np.std(values, ddof=1):.2f}" in texts_of(
        drawing.heatmap(metrics, {}, described(), ROLES)
    )


def test_the_heatmap_leaves_out_numbers_of_types():
    assert not any("detected" in text for text in texts_of(drawing.heatmap(metrics_of(), {}, described(), ROLES)))


def test_the_heatmap_colours_span_the_scores():
    metrics = metrics_of(undefined=None)
    image = drawing.heatmap(metrics, {}, described(), ROLES).axes[0].images[0]
    values = metrics[metrics["metric"] != "detected_types"]["value"]
    assert image.norm.vmin == values.min() < 0
    assert image.norm.vmax == values.max() < 1


def colors_of(axes):
    """Colour of each group of points, in the order of the legend; empty for outlines."""
    faces = [group.get_facecolor() for group in axes.collections]
    return [to_hex(face[0]).upper() if len(face) else "" for face in faces]


def test_a_cluster_takes_the_colour_of_its_owner_and_a_second_one_is_outlined(cells):
    points, labels, clusters = cells
    left, right = drawing.clusters(points[:, :2], labels, clusters, "title").axes
    looks = style.styles(labels)
    of_types = {name: look[0].upper() for name, look in looks.items()}
    assert colors_of(left) == [of_types["B"], of_types["NK"], of_types["T"]]
    assert colors_of(right) == [of_types["B"], "", of_types["NK"], of_types["T"]]
    assert to_hex(right.collections[1].get_edgecolor()[0]).upper() == of_types["NK"]


def test_the_partition_says_how_many_types_own_a_cluster(cells):
    points, labels, _ = cells
    figure = drawing.clusters(points[:, :2], labels, np.zeros(30, int), "title")
    assert "by k-means: 1 of 3 labels own a cluster" in texts_of(figure)
    assert "k0: 40% NK" in texts_of(figure)


def test_every_cell_is_drawn_once_on_each_side(cells):
    points, labels, clusters = cells
    for axes in drawing.clusters(points[:, :2], labels, clusters, "title").axes:
        drawn = np.concatenate([group.get_offsets() for group in axes.collections])
        drawn = drawn[np.lexsort(drawn.T)]
        np.testing.assert_allclose(drawn, points[:, :2][np.lexsort(points[:, :2].T)])


@pytest.mark.parametrize("name", ["_unassigned", "a $x^{$ b", "CD4$^+$", "<b>&", "naïve Δ"])
def test_every_cell_type_is_in_the_legend_as_it_is_written(name, cells, tmp_path):
    points, labels, clusters = cells
    labels = np.where(labels == "NK", name, labels.astype(object))
    for figure in (
        drawing.clusters(points[:, :2], labels, clusters, "title"),
        drawing.tsne3d(points, labels, "title"),
    ):
        legend = [text.get_text().replace(r"\$", "$") for text in figure.axes[0].get_legend().get_texts()]
        assert sum(text.startswith(name) for text in legend) == 1
        drawing.save(figure, tmp_path / "picture.png")


@pytest.mark.parametrize("number", [9, 20, 40])
@pytest.mark.parametrize("name", ["clusters", "tsne3d"])
def test_the_legend_leaves_room_for_the_cells_however_many_types(name, number):
    labels = np.array([f"a rather long cell type {number}" for number in range(number)] * 2)
    points = np.random.default_rng(0).normal(size=(2 * number, 3))
    figure = FIGURES[name](points, labels, np.arange(2 * number) % number)
    figure.canvas.draw()
    for axes in figure.axes:
        inches = axes.get_position().size * figure.get_size_inches()
        assert inches.min() > 2
        assert len(axes.get_legend().get_texts()) == number


def test_losses_have_a_panel_for_each_term():
    figure = drawing.losses(HISTORY, "title")
    assert len(figure.axes) == 3
    for axes, name in zip(figure.axes, ["loss", "reconstruction", "kl"], strict=True):
        np.testing.assert_array_equal(axes.lines[0].get_xdata(), HISTORY["epoch"])
        np.testing.assert_array_equal(axes.lines[0].get_ydata(), HISTORY[name])


def test_a_model_without_kl_has_one_panel():
    history = HISTORY.assign(loss=HISTORY["reconstruction"], kl=0.0)
    figure = drawing.losses(history, "title")
    assert len(figure.axes) == 1
    assert "reconstruction" in figure.axes[0].get_title()


@pytest.mark.parametrize(
    "module",
    [
        "report.plotting",
        "report.page",
        "report.palette",
        "evaluation.summary",
        "tables",
        "evaluation.clustering",
        "evaluation.metrics",
    ],
)
def test_a_picture_needs_none_of_the_heavy_packages(module):
    program = (
        f"import sys; import scae.{module}\n"
        "print(*sorted({'torch', 'scanpy', 'anndata', 'openTSNE', 'igraph', 'numba'} & set(sys.modules)))"
    )
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONPATH": "scripts"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


DRAW = """
import pandas as pd
from scae.report import plotting
history = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "reconstruction": [2.0, 1.0], "kl": [0.0, 0.0]})
plotting.save(plotting.losses(history, "a title"), "losses.svg")
"""


def test_a_matplotlibrc_of_the_users_changes_nothing(tmp_path):
    pictures = []
    for settings in ("", "lines.linewidth: 9\naxes.facecolor: red\nsvg.fonttype: none\nsavefig.transparent: True\n"):
        (tmp_path / "matplotlibrc").write_text(settings)  # matplotlib looks in the working directory first
        environment = {"PYTHONPATH": str(ROOT / "scripts"), "HOME": str(tmp_path)}
        subprocess.run([sys.executable, "-c", DRAW], cwd=tmp_path, env=environment, check=True)
        pictures.append((tmp_path / "losses.svg").read_bytes())
    assert pictures[0] == pictures[1]


def test_batches_stand_beside_the_types_and_none_lies_on_the_others_for_its_name(cells):
    points, labels, _ = cells
    batches = np.where(np.arange(30) % 3 == 0, "late", "early").astype(object)
    batches[:2] = ""
    figure = drawing.batches(points[:, :2], labels, batches, "a title")
    assert {"B (10)", "NK (12)", "T (8)", "early (19)", "late (9)", "no batch (2)"} <= set(texts_of(figure))
    looks = style.styles(["early", "late"])
    drawn = figure.axes[1].collections[-1]  # over the others
    place = {tuple(point): name for point, name in zip(points[:, :2].tolist(), batches, strict=True)}
    names = [place[tuple(point)] for point in drawn.get_offsets().tolist()]
    colors = [to_hex(color).upper() for color in drawn.get_facecolor()]
    assert colors == [looks[name][0].upper() for name in names]
    assert len(names) == 28
    assert names != sorted(names)


def test_more_batches_than_colours_differ_in_shape():
    points, batches = np.random.default_rng(0).normal(size=(60, 2)), np.array([f"b{n:02d}" for n in range(20)] * 3)
    figure = drawing.batches(points, np.full(60, "B"), batches, "a title")
    first, second = figure.axes[1].collections[-2:]
    assert (len(first.get_offsets()), len(second.get_offsets())) == (36, 24)


def test_the_name_of_each_type_stands_at_its_cells_and_names_do_not_overlap():
    labels = np.repeat([f"a type {number}" for number in range(9)], 20)
    points = np.random.default_rng(0).normal(size=(180, 2)) + np.repeat(np.arange(9) % 3, 20)[:, None] * 0.2
    axes = drawing.clusters(points, labels, np.repeat(np.arange(9), 20), "title").axes[0]
    axes.figure.canvas.draw()
    boxes = {text.get_text(): text.get_window_extent() for text in axes.texts if text.get_text() in set(labels)}
    assert boxes.keys() == set(labels)
    pairs = itertools.combinations(boxes.values(), 2)
    assert sum(one.overlaps(two) for one, two in pairs) == 0


def test_very_many_types_are_named_in_the_legend_alone():
    labels = np.array([f"type {number}" for number in range(drawing.MOST_NAMED + 1)] * 2)
    points = np.random.default_rng(0).normal(size=(len(labels), 2))
    axes = drawing.clusters(points, labels, np.zeros(len(labels), int), "title").axes[0]
    assert not [text for text in axes.texts if text.get_text() in set(labels)]
    assert len(axes.get_legend().get_texts()) == drawing.MOST_NAMED + 1


@pytest.mark.parametrize("n_clusters", [drawing.MOST_NAMED, drawing.MOST_NAMED + 1])
def test_the_numbers_of_very_many_clusters_are_small(n_clusters):
    clusters = np.arange(2 * n_clusters) % n_clusters
    points = np.random.default_rng(0).normal(size=(len(clusters), 2))
    right = drawing.clusters(points, np.repeat(["B", "T"], n_clusters), clusters, "title").axes[1]
    sizes = {text.get_fontsize() for text in right.texts}
    assert sizes == {(drawing.NUMBERS if n_clusters <= drawing.MOST_NAMED else drawing.SMALL_NUMBERS)[1]}


def test_long_names_that_begin_alike_still_differ():
    names = [f"CD4-positive, alpha-beta memory T cell, subset {letter}" for letter in "ab"]
    first, second = map(drawing.shortened, names)
    assert first != second
    assert len(first) <= drawing.LONGEST_NAME
    assert first.startswith("CD4-positive")
    assert first.endswith("subset a")
    assert drawing.shortened("NK") == "NK"
