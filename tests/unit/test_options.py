"""Options of the models beside the study's settings: how the KL divergence is weighed, the gate, and enough steps."""

import json

import numpy as np
import pytest
import torch
from toy import ENGINES, KINDS, expression_of, settings_of

from scae.models import beta_vae, beta_vsc, registry
from scae.models.layers import WeightedKL
from scae.training import fitting
from scae.training.batches import DenseBatch
from scae.training.checkpoint import Checkpoint

N_CELLS, N_GENES = 40, 12
OFF = {"batch": False, "calibrated": False, "free_nats": 0.0, "kl_warmup": 0}
OPTIONS = {
    "beta_vae": {"calibrated": True, "free_nats": 0.2, "kl_warmup": 2},
    "beta_vsc": {"calibrated": True, "free_nats": 0.2, "kl_warmup": 2, "spike": "logsigmoid"},
}


@pytest.fixture(scope="module")
def table():
    source = np.random.default_rng(0)
    return (source.gamma(2.0, 1.0, (N_CELLS, N_GENES)) * (source.random((N_CELLS, N_GENES)) < 0.6)).astype(np.float32)


def fit(table, kind, saved=None, epochs=3, changes=(), **settings):
    settings = settings_of(epochs=epochs, batch_size=8) | settings
    return fitting.fit(expression_of(table), kind, KINDS[kind] | dict(changes), settings, 0, saved)


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", OPTIONS)
def test_options_that_are_off_change_no_bit(kind, table):
    off = OFF | ({"spike": "clamp"} if kind == "beta_vsc" else {})
    (plain, history, _), (spelled, same, _) = fit(table, kind), fit(table, kind, changes=off)
    assert torch.equal(weights_of(plain), weights_of(spelled))
    assert history == same
    assert list(history[0]) == ["epoch", "loss", "reconstruction", "kl"]
    assert registry.find(kind).settings({"kind": kind} | KINDS[kind] | off) == {"kind": kind} | KINDS[kind]
    assert registry.find(kind).settings({"kind": kind} | OPTIONS[kind]) == {"kind": kind} | OPTIONS[kind]


def test_a_calibrated_weight_has_the_gradient_of_the_best_gaussian_decoder(table):
    """-log p(x|z) of a Gaussian decoder with one free variance, at that variance, by torch.distributions."""
    beta, x = 0.7, torch.from_numpy(table).double()

    def model_of(**changes):
        torch.manual_seed(1)
        return beta_vae.Model(N_GENES, n_latent=3, beta=beta, **changes).double()

    model, reference = model_of(calibrated=True), model_of()
    torch.manual_seed(2)
    terms = model.loss(DenseBatch(x))
    terms["loss"].backward()
    torch.manual_seed(2)
    mu, log_sigma = reference.posterior(DenseBatch(x))
    decoded = reference.decoder(reference.sample(mu, log_sigma))
    variance = (x - decoded).square().mean().detach().requires_grad_()
    likelihood = torch.distributions.Normal(decoded, variance.sqrt()).log_prob(x).sum(dim=1).mean()
    (-likelihood + beta * beta_vae.kl_divergence(mu, log_sigma).sum(dim=1).mean()).backward()
    assert abs(variance.grad.item()) < 1e-9  # the variance is the best one
    assert terms["kl_weight"].item() == pytest.approx(beta * 2 * variance.item(), rel=1e-9)
    for found, expected in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(found.grad, expected.grad * 2 * variance.item(), rtol=1e-7, atol=1e-9)


def test_the_weight_rises_in_equal_steps_and_stays(table):
    _, history, _ = fit(table, "beta_vae", epochs=6, changes={"kl_warmup": 4})
    assert [row["kl_weight"] for row in history] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])
    for row in history:
        assert row["loss"] == pytest.approx(row["reconstruction"] + row["kl_weight"] * row["kl"], rel=1e-5)


def test_a_model_that_is_read_back_weighs_in_full(table):
    weigh = WeightedKL(N_GENES, beta=3.0, warmup=10)
    weigh.start_epoch(1)
    one = torch.ones(())
    assert weigh(one, one.reshape(1, 1))["loss"].item() == pytest.approx(1.3)
    assert WeightedKL(N_GENES, beta=3.0, warmup=10)(one, one.reshape(1, 1))["loss"].item() == pytest.approx(4.0)


def test_free_nats_are_of_each_latent_on_average_and_have_no_gradient():
    kl = torch.tensor([[0.1, 0.9, 3.0], [0.3, 0.5, 1.0]], requires_grad=True)  # means .2, .7, 2
    terms = WeightedKL(N_GENES, beta=2.0, free_nats=0.5)(torch.tensor(10.0), kl)
    assert terms["kl"].item() == pytest.approx(2.9)  # what it is, not what it costs
    assert terms["loss"].item() == pytest.approx(10 + 2 * (0.5 + 0.7 + 2.0))
    terms["loss"].backward()
    np.testing.assert_allclose(kl.grad, [[0, 1, 1], [0, 1, 1]])


@pytest.mark.parametrize("kind", OPTIONS)
def test_latents_that_a_heavy_weight_would_still_live_on_free_nats(kind, table):
    """Posterior collapse, which free bits were made against."""
    alone, free = (
        fit(table, kind, epochs=60, learning_rate=0.01, changes={"beta": 30.0, "free_nats": free})[1][-1]["kl"]
        for free in (0.0, 0.5)
    )
    assert alone < 0.01
    assert free > 0.05


@pytest.mark.parametrize("log_spike", [-4.0, 0.0, 3.0])
def test_a_gate_by_log_sigmoid_is_a_sigmoid_with_a_gradient_everywhere(log_spike, table):
    batch, gradients = DenseBatch(torch.from_numpy(table)), {}
    for spike in ("clamp", "logsigmoid"):
        torch.manual_seed(0)
        model = beta_vsc.Model(N_GENES, n_latent=3, beta=2.0, alpha=0.1, c=50.0, spike=spike)
        with torch.no_grad():
            model.log_spike.head.weight.zero_()
            model.log_spike.head.bias.fill_(log_spike)
        gamma = model.posterior(batch)[2]
        gamma.sum().backward()
        gradients[spike] = model.log_spike.head.bias.grad.abs().max().item()
        if spike == "logsigmoid":
            np.testing.assert_allclose(gamma.detach().numpy(), 1 / (1 + np.exp(-log_spike)), rtol=1e-6)
    assert gradients["logsigmoid"] > 0
    assert (gradients["clamp"] > 0) == (log_spike <= 0)


@pytest.mark.parametrize("kind", OPTIONS)
def test_both_engines_train_the_same_with_all_options(kind, table):
    dense, sparse = (fit(table, kind, changes=OPTIONS[kind], engine=engine) for engine in ENGINES)
    torch.testing.assert_close(weights_of(dense[0]), weights_of(sparse[0]), rtol=1e-4, atol=1e-5)
    assert [row["kl_weight"] for row in dense[1]] == pytest.approx([row["kl_weight"] for row in sparse[1]], rel=1e-5)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", OPTIONS)
def test_an_interrupted_training_with_all_options_ends_in_the_same_bits(kind, engine, table, tmp_path, monkeypatch):
    undisturbed, history, _ = fit(table, kind, changes=OPTIONS[kind], engine=engine, epochs=4)
    batches, add = [], fitting._Run.add

    def killed(run, *arguments):
        add(run, *arguments)
        batches.append(1)
        if len(batches) == 8:  # in the middle of the second epoch
            raise KeyboardInterrupt

    monkeypatch.setattr(fitting._Run, "add", killed)
    with pytest.raises(KeyboardInterrupt):
        fit(
            table,
            kind,
            Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"),
            changes=OPTIONS[kind],
            engine=engine,
            epochs=4,
        )
    monkeypatch.undo()
    saved = Checkpoint(tmp_path / "checkpoint.pt", 0, "mine")
    again, of_again, _ = fit(table, kind, saved, changes=OPTIONS[kind], engine=engine, epochs=4)
    assert torch.equal(weights_of(undisturbed), weights_of(again))
    assert history == of_again


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_saved_model_comes_back_with_its_options(kind, table, tmp_path):
    hyperparameters = KINDS[kind] | OPTIONS[kind]
    model, _, _ = fit(table, kind, changes=OPTIONS[kind])
    genes = expression_of(table).genes
    fitting.save(model, kind, hyperparameters, settings_of(), genes, tmp_path / "model.pt")
    back = fitting.load(tmp_path / "model.pt", genes)
    batch = DenseBatch(torch.from_numpy(table))
    for found, expected in zip(back.posterior(batch), model.posterior(batch), strict=True):
        assert torch.equal(found, expected)
    assert json.loads(json.dumps(hyperparameters)) == torch.load(tmp_path / "model.pt")["hyperparameters"]


@pytest.mark.parametrize(
    ("least", "n_cells", "epochs"), [(0, 40, 3), (10, 40, 3), (15, 40, 3), (16, 40, 4), (100, 41, 17), (100, 7, 100)]
)
def test_small_data_sets_train_to_enough_steps(least, n_cells, epochs):
    settings = settings_of(epochs=3, batch_size=8)
    found = fitting.with_enough_steps(settings | {"min_steps": least}, n_cells)
    assert found["epochs"] == epochs
    assert epochs * -(-n_cells // 8) >= least
    assert "min_steps" not in found or not least
    assert fitting.with_enough_steps(settings, n_cells) == settings
