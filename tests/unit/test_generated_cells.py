"""Reconstructed and generated cells against real ones: statistics by hand, moments of the priors, invalid models."""

import numpy as np
import pandas as pd
import pytest
import torch
from toy import dense_of, expression_of

from scae.data import expression as expressions
from scae.errors import UserError
from scae.evaluation import generated_cells, generator
from scae.models import beta_vae, registry
from scae.training import decoding, trained, weights

N_GENES = 30


@pytest.fixture
def table():
    random = np.random.default_rng(0)
    table = random.gamma(2.0, 0.5, (70, N_GENES)) * (random.random((70, N_GENES)) < np.linspace(0.05, 1, N_GENES))
    table[:, 0] = 0  # a gene that no cell has
    return table.astype(np.float32)


def decoded_as(table, expression):
    """Statistics of cells that are decoded to the rows of a table."""
    rows = np.arange(len(table), dtype=float)[:, None]
    _, zero_below = generated_cells.real_statistics(expression)
    return generated_cells.decoded_statistics(
        lambda points, like: table[points[:, 0].astype(int)], rows, rows, zero_below, expression
    )


def comparison_of(table, expression, seed=0):
    real, _ = generated_cells.real_statistics(expression)
    found = generated_cells.compare(real, {"generated": decoded_as(table, expression)}, seed)
    assert list(found["statistic"]) == ["mean", "variance", "zeros"]
    return found.set_index("statistic")


def test_statistics_of_real_cells(table, monkeypatch):
    monkeypatch.setattr(generated_cells, "READ_AT_ONCE", 16)  # several blocks, the last incomplete
    real, zero_below = generated_cells.real_statistics(expression_of(table))
    expected = np.column_stack(
        [table.mean(axis=0, dtype=float), table.var(axis=0, dtype=float), (table == 0).mean(axis=0)]
    )
    np.testing.assert_allclose(real[["mean", "variance", "zeros"]], expected, rtol=1e-6, atol=1e-9)
    smallest = [column[column > 0].min() if column.any() else table[table > 0].min() for column in table.T]
    np.testing.assert_allclose(zero_below, np.array(smallest) / 2)


@pytest.mark.parametrize("offset", [0.0, -0.7])
def test_decoded_cells_equal_to_the_real_ones_have_their_statistics(offset, table, monkeypatch):
    """Also for standardised genes, whose offset is the value without a count."""
    monkeypatch.setattr(generated_cells, "DECODED_AT_ONCE", 16)
    data = expression_of(table, np.full(N_GENES, offset, np.float32))
    real, _ = generated_cells.real_statistics(data)
    np.testing.assert_allclose(decoded_as(dense_of(data), data), real, rtol=1e-4, atol=1e-5)
    found = comparison_of(dense_of(data), data, seed=3)
    assert set(found["seed"]) == {3}
    np.testing.assert_allclose(found["ratio"], 1, rtol=1e-4)
    np.testing.assert_allclose(found["correlation"][["mean", "zeros"]], 1, rtol=1e-4)


def test_half_of_each_deviation_is_a_quarter_of_the_variance(table):
    found = comparison_of(table.mean(axis=0) + 0.5 * (table - table.mean(axis=0)), expression_of(table))
    assert found.loc["mean", "ratio"] == pytest.approx(1, rel=1e-4)
    assert found.loc["variance", "ratio"] == pytest.approx(0.25, rel=1e-4)
    assert found.loc["variance", "correlation"] == pytest.approx(1, rel=1e-4)


def test_decoded_values_below_half_the_smallest_real_one_are_zeros():
    data = expression_of(np.array([[0, 2.0], [4.0, 0], [8.0, 6.0]], np.float32))
    assert list(decoded_as(np.array([[1.9, 1.1], [2.1, -3.0]], np.float32), data)["zeros"]) == [0.5, 0.5]
    assert list(generated_cells.real_statistics(data)[0]["zeros"]) == pytest.approx([1 / 3, 1 / 3])


def test_undefined_correlations_and_ratios(table):
    one_cell = np.tile(table[:1] + np.float32(0.1), (generated_cells.MOST_CELLS, 1))  # its sums have rounding errors
    found = comparison_of(one_cell, expression_of(table)).loc["variance"]
    assert np.isnan(found["correlation"])
    assert found["ratio"] == 0
    same = np.full((5, 2), 3.0, np.float32)
    found = comparison_of(same, expression_of(same))
    assert found["correlation"].isna().all()
    assert found.loc["mean", "ratio"] == 1
    assert np.isnan(found.loc["variance", "ratio"])


def test_statistics_by_gene(table):
    data = expression_of(table)
    real, _ = generated_cells.real_statistics(data)
    found = generated_cells.by_gene(real, {"reconstructed": decoded_as(table / 2, data)}, seed=2)
    assert found.groupby("cells", sort=False).size().to_dict() == {"real": N_GENES, "reconstructed": N_GENES}
    assert set(found["seed"]) == {2}
    np.testing.assert_allclose(found["mean"][N_GENES:], table.mean(axis=0) / 2, rtol=1e-4)
    assert list(found["gene"][:N_GENES]) == list(data.genes)


# Models


def model_of(kind, **changes):
    hyperparameters = {name: entry["default"] for name, entry in registry.find(kind).config.items()} | changes
    torch.manual_seed(0)
    return weights.build(kind, N_GENES, hyperparameters).eval()


def generate(model, expression, seed=0):
    return generator.generate(model, expression, np.zeros(N_GENES), seed)


def test_reconstructed_cells_are_of_the_posterior_and_generated_ones_of_the_prior(table, monkeypatch):
    monkeypatch.setattr(generated_cells, "MOST_CELLS", 40)
    data, model = expression_of(table), model_of("beta_vae")
    found, same, other = (generate(model, data, seed) for seed in (0, 0, 1))
    posterior = trained.embed(model, data, "sample", 0)[np.sort(np.random.default_rng(0).choice(70, 40, False))]
    latents = {"reconstructed": posterior, "generated": decoding.sample_prior(model, 40, 6, 0)}
    assert list(found) == list(latents)
    for kind, points in latents.items():
        decoded = decoding.decoder(model, N_GENES)(points)
        np.testing.assert_allclose(found[kind]["mean"], decoded.mean(axis=0), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(found[kind]["variance"], decoded.var(axis=0), rtol=1e-3, atol=1e-8)
        pd.testing.assert_frame_equal(found[kind], same[kind], check_exact=True)
        assert not found[kind].equals(other[kind])


def test_models_without_prior_or_decoder(table):
    model = model_of("dae")
    assert list(generate(model, expression_of(table))) == ["reconstructed"]
    model.prior = torch.nn.Linear(3, 3)  # not a method
    assert decoding.sample_prior(model, 50, 6, 0) is None
    model.__dict__["_modules"].pop("decoder")
    assert generate(model, expression_of(table)) == {}


def test_cells_of_a_batch_conditioned_model_have_the_batches_of_real_ones(table):
    batches = np.where(np.arange(70) < 63, "many", "few")
    data, names = expressions.with_batches(expression_of(table), batches)
    model = model_of("beta_vae", batch=names)
    with torch.no_grad():  # decodes to whether the batch is "many"
        model.decoder.output.weight.zero_()
        model.decoder.output.bias.zero_()
        model.decoder.output.weight[:, 128 + names.index("many")] = 1.0
    found = generate(model, data)
    np.testing.assert_allclose(found["reconstructed"]["mean"], 0.9, rtol=1e-6)
    np.testing.assert_allclose(found["generated"]["mean"], 0.9, atol=0.02)


@pytest.mark.parametrize("decoded", [torch.zeros(70, N_GENES - 1), torch.full((70, N_GENES), torch.inf)])
def test_an_invalid_decoder_is_an_error(decoded, table):
    model = model_of("dae")
    model.decoder.forward = lambda z, batch_index=None: decoded
    with pytest.raises(UserError, match=rf"dae\.py: decoder .* \(70, {decoded.shape[1]}\)"):
        generate(model, expression_of(table))


@pytest.mark.parametrize(
    ("drawn", "fragment"),
    [
        (torch.zeros(3, 50), r"prior .* \(3, 50\)"),
        (torch.zeros(50, 3), "prior returned 3 latents"),
        (torch.full((50, 6), torch.nan), "prior .* nan"),
    ],
)
def test_an_invalid_prior_is_an_error(drawn, fragment, monkeypatch):
    monkeypatch.setattr(beta_vae.Model, "prior", lambda self, n_cells: drawn)
    with pytest.raises(UserError, match=rf"beta_vae\.py: {fragment}"):
        decoding.sample_prior(model_of("beta_vae"), 50, 6, 0)


def test_the_prior_of_beta_vae_is_the_standard_normal():
    drawn = decoding.sample_prior(model_of("beta_vae", n_latent=3), 40_000, 3, seed=1)
    assert np.abs(drawn.mean(axis=0)).max() < 0.02
    assert np.abs(np.cov(drawn, rowvar=False) - np.eye(3)).max() < 0.03


@pytest.mark.parametrize("alpha", [0.1, 0.5])
def test_the_prior_of_beta_vsc_is_off_or_normal(alpha):
    drawn = decoding.sample_prior(model_of("beta_vsc", n_latent=3, alpha=alpha), 40_000, 3, seed=1)
    on = drawn != 0
    assert np.abs(on.mean(axis=0) - alpha).max() < 0.01
    assert np.abs(np.corrcoef(on, rowvar=False) - np.eye(3)).max() < 0.02, "gates are independent"
    assert drawn[on].mean() == pytest.approx(0, abs=0.04)
    assert drawn[on].std() == pytest.approx(1, abs=0.04)


@pytest.mark.parametrize("kind", ["beta_vae", "beta_vsc"])
def test_draws_from_a_prior_depend_on_their_seed_only(kind):
    model, state = model_of(kind), torch.get_rng_state()
    first, same, other = (decoding.sample_prior(model, 50, 6, seed).tobytes() for seed in (0, 0, 1))
    assert first == same != other
    assert torch.equal(torch.get_rng_state(), state)
