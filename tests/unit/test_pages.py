"""What every page keeps: the library's, or your own with ``--page my_model.py``."""

import re

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from scipy import sparse
from toy import expression_of, settings_of

from scae.errors import UserError
from scae.evaluation import generator
from scae.models import registry
from scae.training import fitting

N_CELLS, N_GENES = 60, 40
ESTIMATES = ("posterior_mean", "slab_mean", "sample")
CLOSE = 1e-4  # of the sparse engine to the dense one, norm of the difference over the norm


def pytest_generate_tests(metafunc):
    kinds = metafunc.config.getoption("page") or registry.kinds()
    if "any_kind" in metafunc.fixturenames:
        metafunc.parametrize("any_kind", kinds)
    for name in ("trained", "peer", "untrained"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [kind for kind in kinds if role(kind) == name])


def role(kind):
    try:
        page = registry.find(kind)
    except UserError:
        return None  # the first test says why
    return "peer" if page.peer else "trained" if page.trained else "untrained"


@pytest.fixture(scope="module")
def expression():
    """Cells of three groups, with zeros where most values are."""
    random = np.random.default_rng(0)
    table = random.gamma(2.0, 0.5, (N_CELLS, N_GENES)) * (random.random((N_CELLS, N_GENES)) < 0.3)
    for group in range(3):
        table[group::3, 10 * group : 10 * group + 10] += 2
    return expression_of(table)


def test_a_page_says_what_it_is(any_kind):
    about = registry.find(any_kind).about
    assert about["title"]
    assert re.fullmatch(r"\S.*[^.\s]", about["summary"]), "one sentence on one line, without the full stop"
    assert re.fullmatch(r"(10\.\d{4,9}/\S+)?", about["doi"]), "10.…/…, or empty"


def test_every_hyperparameter_has_a_description_and_a_default_in_its_range(any_kind):
    for name, entry in registry.find(any_kind).config.items():
        Draft202012Validator.check_schema(entry)
        assert entry["description"], name
        Draft202012Validator(entry).validate(entry["default"])


# Pages that are trained


def hyperparameters_of(kind):
    return {name: entry["default"] for name, entry in registry.find(kind).config.items()}


def model_of(kind):
    torch.manual_seed(0)
    return fitting.build(kind, N_GENES, hyperparameters_of(kind))


def loss_and_gradients(kind, expression, engine):
    """Loss terms and gradients of a fresh model on all cells; its noise follows from a seed."""
    model, batch = model_of(kind), fitting.make_batches(expression, settings_of(engine=engine))(torch.arange(N_CELLS))
    torch.manual_seed(1)
    terms = model.loss(batch)
    terms["loss"].backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    return terms, gradients


def fitted(kind, expression, epochs=30):
    settings = settings_of(epochs=epochs, batch_size=16, learning_rate=0.003)
    return fitting.fit(expression, kind, hyperparameters_of(kind), settings, seed=3)


def latents_of(model, expression):
    return {name: fitting.embed(model, expression, name, seed=5) for name in ESTIMATES}


def test_loss_is_a_dict_of_finite_numbers_and_reaches_every_parameter(trained, expression):
    terms, gradients = loss_and_gradients(trained, expression, "dense")
    assert "loss" in terms
    for name, value in terms.items():
        assert value.shape == (), name
        assert value.isfinite(), name
    for name, gradient in gradients.items():
        assert gradient is not None, f"{name} is a parameter that the loss does not depend on"
        assert gradient.isfinite().all(), name


def test_loss_and_gradients_are_the_same_whatever_the_storage(trained, expression):
    """A page that looks into its batch knows one storage only."""
    (dense, dense_gradients), (sparse, sparse_gradients) = (
        loss_and_gradients(trained, expression, engine) for engine in ("dense", "sparse")
    )
    assert dense.keys() == sparse.keys()
    for name, value in dense.items():
        assert sparse[name].item() == pytest.approx(value.item(), rel=CLOSE, abs=CLOSE), name
    for name, gradient in dense_gradients.items():
        assert (sparse_gradients[name] - gradient).norm() <= CLOSE * gradient.norm() + 1e-7, name


def test_loss_falls(trained, expression):
    _, history, _ = fitted(trained, expression)
    assert all(np.isfinite(value) for epoch in history for value in epoch.values())
    assert history[-1]["loss"] < history[0]["loss"]


def test_every_estimate_is_finite_and_has_a_row_for_each_cell(trained, expression):
    model, n_latent = model_of(trained), hyperparameters_of(trained).get("n_latent")
    for name, latent in latents_of(model.eval(), expression).items():
        assert latent.shape == (N_CELLS, n_latent or latent.shape[1]), name


def test_estimates_that_a_page_calls_the_same_are_the_same_and_no_others(trained, expression):
    """A job that is not run again would have made the one, and a needless one is saved for the other."""
    estimate, latents = registry.find(trained).estimate, latents_of(model_of(trained).eval(), expression)
    for name in ESTIMATES:
        for other in ESTIMATES:
            same = latents[name].tobytes() == latents[other].tobytes()
            assert same is (estimate(name) == estimate(other)), f"SAME_ESTIMATES: {name} and {other}"


def test_cells_are_made_of_the_prior_where_there_is_one(trained, expression):
    model = model_of(trained).eval()
    made, again = (generator.of_model(model, expression, np.zeros(N_GENES), seed=5) for _ in range(2))
    assert list(made)[1:] == (["generated"] if hasattr(type(model), "prior") and made else [])
    for way, table in made.items():
        assert np.isfinite(table).all(axis=None), way
        pd.testing.assert_frame_equal(table, again[way], check_exact=True)


def test_training_twice_gives_the_same_bits(trained, expression):
    (one, history, _), (other, again, _) = (fitted(trained, expression, epochs=3) for _ in range(2))
    assert history == again
    assert all(torch.equal(value, other.state_dict()[name]) for name, value in one.state_dict().items())
    first, second = (latents_of(model.eval(), expression) for model in (one, other))
    assert {name: latent.tobytes() for name, latent in first.items()} == {
        name: latent.tobytes() for name, latent in second.items()
    }


def test_a_model_that_was_saved_embeds_as_before(trained, expression, tmp_path):
    model, _, _ = fitted(trained, expression, epochs=2)
    fitting.save(model, trained, hyperparameters_of(trained), settings_of(), expression.genes, tmp_path / "model.pt")
    loaded = fitting.load(tmp_path / "model.pt", expression.genes)
    first, second = (latents_of(either, expression)["posterior_mean"] for either in (model.eval(), loaded))
    np.testing.assert_array_equal(first, second)


# Pages that have a package of their own train


@pytest.fixture(scope="module")
def fit():
    """Function: what a page gives for toy counts, of a batch each or of none, after two epochs."""
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.8, (N_CELLS, N_GENES)).astype(np.float32))
    batches = np.array(["one", "two", ""], object)[np.arange(N_CELLS) % 3]

    def fitted(kind, seed=0, mixed=False, **hyperparameters):
        pytest.importorskip(registry.find(kind).needs["module"])
        hyperparameters = hyperparameters_of(kind) | {"epochs": 2} | hyperparameters
        return registry.called(kind, "fit", counts, batches if mixed else None, seed, **hyperparameters)

    return fitted


def bits(fitted):
    return [np.asarray(fitted[name]).tobytes() for name in ("latent", "kl")], fitted["history"]


def test_a_fit_tells_the_latent_of_each_cell_its_divergence_and_the_loss_of_each_epoch(peer, fit):
    found, n_latent = fit(peer, n_latent=4), 4
    for name in ("latent", "kl"):
        assert registry.checked(found[name], N_CELLS, peer).shape == (N_CELLS, n_latent), name
    assert np.ptp(found["latent"], axis=0).all()
    assert (found["kl"] >= 0).all()
    assert [list(row) for row in found["history"]] == [["epoch", "loss", "reconstruction", "kl"]] * 2
    assert [row["epoch"] for row in found["history"]] == [1, 2]
    assert all(np.isfinite(value) for row in found["history"] for value in row.values())
    assert found["seconds"] > 0


@pytest.mark.parametrize("mixed", [False, True])
def test_the_same_seed_fits_the_same_bits_and_another_seed_others(peer, fit, mixed):
    first, again, other = (bits(fit(peer, seed, mixed)) for seed in (0, 0, 1))
    assert first == again
    assert first[0] != other[0]


def test_a_fit_takes_the_batches_into_account(peer, fit):
    assert bits(fit(peer, mixed=True))[0] != bits(fit(peer))[0]


# Pages without training


@pytest.fixture
def embed(expression, tmp_path):
    """Function: the embedding of the toy cells by a page for a seed, with its defaults."""
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(N_CELLS, 3)), expression.cells)
    table.to_csv(tmp_path / "given.csv")
    needed = {"given": {"path": str(tmp_path / "given.csv")}}

    def embedded(kind, seed):
        return registry.called(kind, "embed", expression, seed, **hyperparameters_of(kind) | needed.get(kind, {}))

    return embedded


def test_an_embedding_is_finite_and_has_a_row_for_each_cell(untrained, embed):
    latent = registry.checked(embed(untrained, 0), N_CELLS, untrained)
    assert latent.shape == (N_CELLS, hyperparameters_of(untrained).get("n_latent", latent.shape[1]))
    assert np.ptp(latent, axis=0).any()


def test_the_same_seed_gives_the_same_bits_and_another_only_where_it_matters(untrained, embed):
    first, again, other = (np.asarray(embed(untrained, seed)).tobytes() for seed in (0, 0, 1))
    assert first == again
    assert (first == other) is registry.find(untrained).deterministic, "DETERMINISTIC says whether the seed matters"
