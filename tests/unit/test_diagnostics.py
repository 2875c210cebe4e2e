"""Diagnostics of latents by hand, and against scikit-learn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression
from toy import dense_of, expression_of

from scae.evaluation import diagnostics


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
    whole = [value(found, name) for name in ("latents", "active", "constant", "repeated_pairs")]
    assert whole == [5, 3, 2, 1]
    assert value(found, "sd", "z1") == pytest.approx(27**0.5 / 4)


def test_effective_dimension():
    corners = np.array(np.meshgrid(*[[-1, 1]] * 3)).reshape(3, -1).T  # uncorrelated
    for scales, expected in (((1, 1, 1), 3), ((1, 0, 0), 1), ((2, 1, 0), 25 / 17)):
        assert diagnostics.effective_dimension(corners * np.array(scales)) == pytest.approx(expected)
    points = np.random.default_rng(0).normal(size=(50, 4)) @ np.random.default_rng(1).normal(size=(4, 4))
    spectrum = np.linalg.eigvalsh(np.cov(points.T))
    assert diagnostics.effective_dimension(points) == pytest.approx(spectrum.sum() ** 2 / (spectrum**2).sum())
    assert diagnostics.effective_dimension(np.ones((5, 3))) == 0


def test_active_latents_differ_from_the_prior_and_between_cells():
    kl = np.array([[0.0, 0.3, 2.0, 0.6], [0.1, 0.1, 2.0, 0.6]])  # means 0.05, 0.2, 2, 0.6
    points = np.array([[1.0, 0.0, 2.0, 1.09], [0.0, 1.0, 1.5, 0.91]])  # z4 has a standard deviation of 0.09
    found = diagnostics.measure(latent_of(points), {"kl": kl, "gate": np.full((2, 4), 0.5), "scale": kl * 10})
    assert [value(found, "kl", f"z{number}") for number in range(1, 5)] == pytest.approx([0.05, 0.2, 2, 0.6])
    assert value(found, "mean_scale", "z2") == pytest.approx(2)
    assert value(found, "active") == 2
    assert any("The gate of z1 and z4 stays at its prior" in sentence for sentence in diagnostics.warnings(found))
    np.testing.assert_array_equal(
        diagnostics.is_active(np.array([0.09, 0.11, 5, 0.11]), np.array([1, 0.11, 0.09, 2])), [False, True, False, True]
    )


def test_gates_are_counted_over_all_cells_and_in_each_type():
    gate = np.array([[1.0], [1.0], [0.995], [0.5], [0.01], [0.0], [0.0]])
    found = diagnostics.measure(latent_of(np.arange(7.0)[:, None]), {"gate": gate}, labels=[*"aaabbb", ""])
    names = ["gate_one", "gate_high", "gate_between", "gate_low"]
    for suffix, shares in (
        ("", [2 / 7, 1 / 7, 2 / 7, 2 / 7]),
        (" in a", [2 / 3, 1 / 3, 0, 0]),
        (" in b", [0, 0, 2 / 3, 1 / 3]),
    ):
        assert [value(found, name + suffix, "z1") for name in names] == pytest.approx(shares)
    assert "gate_one in " not in set(found["measure"])


def test_the_steps_of_a_training_include_incomplete_batches():
    history = pd.DataFrame({"epoch": range(1, 11), "loss": np.linspace(100, 55, 10)})
    found = diagnostics.training(history, 700, {"batch_size": 256})
    assert value(found, "steps") == 30
    assert value(found, "still_falling") == pytest.approx(1 / 9)
    flat = pd.DataFrame({"epoch": [1, 2], "loss": [5.0, 5.0]})
    assert value(diagnostics.training(flat, 256, {"batch_size": 256}), "still_falling") == 0


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    return random.poisson(random.gamma(2, 1, (4, 20))[np.arange(60) % 4]).astype(np.float32)


@pytest.mark.parametrize(
    ("cells_at_once", "offset"), [(7, None), (7, np.linspace(-1, 1, 20)), (diagnostics.CELLS_AT_ONCE, None)]
)
def test_principal_components_leave_the_variance_of_the_others(table, offset, cells_at_once, monkeypatch):
    monkeypatch.setattr(diagnostics, "CELLS_AT_ONCE", cells_at_once)
    expression = expression_of(table, offset)
    latent = PCA(3, svd_solver="full").fit_transform(dense_of(expression))
    variances = PCA(svd_solver="full").fit(dense_of(expression)).explained_variance_
    found = diagnostics.reconstruction(latent_of(latent), expression)
    assert value(found, "unexplained") == pytest.approx(variances[3:].sum() * 59 / 60)
    assert value(found, "total") == pytest.approx(variances.sum() * 59 / 60)


def test_the_unexplained_error_is_that_of_a_regression(table):
    latent = np.random.default_rng(1).normal(size=(60, 4))
    latent[:, 3] = 7  # constant
    error = table - LinearRegression().fit(latent, table).predict(latent)
    found = diagnostics.reconstruction(latent_of(latent), expression_of(table), {"reconstruction": 12.5, "loss": 14.0})
    assert value(found, "unexplained") == pytest.approx(np.square(error).sum() / 60)
    assert value(found, "reconstruction") == 12.5
    assert "loss" not in set(found["measure"])
    collapsed = diagnostics.reconstruction(latent_of(np.zeros((60, 2))), expression_of(table))
    assert value(collapsed, "unexplained") == pytest.approx(value(collapsed, "total"))


def lost_of(table, names):
    return [value(table, "explained_lost", name) for name in names]


def test_a_principal_component_explains_its_share_of_the_variance():
    table = np.random.default_rng(0).poisson(2, (60, 8)) * np.arange(1, 9)
    pca = PCA(4).fit(table)
    found = diagnostics.reconstruction(latent_of(pca.transform(table)), expression_of(table))
    expected = pca.explained_variance_ / pca.explained_variance_.sum()
    assert lost_of(found, ["z1", "z2", "z3", "z4"]) == pytest.approx(list(expected), abs=1e-6)
    rescaled = latent_of(pca.transform(table) * [1, 100, 0.01, 1] + 5)
    assert lost_of(diagnostics.reconstruction(rescaled, expression_of(table)), ["z2", "z3"]) == pytest.approx(
        list(expected[1:3]), abs=1e-4
    )


def test_a_latent_is_used_if_the_decoder_loses_without_it():
    points = np.random.default_rng(0).normal(size=(80, 4)) + 3
    weights = np.array([[4.0, 0, 0], [0, 2.0, 0], [0.05, 0, 0], [0, 0, 0]])
    table, offset = points @ weights, np.ones(3)

    decoded = diagnostics.reconstruction(
        latent_of(points), expression_of(table - offset, offset), None, lambda values: values @ weights
    )
    variance = points.var(axis=0) * np.square(weights).sum(axis=1)
    both = np.cov(points[:, [0, 2]].T, bias=True)[0, 1] * 2 * 4 * 0.05  # z1 and z3 act on the same gene
    expected = variance / (variance.sum() + both)
    assert lost_of(decoded, ["z1", "z2", "z3", "z4"]) == pytest.approx(list(expected), abs=1e-4)
    assert value(decoded, "used") == 2
    nothing = diagnostics.reconstruction(
        latent_of(points), expression_of(table), None, lambda values: 0 * values[:, :3]
    )
    assert (value(nothing, "used"), value(nothing, "explained_lost", "z1")) == (0, 0)


def test_a_latent_with_a_divergence_but_no_effect_is_warned_of():
    [found] = warnings_of(z1__kl=0.5, z2__kl=0.5, z1__sd=1, z2__sd=1, z1__explained_lost=0.9, z2__explained_lost=0.003)
    assert found.startswith("z2 has a KL divergence above 0.1 nat but no effect")


# Warnings


def warnings_of(**changes):
    """Warnings of a healthy run of two latents with some measures changed; z1.kl is written z1__kl."""
    measures = {"latents": 2, "active": 2, "repeated_pairs": 0, "steps": 5000, "still_falling": 0.0}
    measures = {f"all__{name}": number for name, number in measures.items()}
    measures |= {f"{latent}__{name}": 0 for latent in ("z1", "z2") for name in ("zeros", "constant")}
    rows = [(*key.split("__"), float(number)) for key, number in (measures | changes).items()]
    return diagnostics.warnings(pd.DataFrame(rows, columns=["latent", "measure", "value"]))


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"z1__kl": 1, "z2__kl": 2},
        {"z1__gate_one": 0.2, "z2__gate_between": 0.3},
        {"z1__zeros": 0.94, "all__steps": 1000, "all__still_falling": 0.02},
        {"z1__gate_between": 1, "z1__kl": 0.5, "z2__kl": 3},  # active, so its gate is not at the prior
    ],
)
def test_a_healthy_run_has_no_warnings(changes):
    assert warnings_of(**changes) == []


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"z1__kl": 2, "z2__kl": 0.01, "all__active": 1}, ["1 of 2 latent dimensions is active", "0.1 nat"]),
        ({"z1__constant": 1, "z1__zeros": 1}, ["z1 is the same for every cell"]),
        ({"z1__constant": 1, "z2__constant": 1}, ["z1 and z2 are the same for every cell"]),
        ({"z2__zeros": 0.97}, ["z2 is 0 in over 95%"]),
        ({"z1__gate_one": 0.8}, ["gate of z1 ", "exactly 1 in 80%"]),
        ({"z1__gate_one": 0.5, "z2__gate_one": 1}, ["gate of z1 and z2", "50% to 100%"]),
        ({"all__repeated_pairs": 1}, ["1 pair", "redundant", "0.95"]),
        ({"all__steps": 600}, ["600 gradient steps", "1,000"]),
        ({"all__still_falling": 0.2}, ["still falling"]),
    ],
)
def test_each_problem_has_a_warning(changes, fragments):
    [sentence] = warnings_of(**changes)
    assert all(fragment in sentence for fragment in fragments)


def test_the_gate_of_a_collapsed_latent_stays_at_its_prior():
    sentences = warnings_of(z1__gate_between=1, z1__kl=0.001, z2__kl=3, all__active=1)
    assert any("gate of z1 stays at its prior" in sentence for sentence in sentences)
