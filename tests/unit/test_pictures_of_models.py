"""Figures and sentences of the report about latents, generated cells and stability."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_latent_matches import effects_of

from scae.evaluation import generated_cells, latent_genes, latent_matches, stability
from scae.plots import generated as generated_plot
from scae.plots import latents as latents_plot
from scae.plots import stability as stability_plot
from scae.report import generated, sections_model
from scae.report.contents import Generated


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


# Latents


def test_a_dot_has_the_size_of_the_share_and_the_colour_of_the_mean():
    table = latent_genes.top_genes(effects_of([[3.0, 2, 1, 0.5, -1], [-1, 0, 0, 0, 2]]), list("abcde"), 0)
    table = latents_plot.shown(table)
    assert list(table["gene"]) == ["a", "b", "c", "e", "e", "a"]
    means = pd.DataFrame(np.arange(10.0).reshape(2, 5) % 7, index=["B", "T"], columns=list("abcde"))
    figure = latents_plot.draw(table, means, means / 10, pd.DataFrame(columns=latent_genes.CURVE_COLUMNS), "toy")
    [dots] = figure.axes[0].collections
    assert np.allclose(dots.get_sizes(), latents_plot.AREA * means[table["gene"]].to_numpy().ravel() / 10)
    scaled = (means - means.min()) / (means.max() - means.min())
    assert np.allclose(dots.get_array(), scaled[table["gene"]].to_numpy().ravel())
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["a +", "b +", "c +", "e \N{MINUS SIGN}", "e +", "a \N{MINUS SIGN}"]
    none = pd.DataFrame(columns=latent_genes.COLUMNS)
    figure = latents_plot.draw(none, none, none, pd.DataFrame(columns=latent_genes.CURVE_COLUMNS), "toy")
    assert figure.axes[0].texts[0].get_text().startswith("toy: no latent")


@pytest.mark.parametrize("high", [-1.5, 1.5])
def test_curves_run_from_left_to_right_and_fall_dashed(high):
    values = np.linspace(0, high, latent_genes.STEPS)
    curve = pd.DataFrame({"seed": 0, "latent": "z1", "value": values})
    curves = pd.concat([curve.assign(gene="a", expression=np.abs(values)), curve.assign(gene="b", expression=-values)])
    rows = [[0, "z1", "switch", 0.0, high, gene, effect] for gene, effect in (("a", 1.5), ("b", -high))]
    table = pd.DataFrame(rows, columns=latent_genes.COLUMNS)
    means = pd.DataFrame(1.0, index=["B"], columns=["a", "b"])
    [panel] = [panel for panel in latents_plot.draw(table, means, means, curves, "toy").axes if panel.get_title()]
    assert panel.get_title() == "z1"
    assert {text.get_text() for text in panel.texts} == {"a", "b"}
    for line, effect in zip(panel.lines, table["effect"], strict=True):
        assert (np.diff(panel.transData.transform(line.get_xydata())[:, 0]) > 0).all()
        assert line.get_linestyle() == ("-" if effect > 0 else "--")
    heights = sorted(text.xy[1] for text in panel.texts)
    assert np.diff(heights).min() >= latents_plot.NAME_GAP - 1e-9


def matches_of(*reproducible):
    names = [f"z{number + 1}" for number in range(len(reproducible))]
    return pd.DataFrame({"agreement": 0.8, "null_mean": 0.5, "null_95": 0.7, "reproducible": reproducible}, index=names)


@pytest.mark.parametrize(
    ("matches", "n_latents", "deterministic", "fragments"),
    [
        (matches_of(), 0, False, ["No latent"]),
        (matches_of(1, 1), 2, True, ["same for every seed"]),
        (matches_of(), 1, False, ["one seed"]),
        (matches_of(0, 0), 2, False, ["No latent", "random"]),
        (matches_of(1, 0, 1), 3, False, ["3", "z1 and z3", "others"]),
        (matches_of(1, 1), 2, False, ["z1 and z2"]),
    ],
)
def test_reproducible_latents_in_words(matches, n_latents, deterministic, fragments):
    names = [f"z{number + 1}" for number in range(n_latents)]
    found = sections_model.returning(matches, names, deterministic)
    assert all(fragment in found for fragment in fragments)


def test_a_latent_cannot_be_tested_if_it_is_alone_in_the_other_seeds():
    random = np.random.default_rng(0)
    for size, untested in ((1, True), (2, False)):
        seeds = {seed: effects_of(random.normal(size=(n, 30))) for seed, n in ((0, 2), (1, 1), (2, size))}
        matches = latent_matches.matches(seeds)
        matches = matches[matches["seed"] == 0].set_index("latent")
        found = sections_model.returning(matches, list(matches.index), deterministic=False)
        assert ("cannot be tested" in found) == untested


# Generated cells


GENES = [f"g{number}" for number in range(30)]


def statistics(variance):
    values = np.random.default_rng(0).gamma(1, 1, 30)
    return pd.DataFrame({"mean": values, "variance": values * variance, "zeros": values / 10}, index=GENES)


def test_every_gene_is_in_each_panel_of_generated_cells():
    kinds = {"reconstructed": statistics(1.0), "generated": statistics(0.5)}
    figure = generated_plot.draw(generated_cells.by_gene(statistics(1.0), kinds, 0), "toy")
    panels = [panel for panel in figure.axes if panel.collections and panel.lines]
    assert [panel.get_ylabel() for panel in panels if panel.get_ylabel()] == ["reconstructed cells", "generated cells"]
    assert [panel.collections[0].get_array().sum() for panel in panels] == [30] * 6
    figure = generated_plot.draw(generated_cells.by_gene(statistics(1.0), {}, 0), "toy")
    assert "no decoder" in figure.axes[0].texts[0].get_text()


@pytest.mark.parametrize("seeds", [[0], [0, 1], [0, 1, 2]])
def test_the_section_of_generated_cells(seeds, tmp_path):
    plt.figure(figsize=(1, 1)).savefig(tmp_path / "generated.png")
    kinds = {"reconstructed": statistics(1.0), "generated": statistics(0.25)}
    table = pd.concat(generated_cells.compare(statistics(1.0), kinds, seed) for seed in seeds)
    study = SimpleNamespace(generated={("toy", "vae"): Generated(table, str(tmp_path / "generated.png"))})
    found = generated.section(study, "toy", "vae")
    assert all(fragment in found["said"] for fragment in ("reconstructed cells have 100%", "generated cells have 25%"))
    assert ("95 % " in found["table"]["caption"]) == (len(seeds) == 3)
    expected = "0.25 (0.25 to 0.25)" if len(seeds) == 3 else "0.25"
    assert found["table"]["rows"][1]["cells"][3]["text"] == expected
    study.generated["toy", "vae"] = Generated(table[:0], "")
    assert generated.section(study, "toy", "vae") is generated.section(study, "toy", "pca") is None


# Stability


def test_cells_are_coloured_by_what_they_keep():
    source, cells = np.random.default_rng(0), [f"c{number}" for number in range(20)]
    seeds = [
        (
            pd.DataFrame(source.integers(0, 3, (20, 2)), cells, ["tsne2d", "latent"]),
            pd.DataFrame(source.normal(size=(20, 3)), cells),
        )
        for _ in range(2)
    ]
    models, kept = stability.measure({"dae": seeds, "pca": seeds[:1]})
    points = {model: pd.DataFrame(source.normal(size=(20, 2)), cells, ["x", "y"]) for model in ("dae", "pca")}
    first, second, *_ = stability_plot.stability(models, kept, points, "toy").axes
    np.testing.assert_array_equal(first.collections[0].get_array(), kept["kept_latent"][:20])
    ari = models.set_index(["model", "space", "measure"])["value"]["dae", "latent", "ari"]
    assert f"{ari:.2f}" in first.get_title()
    assert second.get_title().startswith("pca\none seed")
