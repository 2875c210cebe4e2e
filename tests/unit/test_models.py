"""The three models are those of the study: shapes, activations, losses and sampling, against other computations."""

import math

import numpy as np
import pytest
import torch
from torch.distributions import Bernoulli, Normal
from torch.distributions import kl_divergence as reference_kl

from scae.models import beta_vae, beta_vsc, dae
from scae.models.layers import GeneLinear, Trunk
from scae.training.batches import DenseBatch

N_GENES, N_LATENT, N_CELLS = 11, 6, 8
ARGUMENTS = {
    "dae": {},
    "beta_vae": {"beta": 2.0},
    "beta_vsc": {"beta": 2.0, "alpha": 0.5, "c": 50.0},
}
MODULES = {"dae": dae, "beta_vae": beta_vae, "beta_vsc": beta_vsc}
BRANCHES = {"beta_vae": ("mu", "log_sigma"), "beta_vsc": ("mu", "log_sigma", "log_spike")}


def model_of(kind, seed=0, scale=3.0, **arguments):
    """A model with weights wide enough that every ReLU is on for some cells and off for others."""
    torch.manual_seed(seed)
    model = MODULES[kind].Model(N_GENES, n_latent=N_LATENT, **(ARGUMENTS[kind] | arguments))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale if parameter.ndim > 1 else 1.0)
    return model


@pytest.fixture
def expression():
    random = np.random.default_rng(3)
    return (random.gamma(1.0, 1.0, (N_CELLS, N_GENES)) * (random.random((N_CELLS, N_GENES)) < 0.5)).astype(np.float32)


@pytest.fixture
def batch(expression):
    return DenseBatch(torch.from_numpy(expression))


@pytest.fixture
def noise(monkeypatch):
    """The normal and uniform noise that every sample in the test gets."""
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


def trunk_by_hand(model, x):
    return relu(linear(model.trunk.second, linear(model.trunk.first, x)))


def branch_by_hand(model, name, x):
    branch = getattr(model, name)
    return linear(branch.head, relu(linear(branch.hidden, trunk_by_hand(model, x))))


def decode_by_hand(model, z):
    first, _, second, _, third, _ = model.decoder.hidden
    return linear(model.decoder.output, relu(linear(third, relu(linear(second, relu(linear(first, z)))))))


def squared_error_by_hand(model, x, z):
    return ((x - decode_by_hand(model, z)) ** 2).sum(axis=1).mean()


DECODER_SHAPES = [(16, 6), (16,), (32, 16), (32,), (128, 32), (128,), (N_GENES, 128), (N_GENES,)]
TRUNK_SHAPES = [(N_GENES, 128), (128,), (32, 128), (32,)]  # the first layer is stored as (genes, units)
BRANCH_SHAPES = [(16, 32), (16,), (6, 16), (6,)]


@pytest.mark.parametrize(("kind", "branches"), [("dae", 1), ("beta_vae", 2), ("beta_vsc", 3)])
def test_parameters_have_the_shapes_of_the_study(kind, branches):
    found = sorted(tuple(parameter.shape) for parameter in model_of(kind).parameters())
    assert found == sorted(TRUNK_SHAPES + branches * BRANCH_SHAPES + DECODER_SHAPES)


def test_the_first_layer_has_no_relu():
    trunk = Trunk(N_GENES)
    with torch.no_grad():
        trunk.second.weight.copy_(-torch.eye(32, 128))
        trunk.second.bias.zero_()
    x = torch.randn(50, N_GENES, generator=torch.Generator().manual_seed(0))
    first = linear(trunk.first, x.numpy())
    found = trunk(DenseBatch(x)).detach().numpy()
    np.testing.assert_allclose(found, relu(-first[:, :32]), rtol=1e-4, atol=1e-5)
    assert (found > 0).any(axis=0).all()


def test_the_second_layer_has_a_relu(batch):
    found = model_of("dae").trunk(batch).detach().numpy()
    assert found.shape == (N_CELLS, 32)
    assert (found >= 0).all()
    assert (found == 0).any()
    assert (found > 0).any()


@pytest.mark.parametrize("kind", BRANCHES)
def test_posterior_parameters_are_relu_16_then_a_linear_head(kind, batch, expression):
    model = model_of(kind)
    found = dict(zip(BRANCHES[kind], model.posterior(batch), strict=True))
    expected = {name: branch_by_hand(model, name, expression) for name in BRANCHES[kind]}
    if kind == "beta_vsc":
        expected["log_spike"] = np.exp(np.minimum(expected["log_spike"], 0))
    assert (expected["mu"] < 0).any()
    for name, value in expected.items():
        assert found[name].shape == (N_CELLS, N_LATENT)
        np.testing.assert_allclose(found[name].detach().numpy(), value, rtol=1e-3, atol=1e-4)


def test_dae_code_is_relu_16_then_relu_6(batch, expression):
    model = model_of("dae")
    expected = relu(linear(model.code, relu(linear(model.hidden, trunk_by_hand(model, expression)))))
    found = model.encode(batch).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert (found >= 0).all()
    assert (found == 0).any()
    assert (found > 0).any()


@pytest.mark.parametrize("kind", MODULES)
def test_decoder_is_three_relu_layers_and_a_linear_one(kind):
    model = model_of(kind)
    z = torch.randn(40, N_LATENT, generator=torch.Generator().manual_seed(1))
    found = model.decoder(z).detach().numpy()
    np.testing.assert_allclose(found, decode_by_hand(model, z.numpy().astype(float)), rtol=1e-3, atol=1e-4)
    assert (found < 0).any()


@pytest.mark.parametrize("kind", MODULES)
def test_every_estimate_is_finite_and_has_a_row_per_cell(kind, batch):
    model = model_of(kind)
    for estimate in ("posterior_mean", "slab_mean", "sample"):
        latent = model.embed(batch, estimate)
        assert latent.shape == (N_CELLS, N_LATENT)
        assert latent.isfinite().all()


def test_dae_loss_is_the_squared_error_alone(batch, expression):
    model = model_of("dae")
    terms = model.loss(batch)
    z = relu(linear(model.code, relu(linear(model.hidden, trunk_by_hand(model, expression)))))
    assert terms["reconstruction"].item() == pytest.approx(squared_error_by_hand(model, expression, z), rel=1e-4)
    assert terms["loss"].item() == terms["reconstruction"].item()
    assert set(terms) == {"loss", "reconstruction"}


@pytest.mark.parametrize("beta", [0.0, 1.0, 4.5])
def test_beta_vae_loss_is_reconstruction_plus_beta_kl(beta, batch, expression, noise):
    model = model_of("beta_vae", scale=1.5, beta=beta)
    mu, log_sigma = (branch_by_hand(model, name, expression) for name in BRANCHES["beta_vae"])
    reconstruction = squared_error_by_hand(model, expression, mu + np.exp(log_sigma) * noise[0])
    posterior = Normal(torch.from_numpy(mu), torch.from_numpy(np.exp(log_sigma)))
    kl = reference_kl(posterior, Normal(0.0, 1.0)).sum(dim=1).mean().item()
    terms = {name: term.item() for name, term in model.loss(batch).items()}
    assert set(terms) == {"loss", "reconstruction", "kl"}
    assert terms["reconstruction"] == pytest.approx(reconstruction, rel=1e-3)
    assert terms["kl"] == pytest.approx(kl, rel=1e-3)
    assert terms["loss"] == pytest.approx(reconstruction + beta * kl, rel=1e-3)


@pytest.mark.parametrize(("beta", "alpha", "c"), [(0.0, 0.5, 50.0), (1.0, 0.1, 50.0), (4.5, 0.8, 5.0)])
def test_beta_vsc_loss_is_reconstruction_plus_beta_kl(beta, alpha, c, batch, expression, noise):
    model = model_of("beta_vsc", scale=1.5, beta=beta, alpha=alpha, c=c)
    mu, log_sigma, log_spike = (branch_by_hand(model, name, expression) for name in BRANCHES["beta_vsc"])
    gamma = np.exp(np.minimum(log_spike, 0))
    switch = 1 / (1 + np.exp(-c * (noise[1] + gamma - 1)))
    reconstruction = squared_error_by_hand(model, expression, switch * (mu + np.exp(log_sigma) * noise[0]))
    bounded = torch.from_numpy(gamma.clip(1e-6, 1 - 1e-6))
    slab = reference_kl(Normal(torch.from_numpy(mu), torch.from_numpy(np.exp(log_sigma))), Normal(0.0, 1.0))
    spike = reference_kl(Bernoulli(bounded), Bernoulli(torch.tensor(alpha, dtype=torch.float64)))
    kl = (bounded * slab + spike).sum(dim=1).mean().item()
    terms = {name: term.item() for name, term in model.loss(batch).items()}
    assert set(terms) == {"loss", "reconstruction", "kl"}
    assert terms["reconstruction"] == pytest.approx(reconstruction, rel=1e-3)
    assert terms["kl"] == pytest.approx(kl, rel=1e-3)
    assert terms["loss"] == pytest.approx(reconstruction + beta * kl, rel=1e-3)


@pytest.mark.parametrize("kind", MODULES)
def test_losses_are_means_over_cells(kind, expression, monkeypatch):
    monkeypatch.setattr(torch, "randn_like", torch.zeros_like)
    monkeypatch.setattr(torch, "rand_like", lambda like: torch.full_like(like, 0.5))
    model = model_of(kind, scale=1.5)
    single = [model.loss(DenseBatch(torch.from_numpy(expression[[cell]]))) for cell in range(N_CELLS)]
    for name, value in model.loss(DenseBatch(torch.from_numpy(expression))).items():
        assert value.shape == ()
        assert value.item() == pytest.approx(np.mean([terms[name].item() for terms in single]), rel=1e-4)


@pytest.mark.parametrize("kind", MODULES)
def test_the_loss_reaches_every_parameter(kind, batch):
    model = model_of(kind)
    model.loss(batch)["loss"].backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.parameters())


def posterior_grid():
    values = torch.meshgrid(
        torch.tensor([-3.0, 0.0, 0.4, 2.0], dtype=torch.float64),
        torch.tensor([-4.0, -0.7, 0.0, 1.5], dtype=torch.float64),
        torch.tensor([0.01, 0.3, 0.5, 0.99], dtype=torch.float64),
        indexing="ij",
    )
    return [value.reshape(-1, 8) for value in values]


def test_beta_vae_kl_is_that_of_torch_distributions():
    mu, log_sigma, _ = posterior_grid()
    expected = reference_kl(Normal(mu, log_sigma.exp()), Normal(torch.zeros_like(mu), 1.0))
    found = beta_vae.kl_divergence(mu, log_sigma)
    assert found.shape == (8, 8)
    torch.testing.assert_close(found, expected)


def test_beta_vae_kl_is_zero_for_the_prior():
    zero = torch.zeros(4, N_LATENT)
    torch.testing.assert_close(beta_vae.kl_divergence(zero, zero), zero)


@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.9])
def test_beta_vsc_kl_is_that_of_a_weighted_normal_and_a_bernoulli(alpha):
    mu, log_sigma, gamma = posterior_grid()
    slab = reference_kl(Normal(mu, log_sigma.exp()), Normal(torch.zeros_like(mu), 1.0))
    switch = reference_kl(Bernoulli(gamma), Bernoulli(torch.full_like(gamma, alpha)))
    found = beta_vsc.kl_divergence(mu, log_sigma, gamma, alpha)
    assert found.shape == (8, 8)
    torch.testing.assert_close(found, gamma * slab + switch)


@pytest.mark.parametrize("gamma", [0.1, 0.6, 0.95])
def test_beta_vsc_kl_agrees_with_monte_carlo(gamma):
    n = 200_000
    mu, sigma, alpha = 1.3, 0.6, 0.4
    random = np.random.default_rng(0)
    on = random.random(n) < gamma
    z = random.normal(mu, sigma, n)
    log_q = -0.5 * ((z - mu) / sigma) ** 2 - math.log(sigma) + math.log(gamma)
    log_p = -0.5 * z**2 + math.log(alpha)
    ratio = np.where(on, log_q - log_p, math.log((1 - gamma) / (1 - alpha)))
    one = torch.ones(1, 1, dtype=torch.float64)
    found = beta_vsc.kl_divergence(mu * one, math.log(sigma) * one, gamma * one, alpha).item()
    assert abs(found - ratio.mean()) < 5 * ratio.std() / math.sqrt(n)


@pytest.mark.parametrize(("gamma", "bounded"), [(0.0, 1e-6), (1e-9, 1e-6), (1.0, 1 - 1e-6)])
def test_beta_vsc_kl_stays_finite_when_a_switch_is_certain(gamma, bounded):
    alpha, slab = 0.3, 0.5 * (2.0**2 + 0.5**2 - 1) - math.log(0.5)
    expected = bounded * slab + (1 - bounded) * math.log((1 - bounded) / (1 - alpha))
    expected += bounded * math.log(bounded / alpha)
    one = torch.ones(1, 1, dtype=torch.float64)
    found = beta_vsc.kl_divergence(2.0 * one, math.log(0.5) * one, gamma * one, alpha)
    assert found.item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("log_spike", "gamma"), [(5.0, 1.0), (0.0, 1.0), (-0.5, math.exp(-0.5)), (-500.0, 0.0)])
def test_gamma_is_the_exponential_of_the_negative_part(log_spike, gamma, batch):
    model = model_of("beta_vsc")
    with torch.no_grad():
        model.log_spike.head.weight.zero_()
        model.log_spike.head.bias.fill_(log_spike)
    found = model.posterior(batch)[2]
    torch.testing.assert_close(found, torch.full_like(found, gamma))
    terms = model.loss(batch)
    terms["loss"].backward()
    assert terms["loss"].isfinite()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters())


def test_beta_vae_samples_have_the_mean_and_deviation_of_the_posterior():
    n = 100_000
    torch.manual_seed(0)
    mu, sigma = torch.tensor([-2.0, 0.0, 0.5, 3.0, 1.0, -1.0]), torch.tensor([0.1, 1.0, 2.0, 0.5, 0.01, 3.0])
    z = model_of("beta_vae").sample(mu.expand(n, -1), sigma.log().expand(n, -1))
    assert z.shape == (n, N_LATENT)
    assert ((z.mean(dim=0) - mu).abs() < 5 * sigma / math.sqrt(n)).all()
    assert ((z.std(dim=0) / sigma - 1).abs() < 5 / math.sqrt(2 * n)).all()


GAMMA = torch.tensor([0.0, 0.05, 0.3, 0.5, 0.8, 1.0])


def test_beta_vsc_with_large_c_is_off_or_a_draw_from_the_slab():
    n = 100_000
    torch.manual_seed(1)
    mu, sigma = 4.0, 0.5
    shape = (n, N_LATENT)
    model = model_of("beta_vsc", c=1e7)
    z = model.sample(torch.full(shape, mu), torch.full(shape, math.log(sigma)), GAMMA.expand(shape)).numpy()
    on = np.abs(z) > 1e-3
    gamma = GAMMA.numpy()
    assert (np.abs(on.mean(axis=0) - gamma) <= 5 * np.sqrt(gamma * (1 - gamma) / n) + 1e-5).all()
    for column in range(2, N_LATENT):
        drawn = z[on[:, column], column]
        assert drawn.mean() == pytest.approx(mu, abs=5 * sigma / math.sqrt(len(drawn)))
        assert drawn.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * len(drawn)) + 1e-3)


@pytest.mark.parametrize("value", [0.01, 0.2, 0.5, 0.9, 0.99])
def test_beta_vsc_switch_follows_the_relaxed_bernoulli_at_the_study_c(value):
    n = 100_000
    torch.manual_seed(2)
    shape = (n, N_LATENT)
    switch = model_of("beta_vsc", c=50.0).sample(torch.ones(shape), torch.full(shape, -40.0), GAMMA.expand(shape))
    below = (switch.numpy() <= value).mean(axis=0)
    expected = (math.log(value / (1 - value)) / 50.0 + 1 - GAMMA.numpy()).clip(0, 1)
    assert (np.abs(below - expected) <= 5 * np.sqrt(expected * (1 - expected) / n) + 1e-4).all()


def test_beta_vsc_is_switched_on_as_often_as_gamma_says_at_the_study_c():
    n = 100_000
    torch.manual_seed(3)
    shape = (n, N_LATENT)
    switch = model_of("beta_vsc", c=50.0).sample(torch.ones(shape), torch.full(shape, -40.0), GAMMA.expand(shape))
    on = (switch.numpy() > 0.5).mean(axis=0)
    assert np.abs(on - GAMMA.numpy()).max() < 5 * 0.5 / math.sqrt(n)
    assert switch[:, 2].mean().item() == pytest.approx(0.3, abs=5 * 0.46 / math.sqrt(n))


def test_posterior_mean_of_beta_vae_is_mu(batch, expression):
    model = model_of("beta_vae")
    expected = branch_by_hand(model, "mu", expression)
    np.testing.assert_allclose(model.embed(batch, "posterior_mean").detach().numpy(), expected, rtol=1e-3, atol=1e-4)


def test_posterior_mean_of_beta_vsc_is_the_mean_of_its_samples(batch):
    model = model_of("beta_vsc", scale=1.0, c=1e7)
    with torch.no_grad():
        for branch, bias in ((model.mu, 3.0), (model.log_sigma, -1.0), (model.log_spike, -0.7)):
            branch.head.bias.fill_(bias)
        mean = model.embed(batch, "posterior_mean").numpy()
        torch.manual_seed(0)
        draws = np.stack([model.embed(batch, "sample").numpy() for _ in range(2000)])
    error = draws.std(axis=0) / math.sqrt(len(draws))
    assert error.max() < 0.1
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * error).all()


def test_posterior_mean_and_slab_mean_of_beta_vsc(batch, expression):
    model = model_of("beta_vsc")
    mu, _, log_spike = (branch_by_hand(model, name, expression) for name in BRANCHES["beta_vsc"])
    gamma = np.exp(np.minimum(log_spike, 0))
    assert gamma.min() < 0.5 < gamma.max()
    slab_mean, posterior_mean = (model.embed(batch, name).detach().numpy() for name in ("slab_mean", "posterior_mean"))
    np.testing.assert_allclose(slab_mean, mu, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(posterior_mean, gamma * mu, rtol=1e-3, atol=1e-4)


def test_a_sample_is_the_mean_plus_the_noise(batch, expression, noise):
    model = model_of("beta_vae", scale=1.5)
    mu, log_sigma = (branch_by_hand(model, name, expression) for name in BRANCHES["beta_vae"])
    expected = mu + np.exp(log_sigma) * noise[0]
    np.testing.assert_allclose(model.embed(batch, "sample").detach().numpy(), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("n_latent", [1, 2, 10])
@pytest.mark.parametrize("kind", MODULES)
def test_the_number_of_latents_is_free(kind, n_latent, batch):
    model = MODULES[kind].Model(N_GENES, n_latent=n_latent, **ARGUMENTS[kind])
    assert model.embed(batch, "posterior_mean").shape == (N_CELLS, n_latent)
