"""Cells that a model makes, held against real ones: statistics by hand, moments of priors, the picture, the words."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from toy import expression_of

from scae.errors import UserError
from scae.evaluation import generation
from scae.models import pages
from scae.report import generated, generated_picture
from scae.report.study import Generated
from scae.training import decoding, loop

N_GENES = 30
GENES = [f"gene {number}" for number in range(N_GENES)]


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    table = random.gamma(2.0, 0.5, (70, N_GENES)) * (random.random((70, N_GENES)) < np.linspace(0.05, 1, N_GENES))
    table[:, 0] = 0  # a gene that no cell has
    return table.astype(np.float32)


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def stated(table, zeros):
    table = table.astype(float)
    return np.column_stack([table.mean(axis=0), table.var(axis=0), zeros.mean(axis=0)])


def made_of(table):
    """Statistics of cells that are decoded to the rows of a table: a latent is the number of its row."""
    rows = np.arange(len(table), dtype=float)[:, None]
    _, zero_below = generation.of_real(expression_of(table))
    return generation.of_made(lambda points: table[points[:, 0].astype(int)], rows, zero_below, GENES)


def test_real_cells_are_measured_as_by_hand(table, monkeypatch):
    monkeypatch.setattr(generation, "MOST_CELLS", 16)  # several blocks, the last not full
    real, zero_below = generation.of_real(expression_of(table))
    np.testing.assert_allclose(real, stated(table, table == 0), rtol=1e-6, atol=1e-9)
    assert list(real.columns) == generation.STATISTICS
    smallest = [column[column > 0].min() if column.any() else table[table > 0].min() for column in table.T]
    np.testing.assert_allclose(zero_below, np.array(smallest) / 2)


def test_made_cells_that_are_the_real_ones_have_the_same_statistics(table, monkeypatch):
    monkeypatch.setattr(generation, "CELLS_AT_ONCE", 16)
    real, _ = generation.of_real(expression_of(table))
    made = made_of(table)
    np.testing.assert_allclose(made, real, rtol=1e-5, atol=1e-7)
    found = generation.compared(real, {"reconstructed": made}, seed=3)
    assert list(found.columns) == generation.SUMMARY_COLUMNS
    assert list(found["statistic"]) == generation.STATISTICS
    assert set(found["seed"]) == {3}
    np.testing.assert_allclose(found[["correlation", "ratio"]], 1, rtol=1e-5)


def test_half_of_each_deviation_is_a_quarter_of_the_variance(table):
    real, _ = generation.of_real(expression_of(table))
    shrunk = table.mean(axis=0) + 0.5 * (table - table.mean(axis=0))
    found = generation.compared(real, {"generated": made_of(shrunk)}, seed=0).set_index("statistic")
    assert found.loc["mean", "ratio"] == pytest.approx(1, rel=1e-4)
    assert found.loc["variance", "ratio"] == pytest.approx(0.25, rel=1e-4)
    assert found.loc["variance", "correlation"] == pytest.approx(1, rel=1e-4)


def test_a_made_expression_below_half_the_smallest_real_one_is_a_zero():
    table = np.array([[0, 2.0], [4.0, 0], [8.0, 6.0]], np.float32)
    real, zero_below = generation.of_real(expression_of(table))
    assert list(zero_below) == [2, 1]
    decoded = np.array([[1.9, 1.1], [2.1, -3.0]], np.float32)
    made = generation.of_made(lambda points: decoded, np.zeros((2, 1)), zero_below, ["a", "b"])
    assert list(made["zeros"]) == [0.5, 0.5]
    assert list(real["zeros"]) == pytest.approx([1 / 3, 1 / 3])


def test_where_nothing_differs_there_is_no_correlation():
    table = np.full((5, 2), 3.0, np.float32)
    real, zero_below = generation.of_real(expression_of(table))
    made = generation.of_made(lambda points: table, np.zeros((5, 1)), zero_below, ["a", "b"])
    found = generation.compared(real, {"generated": made}, 0).set_index("statistic")
    assert found["correlation"].isna().all()
    assert found.loc["mean", "ratio"] == 1
    assert np.isnan(found.loc["variance", "ratio"])


def test_genes_stand_with_their_real_and_made_cells(table):
    real, _ = generation.of_real(expression_of(table))
    found = generation.by_gene(real, {"reconstructed": made_of(table)}, seed=2)
    assert list(found.columns) == generation.COLUMNS
    assert list(found["cells"].unique()) == ["real", "reconstructed"]
    assert len(found) == 2 * N_GENES


def test_some_cells_stand_for_many(monkeypatch):
    monkeypatch.setattr(generation, "MOST_CELLS", 10)
    latent = pd.DataFrame({"z1": np.arange(40.0)})
    first, again = generation.some(latent), generation.some(latent)
    assert first.shape == (10, 1)
    assert (first == again).all()
    assert len(np.unique(first)) == 10
    assert len(generation.some(latent[:7])) == 7


# Priors


def model_of(kind, **more):
    hyperparameters = {name: entry["default"] for name, entry in pages.find(kind).config.items()} | more
    torch.manual_seed(0)
    return loop.build(kind, N_GENES, hyperparameters).eval()


def test_the_prior_of_beta_vae_is_the_standard_normal():
    drawn = decoding.from_prior(model_of("beta_vae", n_latent=3), 40_000, seed=1)
    assert drawn.shape == (40_000, 3)
    assert np.abs(drawn.mean(axis=0)).max() < 0.02
    assert np.abs(np.cov(drawn, rowvar=False) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_prior_of_beta_vsc_is_off_or_normal(alpha):
    drawn = decoding.from_prior(model_of("beta_vsc", n_latent=3, alpha=alpha), 40_000, seed=1)
    on = drawn != 0
    assert np.abs(on.mean(axis=0) - alpha).max() < 0.01
    assert np.abs(np.corrcoef(on, rowvar=False) - np.eye(3)).max() < 0.02, "gates do not know of each other"
    assert drawn[on].mean() == pytest.approx(0, abs=0.04)
    assert drawn[on].std() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("kind", ["beta_vae", "beta_vsc"])
def test_the_seed_decides_what_is_drawn_and_the_random_state_of_others_stays(kind):
    model, state = model_of(kind), torch.get_rng_state()
    first, again, other = (decoding.from_prior(model, 50, seed).tobytes() for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_an_autoencoder_without_a_prior_draws_nothing():
    assert decoding.from_prior(model_of("dae"), 50, 0) is None


def test_a_prior_that_does_not_fit_is_one_line():
    model = model_of("beta_vae")
    model.prior = lambda n_cells: torch.randn(3, n_cells)
    with pytest.raises(UserError, match=r"beta_vae\.py: prior returned an array of shape \(3, 50\), not one of shape"):
        decoding.from_prior(model, 50, 0)


# The picture and the words


def test_the_picture_has_a_row_for_each_way_and_a_panel_for_each_statistic(table):
    real, _ = generation.of_real(expression_of(table))
    made = {"reconstructed": made_of(table), "generated": made_of(table / 2)}
    figure = generated_picture.draw(generation.by_gene(real, made, 0), "toy")
    panels = [panel for panel in figure.axes if panel.collections and panel.lines]
    assert len(panels) == 6
    assert [panel.get_ylabel() for panel in panels if panel.get_ylabel()] == ["reconstructed cells", "generated cells"]
    for panel in panels:
        assert panel.collections[0].get_array().sum() == N_GENES, "every gene is in a hexagon"


def test_without_a_decoder_the_picture_says_so(table):
    real, _ = generation.of_real(expression_of(table))
    figure = generated_picture.draw(generation.by_gene(real, {}, 0), "toy")
    assert [text.get_text() for text in figure.axes[0].texts] == ["toy: its page has no decoder"]


@pytest.fixture
def section(table, tmp_path):
    """Function: what the page says of so many seeds."""
    path = tmp_path / "generated.png"
    plt.figure(figsize=(1, 1)).savefig(path)
    real, _ = generation.of_real(expression_of(table))
    shrunk = table.mean(axis=0) + 0.5 * (table - table.mean(axis=0))
    made = {"reconstructed": made_of(table), "generated": made_of(shrunk)}

    def of_seeds(seeds, ways=("reconstructed", "generated")):
        tables = [generation.compared(real, {way: made[way] for way in ways}, seed) for seed in seeds]
        found = Generated(pd.concat(tables), str(path))
        return generated.section(SimpleNamespace(generated={("toy", "vae"): found}), "toy", "vae")

    return of_seeds


def test_the_page_says_how_much_of_the_variance_there_is(section):
    found = section([0, 1, 2])
    assert (
        found["said"] == "Of the variance of the genes there is 100% in reconstructed cells and 25% in generated cells."
    )
    assert [row["cells"][0]["text"] for row in found["table"]["rows"]] == ["reconstructed cells", "generated cells"]
    assert "95 % interval" in found["table"]["caption"]
    assert found["table"]["rows"][1]["cells"][3]["text"] == "0.25 (0.25 to 0.25)"


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_fewer_seeds_have_no_interval(section, seeds):
    found = section(seeds)
    assert "interval" not in found["table"]["caption"]
    assert found["table"]["rows"][1]["cells"][3]["text"] == "0.25"


def test_what_makes_no_cells_has_no_section(section):
    assert section([0], ways=()) is None
    assert generated.section(SimpleNamespace(generated={}), "toy", "pca") is None
