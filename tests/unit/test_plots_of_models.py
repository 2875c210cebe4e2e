"""Figures of latents, generated cells and stability show the numbers of their tables."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from test_latent_matches import effects_of

from scae.evaluation import generated_cells, latent_genes, stability
from scae.plots import generated as generated_plot
from scae.plots import latents as latents_plot
from scae.plots import stability as stability_plot


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


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
    assert figure.axes[0].texts[0].get_text().startswith("toy: no ")


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
    assert "one seed" in second.get_title()
