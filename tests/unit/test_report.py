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
from scae.report import embeddings, latents, methods, panels, scoreboard, trust
from scae.report import html as parts
from scae.report import page as report

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
        elif "below" in dict(attributes).get("class", ""):
            self._rows[-1][-1] += " | "

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
    elsewhere = ("heatmap_png", "heatmap_svg", "embeddings_svg", "recalls_svg", "stability_png")
    shown = [result for result in results.CONTRACT if result.path.endswith((".png", ".svg"))]
    shown = [path for result in shown if result.name not in elsewhere for path in results.paths(result, made)]
    assert sorted(found["data-name"] for found in pictures if "data-name" in found) == sorted(
        path.replace("/", "_") for path in shown
    )
    small = [found for found in pictures if "data-name" not in found]
    assert [found["alt"][:21] for found in small] == ["2-D t-SNE of dae on t", "2-D t-SNE of beta_vae"]
    assert len({found["src"] for found in pictures}) == len(pictures)
    assert all(found["src"].startswith("data:image/") and found["alt"] for found in pictures)


def test_the_same_results_give_the_same_page(page, tmp_path):
    again = page_of(tmp_path, published=PUBLISHED, notes=[f"warning: toy: {HOSTILE}"])
    assert again.html == page.html


def test_five_seeds_of_the_study_weigh_less_than_five_megabytes(tmp_path):
    """Seven representations of 2,638 cells; all else as weighed on a real page."""
    rest, random = 1.6e6, np.random.default_rng(0)
    labels = np.repeat([f"Type {number}" for number in range(9)], 294)[:2638]
    points = random.normal(size=(2638, 2)) * 4 + 20 * random.normal(size=(9, 2)).repeat(294, axis=0)[:2638]
    drawing.save(cells.clusters(points, labels, random.integers(0, 9, 2638), "title"), tmp_path / "clusters.png")
    picture = len(parts.picture(tmp_path / "clusters.png", "it", panels.COLORS)["src"])
    small = drawing.pixels(cells.thumbnail(points, labels, style.styles(labels)))
    picture += len(parts.source(parts.few_colors(small, embeddings.COLORS), "webp"))

    def weight(n_cells, *spaces):
        packed = [parts.packed_points(np.zeros((n_cells, space)))["data"] for space in spaces]
        return sum(map(len, [*packed, parts.packed(np.zeros(n_cells), np.uint16)]))

    models = 7 * (picture + weight(2638, 2, 3) + 4 * weight(embeddings.SHOWN_CELLS_LATER, 2))
    assert len(parts.packed_text(get_plotlyjs())) + models + rest < 5e6


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


def test_only_the_first_seed_has_3d_and_each_representation_a_small_picture(rich):
    runs = rich.points()["runs"]
    assert len(runs) == 2 * 3 * 3
    assert {run["seed"] for run in runs.values() if "three" in run} == {0}
    opened = [found["data-run"] for tag, found in rich.elements if tag == "a" and "data-run" in found]
    assert opened == [f"{dataset}.{model}.0" for dataset in ("toy", "mixed") for model in ("dae", "beta_vae", "pca")]


def test_many_cells_are_sampled_by_type_in_the_interactive_plot_only(tmp_path, monkeypatch):
    monkeypatch.setattr(embeddings, "SHOWN_CELLS", 5)
    monkeypatch.setattr(embeddings, "FEWEST_OF_A_TYPE", 1)
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
BOARD = f"toy: mean over 3 seeds and 95 % CI, {LABELS}"
ROWS = {  # (page, caption): some rows, in this order; "…" skips the rest of a row
    ("rich", BOARD): [
        [
            "representation",
            "ARI ↑ latent",
            "kNN accuracy ↑ latent",
            "ARI against pca the best PCA",
            "types lost kNN recall below 0.5",
            "active dimensions",
            "training per seed",
        ],
        ["dae", "0.500 | 0.450 to 0.550", "0.600 | 0.550 to 0.650", "+0.100 | shown", "1 of 3", "1 of 2", "14 s"],
        ["beta_vae", "0.490 | 0.440 to 0.540", "0.590 | 0.540 to 0.640", "–", "1 of 3", "1 of 2", "14 s"],
        ["pca baseline", "0.480 | 0.430 to 0.530", "0.580 | 0.530 to 0.630", "–", "1 of 3", "1 of 2", "–"],
    ],
    ("page", f"toy: one run (seed 0), {LABELS}"): [["dae", "…"], ["beta_vae", "…"]],
    ("rich", "toy: differences between representations"): [
        [f"dae {MINUS} pca", "ARI, latent", "best PCA", "0.100", "0.030 to 0.170", "0.020", "shown", "0.070", "3"]
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
    ("page", "Quality-control limits of toy and the cells that fail them"): [
        ["max_genes", "–", "2,500", "1", "0"],
        ["mad.pct_mito of s1", "–", "4.875", "1", "1"],
    ],
    ("rich", "Cells of mixed by label and batch"): [["label", HOSTILE, "late", "no batch"], [HOSTILE, "2", "1", "1"]],
    ("rich", "Cell types of toy: share of the cells whose 15 nearest neighbours in the latent"): [
        ["label", "cells", "share %", "dae", "beta_vae", "pca"],
        ["B", "4", "33.3", "0.50", "0.50", "0.50"],
        ["NK", "4", "33.3", "0.10", "0.10", "0.10"],
    ],
    ("rich", "Agreement between seeds on toy, mean over pairs of seeds"): [["dae", "0.80", "0.80"]],
    ("rich", "Training and latent of each representation of toy, range over 3 seeds"): [
        ["representation", "epochs", "latent dimensions", "active"],
        ["dae", "200", "2", "1"],
        ["pca", "–", "2", "1"],
    ],
    ("rich", "Sweep swept on toy, mean over seeds"): [
        ["beta_vae", "4", "clamp", "0.49", "0.59", "0.69", "0.49"],
        ["dae", "32", HOSTILE, "0.50", "0.60", "0.70", "0.50"],
    ],
    ("page", "k-means on the latent of dae, seed 0"): [
        ["cluster", HOSTILE, "B", "NK", "all"],
        ["k0", "0", "4", "0", "4"],
    ],
    ("page", "Latent dimensions of dae on toy, seed 0"): [
        ["z1", "2.50", "0.00", "0.75", f"CD79A, {HOSTILE}", "LYZ", f"{HOSTILE} ({MINUS})"],
        ["z2", "0.01", "0.00", "0.00", "–", "–", "–"],
    ],
    ("rich", "Latent dimensions of dae on toy, seed 0"): [
        ["z1", "2.50", "0.00", "0.75", "0.80", "0.70", "0.00", f"CD79A, {HOSTILE}", "LYZ", f"{HOSTILE} ({MINUS})"],
    ],
    ("page", "Decoded cells against real cells of toy"): [["dae: reconstructed cells", "0.90", "…"]],
    ("rich", "Decoded cells against real cells of toy, mean over 3 seeds with 95 % CI"): [
        ["beta_vae: generated cells", "0.90 | 0.90 to 0.90", "0.90 | 0.90 to 0.90", "0.20 | 0.20 to 0.20", "…"],
    ],
    ("page", "Settings"): [["training.learning_rate", "0.001"]],
}
SAID = {
    "page": [
        "One run (seed 0), so no score has a confidence interval: set run.seeds to 3 or more seeds.",
        "Published scores (original study)",
        *("NMI (0 to 1)", "ARI (up to 1)", f"silhouette ({MINUS}1 to 1)", "detected types (0 or more)"),
        "12 of 13 cells passed quality control, which had no limits. Counts were scaled to 10,000 per cell",
        "3 labels come from the data's own annotation.",
        "No representation keeps NK (4 cells).",
        "Most annotations name clusters of principal components, which favours PCA.",
        "kNN recall is below 0.5 for NK (0.10).",
        "z1 is exactly 1 in 75% of the cells",
        "Reproducibility is unknown: only one seed",
        "dae (deep autoencoder): the dae model. Somebody 2014, A <title>. doi:10.1/x",
        "dae and beta_vae were trained without labels for 200 epochs in batches of 256 cells",
        "1 random seed (0), too few for intervals",
        "The workflow was scae 0.0 (commit 123), with PyTorch 1.0.",
        f"warning: toy: {HOSTILE}",
    ],
    "rich": [
        "3 seeds (0, 1, 5). Between seeds, the clusters of the models agree with ARI 0.80 (dae) to 0.80 (dae).",
        "That 3 seeds agree leaves room for up to 63 % of seeds with another score.",
        "pca (PCA), a baseline: the pca model; the same for every seed",
        "1 of 1 active latent dimensions is reproducible",
        "repeated with 3 random seeds (0, 1 and 5)",
        "None given, so their mixing is not scored.",
        "Mixing in the latent (iLISI, 1 = best): dae 0.25, beta_vae 0.24 and pca 0.23.",
    ],
    "many": ["for type 10 (-3.10), type 09", "and 4 more of 11 types", "1 cell without a label"],
}
ABSENT = {
    "page": ["Agreement between seeds", "swept", "by label and batch", "the same for every seed"],
    "rich": ["Published scores", "toy: mixing of batches", "Cells of toy by label and batch", "pca: reconstructed"],
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


def test_the_answer_is_first_as_in_the_verdict(page, tmp_path):
    body = page.html[page.html.index("<main") :]
    assert (
        body.index("<strong>Nothing is &lt;shown&gt;.</strong>") < body.index("<table") < body.index('id="embeddings"')
    )
    study = toy_results.write(tmp_path)
    for headline, lead in (
        ("pca ranks first (ARI 0.592), ahead. It is.", "pca ranks first"),
        ("No model is shown to beat pca; behind: dae.", "No model is shown to beat pca"),
        ("Nothing.", "Nothing."),
    ):
        (tmp_path / "verdict.txt").write_text(f"toy: {headline}\ntoy: More: of it.\n")
        [answer] = scoreboard.verdict(study)
        assert (answer["lead"], answer["lead"] + answer["rest"], answer["others"]) == (lead, headline, ["More: of it."])
    (tmp_path / "verdict.txt").write_text("")
    assert scoreboard.verdict(study)[0]["lead"] == scoreboard.NOTHING


def test_a_column_of_the_scoreboard_is_one_entry_and_left_out_where_it_is_not_measured(tmp_path, monkeypatch):
    study = toy_results.write(tmp_path, models=("pca", "dae"))
    monkeypatch.setattr(scoreboard, "COLUMNS", [scoreboard.score("latent", "nmi"), scoreboard.score("latent", "other")])
    board = scoreboard.scoreboard(study, "toy", "obs")
    assert [column["heading"] for column in board["columns"]] == ["representation", "NMI ↑"]
    [[model], [baseline]] = board["groups"]
    assert [model["cells"][0]["text"], baseline["cells"][0]["text"]] == ["dae", "pca"]
    assert (model["cells"][1]["mark"], baseline["cells"][1]["mark"]) == (False, True)


def test_held_out_molecules_have_one_decimal_and_decide_the_order_without_labels(tmp_path):
    study = toy_results.write(tmp_path, types=("",), models=("dae", "beta_vae", "pca"))
    table = study.table("intervals")
    nats = {"dae": 12.34, "beta_vae": 23.45, "pca": 34.56}
    rows = [("toy", name, "obs", "obs", "latent", "held_out", "seeds", 3, value, 0.1, value - 1, value + 1)
            for name, value in nats.items()]  # fmt: skip
    without = table.assign(mean=np.nan, low=np.nan, high=np.nan)
    study._read["intervals"] = pd.concat([without, pd.DataFrame(rows, columns=table.columns)], ignore_index=True)
    study = replace(study, label_sources={"toy": {"obs": "none"}})
    board = scoreboard.scoreboard(study, "toy", "obs")
    assert [column["heading"] for column in board["columns"]][:2] == ["representation", "held-out molecules ↑"]
    cells = [[cell["text"] for cell in row["cells"][:2]] for rows in board["groups"] for row in rows]
    assert cells == [["beta_vae", "23.4"], ["dae", "12.3"], ["pca", "34.6"]]
    assert board["groups"][0][0]["cells"][1]["note"] == "22.4 to 24.4"
    assert scoreboard.NO_LABELS not in scoreboard.verdict(study)[0]["lead"]


def test_bars_share_an_axis():
    rows = [{"mean": 0.5, "low": 0.4, "high": float("nan")}, {"mean": 0.2, "high": 0.6}, {"mean": float("nan")}]
    assert parts.bars(rows) == [{"mean": 75.0, "low": 50.0}, {"mean": 0.0, "high": 100.0}, None]
    assert parts.bars([{"mean": 0.5}]) == [{"mean": 0.0}]


def test_durations_and_ranges_are_short():
    assert [parts.duration(seconds) for seconds in (0.2, 12.4, 61, 7_500)] == [
        "under 1 s",
        "12 s",
        "1 min",
        "2 h 5 min",
    ]
    assert [parts.span([2, 2]), parts.span([2, 3]), parts.span([0.5, 1], 1)] == ["2", "2–3", "0.5–1.0"]


def test_rows_are_marked_as_baseline_or_published(page, rich):
    assert {found.get("class") for tag, found in rich.elements if tag == "tr"} == {None, "baseline"}
    assert {found.get("class") for tag, found in page.elements if tag == "tr"} == {None, "baseline", "published"}
    assert rich.html.count('<span class="role">baseline</span>') == 2 * 3  # in the scoreboard, the pictures, the panels


def test_several_data_sets_can_be_shown_one_at_a_time(page, rich):
    assert rich.all("input", "value") == ["toy", "mixed", "", "2", "3"]  # the last two are of the interactive plot
    assert page.all("input", "value") == ["2", "3"]


def test_pictures_are_described_and_only_trained_models_have_losses(page, rich):
    alts = rich.all("img", "alt")
    assert [alt for alt in alts if alt.startswith("Loss curves")] == [
        f"Loss curves of {model} on {dataset}." for dataset in ("toy", "mixed") for model in ("dae", "beta_vae")
    ]
    assert sum("and by batch" in alt for alt in alts) == 3
    [clusters] = [
        alt for alt in page.all("img", "alt") if alt.startswith("2-D t-SNE of dae on toy, seed 0, by label and")
    ]
    assert "1 of 3 types detected" in clusters


def test_without_training_or_labels_the_page_says_so(tmp_path):
    study = toy_results.write(tmp_path, types=("",), models=("pca", "projection"))
    text = Page(report.render(replace(study, label_sources={"toy": {"obs": "none"}}))).text
    for said in ("12 cells, no labels.", "These cells have no labels", "No cell has a label", "), a baseline: "):
        assert said in text
    assert "0 cell types" not in text
    assert "training per seed" not in text


def test_representations_of_one_kind_differ_by_their_dimensions(tmp_path):
    study = toy_results.write(tmp_path, models=("pca", "dae"))
    study = replace(
        study,
        settings=study.settings
        | {"models": {"pca": {"n_latent": 10}, "dae": {"n_latent": 1, "beta": 2.0, "epochs": 9, "off": False}}},
    )
    authors = "One, Two & Three 2019"
    study.models["dae"]["reference"] = f"{authors}, A title in 1999 words"
    text = Page(report.render(study)).text
    assert "pca (PCA, 10 dimensions), a baseline" in text
    assert f"dae (deep autoencoder, 1 dimension, beta 2; {authors})" in text


def test_unnamed_clusters_are_not_called_cell_types(tmp_path):
    study = toy_results.write(tmp_path, types=("Cluster 0", "Cluster 1"))
    text = Page(report.render(replace(study, label_sources={"toy": {"obs": "clusters"}}))).text
    assert "12 cells, 2 clusters of the input." in text
    assert "labels from a clustering of principal components, which favours PCA" in text
    assert "at least 0.5 for every type; lowest: Cluster 1 (0.50)" in text


def test_labels_are_counted_with_their_style(many):
    [rows] = [rows for caption, rows in many.tables.items() if caption.startswith("Cell types of toy")]
    assert rows[1][:3] == ["type 00", "1", "8.3"]
    assert rows[-1] == ["no label", "1", "8.3", ""]
    swatches = [found for tag, found in many.elements if "swatch" in found.get("class", "")]
    legend, swatches = swatches[: len(swatches) // 2], swatches[len(swatches) // 2 :]
    assert sorted(map(str, legend)) == sorted(map(str, swatches))
    styles = [*((color, symbol) for color, _, symbol in style.styles(TYPES).values()), (style.UNSCORED_COLOR, "circle")]
    shown = [(f"swatch {symbol}", f"background: {color}") for color, symbol in styles]
    assert [(found["class"], found["style"]) for found in swatches] == shown
    first = many.points()["datasets"]["toy"]["types"][0]
    assert (first["name"], first["color"]) == ("no label", style.UNSCORED_COLOR)


def test_overlapping_types_are_mentioned_with_their_share():
    labels = np.repeat(np.array(["A", "B", "C", ""], object), [10, 10, 10, 5])
    clusters = np.repeat([0, 0, 1, 2, 1], [10, 3, 7, 10, 5])
    assert panels.overlaps(labels, clusters) == [(0.3, "B", "A")]
    said = panels.clusters_in_words(labels, clusters)
    assert said == "3 of 3 types detected. 30% of B are in clusters of A."
    assert "No type has 20%" in panels.clusters_in_words(labels[:30], np.repeat([0, 1, 2], 10))
    assert panels.clusters_in_words(np.full(4, "", object), np.arange(4)).startswith("4 clusters; no cell")


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
    found = latents.reproducible(matches, [f"z{number + 1}" for number in range(n_latents)], deterministic)
    assert said in found
    assert ("of the others" in found) == (0 < matches["reproducible"].sum() < n_latents)


def test_early_stopping_and_external_models_are_described(tmp_path):
    study = toy_results.write(tmp_path)
    study.models["beta_vae"] |= {"external": True}
    training = study.settings["training"] | {"early_stopping": 1000, "holdout": 0.1}
    said = methods.paragraph(replace(study, settings={"training": training}))
    assert "dae was trained without labels for at most 200 epochs" in said
    assert "held-out 10% of the cells had not fallen for 1,000 gradient steps" in said
    assert "beta_vae was trained on the counts by its own package with its own settings for 200 epochs" in said


def test_versions_of_all_jobs_are_merged():
    records = {
        "one": {"software": {"numpy": "1", "torch": "2"}, "machine": "a"},
        "two": {"software": {"numpy": "3"}, "machine": "b"},
        "three": {},
    }
    assert methods.software_and_machines(records) == ({"numpy": "1, 3", "torch": "2"}, ["a", "b"])


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (
            {"qc": {"min_cells": 3, "min_genes": 200, "max_genes": 2500, "max_pct_mito": 5, "mad": {"counts": 3}}},
            "(genes in at least 3 cells, cells with more than 200 genes, fewer than 2,500 genes, less than 5 % "
            "mitochondrial counts and counts within 3 median absolute deviations)",
        ),
        ({"scale_factor": 1e6}, "Counts were scaled to 1,000,000 per cell and log-transformed (log1p)."),
        ({"values": "normalized"}, "Expression was normalised per cell and log-transformed (log1p)."),
        ({"genes": {"variable": 2000}}, "The 2,000 most variable genes were used."),
    ],
)
def test_methods_name_limits_and_normalisation(tmp_path, entry, said):
    study = toy_results.write(tmp_path)
    assert said in methods.paragraph(replace(study, settings=study.settings | {"datasets": {"toy": entry}}))


def test_methods_know_logarithms_by_the_missing_mitochondrial_share(tmp_path):
    study = toy_results.write(tmp_path)
    path = study.files.path("cells", dataset="toy")
    pd.read_csv(path).drop(columns="pct_mito").to_csv(path, index=False)
    assert "Expression was log-normalised in the source and used as it is." in methods.paragraph(study)


def test_short_training_and_a_falling_loss_are_cautions(tmp_path):
    study = toy_results.write(tmp_path)
    health = study.table("all_health")
    for steps, falling, caution, said in (
        (2_000, 0.0, False, "2,000 gradient steps. The loss had levelled off in every training."),
        (600, 0.0, True, "Short: with so few steps a model may have learned little (dae and beta_vae)."),
        (2_000, 0.5, True, "still falling at the end of 2 of 2 trainings (dae and beta_vae)"),
    ):
        rows = [("toy", model, 0, "all", name, value) for model in study.models
                for name, value in (("steps", steps), ("still_falling", falling))]  # fmt: skip
        found = replace(study, _read={"all_health": pd.concat([health, pd.DataFrame(rows, columns=health.columns)])})
        [check] = [check for check in trust.trust(found, "toy")["checks"] if check["question"] == "Training"]
        assert check["caution"] == caution
        assert said in check["said"]
