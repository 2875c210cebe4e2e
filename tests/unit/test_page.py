"""The report: one page that needs nothing beside it, shows every number, and trusts no name."""

import base64
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from plotly.offline import get_plotlyjs

from scae.evaluation.metrics import described
from scae.report import page as report

HOSTILE = '<b>"T" & co</b></script>'
METRICS = {"nmi": 0.7, "ari": 0.5, "silhouette": float("nan"), "detected_types": 2.0}
PUBLISHED = {"toy": {"citation": "original study", "scores": {"dae": {"nmi": 0.72, "ari": 0.58}}}}


def about(title, trained=True, deterministic=False, doi=""):
    said = {"title": title, "summary": f"what {title} does", "reference": "Somebody 2014, A <title>", "doi": doi}
    return said | {"trained": trained, "deterministic": deterministic}


ABOUT = {
    "dae": about("deep autoencoder", doi="10.1126/science.1127647"),
    "beta_vae": about("beta-VAE"),
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


def picture(folder, name, width=300):
    path = folder / name
    header = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + width.to_bytes(4, "big")
    path.write_bytes(header + (200).to_bytes(4, "big") + name.encode())
    return str(path)


CELLS = pd.Index([f"c{number}" for number in range(12)], name="cell")


QUALITY_CELLS = pd.DataFrame({"cell": [*CELLS, "dead"], "removed_by": [""] * 12 + ["max_pct_mito"]})
LIMITS = pd.DataFrame(
    [("", "max_genes", np.nan, 2500, 0, 0), ("s1", "mad.pct_mito", -np.inf, 4.875, 1, 1)],
    columns=["sample", "limit", "lower", "upper", "breaks_it", "breaks_only_it"],
)


def render(
    folder,
    seeds=(0,),
    models=("dae", "beta_vae"),
    datasets=("toy",),
    published=None,
    types=("B", HOSTILE, "NK"),
    batches=(),
):
    labels = {
        dataset: pd.Series(np.array(types, object)[np.arange(12) % len(types)], index=CELLS) for dataset in datasets
    }
    random = np.random.default_rng(0)
    names = [(dataset, model, seed) for dataset in datasets for model in models for seed in seeds]
    runs = [
        report.Run(
            dataset=dataset,
            model=model,
            seed=seed,
            clusters=pd.DataFrame({"tsne2d": np.arange(12) % 2, "latent": np.arange(12) % 3}, index=CELLS),
            tsne3d=pd.DataFrame(random.normal(size=(12, 3)), columns=list("xyz"), index=CELLS),
            pictures={
                name: picture(folder, f"{dataset}_{model}_{seed}_{name}.png")
                if name != "losses" or ABOUT[model]["trained"]
                else None
                for name in ("clusters", "tsne3d", "losses")
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
    trained = [name for name in names if ABOUT[name[1]]["trained"]]
    times = pd.DataFrame(trained, columns=["dataset", "model", "seed"]).assign(
        epochs=200, seconds=12.5, cells_per_second=4321.0, device="cpu", threads=1
    )
    return report.render(
        runs=runs,
        labels=labels,
        batches={name: pd.Series(np.array(["", HOSTILE, "late"])[np.arange(12) // 4], index=CELLS) for name in batches},
        origins={dataset: {"obs": "obs"} for dataset in datasets},
        notes=["toy: 12 of 13 cells kept", f"warning: toy: {HOSTILE}"],
        quality={
            dataset: report.Quality(QUALITY_CELLS, LIMITS, picture(folder, "quality.png")) for dataset in datasets
        },
        models={model: ABOUT[model] for model in models},
        metrics=metrics,
        described=described(),
        training_times=times,
        heatmap=picture(folder, "heatmap.png"),
        verdict=[f"{dataset}: Nothing is <shown> of it." for dataset in dict.fromkeys(run.dataset for run in runs)],
        published=published or {},
        settings={
            "datasets": {run.dataset: {"labels": {"from": "obs", "column": "type"}} for run in runs},
            "training": {"epochs": 200, "learning_rate": 0.001},
            "models": {"dae": {"kind": "dae"}},
        },
    )


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    return render(tmp_path_factory.mktemp("report"), published=PUBLISHED)


@pytest.fixture(scope="module")
def page(html):
    return Page(html)


def test_a_name_is_shown_as_it_is_written_and_is_never_markup(page):
    assert page.text.count(HOSTILE) >= 3
    assert not [tag for tag, _ in page.elements if tag == "b"]
    assert len(page.scripts) == [tag for tag, _ in page.elements].count("script") == 3


def test_a_name_cannot_end_the_script_it_stands_in(html, page):
    assert "co</b></script>" not in html
    names = {trace["name"] for traces in page.points().values() for trace in traces}
    assert names == {"B", "NK", '&lt;b&gt;"T" &amp; co&lt;/b&gt;&lt;/script&gt;'}


def test_nothing_is_loaded_from_elsewhere(html):
    bundle = get_plotlyjs()
    assert html.count(bundle) == 1
    for tag, attributes in Page(html.replace(bundle, "")).elements:
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            if attributes.get(name):
                assert attributes[name].startswith(("data:", "#")), (tag, attributes)
    own = html.replace(bundle, "")
    assert not re.search(r"https?://", own)
    assert not re.search(r"@import|url\(", own)


def test_every_link_leads_somewhere_and_no_place_stands_twice(page):
    places = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    links = [attributes["href"][1:] for tag, attributes in page.elements if tag == "a"]
    assert len(places) == len(set(places))
    assert links
    assert set(links) <= set(places)


def test_every_picture_is_inside_the_page_and_described(html, page):
    pictures = [attributes for tag, attributes in page.elements if tag == "img"]
    assert len(pictures) == 8
    contents = {
        base64.b64decode(attributes["src"].removeprefix("data:image/png;base64,"))[24:] for attributes in pictures
    }
    assert len(contents) == 8
    assert all(attributes["alt"] for attributes in pictures)
    assert {attributes["width"] for attributes in pictures} == {str(300 * 96 // 150)}


def rows_of(html):
    """Texts of the cells of every table row."""
    own = html.replace(get_plotlyjs(), "")
    rows = re.findall(r"<tr[^>]*>(.*?)</tr>", own, flags=re.DOTALL)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]
    return [[re.sub(r"<[^>]+>", "", cell).strip() for cell in row] for row in cells]


def test_published_scores_stand_below_the_measured_ones(html):
    rows = rows_of(html)
    measured = rows.index(["dae", "0.70", "0.50", "–", "2", "0.70", "0.50", "–", "2"])
    published = rows.index(["dae, original study", "0.72", "0.58", "–", "–", "–", "–", "–", "–"])
    assert measured < published
    assert 'class="published"' in html
    assert "Published scores stand below" in html


def test_without_published_scores_none_are_mentioned(tmp_path):
    html = render(tmp_path)
    assert 'class="published"' not in html
    assert "Published scores" not in html


def test_one_seed_is_said_to_have_no_interval(html):
    text = " ".join(Page(html).text)
    assert "one run" in text
    assert "has no interval" in text
    assert not any("±" in cell for row in rows_of(html) for cell in row)


def test_several_seeds_give_mean_and_deviation(tmp_path):
    html = render(tmp_path, seeds=(0, 2))
    text = " ".join(Page(html).text)
    assert "over 2 seeds" in text
    assert "(0, 2)" in re.sub(r"\s+", " ", text)
    assert "has no interval" not in text
    row = next(row for row in rows_of(html) if row[0] == "dae" and "±" in row[1])
    assert row[1:5] == ["0.80 ± 0.14", "0.60 ± 0.14", "–", "2.1 ± 0.1"]


def test_every_seed_has_its_pictures_and_points(tmp_path):
    page = Page(render(tmp_path, seeds=(0, 1, 5), models=("dae",)))
    assert [tag for tag, _ in page.elements].count("img") == 11
    assert len(page.points()) == 3


def test_the_points_are_those_of_the_run(page):
    drawn = {attributes["data-run"] for _, attributes in page.elements if "data-run" in attributes}
    assert drawn == set(page.points())
    for traces in page.points().values():
        assert sum(len(trace["x"]) for trace in traces) == 12
        assert all(len(trace["x"]) == len(trace["y"]) == len(trace["z"]) == 4 for trace in traces)


@pytest.mark.parametrize(
    ("datasets", "models"),
    [(("a", "a-b"), ("c", "b-c")), (("scores", "times"), ("dae",)), (("settings", "points"), ("dae",))],
)
def test_names_that_run_into_each_other_stay_apart(datasets, models, tmp_path):
    page = Page(render(tmp_path, datasets=datasets, models=models))
    places = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(places) == len(set(places))
    assert len(page.points()) == len(datasets) * len(models)


def test_cell_types_are_counted(html):
    rows = rows_of(html)
    assert ["B", "4", "33.3 %"] in rows
    assert ["NK", "4", "33.3 %"] in rows


def test_clusters_are_crossed_with_cell_types(html):
    rows = rows_of(html)
    escaped = "&lt;b&gt;&#34;T&#34; &amp; co&lt;/b&gt;&lt;/script&gt;"
    assert ["cluster", escaped, "B", "NK", "all"] in rows
    assert ["0", "2", "2", "2", "6"] in rows
    assert ["0", "0", "4", "0", "4"] in rows
    assert "3 of 3 types own a cluster" in html
    assert "1 of 3 types own a cluster" in html


def test_training_times_and_settings_are_listed(html):
    rows = rows_of(html)
    assert ["dae", "toy", "200", "1", "12.5", "4,321", "cpu", "1"] in rows
    assert ["training.learning_rate", "0.001"] in rows
    assert ["models.dae.kind", "dae"] in rows


def test_every_metric_is_explained_with_its_range(html):
    text = " ".join(re.sub(r"<[^>]+>", "", html.replace(get_plotlyjs(), "")).split())
    assert "NMI (0 to 1): normalised mutual information: what clusters and cell types tell about each other" in text
    assert "ARI (up to 1): adjusted Rand index" in text
    assert "silhouette (−1 to 1): how far apart" in text
    assert "detected types (0 or more): cell types that" in text


def test_every_representation_says_what_it_is(html):
    text = " ".join(re.sub(r"<[^>]+>", "", html.replace(get_plotlyjs(), "")).split())
    assert "dae (deep autoencoder): what deep autoencoder does. Somebody 2014, A &lt;title&gt;. doi:10.1126/" in text
    assert "beta_vae (beta-VAE): what beta-VAE does. Somebody 2014, A &lt;title&gt;. " in text
    assert text.count("doi:") == 1
    assert "the same for every seed" not in text


def test_what_was_not_trained_has_no_losses_and_no_time(tmp_path):
    html = render(tmp_path, models=("dae", "pca"))
    page = Page(html)
    alts = [attributes["alt"] for tag, attributes in page.elements if tag == "img"]
    assert [alt for alt in alts if alt.startswith("Loss curves")] == ["Loss curves of dae, seed 0"]
    assert sum(" of pca, seed 0" in alt for alt in alts) == 2
    epochs = [row for row in rows_of(html) if row[1:3] == ["toy", "200"]]
    assert [row[0] for row in epochs] == ["dae"]


def test_without_any_training_there_is_no_table_of_times(tmp_path):
    html = render(tmp_path, models=("pca", "projection"))
    assert "Loss curves" not in html
    assert "Training times" not in html
    assert '"#times"' not in html


def test_a_spread_of_tsne_and_kmeans_alone_is_said_to_be_that(tmp_path):
    several = " ".join(" ".join(Page(render(tmp_path, seeds=(0, 1), models=("dae", "pca", "projection"))).text).split())
    assert "The latent of pca is the same for every seed: its spread is that of t-SNE and k-means alone." in several
    assert "pca (PCA): what PCA does; the same for every seed." in re.sub(r"\s+([):;])", r"\1", several)
    single = " ".join(Page(render(tmp_path, models=("pca",))).text)
    assert "t-SNE and k-means alone" not in single


def test_many_cells_are_thinned_out_in_the_rotatable_plot_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "ROTATABLE_CELLS", 5)
    html = render(tmp_path, models=("dae",))
    assert sum(len(trace["x"]) for traces in Page(html).points().values() for trace in traces) == 5
    assert "5 cells drawn at random" in html
    assert "12 cells of 3 types" in re.sub(r"<[^>]+>", "", html.replace(get_plotlyjs(), ""))


def test_the_same_results_give_the_same_page(tmp_path):
    assert render(tmp_path) == render(tmp_path)


def test_cells_without_label_are_counted_and_drawn_in_grey(tmp_path):
    page = Page(render(tmp_path, types=("B", "", "NK")))
    assert "no label: trained and drawn in grey, not scored" in page.text
    first = page.points()["toy.dae.0"][0]
    assert (first["name"], first["marker"]["color"], len(first["x"])) == ("no label", "#CCCCCC", 4)


def test_what_the_jobs_noted_stands_at_the_top(tmp_path):
    page = Page(render(tmp_path))
    assert page.text.index("toy: 12 of 13 cells kept") < page.text.index("Scores")
    assert f"warning: toy: {HOSTILE}" in page.text


def test_quality_control_says_what_is_kept_and_what_each_limit_removes(tmp_path):
    page = Page(render(tmp_path))
    assert "12 of 13 cells are kept." in page.text
    rows = [page.text[page.text.index(limit) :][:5] for limit in ("max_genes", "mad.pct_mito of s1")]
    assert [[text for text in row if text] for row in rows] == [
        ["max_genes", "–", "2,500", "0", "0"],
        ["mad.pct_mito of s1", "–", "4.875", "1", "1"],
    ]


def test_the_verdict_stands_on_top(html):
    body = html[html.index("<main>") :]
    assert body.index("Nothing is &lt;shown&gt; of it.") < body.index('id="scores"')


def test_a_data_set_with_a_batch_shows_its_pictures_scores_and_cells(tmp_path):
    page = Page(render(tmp_path, datasets=("toy", "mixed"), batches=("mixed",)))
    text = " ".join(filter(None, page.text))
    assert text.count("whether batches mix and types stay apart") == 1
    table = text[
        text.index("mixed : whether batches mix") if "mixed : whether" in text else text.index("mixed: whether") :
    ]
    assert table.index("iLISI") < table.index("cLISI") < table.index("0.25") < table.index("0.75")
    assert "Cells of each type in each batch" in text
    assert f"cell type {HOSTILE} late no batch" in text
    alts = [attributes["alt"] for tag, attributes in page.elements if tag == "img"]
    assert sum("right by batch" in alt for alt in alts) == 2


def test_without_a_batch_there_is_none_of_it(html):
    assert "iLISI</th>" not in html
    assert "right by batch" not in html
    assert "in each batch" not in html
