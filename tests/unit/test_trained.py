"""Latents, diagnostics and losses of a trained model are those of all its cells at once."""

import numpy as np
import pytest
import torch
from toy import KINDS, dense_of, expression_of, fit, random_table, refusal, settings_of

from scae.training import trained
from scae.training.batches import DenseBatch, split


@pytest.fixture(scope="module")
def expression():
    return expression_of(random_table(300, 12), np.linspace(-1, 1, 12))  # more than one batch of 256


@pytest.fixture(scope="module", params=KINDS)
def model(request, expression):
    return fit(expression, request.param, batch_size=64)[0].eval()


@pytest.fixture
def batch(expression):
    return DenseBatch(torch.from_numpy(dense_of(expression)).float())


def test_the_latent_does_not_depend_on_the_batch_size(model, expression, batch):
    found = trained.embed(model, expression, "posterior_mean", seed=0)
    assert (found.shape, found.dtype) == ((300, 6), np.float32)
    with torch.no_grad():
        expected = model.embed(batch, "posterior_mean").numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    parts = trained.embed(model, expression, "posterior_mean", seed=0, batch_size=4)
    np.testing.assert_allclose(parts, found, rtol=1e-4, atol=1e-5)


def test_a_sampled_latent_follows_its_seed(expression):
    model, _ = fit(expression)
    first, again, other = (trained.embed(model, expression, "sample", seed) for seed in (3, 3, 4))
    assert first.tobytes() == again.tobytes() != other.tobytes()


def test_diagnostics_are_those_of_all_cells(model, expression, batch):
    with torch.no_grad():
        expected = model.diagnostics(batch) if hasattr(model, "diagnostics") else {}
    found = trained.diagnostics(model, expression)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values.numpy(), rtol=1e-3, atol=1e-5)


def test_diagnostics_of_another_shape_are_refused(expression):
    class Wrong(torch.nn.Module):
        def diagnostics(self, x):
            return {"kl": torch.zeros(3)}

    assert 'test_trained.py: diagnostics returned shape (3,) for "kl"' in refusal(
        trained.diagnostics, Wrong(), expression
    )


def test_losses_are_means_over_all_training_and_held_out_cells(expression):
    model, settings = fit(expression, "dae")[0].eval(), settings_of(holdout=0.25)
    found = trained.losses(model, expression, settings, seed=1)
    dense = torch.from_numpy(dense_of(expression)).float()
    parts = {"": torch.arange(300)} | dict(zip(("_trained", "_held_out"), split(300, settings, seed=1), strict=True))
    for suffix, cells in parts.items():
        with torch.no_grad():
            expected = model.loss(DenseBatch(dense[cells]))["reconstruction"].item()
        assert found[f"reconstruction{suffix}"] == pytest.approx(expected, rel=1e-5)
    assert set(trained.losses(model, expression, settings_of(), seed=1)) == {"loss", "reconstruction"}


def test_the_noise_of_losses_follows_the_seed(expression):
    model, _ = fit(expression)
    first, again, other = (trained.losses(model, expression, settings_of(), seed) for seed in (0, 0, 1))
    assert first == again != other
