"""The pictures show what the tables say, with the same bytes each time; the scripts draw every file of the contract."""

import itertools
import os
import re
import runpy
import subprocess
import sys
from contextlib import nullcontext
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import toy_results
from matplotlib.colors import to_hex
from places import ROOT

from scae import results, style
from scae.evaluation import latent_genes
from scae.evaluation.main_scores import MAIN_SCORES, ordered
from scae.evaluation.metrics import metric_info
from scae.jobs import runtime
from scae.plots import cells, drawing, generated, heatmap, latents, quality, scores, stability, sweep, training

ROLES = {"dae": "model", "vae": "model", "pca": "pca", "random": "floor"}
MEANS = {"dae": 0.4, "vae": 0.6, "pca": 0.7, "random": 0.1}
HISTORY = pd.DataFrame(
    {"epoch": [1, 2, 3], "loss": [9.0, 5, 4], "reconstruction": [7.0, 4, 3.5], "kl": [1.0, 0.5, 0.25]}
)
POINTS = np.random.default_rng(0).normal(size=(30, 3))
LABELS = np.repeat(np.array(["B", "NK", "T"], object), [10, 12, 8])
CLUSTERS = np.repeat([0, 1, 2, 3], [10, 5, 7, 8])


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def texts_of(figure):
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def colors_of(group):
    return [to_hex(color).upper() for color in group.get_facecolor()]


# The scripts


def names_in(text):
    """Names of the files of the contract in a part of a rule."""
    places = [re.sub(r"{+\w+}+", "\0", path).split("\0") for path in re.findall(r'"<results>/([^"]+)"', text)]
    patterns = ["[^/]+".join(map(re.escape, parts)) for parts in places]
    return [found.name for found in results.CONTRACT if any(re.fullmatch(one, found.path) for one in patterns)]


def drawing_rules():
    """{rule: (its wildcards, names of its inputs, names of its outputs)} of the rules that draw."""
    parts = r"(\w+):.*?\n    input:(.*?)\n    output:(.*?)\n    log:\s+(\S+)"
    blocks = (ROOT / "rules/report.smk").read_text(encoding="utf-8").split("\nrule ")[1:]
    rules = [re.match(parts, block, re.DOTALL).groups() for block in blocks]
    return {
        rule: (re.findall(r"{(\w+)}", log), names_in(inputs), names_in(outputs))
        for rule, inputs, outputs, log in rules
        if rule.startswith("plot_")
    }


JOBS = drawing_rules()


def paths(study, names, **wildcards):
    found = []
    for name in names:
        here = {key: value for key, value in wildcards.items() if key in results.BY_NAME[name].wildcards}
        found += [path for _, path in study.files.all(name, **here)]
    return found


def run(study, root, script, inputs, outputs, **wildcards):
    """Run a script as Snakemake would."""
    order = {"datasets": study.datasets, "models": list(study.models)}
    names = ["label_sources", "metric_info", "models", "published", "roles", "seeds", "settings", "sweeps"]
    snakemake = SimpleNamespace(
        input=inputs,
        output=outputs,
        params=SimpleNamespace(
            order=order, run=order | {"seeds": study.seeds}, seed=0, **{name: getattr(study, name) for name in names}
        ),
        resources=SimpleNamespace(mem_mb=1000, tmpdir=None),
        wildcards=Wildcards(**wildcards),
        log=[f"{root}/logs/{script}/all.log"],
    )
    runpy.run_path(str(ROOT / f"scripts/{script}.py"), {"snakemake": snakemake})


class Wildcards(SimpleNamespace):
    def items(self):
        return vars(self).items()


class Report(list):
    report = property(lambda self: self[0])


def test_the_scripts_draw_every_picture_and_write_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "job", lambda snakemake: nullcontext())
    options = {"seeds": (0, 1), "batched": ("toy",), "sweeps": {"swept": {"dae": {"beta": 1}}}}
    study = toy_results.write(tmp_path, models=("dae", "pca"), **options)
    drawn = []
    for script, (wildcards, inputs, outputs) in JOBS.items():
        for model in study.models if "model" in wildcards else [None]:
            here = {key: {"dataset": "toy", "model": model}[key] for key in wildcards}
            first = {"seed": 0} if script == "plot_dataset" else {}
            drawn += paths(study, outputs, **here)
            for path in paths(study, outputs, **here):
                os.remove(path)
            run(study, tmp_path, script, paths(study, inputs, **here, **first), paths(study, outputs, **here), **here)
    pictures = [path for path in tmp_path.rglob("*") if path.suffix in (".png", ".svg", ".pdf")]
    assert sorted(map(str, pictures)) == sorted(drawn)
    assert len([path for path in drawn if path.endswith("clusters.png")]) == 2  # of the first seed
    everything = paths(study, results.BY_NAME)
    run(study, tmp_path, "write_report", everything, Report([str(tmp_path / "report.html")]))
    assert "toy.pca.1" in (tmp_path / "report.html").read_text()
    assert plt.get_fignums() == []


# Cells


def test_a_cluster_has_the_colour_of_its_most_frequent_type_and_a_second_one_is_outlined():
    figure = cells.clusters(POINTS[:, :2], LABELS, CLUSTERS, "title")
    left, right = figure.axes
    colors = [color.upper() for color, _, _ in style.styles(LABELS).values()]
    assert [colors_of(group)[0] for group in left.collections] == colors
    assert [(colors_of(group) or [""])[0] for group in right.collections] == [colors[0], "", *colors[1:]]
    assert to_hex(right.collections[1].get_edgecolor()[0]).upper() == colors[1]
    assert {"k-means: 3 of 3 types detected", "B (10)", "k1: 100% NK"} <= set(texts_of(figure))
    for axes in figure.axes:
        shown = np.concatenate([group.get_offsets() for group in axes.collections])
        np.testing.assert_allclose(shown[np.lexsort(shown.T)], POINTS[np.lexsort(POINTS[:, :2].T), :2])
    one = texts_of(cells.clusters(POINTS[:, :2], LABELS, np.zeros(30, int), "title"))
    assert {"k-means: 1 of 3 types detected", "k0: 40% NK"} <= set(one)
    [name] = cells.clusters(POINTS[:, :2], np.full(30, "B"), CLUSTERS, "title").axes[0].texts
    np.testing.assert_allclose(name.get_position(), np.median(POINTS[:, :2], axis=0))


def test_cells_without_label_are_grey_behind_the_others_and_count_in_no_cluster():
    labels = np.where(np.arange(30) % 5 == 0, "", LABELS).astype(object)
    figure = cells.clusters(POINTS[:, :2], labels, np.where(np.arange(30) == 0, 4, CLUSTERS), "title")
    first, *others = figure.axes[0].collections
    assert set(colors_of(first)) == {style.UNSCORED_COLOR}
    assert [len(first.get_offsets()), sum(len(group.get_offsets()) for group in others)] == [6, 24]
    assert {"no label (6)", "k-means: 3 of 3 types detected", "k4"} <= set(texts_of(figure))
    unlabelled = np.full(30, "", object)
    assert {"no label (30)", "k-means", "k3"} <= set(
        texts_of(cells.clusters(POINTS[:, :2], unlabelled, CLUSTERS, "title"))
    )


def test_batches_are_a_third_panel_in_random_order_with_a_shape_where_colours_repeat():
    batches = np.where(np.arange(30) < 20, "early", "late").astype(object)  # one sample after another
    batches[:2] = ""
    figure = cells.clusters(POINTS[:, :2], LABELS, CLUSTERS, "title", batches=batches)
    assert {"early (18)", "late (10)", "no batch (2)"} <= set(texts_of(figure))
    on_top = figure.axes[2].collections[-1]
    batch_of = {tuple(point): name for point, name in zip(POINTS[:, :2].tolist(), batches, strict=True)}
    names = [batch_of[tuple(point)] for point in on_top.get_offsets().tolist()]
    styles = style.styles(["early", "late"])
    assert colors_of(on_top) == [styles[name][0].upper() for name in names]
    assert len(names) == 28
    assert names != sorted(names)
    many = np.array([f"b{number:02d}" for number in range(15)] * 2)
    on_top = cells.clusters(POINTS[:, :2], LABELS, CLUSTERS, "title", batches=many).axes[2].collections[-2:]
    assert [len(group.get_offsets()) for group in on_top] == [24, 6]


@pytest.mark.parametrize("name", ["_unassigned", "a $x^{$ b", "<b>&", "naïve Δ"])
def test_every_name_is_in_the_legend_as_written(name, tmp_path):
    labels = np.where(LABELS == "NK", name, LABELS)
    figure = cells.clusters(POINTS[:, :2], labels, CLUSTERS, "title")
    legend = [text.get_text().replace(r"\$", "$") for text in figure.axes[0].get_legend().get_texts()]
    assert sum(text.startswith(name) for text in legend) == 1
    drawing.save(figure, tmp_path / "picture.png")


@pytest.mark.parametrize("number", [9, 31])
def test_the_legend_leaves_room_for_the_cells_and_many_types_are_named_only_there(number):
    labels = np.array([f"a rather long cell type {rank}" for rank in range(number)] * 2)
    points = np.random.default_rng(0).normal(size=(2 * number, 3))
    clusters = np.arange(2 * number) % number
    figure = cells.clusters(points[:, :2], labels, clusters, "title")
    figure.canvas.draw()
    for axes in figure.axes:
        assert (axes.get_position().size * figure.get_size_inches()).min() > 2
        assert len(axes.get_legend().get_texts()) == number
    left, right = figure.axes
    named = [text.get_window_extent() for text in left.texts if text.get_text() in set(labels)]
    assert len(named) == (number if number <= cells.MOST_NAMED else 0)
    assert not any(one.overlaps(two) for one, two in itertools.combinations(named, 2))
    sizes = {text.get_fontsize() for text in right.texts}
    assert sizes == {(cells.NUMBERS if number <= cells.MOST_NAMED else cells.SMALL_NUMBERS)[1]}


def test_long_names_that_begin_alike_still_differ():
    first, second = (drawing.shortened(f"CD4-positive, alpha-beta memory T cell, subset {letter}") for letter in "ab")
    assert first != second
    assert len(first) <= drawing.LONGEST_NAME
    assert (first[:12], first[-8:]) == ("CD4-positive", "subset a")
    assert drawing.shortened("NK") == "NK"


def test_side_by_side_each_type_has_the_same_colour():
    labels = np.array(["B", "T", ""] * 5, object)
    figure = cells.embeddings({"dae": POINTS[:15, :2], "pca": POINTS[15:, :2]}, labels)
    expected = [style.UNSCORED_COLOR, *(color.upper() for color, _, _ in style.styles(["B", "T"]).values())]
    for axes, points in zip(figure.axes, (POINTS[:15, :2], POINTS[15:, :2]), strict=False):
        assert [colors_of(group)[0] for group in axes.collections] == expected
        np.testing.assert_allclose(axes.collections[1].get_offsets(), points[labels == "B"])
    assert [axes.get_title() for axes in figure.axes[:2]] == ["dae", "pca"]
    small = cells.thumbnail(POINTS[:15, :2], labels, style.styles(["B", "T"]))
    assert [colors_of(group)[0] for group in small.axes[0].collections] == expected
    side = round(cells.THUMBNAIL * style.RASTER_DPI)
    assert drawing.pixels(small).size == (side, side)


# Training


def test_losses_have_a_panel_for_each_term_and_a_curve_for_each_seed():
    other = HISTORY.assign(loss=[8.0, 5, 4.5])
    figure = training.losses({0: HISTORY, 1: other}, "title")
    assert [axes.get_title() for axes in figure.axes] == [
        "loss, mean over cells\nlast epoch: 4 to 4.5",
        "KL divergence (nats), mean over cells\nlast epoch: 0.25",
    ]
    for axes, name in zip(figure.axes, ["loss", "kl"], strict=True):
        for line, history in zip(axes.lines, (HISTORY, other), strict=True):
            np.testing.assert_array_equal(line.get_xydata(), history[["epoch", name]])
    assert not [axes for axes in figure.axes if axes.get_legend()]
    [axes] = training.losses({0: HISTORY.assign(loss=HISTORY["reconstruction"], kl=0.0)}, "title").axes
    assert len(axes.lines) == 1


def test_held_out_cells_have_a_curve_and_the_kept_epoch_a_line():
    history = HISTORY.assign(held_out_loss=[10.0, 6, 7], held_out_best_epoch=[1, 2, 2])
    panel, other = training.losses({0: history}, "title").axes
    trained, held_out, kept = panel.lines
    np.testing.assert_array_equal(trained.get_ydata(), HISTORY["loss"])
    np.testing.assert_array_equal(held_out.get_ydata(), [10, 6, 7])
    assert set(kept.get_xdata()) == {2}
    assert [text.get_text() for text in panel.get_legend().get_texts()] == [
        "training cells",
        "held-out cells",
        "kept epoch",
    ]
    assert len(other.lines) == 2


# Scores


def metrics_of(seeds=(0,), models=("dae", "vae"), datasets=("toy",)):
    random, names = np.random.default_rng(0), ("nmi", "ari", "silhouette", "detected_types")
    rows = [
        (*run, "hand", space, name, np.nan if name == "silhouette" else random.uniform(-0.2, 1))
        for run in itertools.product(datasets, models, seeds)
        for space in ("tsne2d", "latent")
        for name in names
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


PUBLISHED = {"toy": {"citation": "original study", "scores": {"dae": {"nmi": 0.72, "ari": 0.58}}}}


def test_the_heatmap_shows_every_score_and_leaves_undefined_ones_empty():
    metrics = metrics_of(datasets=("toy", "other"), models=("dae", "vae", "pca"))
    figure = heatmap.heatmap(metrics, PUBLISHED, metric_info(), ROLES)
    first, second, *_ = figure.axes
    assert [panel.get_title(loc="left") for panel in (first, second)] == ["toy", "other"]
    labels = first.get_yticklabels()
    assert [label.get_text() for label in labels] == ["dae", "vae", "pca", "dae, original study"]
    assert [label.get_style() for label in labels] == ["normal", "normal", "italic", "normal"]
    assert names_of(second) == ["dae", "vae", "pca"]
    image = np.concatenate([np.ma.filled(panel.images[0].get_array(), np.nan) for panel in (first, second)])
    values = metrics.loc[metrics["metric"] != "detected_types", "value"].to_numpy().reshape(6, 6)
    np.testing.assert_array_equal(np.delete(image, 3, axis=0), values)
    np.testing.assert_array_equal(image[3], [0.72, 0.58, np.nan, np.nan, np.nan, np.nan])
    texts = texts_of(figure)
    assert {f"{value:.2f}" for value in image[np.isfinite(image)]} <= set(texts)
    assert not [text for text in texts if "detected" in text or text == "nan"]
    assert (first.images[0].norm.vmin, first.images[0].norm.vmax) == (np.nanmin(image), np.nanmax(image))
    [alone, _] = heatmap.heatmap(metrics_of(), {}, metric_info(), ROLES).axes
    assert (alone.get_title(loc="left"), names_of(alone)) == ("", ["dae", "vae"])


def test_the_heatmap_shows_mean_and_sd_over_seeds_and_can_be_empty():
    metrics = metrics_of(seeds=(0, 1, 2), models=("dae",))
    values = metrics[(metrics["space"] == "latent") & (metrics["metric"] == "ari")]["value"]
    figure = heatmap.heatmap(metrics, {}, metric_info(), ROLES)
    assert f"{np.mean(values):.2f}\n± {np.std(values, ddof=1):.2f}" in texts_of(figure)
    heatmap.heatmap(metrics.assign(value=np.nan), {}, metric_info(), ROLES).canvas.draw()


def intervals_of(means=MEANS, labels="obs", width=0.05):
    rows = [
        (model, labels, space, metric, over, mean, mean - half, mean + half)
        for model, mean in means.items()
        for space, metric in MAIN_SCORES
        for over, half in (("seeds", width), ("cells", 0.02))
    ]
    rows += [("shuffled", labels, "labels", "ari", "seeds", 0.0, -0.01, 0.01)]
    return pd.DataFrame(rows, columns=["model", "labels", "space", "metric", "over", "mean", "low", "high"])


def names_of(panel):
    return [text.get_text() for text in panel.get_yticklabels()]


def test_scores_are_dots_with_intervals_models_first_and_the_best_on_top():
    assert ordered(intervals_of(), ROLES, ("latent", "ari")) == (["vae", "dae"], ["pca", "random", "shuffled"])
    figure = scores.scores(intervals_of(), ROLES, metric_info(), {"obs": "obs"})
    panel, knn, *_ = figure.axes
    assert len(figure.axes) == len(MAIN_SCORES)
    assert names_of(panel) == ["vae", "dae", "pca", "random"]
    dots = {line.get_ydata()[0]: line.get_xdata()[0] for line in panel.lines if line.get_marker() not in ("None", None)}
    assert [dots[place] for place in sorted(dots)] == [0.6, 0.4, 0.7, 0.1]
    for width, half in ((4, 0.05), (1, 0.02)):
        lines = [
            line.get_xdata() for line in panel.lines if line.get_linewidth() == width and line.get_linestyle() == "-"
        ]
        ends = sorted(tuple(ends) for ends in lines if ends[0] != ends[1] and tuple(ends) != (0, 1))
        np.testing.assert_allclose(ends, sorted((mean - half, mean + half) for mean in MEANS.values()))
    dotted = [[line.get_xdata()[0] for line in axes.lines if line.get_linestyle() == ":"] for axes in (panel, knn)]
    assert dotted == [[0.0], []]  # chance


def test_seeds_are_small_dots_of_their_row():
    rows = [(model, seed, "obs", *MAIN_SCORES[0], mean + seed / 10) for model, mean in MEANS.items() for seed in (0, 1)]
    metrics = pd.DataFrame(rows, columns=["model", "seed", "labels", "space", "metric", "value"])
    panel = scores.scores(intervals_of(), ROLES, metric_info(), {"obs": "obs"}, metrics).axes[0]
    drawn = {round(dots.get_offsets()[0, 1]): list(dots.get_offsets()[:, 0]) for dots in panel.collections}
    for place, name in enumerate(("vae", "dae")):
        assert drawn[place] == pytest.approx([MEANS[name], MEANS[name] + 0.1])
    assert len(drawn) == len(MEANS)


def test_each_label_set_has_a_row_and_without_intervals_there_are_only_dots():
    both = pd.concat([intervals_of(), intervals_of({"dae": 0.9, "vae": 0.2}, labels="markers", width=np.nan)])
    axes = scores.scores(both, ROLES, metric_info(), {"obs": "obs", "markers": "markers"}).axes
    assert len(axes) == 2 * len(MAIN_SCORES)
    lower = axes[len(MAIN_SCORES)]
    assert names_of(lower) == ["dae", "vae"]
    assert not [line for line in lower.lines if line.get_linewidth() == 4]
    scores.scores(intervals_of(labels="other"), ROLES, metric_info(), {"none": "none"}).canvas.draw()


def test_recalls_are_means_over_seeds_with_the_largest_type_on_top():
    rows = [
        (model, seed, "obs", label, n_cells, value + 0.1 * seed)
        for model, value in (("dae", 0.2), ("pca", 0.6))
        for seed in (0, 1)
        for label, n_cells in (("rare", 3), ("common", 90))
    ]
    table = pd.DataFrame(rows, columns=["model", "seed", "labels", "label", "cells", "recall"])
    panel = scores.recalls(table, intervals_of(), ROLES, "obs").axes[0]
    assert names_of(panel) == ["common (90)", "rare (3)"]
    assert [text.get_text() for text in panel.get_xticklabels()] == ["dae", "pca"]
    np.testing.assert_allclose(panel.images[0].get_array(), [[0.25, 0.65]] * 2)
    assert texts_of(scores.recalls(table[:0], intervals_of(), ROLES, "obs")) == ["no cell types to recall"]


SWEPT = {f"beta{value}": {"beta": float(value)} for value in (1, 32, 4)}
SWEPT_MEANS = {"beta1": 0.5, "beta4": 0.7, "beta32": 0.2, "pca": 0.6, "other": 0.1}


def swept(points, means=SWEPT_MEANS, width=0.05, labels=("obs",)):
    table = pd.concat([intervals_of(means, name, width) for name in labels])
    return sweep.sweep(table, points, ROLES | {"other": "model"}, metric_info(), dict.fromkeys(labels, "obs"))


def test_a_sweep_is_a_curve_with_a_band_in_the_order_of_the_values():
    panel = swept(SWEPT).axes[0]
    curve = next(line for line in panel.lines if line.get_marker() == "o")
    np.testing.assert_array_equal(curve.get_xydata(), [[1, 0.5], [4, 0.7], [32, 0.2]])
    assert panel.get_xscale() == "log"
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["1", "4", "32"]
    [band] = panel.collections
    corners = band.get_paths()[0].vertices
    for place, mean in curve.get_xydata():
        heights = corners[corners[:, 0] == place, 1]
        np.testing.assert_allclose([heights.min(), heights.max()], [mean - 0.05, mean + 0.05])
    assert [line.get_ydata()[0] for line in panel.lines if line.get_marker() != "o"] == [0.6]  # the baseline
    assert [text.get_text() for text in panel.texts] == ["pca"]
    assert not swept(SWEPT, width=np.nan).axes[0].collections
    assert len(swept(SWEPT, labels=("one", "two")).axes) == 2 * len(MAIN_SCORES)
    assert len(swept(SWEPT, means={}).axes) == len(MAIN_SCORES)


def test_the_parameter_with_the_most_values_is_the_axis_and_words_are_side_by_side():
    values = itertools.product((1.0, 2.0), (4, 6, 8), "ab")
    points = {
        f"m{number}": dict(zip(("beta", "n_latent", "word"), one, strict=True)) for number, one in enumerate(values)
    }
    figure = swept(points, dict.fromkeys(points, 0.5))
    assert (figure.axes[0].get_xlabel(), figure.axes[0].get_xscale()) == ("n_latent", "linear")
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["beta 1, word a", "beta 1, word b", "beta 2, word a", "beta 2, word b"]
    words = {"m-b": {"word": "b"}, "m-a": {"word": "a"}, "m-none": {"word": None}}
    panel = swept(words, {"m-b": 0.2, "m-a": 0.1, "m-none": 0.3}).axes[0]
    assert [tick.get_text() for tick in panel.get_xticklabels()] == ["none", "a", "b"]
    assert list(panel.lines[0].get_ydata()) == [0.3, 0.1, 0.2]


# Latent dimensions, generated cells, quality control, stability

GENES = list("abcde")


def genes_of(*effects):
    rows = [(0, f"z{place + 1}", "percentiles", -1.0, 1.0, gene, effect)
            for place, of_latent in enumerate(effects) for gene, effect in of_latent.items()]  # fmt: skip
    return latents.shown(pd.DataFrame(rows, columns=latent_genes.COLUMNS))


def test_a_dot_is_as_large_as_the_share_and_as_dark_as_the_mean():
    table = genes_of({"a": 3, "b": 2, "c": 1, "d": 0.5, "e": -1}, {"e": 2, "a": -1})
    assert list(table["gene"]) == ["a", "b", "c", "e", "e", "a"]  # three of each sign
    means = pd.DataFrame(np.arange(10.0).reshape(2, 5) % 7, index=["B", "T"], columns=GENES)
    panel = latents.draw(table, means, means / 10, pd.DataFrame(columns=latent_genes.CURVE_COLUMNS), "toy").axes[0]
    [dots] = panel.collections
    scaled = (means - means.min()) / (means.max() - means.min())
    np.testing.assert_allclose(dots.get_sizes(), latents.AREA * (means / 10)[table["gene"]].to_numpy().ravel())
    np.testing.assert_allclose(dots.get_array(), scaled[table["gene"]].to_numpy().ravel())
    names = [text.get_text() for text in panel.get_xticklabels()]
    assert names == ["a +", "b +", "c +", "e \N{MINUS SIGN}", "e +", "a \N{MINUS SIGN}"]
    assert [text.get_text() for text in panel.texts] == ["z1", "z2"]
    assert texts_of(latents.draw(table[:0], means, means, table[:0], "toy")) == ["toy: no latent dimension is active"]
    low, high = (sum(panel.collections[0].cmap(end)[:3]) for end in (0.0, 1.0))
    assert low > high  # darker is more


def test_many_latent_dimensions_are_in_rows_that_fit_a_page():
    table = genes_of(*[{"a": 3, "b": 2, "c": 1, "d": -3, "e": -2}] * 10)
    means = pd.DataFrame(1.0, index=["B", "T"], columns=GENES)
    figure = latents.draw(table, means, means, pd.DataFrame(columns=latent_genes.CURVE_COLUMNS), "toy")
    names = [[text.get_text() for text in panel.texts] for panel in figure.axes if panel.texts]
    assert names == [[f"z{number}" for number in row] for row in (range(1, 5), range(5, 9), range(9, 11))]
    assert figure.get_size_inches()[0] < 11
    assert len({panel.get_xlim() for panel in figure.axes if panel.texts}) == 1


@pytest.mark.parametrize("high", [-1.5, 1.5])
def test_curves_rise_solid_and_fall_dashed_from_left_to_right(high):
    table = genes_of({"a": 1.5, "b": 1.4, "c": -1.5})
    values = np.linspace(0, high, 9)
    slopes = {"a": 1.0, "b": 0.99, "c": -1.0}
    rows = [(0, "z1", gene, value, 7 + slopes[gene] * abs(value)) for gene in slopes for value in values]
    means = pd.DataFrame(1.0, index=["B"], columns=GENES)
    figure = latents.draw(table, means, means, pd.DataFrame(rows, columns=latent_genes.CURVE_COLUMNS), "toy")
    [panel] = [panel for panel in figure.axes if panel.get_title() == "z1"]
    for line, slope in zip(panel.lines, slopes.values(), strict=True):
        np.testing.assert_allclose(line.get_ydata(), slope * abs(values))
        assert line.get_linestyle() == ("-" if slope > 0 else "--")
        assert (np.diff(panel.transData.transform(line.get_xydata())[:, 0]) > 0).all()
    heights = {text.get_text(): text.xy[1] for text in panel.texts}
    assert sorted(heights, key=heights.get) == ["c", "b", "a"]
    assert np.diff(sorted(heights.values())).min() >= latents.NAME_GAP - 1e-9


def test_decoded_genes_are_hexagons_against_real_ones():
    means = np.random.default_rng(0).random(40)
    tables = [
        pd.DataFrame({"gene": range(40), "mean": scale * means, "variance": 0.1, "zeros": 0.5, "cells": kind})
        for kind, scale in (("real", 1.0), ("reconstructed", 0.2), ("generated", 0.1))
    ]
    figure = generated.draw(pd.concat(tables), "toy")
    panels = [panel for panel in figure.axes if panel.collections and panel.lines]
    assert [panel.get_ylabel() for panel in panels if panel.get_ylabel()] == ["reconstructed cells", "generated cells"]
    for panel in panels:
        assert panel.collections[0].get_array().sum() == 40
        assert (panel.lines[0].get_xdata() == panel.lines[0].get_ydata()).all()
    farthest = [panel.collections[0].get_offsets().max(axis=0) for panel in (panels[0], panels[3])]
    np.testing.assert_allclose(np.array(farthest) / means.max(), [[1, 0.2], [1, 0.1]], atol=0.04)
    assert texts_of(generated.draw(tables[0], "toy")) == ["toy: the model has no decoder"]


def test_quality_control_shows_cells_limits_and_what_they_remove():
    values = {"genes": [10, 200, 300], "counts": [20, 500, 900], "pct_mito": [1, 2, 30.0]}
    table = pd.DataFrame(
        {"cell": list("abc"), "sample": "s1", **values, "removed_by": ["min_genes", "", "max_pct_mito"]}
    )
    limits = pd.DataFrame(
        [("", "min_genes", 100, np.nan, 1, 1), ("", "max_pct_mito", np.nan, 5, 1, 0), ("s2", "mad.counts", 1, 9, 0, 0)],
        columns=["sample", "limit", "lower", "upper", "breaks_it", "breaks_only_it"],
    )
    genes = pd.DataFrame({"gene": ["A", "B"], "percent_before": [5.0, 3], "percent_after": [4.0, 3.5]})
    figure = quality.quality(table, limits, genes, "title")
    *histograms, removed, top = figure.axes
    assert [[line.get_xdata()[0] for line in panel.lines] for panel in histograms] == [[100], [], [5]]
    assert {"read: 3", "kept: 1", "cells removed: 2 of 3"} <= set(texts_of(figure))
    assert [bar.get_width() for bar in removed.patches] == [1, 1, 0, 1, 0, 0]
    assert [bar.get_width() for bar in top.patches] == [5, 3]
    assert list(top.lines[0].get_xdata()) == [4, 3.5]
    assert (histograms[1].get_xlabel(), top.get_xlabel()) == ("counts", "% of all counts")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pd.DataFrame({"counts": [20.5, 500], "pct_mito": [1.0, 2]}), "total expression"),
        (pd.DataFrame({"counts": [20.5, 500]}), "sum of log-normalised expression"),
    ],
)
def test_only_counts_are_called_counts_and_a_panel_of_no_removed_cell_is_left_out(table, said):
    table = table.assign(cell=["a", "b"], sample="", genes=[10, 200], removed_by="")
    limits = pd.DataFrame([("", "min_genes", 0.0, np.nan, 0, 0)],
                          columns=["sample", "limit", "lower", "upper", "breaks_it", "breaks_only_it"])  # fmt: skip
    genes = pd.DataFrame({"gene": ["A"], "percent_before": [5.0], "percent_after": [4.0]})
    *histograms, top = quality.quality(table, limits, genes, "title").axes
    assert histograms[1].get_xlabel() == said
    assert top.get_xlabel() == f"% of the {said}"
    assert len(histograms) == len(table.columns) - 3


def test_stability_colours_cells_by_what_they_keep():
    cell_names = list("abcd")
    of_cells = pd.DataFrame({"model": ["dae"] * 4 + ["pca"] * 4, "cell": cell_names * 2})
    of_cells["kept_latent"] = [0.1, 0.2, 0.3, 0.4] + [np.nan] * 4
    of_models = pd.DataFrame(
        [("dae", "latent", "ari", 1, 0.25), ("dae", "latent", "canonical_correlation", 1, 0.75)],
        columns=["model", "space", "measure", "pairs", "value"],
    )
    points = dict.fromkeys(("dae", "pca"), pd.DataFrame(POINTS[:4, :2], index=cell_names))
    first, second, *_ = stability.stability(of_models, of_cells, points, "title").axes
    np.testing.assert_array_equal(first.collections[0].get_array(), [0.1, 0.2, 0.3, 0.4])
    assert "ARI between seeds 0.25, canonical correlation 0.75" in first.get_title()
    assert second.get_title() == "pca\nunknown: one seed"


# Files


@pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
def test_the_same_picture_is_the_same_bytes_without_date_or_program(suffix, tmp_path):
    figure = heatmap.heatmap(metrics_of(), PUBLISHED, metric_info(), ROLES)
    paths = [tmp_path / f"{name}.{suffix}" for name in ("one", "again", "other")]
    for path in paths[:2]:
        drawing.save(figure, path)
    drawing.save(heatmap.heatmap(metrics_of(), PUBLISHED, metric_info(), ROLES), paths[2])
    content = paths[0].read_bytes()
    assert content == paths[1].read_bytes() == paths[2].read_bytes()
    for mark in (b"dc:date", b"Matplotlib v", b"Software", b"Creation"):
        assert mark not in content
    if suffix == "png":
        position = content.index(b"pHYs") + 4
        assert int.from_bytes(content[position : position + 4], "big") == pytest.approx(
            style.RASTER_DPI / 0.0254, abs=1
        )


DRAW = """
import sys
import pandas as pd
from scae.plots import cells, drawing, generated, heatmap, latents, quality, scores, stability, sweep, training
from scae.report import page
history = pd.DataFrame({"epoch": [1, 2], "loss": [2.0, 1.0], "reconstruction": [2.0, 1.0], "kl": [0.0, 0.0]})
drawing.save(training.losses({0: history}, "a title"), "losses.svg")
print(*{"torch", "scanpy", "anndata", "openTSNE", "igraph", "numba"} & set(sys.modules))
"""


def test_a_matplotlibrc_changes_nothing_and_no_heavy_package_is_loaded(tmp_path):
    pictures = []
    for settings in ("", "lines.linewidth: 9\naxes.facecolor: red\nsvg.fonttype: none\nsavefig.transparent: True\n"):
        (tmp_path / "matplotlibrc").write_text(settings)  # matplotlib looks in the working directory first
        environment = {"PYTHONPATH": str(ROOT / "scripts"), "HOME": str(tmp_path)}
        command = [sys.executable, "-c", DRAW]
        done = subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True)
        assert done.stdout.split() == []
        pictures.append((tmp_path / "losses.svg").read_bytes())
    assert pictures[0] == pictures[1]
