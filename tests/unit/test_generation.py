"""Cells that a model makes, held against real ones: statistics by hand, moments of priors, the picture, the words."""

from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from toy import dense_of, expression_of

from scae.data import expression as training_expression
from scae.errors import UserError
from scae.evaluation import generated_cells, generator
from scae.models import beta_vae, registry
from scae.plots import generated as generated_plot
from scae.report import generated
from scae.report.contents import Generated
from scae.training import decoding, fitting, trained

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


def made_of(decoded, expression):
    """Statistics of cells that are decoded to the rows of a table: a latent is the number of its row."""
    rows = np.arange(len(decoded), dtype=float)[:, None]
    _, zero_below = generated_cells.of_real(expression)
    return generated_cells.of_made(
        lambda points, batches: decoded[points[:, 0].astype(int)], rows, None, zero_below, expression
    )


def test_real_cells_are_measured_as_by_hand(table, monkeypatch):
    monkeypatch.setattr(generated_cells, "READ_AT_ONCE", 16)  # several blocks, the last not full
    real, zero_below = generated_cells.of_real(expression_of(table))
    np.testing.assert_allclose(real, stated(table, table == 0), rtol=1e-6, atol=1e-9)
    assert list(real.columns) == generated_cells.STATISTICS
    smallest = [column[column > 0].min() if column.any() else table[table > 0].min() for column in table.T]
    np.testing.assert_allclose(zero_below, np.array(smallest) / 2)


@pytest.mark.parametrize("offset", [0.0, -0.7])
def test_made_cells_that_are_the_real_ones_have_the_same_statistics(offset, table, monkeypatch):
    """Also of standardised genes, which hold a constant where there is no count."""
    monkeypatch.setattr(generated_cells, "MADE_AT_ONCE", 16)
    data = expression_of(table, np.full(N_GENES, offset, np.float32))
    real, _ = generated_cells.of_real(data)
    made = made_of(dense_of(data), data)
    np.testing.assert_allclose(made, real, rtol=1e-4, atol=1e-5)
    found = generated_cells.compared(real, {"reconstructed": made}, seed=3)
    assert list(found.columns) == generated_cells.SUMMARY_COLUMNS
    assert list(found["statistic"]) == generated_cells.STATISTICS
    assert set(found["seed"]) == {3}
    np.testing.assert_allclose(found["ratio"], 1, rtol=1e-4)
    np.testing.assert_allclose(found.set_index("statistic").loc[["mean", "zeros"], "correlation"], 1, rtol=1e-4)


def test_half_of_each_deviation_is_a_quarter_of_the_variance(table):
    data = expression_of(table)
    real, _ = generated_cells.of_real(data)
    shrunk = table.mean(axis=0) + 0.5 * (table - table.mean(axis=0))
    found = generated_cells.compared(real, {"generated": made_of(shrunk, data)}, seed=0).set_index("statistic")
    assert found.loc["mean", "ratio"] == pytest.approx(1, rel=1e-4)
    assert found.loc["variance", "ratio"] == pytest.approx(0.25, rel=1e-4)
    assert found.loc["variance", "correlation"] == pytest.approx(1, rel=1e-4)


def test_a_made_expression_below_half_the_smallest_real_one_is_a_zero():
    data = expression_of(np.array([[0, 2.0], [4.0, 0], [8.0, 6.0]], np.float32))
    real, zero_below = generated_cells.of_real(data)
    assert list(zero_below) == [2, 1]
    made = made_of(np.array([[1.9, 1.1], [2.1, -3.0]], np.float32), data)
    assert list(made["zeros"]) == [0.5, 0.5]
    assert list(real["zeros"]) == pytest.approx([1 / 3, 1 / 3])


def test_a_decoder_that_makes_one_cell_alone_has_no_correlation_of_the_variance(table):
    data = expression_of(table)
    real, _ = generated_cells.of_real(data)
    one = np.tile(table[:1] + np.float32(0.1), (generated_cells.MOST_CELLS, 1))  # whose sums round
    found = generated_cells.compared(real, {"generated": made_of(one, data)}, 0).set_index("statistic")
    assert np.isnan(found.loc["variance", "correlation"])
    assert found.loc["variance", "ratio"] == 0


def test_where_real_cells_do_not_differ_there_is_neither():
    data = expression_of(np.full((5, 2), 3.0, np.float32))
    real, _ = generated_cells.of_real(data)
    found = generated_cells.compared(real, {"generated": made_of(np.full((5, 2), 3.0), data)}, 0).set_index("statistic")
    assert found["correlation"].isna().all()
    assert found.loc["mean", "ratio"] == 1
    assert np.isnan(found.loc["variance", "ratio"])


def test_genes_stand_with_their_real_and_made_cells(table):
    data = expression_of(table)
    real, _ = generated_cells.of_real(data)
    found = generated_cells.by_gene(real, {"reconstructed": made_of(table, data)}, seed=2)
    assert list(found.columns) == generated_cells.COLUMNS
    assert list(found["cells"].unique()) == ["real", "reconstructed"]
    assert len(found) == 2 * N_GENES


# Models


def of_model(model, data, seed=0):
    _, zero_below = generated_cells.of_real(data)
    return generator.of_model(model, data, zero_below, seed)


def test_reconstructed_cells_are_decoded_from_the_posterior_and_generated_ones_from_the_prior(table, monkeypatch):
    monkeypatch.setattr(generated_cells, "MOST_CELLS", 40)
    data, model = expression_of(table), model_of("beta_vae")
    found = of_model(model, data)
    assert list(found) == ["reconstructed", "generated"]
    for way, latents in {
        "reconstructed": trained.embed(model, data, "sample", 0)[
            np.sort(np.random.default_rng(0).choice(70, 40, False))
        ],
        "generated": decoding.sample_prior(model, 40, 6, 0),
    }.items():
        decoded = decoding.decoder(model, N_GENES)(latents)
        np.testing.assert_allclose(found[way]["mean"], decoded.mean(axis=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[way]["variance"], decoded.var(axis=0), rtol=1e-3, atol=1e-8)
    assert list(of_model(model_of("dae"), data)) == ["reconstructed"]
    again, other = of_model(model, data), of_model(model, data, seed=1)
    for way in found:
        pd.testing.assert_frame_equal(found[way], again[way], check_exact=True)
        assert not found[way].equals(other[way])


def test_a_model_that_is_told_the_batch_makes_cells_of_each_as_often_as_there_are(table, monkeypatch):
    batches = np.where(np.arange(70) < 63, "many", "few")
    data, names = training_expression.with_batches(expression_of(table), batches)
    model = model_of("dae", batch=names)
    with torch.no_grad():
        model.decoder.output.weight.zero_()
        model.decoder.output.bias.zero_()
        model.decoder.output.weight[:, 128 + names.index("many")] = 1.0
    found = of_model(model, data)["reconstructed"]
    np.testing.assert_allclose(found["mean"], 0.9, rtol=1e-6)


def test_a_page_without_a_decoder_makes_nothing(table):
    model = model_of("dae")
    model.__dict__["_modules"].pop("decoder")
    assert of_model(model, expression_of(table)) == {}


@pytest.mark.parametrize("made", [torch.zeros(70, N_GENES - 1), torch.full((70, N_GENES), torch.inf)])
def test_a_decoder_that_makes_no_cells_is_one_line(made, table):
    model = model_of("dae")
    model.decoder.forward = lambda z, batch_index=None: made
    with pytest.raises(UserError, match=rf"dae\.py: decoder returned shape \(70, {made.shape[1]}\); return 70 cells"):
        of_model(model, expression_of(table))


# Priors


def model_of(kind, **more):
    hyperparameters = {name: entry["default"] for name, entry in registry.find(kind).config.items()} | more
    torch.manual_seed(0)
    return fitting.build(kind, N_GENES, hyperparameters).eval()


def test_the_prior_of_beta_vae_is_the_standard_normal():
    drawn = decoding.sample_prior(model_of("beta_vae", n_latent=3), 40_000, 3, seed=1)
    assert drawn.shape == (40_000, 3)
    assert np.abs(drawn.mean(axis=0)).max() < 0.02
    assert np.abs(np.cov(drawn, rowvar=False) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_prior_of_beta_vsc_is_off_or_normal(alpha):
    drawn = decoding.sample_prior(model_of("beta_vsc", n_latent=3, alpha=alpha), 40_000, 3, seed=1)
    on = drawn != 0
    assert np.abs(on.mean(axis=0) - alpha).max() < 0.01
    assert np.abs(np.corrcoef(on, rowvar=False) - np.eye(3)).max() < 0.02, "gates do not know of each other"
    assert drawn[on].mean() == pytest.approx(0, abs=0.04)
    assert drawn[on].std() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("kind", ["beta_vae", "beta_vsc"])
def test_the_seed_decides_what_is_drawn_and_the_random_state_of_others_stays(kind):
    model, state = model_of(kind), torch.get_rng_state()
    first, again, other = (decoding.sample_prior(model, 50, 6, seed).tobytes() for seed in (0, 0, 1))
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), state)


def test_an_autoencoder_without_a_prior_draws_nothing():
    assert decoding.sample_prior(model_of("dae"), 50, 6, 0) is None


def test_what_is_called_prior_and_is_no_method_is_none():
    model = model_of("dae")
    model.prior = torch.nn.Linear(3, 3)
    assert decoding.sample_prior(model, 50, 6, 0) is None


@pytest.mark.parametrize(
    ("drawn", "line"),
    [
        (torch.zeros(3, 50), r"prior returned shape \(3, 50\); "),
        (torch.zeros(50, 3), "prior returned 3 latents, but embed returns 6"),
        (torch.full((50, 6), torch.nan), "prior returned nan in latent 1"),
    ],
)
def test_a_prior_that_does_not_fit_is_one_line(drawn, line, monkeypatch):
    monkeypatch.setattr(beta_vae.Model, "prior", lambda self, n_cells: drawn)
    with pytest.raises(UserError, match=rf"beta_vae\.py: {line}"):
        decoding.sample_prior(model_of("beta_vae"), 50, 6, 0)


# The picture and the words


def test_the_picture_has_a_row_for_each_way_and_a_panel_for_each_statistic(table):
    data = expression_of(table)
    real, _ = generated_cells.of_real(data)
    made = {"reconstructed": made_of(table, data), "generated": made_of(table / 2, data)}
    figure = generated_plot.draw(generated_cells.by_gene(real, made, 0), "toy")
    panels = [panel for panel in figure.axes if panel.collections and panel.lines]
    assert len(panels) == 6
    assert [panel.get_ylabel() for panel in panels if panel.get_ylabel()] == ["reconstructed cells", "generated cells"]
    for panel in panels:
        assert panel.collections[0].get_array().sum() == N_GENES, "every gene is in a hexagon"


def test_without_a_decoder_the_picture_says_so(table):
    real, _ = generated_cells.of_real(expression_of(table))
    figure = generated_plot.draw(generated_cells.by_gene(real, {}, 0), "toy")
    assert [text.get_text() for text in figure.axes[0].texts] == ["toy: its page has no decoder"]


@pytest.fixture
def section(table, tmp_path):
    """Function: what the page says of so many seeds."""
    path = tmp_path / "generated.png"
    plt.figure(figsize=(1, 1)).savefig(path)
    data = expression_of(table)
    real, _ = generated_cells.of_real(data)
    shrunk = table.mean(axis=0) + 0.5 * (table - table.mean(axis=0))
    made = {"reconstructed": made_of(table, data), "generated": made_of(shrunk, data)}

    def of_seeds(seeds, ways=("reconstructed", "generated")):
        tables = [generated_cells.compared(real, {way: made[way] for way in ways}, seed) for seed in seeds]
        found = Generated(pd.concat(tables), str(path))
        return generated.section(SimpleNamespace(generated={("toy", "vae"): found}), "toy", "vae")

    return of_seeds


def test_the_page_says_how_much_of_the_variance_there_is(section):
    found = section([0, 1, 2])
    assert found["said"] == "Of the variance of the genes reconstructed cells have 100% and generated cells have 25%."
    assert [row["cells"][0]["text"] for row in found["table"]["rows"]] == ["reconstructed cells", "generated cells"]
    assert "95 % interval" in found["table"]["caption"]
    assert found["table"]["rows"][1]["cells"][3]["text"] == "0.25 (0.25 to 0.25)"


@pytest.mark.parametrize("seeds", [[0], [0, 1]])
def test_fewer_seeds_have_no_interval(section, seeds):
    found = section(seeds)
    assert "interval" not in found["table"]["caption"]
    assert ("mean over 2 seeds" in found["table"]["caption"]) == (len(seeds) == 2)
    assert found["table"]["rows"][1]["cells"][3]["text"] == "0.25"


def test_what_makes_no_cells_has_no_section(section):
    assert section([0], ways=()) is None
    assert generated.section(SimpleNamespace(generated={}), "toy", "pca") is None
