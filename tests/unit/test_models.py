"""The trained models against independent computations: layers, losses, sampling and options."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal
from torch.distributions import kl_divergence as reference_kl
from toy import KINDS, assert_same_training, expression_of, fit, random_table

from scae.models import beta_vae, beta_vsc, dae, registry
from scae.models.layers import GeneLinear
from scae.training.batches import DenseBatch

N_GENES, N_LATENT, N_CELLS = 11, 6, 8
MODULES = {"dae": dae, "beta_vae": beta_vae, "beta_vsc": beta_vsc}
BRANCHES = {"dae": (), "beta_vae": ("mu", "log_sigma"), "beta_vsc": ("mu", "log_sigma", "log_spike")}


def model_of(kind, scale=3.0, **arguments):
    """A model with weights so large that every ReLU is on for some cells and off for others."""
    torch.manual_seed(0)
    model = MODULES[kind].Model(N_GENES, **KINDS[kind] | arguments)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale if parameter.ndim > 1 else 1.0)
    return model


@pytest.fixture
def expression():
    return random_table(N_CELLS, N_GENES, density=0.5)


@pytest.fixture
def batch(expression):
    return DenseBatch(torch.from_numpy(expression))


@pytest.fixture
def noise(monkeypatch):
    """The normal and uniform noise of every sample in the test."""
    torch.manual_seed(7)
    normal, uniform = torch.randn(N_CELLS, N_LATENT), torch.rand(N_CELLS, N_LATENT)
    monkeypatch.setattr(torch, "randn_like", lambda like: normal.clone())
    monkeypatch.setattr(torch, "rand_like", lambda like: uniform.clone())
    return normal.numpy().astype(float), uniform.numpy().astype(float)


def linear(layer, x):
    weight = layer.weight if isinstance(layer, GeneLinear) else layer.weight.t()
    return x @ weight.detach().numpy().astype(float) + layer.bias.detach().numpy().astype(float)


def relu(x):
    return np.maximum(x, 0)


def encode(model, x):
    """Outputs of the encoder in numpy: the code of dae, or mu, log_sigma and log_spike."""
    trunk = relu(linear(model.trunk.second, linear(model.trunk.first, x)))  # the study has no ReLU after the first
    if isinstance(model, dae.Model):
        return [relu(linear(model.code, relu(linear(model.hidden, trunk))))]
    branches = [getattr(model, name) for name in ("mu", "log_sigma", "log_spike") if hasattr(model, name)]
    return [linear(branch.head, relu(linear(branch.hidden, trunk))) for branch in branches]


def squared_error(model, x, z):
    first, _, second, _, third, _ = model.decoder.hidden
    decoded = linear(model.decoder.output, relu(linear(third, relu(linear(second, relu(linear(first, z)))))))
    return ((x - decoded) ** 2).sum(axis=1).mean()


def close(found, expected):
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_latent", [6, 2])
@pytest.mark.parametrize("kind", MODULES)
def test_parameters_have_the_shapes_of_the_study(kind, n_latent, batch):
    model = model_of(kind, n_latent=n_latent)
    trunk = [(N_GENES, 128), (128,), (32, 128), (32,)]  # the first layer is stored as (genes, units)
    branch = [(16, 32), (16,), (n_latent, 16), (n_latent,)] * (len(BRANCHES[kind]) or 1)
    decoder = [(16, n_latent), (16,), (32, 16), (32,), (128, 32), (128,), (N_GENES, 128), (N_GENES,)]
    assert sorted(tuple(parameter.shape) for parameter in model.parameters()) == sorted(trunk + branch + decoder)
    assert model.embed(batch, "posterior_mean").shape == (N_CELLS, n_latent)


def test_dae_is_the_code_and_its_squared_error(batch, expression):
    model = model_of("dae")
    [code] = encode(model, expression)
    assert 0 < (code == 0).mean() < 1
    close(model.embed(batch, "posterior_mean"), code)
    terms = model.loss(batch)
    assert set(terms) == {"loss", "reconstruction"}
    assert terms["loss"].item() == terms["reconstruction"].item()
    assert terms["loss"].item() == pytest.approx(squared_error(model, expression, code), rel=1e-4)


def assert_loss(model, batch, reconstruction, kl, beta):
    terms = {name: term.item() for name, term in model.loss(batch).items()}
    assert list(terms) == ["loss", "reconstruction", "kl"]
    assert terms["reconstruction"] == pytest.approx(reconstruction, rel=1e-3)
    assert terms["kl"] == pytest.approx(kl.sum(axis=1).mean(), rel=1e-3)
    assert terms["loss"] == pytest.approx(reconstruction + beta * kl.sum(axis=1).mean(), rel=1e-3)
    close(model.diagnostics(batch)["kl"], kl)


@pytest.mark.parametrize("beta", [0.0, 4.5])
def test_beta_vae(beta, batch, expression, noise):
    model = model_of("beta_vae", scale=1.5, beta=beta)
    mu, log_sigma = encode(model, expression)
    z = mu + np.exp(log_sigma) * noise[0]
    close(model.embed(batch, "posterior_mean"), mu)
    close(model.embed(batch, "sample"), z)
    kl = reference_kl(Normal(torch.from_numpy(mu), torch.from_numpy(log_sigma).exp()), Normal(0.0, 1.0)).numpy()
    assert_loss(model, batch, squared_error(model, expression, z), kl, beta)


@pytest.mark.parametrize(
    ("beta", "alpha", "c"),
    [(0.0, 0.5, 50.0), (4.5, 0.8, 5.0), (1.0, 0.1, 50.0)],
)
def test_beta_vsc(beta, alpha, c, batch, expression, noise):
    model = model_of("beta_vsc", scale=1.5, beta=beta, alpha=alpha, c=c)
    mu, log_sigma, log_spike = encode(model, expression)
    gamma = np.exp(np.minimum(log_spike, 0))
    z = (mu + np.exp(log_sigma) * noise[0]) / (1 + np.exp(-c * (noise[1] + gamma - 1)))
    for estimate, expected in {"slab_mean": mu, "posterior_mean": gamma * mu, "sample": z}.items():
        close(model.embed(batch, estimate), expected)
    on = torch.from_numpy(gamma.clip(1e-6, 1 - 1e-6))
    slab = reference_kl(Normal(torch.from_numpy(mu), torch.from_numpy(log_sigma).exp()), Normal(0.0, 1.0))
    kl = on * slab + reference_kl(Bernoulli(on), Bernoulli(torch.tensor(alpha, dtype=torch.float64)))
    assert_loss(model, batch, squared_error(model, expression, z), kl.numpy(), beta)
    close(model.diagnostics(batch)["gate"], gamma)


@pytest.mark.parametrize("gamma", [0.1, 0.6, 0.95])
def test_beta_vsc_kl_agrees_with_monte_carlo(gamma):
    n, mu, sigma, alpha = 200_000, 1.3, 0.6, 0.4
    random = np.random.default_rng(0)
    on, z = random.random(n) < gamma, random.normal(mu, sigma, n)
    log_q = -0.5 * ((z - mu) / sigma) ** 2 - math.log(sigma) + math.log(gamma)
    ratio = np.where(on, log_q + 0.5 * z**2 - math.log(alpha), math.log((1 - gamma) / (1 - alpha)))
    one = torch.ones(1, 1, dtype=torch.float64)
    found = beta_vsc.kl_divergence(mu * one, math.log(sigma) * one, gamma * one, alpha).item()
    assert abs(found - ratio.mean()) < 5 * ratio.std() / math.sqrt(n)


@pytest.mark.parametrize(("gamma", "bounded"), [(0.0, 1e-6), (1e-9, 1e-6), (1.0, 1 - 1e-6)])
def test_beta_vsc_kl_stays_finite_when_a_switch_is_certain(gamma, bounded):
    one = torch.ones(1, 1, dtype=torch.float64)
    found = beta_vsc.kl_divergence(2.0 * one, math.log(0.5) * one, gamma * one, 0.3)
    expected = bounded * (0.5 * (2.0**2 + 0.5**2 - 1) - math.log(0.5))
    expected += (1 - bounded) * math.log((1 - bounded) / 0.7) + bounded * math.log(bounded / 0.3)
    assert found.item() == pytest.approx(expected, rel=1e-9)


def test_the_switch_follows_the_relaxed_bernoulli():
    n, gamma = 100_000, torch.tensor([0.0, 0.05, 0.3, 0.5, 0.8, 1.0])
    torch.manual_seed(2)
    shape = (n, N_LATENT)
    switch = model_of("beta_vsc").sample(torch.ones(shape), torch.full(shape, -40.0), gamma.expand(shape)).numpy()
    for value in (0.01, 0.5, 0.99):
        expected = (math.log(value / (1 - value)) / 50.0 + 1 - gamma.numpy()).clip(0, 1)
        tolerance = 5 * np.sqrt(expected * (1 - expected) / n) + 1e-4
        assert (np.abs((switch <= value).mean(axis=0) - expected) <= tolerance).all()


# Options


@pytest.mark.parametrize("kind", MODULES)
def test_options_that_are_off_change_no_bit(kind, expression):
    off = {name: about["off"] for name, about in MODULES[kind].CONFIG.items() if "off" in about}
    data, entry = expression_of(expression), {"kind": kind} | KINDS[kind]
    assert_same_training(fit(data, kind), fit(data, kind, hyperparameters=off))
    on = dict.fromkeys(off, "another value")
    assert registry.find(kind).settings(entry | off) == entry
    assert registry.find(kind).settings(entry | on) == entry | on
