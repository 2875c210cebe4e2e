"""The contract of every model file: those of the library, or your own with ``--model-file my_model.py``."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from scipy import sparse
from toy import Killed, assert_same_training, expression_of, interrupt, random_table, settings_of

from scae.errors import UserError
from scae.evaluation import generator
from scae.models import registry
from scae.training import fitting, trained, weights
from scae.training.checkpoint import Checkpoint

N_CELLS, N_GENES = 60, 40
ESTIMATES = ("posterior_mean", "slab_mean", "sample")
CLOSE = 1e-4  # of the sparse engine to the dense one, norm of the difference over the norm


def pytest_generate_tests(metafunc):
    kinds = metafunc.config.getoption("model_file") or registry.kinds()
    if "any_kind" in metafunc.fixturenames:
        metafunc.parametrize("any_kind", kinds)
    for name in ("here", "external", "untrained"):
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [kind for kind in kinds if role(kind) == name])


def role(kind):
    try:
        found = registry.find(kind)
    except UserError:
        return None  # the first test says why
    return "external" if found.external else "here" if found.trained else "untrained"


@pytest.fixture(scope="module")
def expression():
    """Three groups of cells; most values are zero. The counts are used by models of counts alone."""
    table = random_table(N_CELLS, N_GENES, density=0.3)
    for group in range(3):
        table[group::3, 10 * group : 10 * group + 10] += 2
    expression = expression_of(table)
    return replace(expression, counts=np.ceil(expression.data))


def test_it_describes_itself_and_its_hyperparameters(any_kind):
    found = registry.find(any_kind)
    assert found.about["title"]
    assert re.fullmatch(r"\S.*[^.\s]", found.about["summary"]), "one sentence on one line, without the full stop"
    assert re.fullmatch(r"(10\.\d{4,9}/\S+)?", found.about["doi"]), "10.…/…, or empty"
    for name, entry in found.config.items():
        Draft202012Validator.check_schema(entry)
        assert entry["description"], name
        Draft202012Validator(entry).validate(entry["default"])


def hyperparameters_of(kind):
    found = registry.find(kind)
    return found.settings({name: entry["default"] for name, entry in found.config.items()})


# Trained by this workflow


def model_of(kind):
    torch.manual_seed(0)
    return weights.build(kind, N_GENES, hyperparameters_of(kind))


def loss_and_gradients(kind, expression, engine):
    """Loss terms and gradients of a fresh model on all cells; the noise follows from a seed."""
    model, batch = model_of(kind), fitting.make_batches(expression, settings_of(engine=engine))(torch.arange(N_CELLS))
    torch.manual_seed(1)
    terms = model.loss(batch)
    terms["loss"].backward()
    return terms, {name: parameter.grad for name, parameter in model.named_parameters()}


def fit(kind, expression, epochs):
    settings = settings_of(epochs=epochs, batch_size=16, learning_rate=0.003)
    return fitting.fit(expression, kind, hyperparameters_of(kind), settings, seed=3)[:2]


def latents_of(model, expression):
    return {name: trained.embed(model.eval(), expression, name, seed=5) for name in ESTIMATES}


def test_loss_is_finite_reaches_every_parameter_and_does_not_depend_on_the_storage(here, expression):
    (dense, gradients), (found, found_gradients) = (
        loss_and_gradients(here, expression, engine) for engine in ("dense", "sparse")
    )
    assert "loss" in dense
    assert dense.keys() == found.keys()
    for name, value in dense.items():
        assert value.shape == (), name
        assert value.isfinite(), name
        assert found[name].item() == pytest.approx(value.item(), rel=CLOSE, abs=CLOSE), name
    for name, gradient in gradients.items():
        assert gradient is not None, f"the loss does not depend on the parameter {name}"
        assert gradient.isfinite().all(), name
        assert (found_gradients[name] - gradient).norm() <= CLOSE * gradient.norm() + 1e-7, name


def test_loss_falls(here, expression):
    _, history = fit(here, expression, epochs=30)
    assert all(np.isfinite(value) for epoch in history for value in epoch.values())
    assert history[-1]["loss"] < history[0]["loss"]


def test_every_estimate_is_finite_and_the_same_only_if_declared_so(here, expression):
    """An estimate that SAME_ESTIMATES equates with another one is not embedded."""
    estimate, latents = registry.find(here).estimate, latents_of(model_of(here), expression)
    n_latent = hyperparameters_of(here).get("n_latent", latents["sample"].shape[1])
    for name in ESTIMATES:
        assert latents[name].shape == (N_CELLS, n_latent), name
        for other in ESTIMATES:
            same = latents[name].tobytes() == latents[other].tobytes()
            assert same is (estimate(name) == estimate(other)), f"SAME_ESTIMATES: {name} and {other}"


def test_cells_are_generated_from_the_prior_if_there_is_one(here, expression):
    model = model_of(here).eval()
    found, again = (generator.generate(model, expression, np.zeros(N_GENES), seed=5) for _ in range(2))
    assert list(found)[1:] == (["generated"] if hasattr(type(model), "prior") and found else [])
    for name, table in found.items():
        assert np.isfinite(table).all(axis=None), name
        pd.testing.assert_frame_equal(table, again[name], check_exact=True)


def test_training_twice_and_a_saved_model_give_the_same_bits(here, expression, tmp_path):
    one, other = (fit(here, expression, epochs=3) for _ in range(2))
    assert_same_training(one, other)
    weights.save(one[0], here, hyperparameters_of(here), settings_of(), expression.genes, tmp_path / "model.pt")
    loaded = weights.load(tmp_path / "model.pt", expression.genes)
    expected = latents_of(one[0], expression)
    for model in (other[0], loaded):
        for name, latent in latents_of(model, expression).items():
            assert latent.tobytes() == expected[name].tobytes(), name


def test_a_resumed_training_ends_with_the_same_bits(here, expression, tmp_path, caplog):
    """State that a checkpoint lacks (CONTRIBUTING.md) costs a training from scratch, and a warning says so."""
    settings = settings_of(epochs=3, batch_size=16, learning_rate=0.003)

    def resumable():
        saved = Checkpoint(tmp_path / "checkpoint.pt", 0, "the same")
        return fitting.fit(expression, here, hyperparameters_of(here), settings, 3, saved)[:2]

    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, -(-N_CELLS // 16) + 1)  # in the second epoch
        with pytest.raises(Killed):
            resumable()
    assert_same_training(resumable(), fit(here, expression, epochs=3))
    assert [message for message in caplog.messages if "training starts from scratch" in message] == []


# Trained by an external package


@pytest.fixture(scope="module")
def external_fit():
    """Function: the result of ``fit`` for toy counts after two epochs, with or without batches."""
    counts = sparse.csr_matrix(np.random.default_rng(0).poisson(0.8, (N_CELLS, N_GENES)).astype(np.float32))
    batches = np.array(["one", "two", ""], object)[np.arange(N_CELLS) % 3]

    def fit(kind, seed=0, mixed=False, **hyperparameters):
        pytest.importorskip(registry.find(kind).needs["module"])
        hyperparameters = hyperparameters_of(kind) | {"epochs": 2} | hyperparameters
        return registry.call(kind, "fit", counts, batches if mixed else None, seed, **hyperparameters)

    return fit


def bits(fitted):
    return [np.asarray(fitted[name]).tobytes() for name in ("latent", "kl")], fitted["history"]


def test_a_fit_returns_latent_divergence_and_history(external, external_fit):
    found = external_fit(external, n_latent=4)
    for name in ("latent", "kl"):
        assert registry.validate_latent(found[name], N_CELLS, external).shape == (N_CELLS, 4), name
    assert np.ptp(found["latent"], axis=0).all()
    assert (found["kl"] >= 0).all()
    assert [list(row) for row in found["history"]] == [["epoch", "loss", "reconstruction", "kl"]] * 2
    assert [row["epoch"] for row in found["history"]] == [1, 2]
    assert all(np.isfinite(value) for row in found["history"] for value in row.values())
    assert found["seconds"] > 0


def test_the_seed_and_the_batches_decide_the_bits_of_a_fit(external, external_fit):
    runs = [(0, False), (1, False), (0, True), (1, True)]
    first, again = ([bits(external_fit(external, *run)) for run in runs] for _ in range(2))
    assert first == again
    assert len({tuple(latents) for latents, _ in first}) == 4


# Without training


def test_an_embedding_is_finite_and_depends_on_the_seed_only_if_declared_so(untrained, expression, tmp_path):
    table = pd.DataFrame(np.random.default_rng(1).normal(size=(N_CELLS, 3)), expression.cells)
    table.to_csv(tmp_path / "given.csv")
    hyperparameters = hyperparameters_of(untrained)
    hyperparameters |= {"path": str(tmp_path / "given.csv")} if untrained == "given" else {}
    first, again, other = (registry.call(untrained, "embed", expression, seed, **hyperparameters) for seed in (0, 0, 1))
    latent = registry.validate_latent(first, N_CELLS, untrained)
    assert latent.shape == (N_CELLS, hyperparameters.get("n_latent", latent.shape[1]))
    assert np.ptp(latent, axis=0).any()
    assert first.tobytes() == again.tobytes()
    same = first.tobytes() == other.tobytes()
    assert same is registry.find(untrained).deterministic, "DETERMINISTIC says whether the seed matters"
