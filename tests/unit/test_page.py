"""The report: one page that needs nothing beside it, shows every number, and trusts no name."""

import base64
import dataclasses
import gzip
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from plotly.offline import get_plotlyjs

from scae import style
from scae.evaluation import gene_sets, generated_cells, latent_genes, latent_matches
from scae.evaluation.metrics import described
from scae.plots import drawing
from scae.report import page as report
from scae.report import sections_model as panels
from scae.report import html as html_of
from scae.report import sections_scores
from scae.report.contents import Generated, Latents, Quality, Run, Study, Sweep

HOSTILE = '<b>"T" & co</b></script>'
METRICS = {"nmi": 0.7, "ari": 0.5, "silhouette": float("nan"), "detected_types": 2.0}
PUBLISHED = {"toy": {"citation": "original study", "scores": {"dae": {"nmi": 0.72, "ari": 0.58}}}}


def about(title, trained=True, deterministic=False, peer=False, doi=""):
    said = {"title": title, "summary": f"what {title} does", "reference": "Somebody 2014, A <title>", "doi": doi}
    return said | {"trained": trained, "deterministic": deterministic, "peer": peer}


ABOUT = {
    "dae": about("deep autoencoder", doi="10.1126/science.1127647"),
    "beta_vae": about("beta-VAE"),
    "beta_vsc": about("beta-VSC"),
    **dict.fromkeys(("b-c", "c"), about("another")),
    "pca": about("PCA", trained=False, deterministic=True),
    "projection": about("random projection", trained=False),
}


class Page(HTMLParser):
    """What a browser finds: elements with attributes, text outside scripts and styles, the content of scripts."""

    def __init__(self, html):
        super().__init__(convert_charrefs=True)
        self.elements, self.text, self.scripts, self.open = [], [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.open.append(tag)
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):
        if tag in self.open:
            while self.open.pop() != tag:
                pass

    def handle_data(self, content):
        if "script" in self.open:
            self.scripts[-1] += content
        elif "style" not in self.open:
            self.text.append(content.strip())

    def points(self):
        return json.loads(next(script for script in self.scripts if script.startswith("{")))


def picture(folder, name):
    path = folder / name
    seed = sum(map(ord, name))
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return str(path)


MOVED = {"CD79A": 2.0, HOSTILE: 1.0, "LYZ": -3.0}
CELLS = pd.Index([f"c{number}" for number in range(12)], name="cell")


QUALITY_CELLS = pd.DataFrame({"cell": [*CELLS, "dead"], "removed_by": [""] * 12 + ["max_pct_mito"]})
LIMITS = pd.DataFrame(
    [("", "max_genes", np.nan, 2500, 0, 0), ("s1", "mad.pct_mito", -np.inf, 4.875, 1, 1)],
    columns=["sample", "limit", "lower", "upper", "breaks_it", "breaks_only_it"],
)


def intervals_of(names, labels="obs"):
    rows = []
    for dataset, model in dict.fromkeys(name[:2] for name in names):
        for space in ("tsne2d", "latent"):
            for metric, value in (METRICS | {"knn_accuracy": 0.6}).items():
                value = value - 0.01 * list(ABOUT).index(model)
                rows.append(
                    (dataset, model, labels, space, metric, "seeds", 3, value, 0.02, value - 0.05, value + 0.05)
                )
                rows.append(
                    (dataset, model, labels, space, metric, "cells", 3, value, 0.01, value - 0.02, value + 0.02)
                )
    columns = ["dataset", "model", "labels", "space", "metric", "over", "n", "mean", "sd", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def health_of(names):
    rows = []
    for name in names:
        rows += [(*name, "all", "latents", 2.0), (*name, "all", "live", 1.0), (*name, "all", "repeated_pairs", 0.0)]
        rows += [(*name, latent, "kl", value) for latent, value in (("z1", 2.5), ("z2", 0.01))]
        rows += [(*name, latent, "constant", 0.0) for latent in ("z1", "z2")]
        rows += [(*name, latent, "zeros", 0.0) for latent in ("z1", "z2")]
        rows += [(*name, "z1", "gate_one", 0.75), (*name, "z2", "gate_one", 0.0)]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "latent", "measure", "value"])


def meaning_of(seeds, latents_png):
    genes = [(seed, "z1", "percentiles", -1.0, 1.0, gene, effect) for seed in seeds for gene, effect in MOVED.items()]
    matches = [(seed, "z1", 1, 0.8, 0.6, 0.7, 0.001, 0.001, 1) for seed in seeds if len(seeds) > 1]
    sets = [(seed, "z1", "-", HOSTILE, 3, 4, 0.5, 0.001, 0.01, "LYZ CST3 FCN1") for seed in seeds]
    return Latents(
        pd.DataFrame(genes, columns=latent_genes.COLUMNS),
        pd.DataFrame(matches, columns=latent_matches.COLUMNS),
        pd.DataFrame(sets, columns=gene_sets.COLUMNS),
        latents_png,
    )


def generated_of(model, seeds, png):
    ways = ["reconstructed"] if model == "dae" else ["reconstructed", "generated"]
    rows = [
        (seed, way, statistic, 0.9 + 0.01 * seed, 0.4)
        for seed in seeds
        for way in ways
        for statistic in generated_cells.STATISTICS
    ]
    return Generated(pd.DataFrame(rows, columns=generated_cells.SUMMARY_COLUMNS), png)


def study_of(
    folder,
    seeds=(0,),
    models=("dae", "beta_vae"),
    datasets=("toy",),
    published=None,
    types=("B", HOSTILE, "NK"),
    batches=(),
    sweeps=(),
):
    labels = {
        dataset: pd.Series(np.array(types, object)[np.arange(12) % len(types)], index=CELLS) for dataset in datasets
    }
    random = np.random.default_rng(0)
    names = [(dataset, model, seed) for dataset in datasets for model in models for seed in seeds]
    runs = [
        Run(
            dataset=dataset,
            model=model,
            seed=seed,
            clusters=pd.DataFrame({"tsne2d": np.arange(12) % 2, "latent": np.arange(12) % 3}, index=CELLS),
            tsne2d=pd.DataFrame(random.normal(size=(12, 2)), columns=list("xy"), index=CELLS),
            tsne3d=pd.DataFrame(random.normal(size=(12, 3)), columns=list("xyz"), index=CELLS),
            pictures={
                name: picture(folder, f"{dataset}_{model}_{seed}_{name}.png")
                if name != "losses" or ABOUT[model]["trained"]
                else None
                for name in ("clusters", "losses")
            }
            | {"batches": picture(folder, f"{dataset}_{model}_{seed}_batches.png") if dataset in batches else None},
        )
        for dataset, model, seed in names
    ]
    metrics = pd.DataFrame(
        [
            (*name, "obs", space, metric, value + 0.1 * name[2])
            for name in names
            for space in ("tsne2d", "latent")
            for metric, value in (METRICS | ({"ilisi": 0.25, "clisi": 0.75} if name[0] in batches else {})).items()
        ],
        columns=["dataset", "model", "seed", "labels", "space", "metric", "value"],
    )
    recalls = pd.DataFrame(
        [
            (*name, "obs", "latent", label, 4, 0.9 - 0.4 * place)
            for name in names
            for place, label in enumerate(sorted(set(types) - {""}))
        ],
        columns=["dataset", "model", "seed", "labels", "space", "label", "cells", "recall"],
    )
    differences = pd.DataFrame(
        [(dataset, "obs", "latent", "ari", "dae", "pca", 3, 0.1, 0.02, 0.05, 0.15, 0.01, 0.02) for dataset in datasets],
        columns=[
            *("dataset", "labels", "space", "metric", "first", "second", "n"),
            "mean",
            "sd",
            "low",
            "high",
            "p",
            "p_holm",
        ],
    )
    trained = [name for name in names if ABOUT[name[1]]["trained"]]
    times = pd.DataFrame(trained, columns=["dataset", "model", "seed"]).assign(
        epochs=200, seconds=12.5, cells_per_second=4321.0, device="cpu", threads=1
    )
    return Study(
        runs=runs,
        labels=labels,
        looks={dataset: style.styles(set(types) - {""}) for dataset in datasets},
        notes=["toy: 12 of 13 cells kept", f"warning: toy: {HOSTILE}"],
        batches={name: pd.Series(np.array(["", HOSTILE, "late"])[np.arange(12) // 4], index=CELLS) for name in batches},
        quality={dataset: Quality(QUALITY_CELLS, LIMITS, picture(folder, "quality.png")) for dataset in datasets},
        models={model: ABOUT[model] for model in models},
        roles={model: "pca" if model == "pca" else "floor" if model == "projection" else "model" for model in models},
        origins={dataset: {"obs": "obs"} for dataset in datasets},
        metrics=metrics,
        intervals=intervals_of(names),
        differences=differences,
        recalls=recalls,
        health=health_of(names),
        stability=pd.DataFrame(
            [
                (dataset, model, "latent", measure, 1, 0.8 if len(seeds) > 1 else np.nan)
                for dataset, model in dict.fromkeys(name[:2] for name in names)
                for measure in ("ari", "canonical_correlation")
            ],
            columns=["dataset", "model", "space", "measure", "pairs", "value"],
        ),
        described=described(),
        training_times=times,
        figures={dataset: figures(folder, dataset) for dataset in datasets},
        heatmap=picture(folder, "heatmap.png"),
        verdict=[f"{dataset}: Nothing is <shown> of it." for dataset in datasets],
        published=published or {},
        latents={
            (dataset, model): meaning_of(seeds, picture(folder, f"{dataset}_{model}_latents.png"))
            for dataset, model in dict.fromkeys(name[:2] for name in names)
        },
        generated={
            (dataset, model): generated_of(model, seeds, picture(folder, f"{dataset}_{model}_generated.png"))
            for dataset, model in dict.fromkeys(name[:2] for name in trained)
        },
        sweeps=[
            Sweep(dataset, name, points, figures(folder, dataset)["scores"])
            for dataset in datasets
            for name, points in sweeps
        ],
        settings={
            "datasets": {dataset: {"labels": {"from": "obs", "column": "type"}} for dataset in datasets},
            "training": {"epochs": 200, "batch_size": 256, "learning_rate": 0.001},
            "models": {"dae": {"kind": "dae"}},
        },
        software={"numpy": "2.0", "torch": "1.0"},
        machines=["Linux, a machine"],
    )


def figures(folder, dataset):
    paths = {}
    for name in ("scores", "embeddings", "recalls"):
        paths[name] = str(folder / f"{dataset}_{name}.svg")
        text = f'<svg xmlns="http://www.w3.org/2000/svg" width="300pt" height="150pt"><!-- {dataset} {name} --></svg>'
        (folder / f"{dataset}_{name}.svg").write_text(text)
    return paths | {"stability": picture(folder, f"{dataset}_stability.png")}


def render(folder, **options):
    return report.render(study_of(folder, **options))


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return render(tmp_path_factory.mktemp("report"), published=PUBLISHED)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def own(html):
    """The page without the plotting library."""
    return re.sub(r'(<script type="text/plain" id="plotly">)[^<]*', r"\1", html)


def words(html):
    """Text of the page as one line."""
    return " ".join(" ".join(Page(html).text).split())


def test_a_name_is_shown_as_it_is_written_and_is_never_markup(page):
    assert page.text.count(HOSTILE) >= 3
    assert not [tag for tag, _ in page.elements if tag == "b"]
    assert len(page.scripts) == [tag for tag, _ in page.elements].count("script") == 3


def test_a_name_cannot_end_the_script_it_stands_in(html, page):
    assert "co</b></script>" not in html
    assert {kind["name"] for kind in page.points()["datasets"]["toy"]["types"]} == {"B", "NK", HOSTILE}


def test_nothing_is_loaded_from_elsewhere(html):
    for tag, attributes in Page(own(html)).elements:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            if attributes.get(name):
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    assert not re.search(r"https?://", own(html))
    assert not re.search(r"@import|url\(", own(html))


def test_the_plotting_library_is_there_once_and_whole(page):
    packed = page.scripts[1]
    assert gzip.decompress(base64.b64decode(packed)).decode() == get_plotlyjs()
    assert len(packed) < 2.1e6


def test_every_link_leads_somewhere_and_no_place_stands_twice(page):
    places = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    links = [attributes["href"][1:] for tag, attributes in page.elements if tag == "a"]
    assert len(places) == len(set(places))
    assert links
    assert set(links) <= set(places)
    named = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert set(named) <= set(places)


def test_every_picture_is_inside_the_page_once_and_described(page):
    pictures = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) == 3 + 2 + 2 * 4  # figures, heatmap and quality control, and four of each model
    assert len({attributes["src"] for attributes in pictures}) == len(pictures)
    kinds = tuple(f"data:image/{kind};" for kind in ("png", "webp", "svg+xml"))
    assert all(attributes["src"].startswith(kinds) for attributes in pictures)
    assert all(attributes["alt"] for attributes in pictures)
    widths = {attributes["width"] for attributes in pictures}
    assert widths == {str(300 * 96 // 150), str(300 * 96 // 72)}


def test_pictures_of_further_seeds_are_lighter(tmp_path):
    path = picture(tmp_path, "one.png")
    first, later = (html_of.picture(path, "it", colors, light) for colors, light in ((64, False), (64, True)))
    assert first["width"] == later["width"]
    assert len(later["src"]) < 0.6 * len(first["src"])


def test_five_seeds_of_the_study_weigh_less_than_six_megabytes(tmp_path):
    """Of 6 representations of 2,638 cells in 9 types; the rest as the real page weighs it."""
    rest = 1.9e6  # figures, tables, losses, genes of the latents and made cells
    random = np.random.default_rng(0)
    labels = np.repeat([f"Type {number}" for number in range(9)], 294)[:2638]
    points = random.normal(size=(2638, 2)) * 4 + 20 * random.normal(size=(9, 2)).repeat(294, axis=0)[:2638]
    figure = drawing.clusters(points, labels, random.integers(0, 9, 2638), "dae on pbmc3k, seed 0")
    drawing.save(figure, tmp_path / "clusters.png")
    first, later = (
        len(html_of.picture(tmp_path / "clusters.png", "it", panels.COLORS, light)["src"])
        + sum(len(html_of.packed_points(np.zeros((cells, dimensions)))["data"]) for dimensions in (2, 3))
        + len(html_of.packed(np.zeros(cells), np.uint16))
        for cells, light in ((2638, False), (panels.SHOWN_CELLS_LATER, True))
    )
    assert len(html_of.packed_text(get_plotlyjs())) + 6 * (first + 4 * later) + rest < 6e6


def test_the_picture_says_what_is_seen_on_it(page):
    alt = next(
        attributes["alt"]
        for _, attributes in page.elements
        if attributes.get("data-name", "").endswith("dae_0_clusters.png")
    )
    assert alt.startswith("2-D t-SNE of dae on toy, seed 0")
    assert "1 of 3 own a cluster." in alt
    assert "100% of B lie in clusters of" in alt


def test_types_that_lie_together_are_told_by_their_share():
    labels = np.repeat(["A", "B", "C", ""], [10, 10, 10, 5])
    clusters = np.repeat([0, 0, 1, 2, 1], [10, 3, 7, 10, 5])
    assert panels.together(labels, clusters) == [(0.3, "B", "A")]
    assert panels.seen(labels, clusters) == "3 of 3 own a cluster. 30% of B lie in clusters of A."
    assert "No type has a fifth" in panels.seen(labels[:30], np.repeat([0, 1, 2], 10))
    assert panels.seen(np.full(4, ""), np.arange(4)) == "4 clusters; no cell has a label."


def rows_of(html):
    """Texts of the cells of every table row."""
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", own(html), flags=re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def test_published_scores_stand_below_the_measured_ones(html):
    rows = rows_of(html)
    measured = rows.index(["dae", "0.70", "0.50", "–", "2"])
    published = rows.index(["dae, original study", "0.72", "0.58", "–", "–"])
    assert measured < published
    assert 'class="published"' in html
    assert "Published scores stand below" in html
    assert "made after 200 epochs" in words(html)


def test_without_published_scores_none_are_mentioned(tmp_path):
    html = render(tmp_path)
    assert 'class="published"' not in html
    assert "Published scores" not in html


def test_one_seed_is_said_to_have_no_interval(html):
    assert "one run" in words(html)
    assert "has no interval" in words(html)
    assert not any("±" in cell for row in rows_of(html) for cell in row)


def test_several_seeds_give_mean_and_deviation(tmp_path):
    html = render(tmp_path, seeds=(0, 2))
    assert "over 2 seeds (0, 2)" in words(html)
    assert "has no interval" not in words(html)
    assert ["dae", "0.80 ± 0.14", "0.60 ± 0.14", "–", "2.1 ± 0.1"] in rows_of(html)


def test_every_score_of_every_seed_stands_in_a_table(tmp_path):
    rows = rows_of(render(tmp_path, seeds=(0, 1, 5)))
    assert ["NMI ↑", "latent", "0.700", "0.800", "1.200"] in rows
    assert ["score", "space", "seed 0", "seed 1", "seed 5"] in rows


def test_the_answer_names_the_highest_mean_and_how_far_the_next_is_behind(html):
    text = words(html)
    assert "Highest mean ARI of k-means on the latent on labels from the data's own annotation: dae with 0.500" in text
    assert "(95 % interval over seeds 0.450 to 0.550); next is beta_vae, 0.010 lower." in text


def test_where_a_control_leads_the_best_model_is_named_too(tmp_path):
    study = study_of(tmp_path, models=("dae", "pca"))
    leads = study.intervals["model"] == "pca"
    study.intervals.loc[leads, "mean"] += 0.3
    assert "; the best model is dae with 0.500" in words(report.render(study))


def test_what_labels_alone_give_stands_below_models_and_controls(tmp_path):
    rows = [("toy", "shuffled", seed, "obs", "ari", value) for seed, value in enumerate((0.01, -0.03))]
    rows += [("other", "shuffled", 0, "obs", "ari", 0.9), ("toy", "shuffled", 0, "gates", "ari", 0.9)]
    columns = ["dataset", "reference", "seed", "labels", "metric", "value"]
    study = study_of(tmp_path, models=("dae", "pca"))
    study = dataclasses.replace(study, references=pd.DataFrame(rows, columns=columns))
    table = sections_scores.all_scores(study, "toy", "obs")[0]
    names = [row["cells"][0]["text"] for row in table["rows"]]
    assert names == ["dae", "pca", "labels, shuffled"]
    assert [row["kind"] for row in table["rows"]] == ["", "control", "control"]
    assert "−0.01 ± 0.03" in [cell["text"] for cell in table["rows"][2]["cells"]]
    assert "labels, shuffled" in report.render(study)
    for table in sections_scores.all_scores(study, "toy", "obs"):  # without a row where they have no score
        assert all(any(cell["text"] != "–" for cell in row["cells"][1:]) for row in table["rows"])


def test_every_seed_has_its_pictures_and_points(tmp_path):
    page = Page(render(tmp_path, seeds=(0, 1, 5), models=("dae",)))
    assert [tag for tag, _ in page.elements].count("img") == 3 + 3 + 3 * 2 + 2
    assert set(page.points()["runs"]) == {"toy.dae.0", "toy.dae.1", "toy.dae.5"}


def unpacked(points, run, dimensions):
    packed = points["runs"][run][{2: "two", 3: "three"}[dimensions]]
    values = np.frombuffer(base64.b64decode(packed["data"]), "<i2").reshape(-1, dimensions)
    return values * packed["unit"]


def test_the_points_are_those_of_the_run(tmp_path):
    study = study_of(tmp_path)
    points = Page(report.render(study)).points()
    for run in study.runs:
        np.testing.assert_allclose(unpacked(points, run.id, 3), run.tsne3d, atol=1e-3)
        np.testing.assert_allclose(unpacked(points, run.id, 2), run.tsne2d, atol=1e-3)
        clusters = np.frombuffer(base64.b64decode(points["runs"][run.id]["clusters"]), "<u2")
        np.testing.assert_array_equal(clusters, run.clusters["tsne2d"])
    names = [kind["name"] for kind in points["datasets"]["toy"]["types"]]
    labels = np.frombuffer(base64.b64decode(points["datasets"]["toy"]["labels"][0]), "<u2")
    assert [names[label] for label in labels] == list(study.labels["toy"])


@pytest.mark.parametrize(
    ("datasets", "models"),
    [(("a", "a-b"), ("c", "b-c")), (("scores", "times"), ("dae",)), (("settings", "points"), ("dae",))],
)
def test_names_that_run_into_each_other_stay_apart(datasets, models, tmp_path):
    page = Page(render(tmp_path, datasets=datasets, models=models))
    places = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(places) == len(set(places))
    assert len(page.points()["runs"]) == len(datasets) * len(models)


def test_several_data_sets_can_be_looked_at_one_at_a_time(tmp_path):
    page = Page(render(tmp_path, datasets=("toy", "other")))
    values = [attributes["value"] for tag, attributes in page.elements if tag == "input"]
    assert values == ["", "toy", "other"]
    assert not [tag for tag, _ in Page(render(tmp_path)).elements if tag == "input"]


def test_cell_types_are_counted(html):
    assert ["B", "4", "33.3"] in rows_of(html)
    assert ["NK", "4", "33.3"] in rows_of(html)


def test_clusters_are_crossed_with_cell_types(html):
    rows = rows_of(html)
    escaped = "&lt;b&gt;&#34;T&#34; &amp; co&lt;/b&gt;&lt;/script&gt;"
    assert ["cluster", escaped, "B", "NK", "all"] in rows
    assert ["k0", "2", "2", "2", "6"] in rows
    assert ["k0", "0", "4", "0", "4"] in rows
    assert "3 of 3 own a cluster" in html
    assert "1 of 3 own a cluster" in html


def test_training_times_and_settings_are_listed(html):
    rows = rows_of(html)
    assert ["dae", "toy", "200", "1", "12.5", "12.5", "4,321", "cpu", "1"] in rows
    assert ["learning_rate", "0.001"] in rows
    assert ["kind", "dae"] in rows


def test_methods_say_what_was_done_with_what(html):
    text = words(html)
    assert "toy: 12 of 13 cells were kept by quality control; 3 labels come from the data's own annotation." in text
    assert "dae and beta_vae were trained on the expression alone for 200 epochs in batches of 256 cells" in text
    assert "Software: PyTorch 1.0, run with scae." in text
    assert "It was run with 1 seed, too few for an interval." in text


def test_every_metric_is_explained_with_its_range(html):
    text = " ".join(re.sub(r"<[^>]+>", "", own(html)).split())
    assert "NMI (0 to 1): normalised mutual information: what clusters and cell types tell about each other" in text
    assert "ARI (up to 1): adjusted Rand index" in text
    assert "silhouette (−1 to 1): how far apart" in text
    assert "detected types (0 or more): cell types that" in text


def test_every_representation_says_what_it_is(html):
    text = " ".join(re.sub(r"<[^>]+>", "", own(html)).split())
    assert "dae (deep autoencoder): what deep autoencoder does. Somebody 2014, A &lt;title&gt;. doi:10.1126/" in text
    assert "beta_vae (beta-VAE): what beta-VAE does. Somebody 2014, A &lt;title&gt;. " in text
    assert "the same for every seed" not in text


def test_controls_are_called_controls(tmp_path):
    html = render(tmp_path, models=("dae", "pca", "projection"))
    assert html.count('<span class="role">control</span>') == 2
    assert "projection (random projection), a control that learns nothing: " in re.sub(
        r"\s+([):;,])", r"\1", words(html)
    )


def test_what_was_not_trained_has_no_losses_and_no_time(tmp_path):
    html = render(tmp_path, models=("dae", "pca"))
    alts = [attributes["alt"] for tag, attributes in Page(html).elements if tag == "img"]
    assert [alt for alt in alts if alt.startswith("Loss curves")] == ["Loss curves of dae on toy, seed 0."]
    assert sum("of pca on toy, seed 0" in alt for alt in alts) == 1
    epochs = [row for row in rows_of(html) if row[1:3] == ["toy", "200"]]
    assert [row[0] for row in epochs] == ["dae"]


def test_without_any_training_there_is_no_table_of_times(tmp_path):
    html = render(tmp_path, models=("pca", "projection"))
    assert "Loss curves" not in html
    assert "Training times" not in html
    assert '"#times"' not in html


def test_a_spread_of_tsne_and_kmeans_alone_is_said_to_be_that(tmp_path):
    several = words(render(tmp_path, seeds=(0, 1), models=("dae", "pca", "projection")))
    assert "The latent of pca is the same for every seed: its spread is that of t-SNE and k-means alone." in several
    assert "pca (PCA), a control: what PCA does; the same for every seed." in re.sub(r"\s+([):;,])", r"\1", several)
    assert "t-SNE and k-means alone" not in words(render(tmp_path, models=("pca",)))


def test_health_is_told_in_words_and_as_a_table(html):
    text = words(html)
    assert "Of 2 latents 1 is live (KL divergence above 0.1 nat" in text
    assert "The gate of z1 is exactly 1 in 75% of the cells: always on, not sparse." in text
    assert ["z1", "2.50", "0.00", "0.75"] in rows_of(html)


def test_types_that_are_lost_are_named(html):
    assert "Lost to the vote of 15 nearest neighbours (recall below 0.5): NK (recall 0.10)." in words(html)


def test_many_cells_are_thinned_out_by_type_in_the_rotatable_plot_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(panels, "SHOWN_CELLS", 5)
    monkeypatch.setattr(panels.parts.sample, "__defaults__", (1,))  # cells of a rare type
    html = render(tmp_path, models=("dae",))
    drawn = len(unpacked(Page(html).points(), "toy.dae.0", 3))
    assert f"The plots to point at and to rotate show {drawn} of 12 cells" in words(html)
    assert "12 cells of 3" in words(html)


def test_a_sample_by_type_keeps_rare_types_whole():
    labels = np.repeat(["common", "rare"], [10_000, 20])
    chosen = html_of.sample(labels, 1_000)
    assert abs(len(chosen) - 1_000) < 60
    assert (labels[chosen] == "rare").sum() == 20
    assert len(set(chosen)) == len(chosen)
    np.testing.assert_array_equal(chosen, html_of.sample(labels, 1_000))
    np.testing.assert_array_equal(html_of.sample(labels, 20_000), np.arange(10_020))


def test_the_same_results_give_the_same_page(tmp_path):
    assert render(tmp_path) == render(tmp_path)


def test_cells_without_label_are_counted_and_drawn_in_grey(tmp_path):
    page = Page(render(tmp_path, types=("B", "", "NK")))
    assert "no label: trained and drawn in grey, not scored" in page.text
    first = page.points()["datasets"]["toy"]["types"][0]
    assert (first["name"], first["color"]) == ("no label", "#CCCCCC")


def test_what_the_jobs_noted_stands_near_the_top(tmp_path):
    page = Page(render(tmp_path))
    assert page.text.index("toy: 12 of 13 cells kept") < page.text.index("How to read the scores")
    assert f"warning: toy: {HOSTILE}" in page.text


def test_quality_control_says_what_is_kept_and_what_each_limit_removes(tmp_path):
    html = render(tmp_path)
    assert "12 of 13 cells are kept." in words(html)
    assert ["max_genes", "–", "2,500", "0", "0"] in rows_of(html)
    assert ["mad.pct_mito of s1", "–", "4.875", "1", "1"] in rows_of(html)


def test_the_verdict_stands_on_top(html):
    body = html[html.index("<main") :]
    assert body.index("Nothing is &lt;shown&gt; of it.") < body.index('id="scores"')


def test_every_header_cell_says_what_it_heads_and_none_is_empty(html):
    heads = re.findall(r"<th(?!ead)([^>]*)>(.*?)</th>", own(html))
    assert len(heads) > 50
    assert all('scope="' in attributes and re.sub(r"<[^>]+>", "", text).strip() for attributes, text in heads)


def test_clusters_that_stand_in_for_labels_are_not_called_cell_types(tmp_path):
    study = study_of(tmp_path, types=("Cluster 0", "Cluster 1"))
    study.origins["toy"] = {"obs": "clusters"}
    text = words(report.render(study))
    assert "12 cells of 2 clusters of the input." in text
    assert "12 cells of 2 cell types" not in text


def test_software_of_all_jobs_is_put_together():
    from scae.report import sections_methods

    noted = {
        "one": {"software": {"numpy": "1", "torch": "2"}, "machine": "a"},
        "two": {"software": {"numpy": "3"}, "machine": "b"},
        "three": {},
    }
    assert sections_methods.made_with(noted) == ({"numpy": "1, 3", "torch": "2"}, ["a", "b"])


def test_a_data_set_with_a_batch_shows_its_pictures_scores_and_cells(tmp_path):
    html = render(tmp_path, datasets=("toy", "mixed"), batches=("mixed",))
    captions = [text for text in Page(html).text if "whether batches mix and types stay apart" in text]
    assert [text.partition(":")[0] for text in captions] == ["mixed", "mixed"]  # a table for each space
    assert ["dae", "0.25", "0.75"] in rows_of(html)
    assert "Cells of each type in each batch of mixed" in html
    assert ["label", re.sub("<", "&lt;", HOSTILE), "late", "no batch"][2:] in [row[2:] for row in rows_of(html)]
    alts = [attributes["alt"] for tag, attributes in Page(html).elements if tag == "img"]
    assert sum("right by batch" in alt for alt in alts) == 2


def test_without_a_batch_there_is_none_of_it(html):
    assert "right by batch" not in html
    assert "in each batch" not in html


def test_stability_over_seeds_is_shown_where_there_are_several(tmp_path):
    html = render(tmp_path, seeds=(0, 1))
    assert ["dae", "0.80", "0.80"] in rows_of(html)
    assert "Clusters are kept best by dae (ARI 0.80)" in html
    assert "another seed gives again" not in render(tmp_path)


def tables_of(html):
    """{caption: rows of cells} of every table, as a reader finds them."""
    found = {}
    for table in re.findall(r"<table>(.*?)</table>", own(html), flags=re.DOTALL):
        caption = re.sub(r"<[^>]+>", "", re.search(r"<caption>(.*?)</caption>", table)[1])
        found[unescape(caption)] = rows_of(table)
    return found


def test_a_reader_finds_the_answers_to_four_questions(tmp_path):
    html = render(tmp_path, seeds=(0, 1, 2), models=("dae", "beta_vsc"), datasets=("toy", "other"))
    text, tables = words(html), tables_of(html)

    # which representation is best on each data set, and by how much
    answers = re.findall(
        r"Highest mean ARI of k-means on the latent [^:]*: (\w+) with ([\d.]+) .*?; next is (\w+), ([\d.]+)", text
    )
    assert answers == [("dae", "0.500", "beta_vsc", "0.020")] * 2
    for dataset in ("toy", "other"):
        first, *rows = tables[f"{dataset}: ARI in the latent, on labels from the data's own annotation"]
        assert first[0] == "representation"
        assert [(row[0], row[2], row[-1]) for row in rows] == [
            ("dae", "0.500", "0.000"),
            ("beta_vsc", "0.480", "0.020"),
        ]

    # what the gates of beta-VSC do
    panel = text[text.index("beta_vsc on toy") :]
    assert "The gate of z1 is exactly 1 in 75% of the cells: always on, not sparse." in panel

    # how many cells each rule of quality control removed
    limits = {row[0]: row[3] for row in tables["Limits of quality control of toy and the cells that they remove"][1:]}
    assert limits == {"max_genes": "0", "mad.pct_mito of s1": "1"}

    # what k-means on the latent of dae scored for NMI at seed 2
    head, *rows = tables["Scores of dae on toy, by seed"]
    assert next(row[head.index("seed 2")] for row in rows if row[:2] == ["NMI ↑", "latent"]) == "0.900"


def test_a_sweep_has_its_picture_and_the_means_of_its_models_in_the_order_of_the_values(tmp_path):
    points = {"dae": {"beta": 32.0, "word": HOSTILE}, "beta_vae": {"beta": 4.0, "word": "clamp"}}
    html = render(tmp_path, sweeps=[("swept", points)])
    assert "toy..sweeps" in html
    table = tables_of(html)["Sweep swept on toy, mean over seeds"]
    means = [[f"{value - 0.01 * place:.2f}" for value in (0.5, 0.6, 0.7, 0.5)] for place in (1, 0)]
    assert [[unescape(cell) for cell in row] for row in table[1:]] == [
        ["beta_vae", "4", "clamp", *means[0]],
        ["dae", "32", HOSTILE, *means[1]],
    ]


def test_without_a_sweep_none_is_mentioned(html):
    assert "toy..sweeps" not in html


def test_the_genes_of_a_latent_stand_beside_whether_other_seeds_find_it_again(tmp_path):
    html = render(tmp_path, seeds=(0, 1))
    table = tables_of(html)["What the latents of dae mean on toy, seed 0"]
    line = [unescape(cell) for cell in table[1]]
    assert line == ["z1", f"CD79A, {HOSTILE}", "LYZ", "0.80", "0.70", "0.00", f"{HOSTILE} (\N{MINUS SIGN})"]
    assert "The one live latent, z1, comes back under other seeds" in html


def test_with_one_seed_the_genes_of_a_latent_are_said_to_be_no_finding(html):
    assert "whether another finds the same latents is not known" in html
    assert len(tables_of(html)["What the latents of dae mean on toy, seed 0"][1]) == 4


def test_without_any_label_the_page_says_so_and_counts_no_types(tmp_path):
    html = render(tmp_path, types=("",))
    assert "12 cells without labels." in html
    assert "12 cells without labels, so that nothing is scored against types." in html
    assert "none has a label." in html
    assert "0 cell types" not in html
    assert "0 labels" not in html


def test_of_many_lost_types_five_are_named(tmp_path):
    html = render(tmp_path, types=[f"type {number:02d}" for number in range(12)])
    assert "type 11 (recall -3.50), type 10 (recall -3.10)" in html
    assert "type 07 (recall -1.90) and 5 more of 12 types." in html


def test_a_type_has_its_shape_beside_its_name_where_the_colours_begin_again(tmp_path):
    page = Page(render(tmp_path, types=[f"type {number:02d}" for number in range(12)] * 2))
    looks = style.styles([f"type {number:02d}" for number in range(12)])
    swatches = [
        attributes for tag, attributes in page.elements if tag == "span" and "swatch" in attributes.get("class", "")
    ]
    assert [one["class"] for one in swatches] == [f"swatch {symbol}" for _, _, symbol in looks.values()]
    assert [one["style"] for one in swatches] == [f"background: {color}" for color, _, _ in looks.values()]
