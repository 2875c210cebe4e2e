"""The report: one page that needs no other file, shows every number, and never runs a name as markup."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import toy_results
from plotly.offline import get_plotlyjs
from toy_results import HOSTILE

from scae import results, style
from scae.data import sampling
from scae.plots import cells, drawing
from scae.report import html as parts
from scae.report import page as report
from scae.report import sections_latents, sections_methods, sections_model

PUBLISHED = {"toy": {"citation": "original study", "scores": {"dae": {"nmi": 0.72, "ari": 0.58}}}}
TYPES = [f"type {number:02d}" for number in range(11)]
MINUS = "\N{MINUS SIGN}"


class Page(HTMLParser):
    """What a browser finds: elements, text, the content of scripts, and {caption: rows of cells} of the tables."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.html, self.elements, self.scripts, self.tables = html, [], [], {}
        self._open, self._text, self._rows = [], [], []
        self.feed(html)
        self.text = re.sub(r" ([):;,.])", r"\1", " ".join(" ".join(self._text).split()))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self._open.append(tag)
        if tag == "script":
            self.scripts.append("")
        elif tag == "table":
            self._rows, self._caption = [], ""
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th"):
            self._rows[-1].append("")

    def handle_endtag(self, tag):
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "table":
            self.tables[self._caption] = self._rows

    def handle_data(self, text):
        if "script" in self._open:
            self.scripts[-1] += text
        elif "style" not in self._open:
            self._text.append(text)
        if "caption" in self._open:
            self._caption += text
        elif {"td", "th"} & set(self._open):
            self._rows[-1][-1] += text

    def all(self, tag, name):
        """The values of an attribute of all elements of a tag; None is any tag."""
        return [found[name] for one, found in self.elements if tag in (None, one) and name in found]

    def points(self):
        return json.loads(next(script for script in self.scripts if script.startswith("{")))


def page_of(folder, **options):
    return Page(report.render(toy_results.write(folder, **options)))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Of one data set with one seed of two models, beside published scores."""
    return page_of(tmp_path_factory.mktemp("one"), published=PUBLISHED, notes=[f"warning: toy: {HOSTILE}"])


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """Of two data sets, one of them with batches, three seeds, a baseline and a sweep."""
    points = {"dae": {"beta": 32.0, "word": HOSTILE}, "beta_vae": {"beta": 4.0, "word": "clamp"}}
    options = {"datasets": ("toy", "mixed"), "batched": ("mixed",), "seeds": (0, 1, 5), "sweeps": {"swept": points}}
    return page_of(tmp_path_factory.mktemp("rich"), models=("dae", "beta_vae", "pca"), **options)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """Of cells of eleven types and one without a label."""
    return page_of(tmp_path_factory.mktemp("many"), types=(*TYPES, ""), models=("dae",))


# Safe and whole


def test_names_are_shown_as_written_and_never_run(page):
    assert page.text.count(" ".join(HOSTILE.split())) >= 3
    assert not [tag for tag, _ in page.elements if tag == "b"]
    assert len(page.scripts) == len([tag for tag, _ in page.elements if tag == "script"]) == 3
    assert not set("<>&") & set(next(script for script in page.scripts if script.startswith("{")))
    assert {kind["name"] for kind in page.points()["datasets"]["toy"]["types"]} == {"B", "NK", HOSTILE}


def test_nothing_is_loaded_from_elsewhere(rich):
    own = rich.html.replace(rich.scripts[1], "")
    for name in ("src", "href", "srcset", "data", "action", "poster"):
        assert all(value.startswith(("data:", "#")) for value in rich.all(None, name) if value)
    assert not re.search(r"https?://|@import|url\(", own)
    assert gzip.decompress(base64.b64decode(rich.scripts[1])).decode() == get_plotlyjs()


@pytest.mark.parametrize("name", ["page", "rich"])
def test_links_lead_somewhere_and_ids_are_unique(name, request):
    page = request.getfixturevalue(name)
    ids, links = page.all(None, "id"), {link[1:] for link in page.all("a", "href")}
    assert len(ids) == len(set(ids))
    assert links
    assert links | set(page.all(None, "aria-labelledby")) <= set(ids)


def test_similar_names_do_not_clash(tmp_path):
    page = page_of(tmp_path, datasets=("a", "a-b", "scores", "points"), models=("c", "b-c"))
    ids = page.all(None, "id")
    assert len(ids) == len(set(ids))
    assert len(page.points()["runs"]) == 4 * 2


def test_every_picture_is_embedded_once_and_described(page):
    pictures = [found for tag, found in page.elements if tag == "img"]
    made = {"dataset": ["toy"], "model": ["dae", "beta_vae"], "seed": [0], "sweep": []}
    shown = [result for result in results.CONTRACT if result.path.endswith((".png", ".svg"))]
    shown = [result for result in shown if result.name not in ("heatmap_svg", "tsne3d_png", "stability_png")]
    assert len(pictures) == sum(len(results.paths(result, made)) for result in shown)
    assert len({found["src"] for found in pictures}) == len(pictures)
    assert all(found["src"].startswith("data:image/") and found["alt"] for found in pictures)
    assert {found["width"] for found in pictures} == {str(300 * 96 // 150), str(300 * 96 // 72)}


def test_the_same_results_give_the_same_page(page, tmp_path):
    again = page_of(tmp_path, published=PUBLISHED, notes=[f"warning: toy: {HOSTILE}"])
    assert again.html == page.html


def test_five_seeds_of_the_study_weigh_less_than_six_megabytes(tmp_path):
    """Six representations of 2,638 cells; all else as weighed on a real page."""
    rest, random = 1.9e6, np.random.default_rng(0)
    labels = np.repeat([f"Type {number}" for number in range(9)], 294)[:2638]
    points = random.normal(size=(2638, 2)) * 4 + 20 * random.normal(size=(9, 2)).repeat(294, axis=0)[:2638]
    drawing.save(cells.clusters(points, labels, random.integers(0, 9, 2638), "title"), tmp_path / "clusters.png")

    def weight(n_cells, light, spaces):
        picture = parts.picture(tmp_path / "clusters.png", "it", sections_model.COLORS, light)["src"]
        packed = [parts.packed_points(np.zeros((n_cells, space)))["data"] for space in spaces]
        return sum(map(len, [picture, *packed, parts.packed(np.zeros(n_cells), np.uint16)]))

    first, later = weight(2638, False, (2, 3)), weight(sections_model.SHOWN_CELLS_LATER, True, (2,))
    assert later < first / 2
    assert len(parts.packed_text(get_plotlyjs())) + 6 * (first + 4 * later) + rest < 6e6


# Points of the interactive plots


def unpacked(packed):
    values = np.frombuffer(base64.b64decode(packed["data"]), "<i2")
    return values * packed["unit"]


def test_points_clusters_and_labels_are_those_of_the_run(tmp_path):
    study = toy_results.write(tmp_path, seeds=(0, 3), models=("dae",))
    points = Page(report.render(study)).points()
    for run in study.runs:
        found = points["runs"]["{dataset}.{model}.{seed}".format(**run)]
        for key, name in (("two", "tsne2d"), ("three", "tsne3d")):
            if key in found:
                np.testing.assert_allclose(unpacked(found[key]), study.points(name, run).to_numpy().ravel(), atol=1e-3)
        clusters = np.frombuffer(base64.b64decode(found["clusters"]), "<u2")
        np.testing.assert_array_equal(clusters, study.points("clusters", run)["tsne2d"])
    assert ["three" in found for found in points["runs"].values()] == [True, False]  # 3-D of the first seed
    names = [kind["name"] for kind in points["datasets"]["toy"]["types"]]
    labels = np.frombuffer(base64.b64decode(points["datasets"]["toy"]["labels"][0]), "<u2")
    assert [names[label] for label in labels] == list(study.labels["toy"])


def test_only_the_first_seed_offers_3d(rich):
    figures = [found for tag, found in rich.elements if tag == "figure" and "data-run" in found]
    assert {found["data-run"].rpartition(".")[2] for found in figures if "data-3d" in found} == {"0"}
    assert len(figures) == 2 * 3 * 3


def test_many_cells_are_sampled_by_type_in_the_interactive_plot_only(tmp_path, monkeypatch):
    monkeypatch.setattr(sections_model, "SHOWN_CELLS", 5)
    monkeypatch.setattr(sections_model, "FEWEST_OF_A_TYPE", 1)
    study = toy_results.write(tmp_path, models=("dae",))
    page, chosen = Page(report.render(study)), sampling.stratified(study.labels["toy"].to_numpy(), 5, 1, up=False)
    assert len(chosen) <= chosen.max() < 12  # not simply the first cells
    assert f"show {len(chosen)} of 12 cells" in page.text
    for key, name in (("two", "tsne2d"), ("three", "tsne3d")):
        expected = study.points(name, study.runs[0]).to_numpy()[chosen].ravel()
        np.testing.assert_allclose(unpacked(page.points()["runs"]["toy.dae.0"][key]), expected, atol=1e-3)


def test_a_sample_keeps_rare_types_whole():
    labels = np.repeat(["common", "rare"], [10_000, 20])
    chosen = sampling.stratified(labels, 1_000, 50, up=False)
    assert abs(len(chosen) - 1_000) < 60
    assert (labels[chosen] == "rare").sum() == 20
    assert (np.diff(chosen) > 0).all()
    np.testing.assert_array_equal(chosen, sampling.stratified(labels, 1_000, 50, up=False))
    np.testing.assert_array_equal(sampling.stratified(labels, 20_000, 50, up=False), np.arange(10_020))


# What the page says and shows

LABELS = "labels from the data's own annotation"
AGAINST = "clusters and neighbours against the labels"
ROWS = {  # (page, caption): some rows, in this order; "…" skips the rest of a row
    ("rich", f"toy: ARI in the latent, {LABELS}"): [
        ["representation", "type", "mean ↑", "95 % CI over seeds", "SD over seeds", "95 % range over cells", "…"],
        ["dae", "model", "0.500", "0.450 to 0.550", "0.020", "0.480 to 0.520", "0.000"],
        ["beta_vae", "model", "0.490", "…"],
        ["pca", "baseline", "0.480", "0.430 to 0.530", "0.020", "0.460 to 0.500", "0.020"],
    ],
    ("rich", "toy: differences between representations"): [
        [
            f"dae {MINUS} pca",
            "ARI, latent",
            "best PCA",
            "0.100",
            "0.030 to 0.170",
            "0.020",
            "yes",
            "0.050 to 0.150",
            "…",
        ]
    ],
    ("rich", f"toy: {AGAINST}, in the latent, {LABELS}"): [
        ["dae", "0.90 ± 0.26", "0.70 ± 0.26", "–", "2.2 ± 0.3", "…"],
        ["beta_vae", "…"],
        ["pca", "…"],
        ["labels, shuffled", "–", f"{MINUS}0.01 ± 0.03", "…"],
    ],
    ("page", f"toy: {AGAINST}, in the 2-D t-SNE, {LABELS}"): [
        ["dae", "0.70", "0.50", "–", "2", "…"],
        ["dae, original study", "0.72", "0.58", "–", "–", "…"],
    ],
    ("rich", "mixed: mixing of batches and separation of types, in the latent"): [
        ["dae", "0.45 ± 0.26", "0.95 ± 0.26"]
    ],
    ("rich", "Scores of dae on toy, by seed"): [
        ["score", "space", "seed 0", "seed 1", "seed 5"],
        ["NMI ↑", "latent", "0.700", "0.800", "1.200"],
    ],
    ("page", "Quality-control limits of toy and the cells that fail them"): [
        ["max_genes", "–", "2,500", "1", "0"],
        ["mad.pct_mito of s1", "–", "4.875", "1", "1"],
    ],
    ("rich", "Cells of mixed by label and batch"): [["label", HOSTILE, "late", "no batch"], [HOSTILE, "2", "1", "1"]],
    ("rich", "kNN recall of each type of toy in the latent, mean over seeds"): [
        ["label", "cells", "dae ↑", "beta_vae ↑", "pca ↑"],
        ["B", "4", "0.50", "0.50", "0.50"],
    ],
    ("rich", "Agreement between seeds on toy, mean over pairs of seeds"): [["dae", "0.80", "0.80"]],
    ("rich", "Sweep swept on toy, mean over seeds"): [
        ["beta_vae", "4", "clamp", "0.49", "0.59", "0.69", "0.49"],
        ["dae", "32", HOSTILE, "0.50", "0.60", "0.70", "0.50"],
    ],
    ("page", "k-means on the latent of dae, seed 0"): [
        ["cluster", HOSTILE, "B", "NK", "all"],
        ["k0", "0", "4", "0", "4"],
    ],
    ("page", "Latent dimensions of dae, seed 0"): [["z1", "2.50", "0.00", "0.75"]],
    ("page", "Latent and training, by seed"): [["0", "2", "1"]],
    ("page", "Genes of the latent dimensions of dae on toy, seed 0"): [
        ["z1", f"CD79A, {HOSTILE}", "LYZ", f"{HOSTILE} ({MINUS})"],
    ],
    ("rich", "Genes of the latent dimensions of dae on toy, seed 0"): [
        ["z1", f"CD79A, {HOSTILE}", "LYZ", "0.80", "0.70", "0.00", f"{HOSTILE} ({MINUS})"],
    ],
    ("page", "Cells decoded by dae against real cells of toy"): [["reconstructed cells", "0.90", "…"]],
    ("rich", "Cells decoded by beta_vae against real cells of toy, mean over 3 seeds with 95 % CI"): [
        ["generated cells", "0.90 (0.90 to 0.90)", "0.90 (0.90 to 0.90)", "0.20 (0.20 to 0.20)", "…"],
    ],
    ("rich", "Training times"): [
        ["dae", "toy", "200", "3", "12.5", "17.5", "4,321", "cpu", "1"],
        ["beta_vae", "mixed", "…"],
    ],
    ("page", "training"): [["learning_rate", "0.001"]],
}
SAID = {
    "page": [
        "dae ranks first by ARI of k-means on the latent: 0.500 (95 % CI 0.450 to 0.550), 0.010 ahead of beta_vae.",
        "Labels from the data's own annotation",
        "one run (seed 0) and has no confidence interval",
        "Published scores",
        *("NMI (0 to 1)", "ARI (up to 1)", f"silhouette ({MINUS}1 to 1)", "detected types (0 or more)"),
        "12 of 13 cells passed quality control; 3 labels come from the data's own annotation",
        "kNN recall is below 0.5 for NK (0.10).",
        "z1 is exactly 1 in 75% of the cells",
        "Reproducibility is unknown: only one seed",
        "dae (deep autoencoder): the dae model. Somebody 2014, A <title>. doi:10.1/x",
        "dae and beta_vae were trained without labels for 200 epochs in batches of 256 cells",
        "1 random seed, too few for intervals",
        "Software: PyTorch 1.0, run with scae.",
        f"warning: toy: {HOSTILE}",
    ],
    "rich": [
        "means over 3 seeds (0, 1, 5)",
        "The latent of pca is the same for every seed",
        "pca (PCA), a baseline: the pca model; the same for every seed",
        "1 of 1 active latent dimensions is reproducible",
        "Variance relative to real cells: 40% in reconstructed cells and 20% in generated cells.",
        "repeated with 3 random seeds",
    ],
    "many": ["for type 10 (-3.10), type 09", "and 4 more of 11 types"],
}
ABSENT = {
    "page": ["Agreement between seeds", "swept", "by label and batch", "the same for every seed"],
    "rich": ["Published scores", "toy: mixing of batches", "Cells of toy by label and batch", "Cells decoded by pca"],
}


@pytest.mark.parametrize(("name", "caption"), ROWS)
def test_a_table_has_its_rows_in_order(name, caption, request):
    [rows] = [rows for found, rows in request.getfixturevalue(name).tables.items() if found.startswith(caption)]
    rest = iter(rows)
    for wanted in ROWS[name, caption]:
        n_cells = wanted.index("…") if "…" in wanted else None
        assert any(row[:n_cells] == wanted[:n_cells] for row in rest), (wanted, rows)


@pytest.mark.parametrize("name", SAID)
def test_the_page_says_what_applies_and_nothing_else(name, request):
    text = request.getfixturevalue(name).text
    assert [said for said in SAID[name] if " ".join(said.split()) not in text] == []
    assert [said for said in ABSENT.get(name, []) if said in text] == []


def test_the_answer_is_first_and_names_the_best_model_below_a_baseline(page, tmp_path):
    body = page.html[page.html.index("<main") :]
    assert body.index("Nothing is &lt;shown&gt;.") < body.index("About these scores") < body.index('id="scores"')
    study = toy_results.write(tmp_path, models=("dae", "beta_vae", "pca"))
    study.table("intervals").loc[study.table("intervals")["model"] == "pca", "mean"] += 0.3
    text = Page(report.render(study)).text
    assert "pca ranks first by ARI of k-means on the latent: 0.780" in text
    assert "Best model: dae, 0.500" in text


def test_rows_are_marked_as_baseline_or_published(page, rich):
    assert {found.get("class") for tag, found in rich.elements if tag == "tr"} == {None, "baseline"}
    assert {found.get("class") for tag, found in page.elements if tag == "tr"} == {None, "baseline", "published"}
    assert rich.html.count('<span class="role">baseline</span>') == 2


def test_several_data_sets_can_be_shown_one_at_a_time(page, rich):
    assert rich.all("input", "value") == ["", "toy", "mixed"]
    assert page.all("input", "value") == []


def test_pictures_are_described_and_only_trained_models_have_losses(page, rich):
    alts = rich.all("img", "alt")
    losses = [alt for alt in alts if alt.startswith("Loss curves")]
    assert len(losses) == len([alt for alt in losses if "pca" not in alt]) == 2 * 2 * 3
    assert sum("and by batch" in alt for alt in alts) == 3 * 3
    clusters = [alt for alt in page.all("img", "alt") if alt.startswith("2-D t-SNE of dae on toy, seed 0")]
    assert "1 of 3 types detected" in clusters[0]
    assert {row[0] for row in rich.tables["Training times"][1:]} == {"dae", "beta_vae"}


def test_without_training_or_labels_the_page_says_so(tmp_path):
    study = toy_results.write(tmp_path, types=("",), models=("pca", "projection"))
    text = Page(report.render(replace(study, label_sources={"toy": {"obs": "none"}}))).text
    for said in ("12 cells, no labels.", "These cells have no labels", "no cell has a label", "), a baseline: "):
        assert said in text
    assert "0 cell types" not in text
    assert "Training times" not in text


def test_representations_of_one_kind_differ_by_their_dimensions(tmp_path):
    study = toy_results.write(tmp_path, models=("pca", "dae"))
    study = replace(study, settings=study.settings | {"models": {"pca": {"n_latent": 10}, "dae": {"n_latent": 1}}})
    authors = "One, Two & Three 2019"
    study.models["dae"]["reference"] = f"{authors}, A title in 1999 words"
    text = Page(report.render(study)).text
    assert "pca (PCA, 10 dimensions), a baseline" in text
    assert f"dae (deep autoencoder, 1 dimension; {authors})" in text


def test_unnamed_clusters_are_not_called_cell_types(tmp_path):
    study = toy_results.write(tmp_path, types=("Cluster 0", "Cluster 1"))
    text = Page(report.render(replace(study, label_sources={"toy": {"obs": "clusters"}}))).text
    assert "12 cells, 2 clusters of the input." in text
    assert "which favours PCA" in text
    assert "at least 0.5 for every type; lowest: Cluster 1 (0.50)" in text


def test_labels_are_counted_with_their_style(many):
    rows = many.tables["Cell types of toy, with their colour in every picture"]
    assert rows[1] == ["type 00", "1", "8.3"]
    assert (rows[-1][0][:8], rows[-1][1:]) == ("no label", ["1", "8.3"])
    swatches = [found for tag, found in many.elements if "swatch" in found.get("class", "")]
    styles = [*((color, symbol) for color, _, symbol in style.styles(TYPES).values()), (style.UNSCORED_COLOR, "circle")]
    shown = [(f"swatch {symbol}", f"background: {color}") for color, symbol in styles]
    assert [(found["class"], found["style"]) for found in swatches] == shown
    first = many.points()["datasets"]["toy"]["types"][0]
    assert (first["name"], first["color"]) == ("no label", style.UNSCORED_COLOR)


def test_overlapping_types_are_mentioned_with_their_share():
    labels = np.repeat(np.array(["A", "B", "C", ""], object), [10, 10, 10, 5])
    clusters = np.repeat([0, 0, 1, 2, 1], [10, 3, 7, 10, 5])
    assert sections_model.overlaps(labels, clusters) == [(0.3, "B", "A")]
    said = sections_model.clusters_in_words(labels, clusters)
    assert said == "3 of 3 types detected. 30% of B are in clusters of A."
    assert "No type has 20%" in sections_model.clusters_in_words(labels[:30], np.repeat([0, 1, 2], 10))
    assert sections_model.clusters_in_words(np.full(4, "", object), np.arange(4)).startswith("4 clusters; no cell")


def matches_of(*reproducible, null=0.7):
    names = [f"z{number + 1}" for number in range(len(reproducible))]
    return pd.DataFrame(
        {"agreement": 0.8, "null_mean": null, "null_95": null, "reproducible": reproducible}, index=names
    )


@pytest.mark.parametrize(
    ("matches", "n_latents", "deterministic", "said"),
    [
        (matches_of(), 0, False, "No latent dimension is active"),
        (matches_of(1, 1), 2, True, "the same for every seed"),
        (matches_of(), 1, False, "only one seed"),
        (matches_of(0, 0), 2, False, "No latent dimension is reproducible"),
        (matches_of(0, 1), 2, False, "1 of 2 active latent dimensions is reproducible"),
        (matches_of(1, 0, 1), 3, False, "z1 and z3. Do not interpret the genes of the others"),
        (matches_of(1, 1), 2, False, "2 of 2 active latent dimensions are"),
        (matches_of(0, 0, null=0.8), 2, False, "cannot be tested"),
    ],
)
def test_reproducibility_is_said_in_words(matches, n_latents, deterministic, said):
    found = sections_latents.reproducible(matches, [f"z{number + 1}" for number in range(n_latents)], deterministic)
    assert said in found
    assert ("of the others" in found) == (0 < matches["reproducible"].sum() < n_latents)


def test_early_stopping_and_external_models_are_described(tmp_path):
    study = toy_results.write(tmp_path)
    study.models["beta_vae"] |= {"external": True}
    training = study.settings["training"] | {"early_stopping": 1000, "holdout": 0.1}
    said = sections_methods.methods(replace(study, settings={"training": training}))["paragraph"]
    assert "dae was trained without labels for at most 200 epochs" in said
    assert "held-out 10% of the cells had not fallen for 1,000 gradient steps" in said
    assert "beta_vae was trained on the counts by its own package with its own settings for 200 epochs" in said


def test_versions_of_all_jobs_are_merged():
    records = {
        "one": {"software": {"numpy": "1", "torch": "2"}, "machine": "a"},
        "two": {"software": {"numpy": "3"}, "machine": "b"},
        "three": {},
    }
    assert sections_methods.software_and_machines(records) == ({"numpy": "1, 3", "torch": "2"}, ["a", "b"])
