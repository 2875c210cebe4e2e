"""Health of latents, on tables whose truth can be worked out by hand, and against torch and scikit-learn."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from torch.distributions import Bernoulli, Normal, kl_divergence
from toy import KINDS, dense_of, expression_of, settings_of

from scae.errors import UserError
from scae.evaluation import diagnostics
from scae.training import fitting, trained


def latent_of(points):
    points = np.asarray(points, dtype=float)
    return pd.DataFrame(points, columns=[f"z{number}" for number in range(1, points.shape[1] + 1)])


def value(table, measure, latent="all"):
    [found] = table[(table["latent"] == latent) & (table["measure"] == measure)]["value"]
    return found


def test_zeros_constants_and_repeats_by_hand():
    found = diagnostics.measure(latent_of([[0, 5, 1, -2, 0], [0, 5, 2, -4, 0], [3, 5, 3, -6, 0], [0, 5, 4, -8, 0]]))
    assert [value(found, "zeros", f"z{number}") for number in range(1, 6)] == [0.75, 0, 0, 0, 1]
    assert [value(found, "constant", f"z{number}") for number in range(1, 6)] == [0, 1, 0, 0, 1]
    assert value(found, "repeats", "z3") == pytest.approx(1)  # z4 = -2 z3
    assert value(found, "repeats", "z1") == pytest.approx(abs(np.corrcoef([0, 0, 3, 0], [1, 2, 3, 4])[0, 1]))
    assert value(found, "repeats", "z2") == 0
    assert (value(found, "live"), value(found, "constant"), value(found, "repeated_pairs")) == (3, 2, 1)
    assert value(found, "sd", "z1") == pytest.approx(27**0.5 / 4)


@pytest.mark.parametrize(("scales", "expected"), [((1, 1, 1), 3), ((1, 1, 0), 2), ((1, 0, 0), 1), ((2, 1, 0), 25 / 17)])
def test_effective_dimension_counts_directions_of_equal_variance(scales, expected):
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T  # uncorrelated
    assert diagnostics.effective_dimension(corners * np.array(scales)) == pytest.approx(expected)


def test_effective_dimension_does_not_depend_on_the_axes():
    random = np.random.default_rng(0)
    points, turn = random.normal(size=(50, 4)) * [3, 1, 1, 0.1], np.linalg.qr(random.normal(size=(4, 4)))[0]
    assert diagnostics.effective_dimension(points @ turn) == pytest.approx(diagnostics.effective_dimension(points))
    spectrum = np.linalg.eigvalsh(np.cov(points.T))
    assert diagnostics.effective_dimension(points) == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum())
    assert diagnostics.effective_dimension(np.ones((5, 3))) == 0


def test_a_latent_lives_from_a_tenth_of_a_nat_on():
    kl = np.array([[0.0, 0.3, 2.0], [0.1, 0.1, 2.0]])  # means 0.05, 0.2, 2
    found = diagnostics.measure(latent_of(np.array([[1.0, 0.0, 2.0], [0.0, 1.0, 1.5]])), {"kl": kl})
    assert [value(found, "kl", name) for name in ("z1", "z2", "z3")] == pytest.approx([0.05, 0.2, 2])
    assert value(found, "live") == 2


def test_a_latent_that_is_the_same_for_every_cell_does_not_live_however_far_from_the_prior():
    kl = np.full((4, 3), 0.6)  # what free bits allow
    points = np.column_stack([np.full(4, 1.0), 1.0 + 0.09 * np.array([-1, 1, -1, 1]), [0.89, 1.11, 0.89, 1.11]])
    found = diagnostics.measure(latent_of(points), {"kl": kl, "gate": np.full((4, 3), 0.5)})
    assert value(found, "live") == 1
    assert any("The gate of z1 and z2 rests at its prior" in sentence for sentence in diagnostics.warnings(found))


def test_gates_are_shared_out_over_all_cells_and_each_type():
    gate = np.array([[1.0], [1.0], [0.995], [0.5], [0.01], [0.0]])
    found = diagnostics.measure(latent_of(np.arange(6.0)[:, None]), {"gate": gate}, labels=list("aaabbb"))
    names = ["gate_one", "gate_high", "gate_between", "gate_low"]
    assert [value(found, name, "z1") for name in names] == pytest.approx([2 / 6, 1 / 6, 2 / 6, 1 / 6])
    assert [value(found, f"{name} in a", "z1") for name in names] == pytest.approx([2 / 3, 1 / 3, 0, 0])
    assert [value(found, f"{name} in b", "z1") for name in names] == pytest.approx([0, 0, 2 / 3, 1 / 3])


def test_whatever_else_a_page_supplies_is_told_as_its_mean():
    found = diagnostics.measure(latent_of([[1, 2], [3, 4]]), {"scale": [[1, 10], [3, 20]]})
    assert [value(found, "mean_scale", name) for name in ("z1", "z2")] == [2, 15]


def test_steps_count_the_last_small_batch_too():
    history = pd.DataFrame({"epoch": range(1, 11), "loss": np.linspace(100, 55, 10)})
    found = diagnostics.of_training(history, 700, {"batch_size": 256})
    assert value(found, "steps") == 30
    assert value(found, "still_falling") == pytest.approx(1 / 9)
    flat = pd.DataFrame({"epoch": [1, 2], "loss": [5.0, 5.0]})
    assert value(diagnostics.of_training(flat, 256, {"batch_size": 256}), "still_falling") == 0


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    return random.poisson(random.gamma(2, 1, (4, 20))[np.arange(60) % 4]).astype(np.float32)


@pytest.mark.parametrize("cells_at_once", [7, diagnostics.CELLS_AT_ONCE])
@pytest.mark.parametrize("offset", [None, np.linspace(-1, 1, 20)])
def test_what_principal_components_leave_is_what_scikit_learn_says(table, offset, cells_at_once, monkeypatch):
    monkeypatch.setattr(diagnostics, "CELLS_AT_ONCE", cells_at_once)
    expression = expression_of(table, offset)
    model = PCA(3, svd_solver="full").fit(dense_of(expression))
    found = diagnostics.reconstruction(latent_of(model.transform(dense_of(expression))), expression)
    everything = PCA(svd_solver="full").fit(dense_of(expression)).explained_variance_
    assert value(found, "unexplained") == pytest.approx(everything[3:].sum() * 59 / 60)
    assert value(found, "total") == pytest.approx(everything.sum() * 59 / 60)


def test_what_any_latents_leave_is_a_regression_on_them(table):
    latent = np.random.default_rng(1).normal(size=(60, 4))
    latent[:, 3] = 7  # a constant explains nothing and breaks nothing
    rest = table - LinearRegression().fit(latent, table).predict(latent)
    found = diagnostics.reconstruction(latent_of(latent), expression_of(table), {"reconstruction": 12.5, "loss": 14.0})
    assert value(found, "unexplained") == pytest.approx(np.square(rest).sum() / 60)
    assert value(found, "reconstruction") == 12.5
    collapsed = diagnostics.reconstruction(latent_of(np.zeros((60, 2))), expression_of(table))
    assert value(collapsed, "unexplained") == pytest.approx(value(collapsed, "total"))


@pytest.mark.parametrize("kind", KINDS)
def test_pages_tell_the_divergence_of_each_latent_and_the_gates(kind, table):
    expression = expression_of(table)
    model, _, _ = fitting.fit(expression, kind, KINDS[kind], settings_of(epochs=3), seed=0)
    inside = trained.diagnostics(model.eval(), expression)
    if kind == "dae":
        assert inside == {}
        return
    with torch.no_grad():
        mu, log_sigma, *gate = model.posterior(fitting.DenseBatches(expression, torch.device("cpu"))(torch.arange(60)))
        expected = kl_divergence(Normal(mu, log_sigma.exp()), Normal(0.0, 1.0))
        if gate:
            clamped = gate[0].clamp(1e-6, 1 - 1e-6)
            expected = clamped * expected + kl_divergence(Bernoulli(clamped), Bernoulli(torch.tensor(0.5)))
            np.testing.assert_allclose(inside["gate"], gate[0].numpy(), rtol=1e-6)
    np.testing.assert_allclose(inside["kl"], expected.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_terms_of_the_loss_are_means_over_all_cells(kind, table):
    expression = expression_of(table)
    model, _, _ = fitting.fit(expression, kind, KINDS[kind], settings_of(), seed=0)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    found = trained.losses(model, expression, settings_of(), seed=0)
    assert torch.equal(before, torch.get_rng_state())
    assert found == trained.losses(model, expression, settings_of(), seed=0)
    assert found.keys() >= {"loss", "reconstruction"}
    if kind == "dae":
        with torch.no_grad():
            z = model.encode(fitting.DenseBatches(expression, torch.device("cpu"))(torch.arange(60)))
            rest = torch.from_numpy(table) - model.decoder(z)
        assert found["reconstruction"] == pytest.approx(rest.square().sum().item() / 60, rel=1e-5)


def test_a_broken_page_is_named():
    class Wrong(torch.nn.Module):
        def diagnostics(self, x):
            return {"kl": torch.zeros(len(x), 2), "gate": torch.zeros(3)}

    with pytest.raises(UserError, match="gate"):
        trained.diagnostics(Wrong(), expression_of(np.eye(5)))


# In words


def sick(**measures):
    """A table of health of two latents; z1.kl is written z1__kl."""
    healthy = {
        "all__latents": 2,
        "all__live": 2,
        "all__repeated_pairs": 0,
        "all__steps": 5000,
        "all__still_falling": 0.0,
    }
    healthy |= {f"{latent}__{name}": 0 for latent in ("z1", "z2") for name in ("zeros", "constant")}
    rows = [(*key.split("__"), float(number)) for key, number in (healthy | measures).items()]
    return pd.DataFrame(rows, columns=["latent", "measure", "value"])


def test_what_is_healthy_needs_no_words():
    assert diagnostics.warnings(sick()) == []
    assert diagnostics.warnings(sick(z1__kl=1, z2__kl=2)) == []
    assert diagnostics.warnings(sick(z1__gate_one=0.2, z2__gate_between=0.3)) == []


@pytest.mark.parametrize(
    ("measures", "words"),
    [
        (
            {"z1__kl": 2, "z2__kl": 0.01, "all__live": 1},
            "Of 2 latents 1 is live (KL divergence above 0.1 nat, not the same for every cell); the rest says nothing "
            "of a cell.",
        ),
        ({"z1__constant": 1, "z1__zeros": 1}, "z1 is the same for every cell."),
        ({"z1__constant": 1, "z2__constant": 1}, "z1 and z2 are the same for every cell."),
        ({"z2__zeros": 0.97}, "z2 is 0 in over 95% of the cells."),
        ({"z1__gate_one": 0.8}, "The gate of z1 is exactly 1 in 80% of the cells: always on, not sparse."),
        (
            {"z1__gate_one": 0.5, "z2__gate_one": 1},
            "The gate of z1 and z2 is exactly 1 in 50% to 100% of the cells: always on, not sparse.",
        ),
        (
            {"z1__gate_one": 1, "z2__gate_one": 0.999},
            "The gate of z1 and z2 is exactly 1 in 100% of the cells: always on, not sparse.",
        ),
        ({"all__repeated_pairs": 1}, "Pairs of latents that repeat each other (correlation above 0.95): 1."),
        ({"all__steps": 600}, "It trained for 600 gradient steps; below 1,000 it may have learned little."),
        ({"all__still_falling": 0.2}, "The loss was still falling when training ended."),
    ],
)
def test_what_is_sick_is_said(measures, words):
    assert diagnostics.warnings(sick(**measures)) == [words]


def test_a_gate_rests_at_its_prior_only_where_the_latent_says_nothing():
    said = "The gate of z1 rests at its prior: it does not tell cells apart."
    dead = sick(z1__gate_between=1, z1__kl=0.001, z2__kl=3, all__live=1)
    assert said in diagnostics.warnings(dead)
    alive = sick(z1__gate_between=1, z1__kl=0.5, z2__kl=3)
    assert diagnostics.warnings(alive) == []
