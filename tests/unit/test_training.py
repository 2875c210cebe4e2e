"""Training: the seed decides everything, every cell counts once an epoch, and a model survives its file."""

import random

import numpy as np
import pytest
import torch
from scipy import sparse

from scae import training
from scae.batches import slice_cells
from scae.errors import UserError

KINDS = {
    "dae": {"n_latent": 6},
    "beta_vae": {"n_latent": 6, "beta": 2.0},
    "beta_vsc": {"n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0},
}
GENES = [f"gene{number}" for number in range(12)]


@pytest.fixture(scope="module")
def expression():
    source = np.random.default_rng(0)
    groups = source.gamma(2.0, 1.0, (3, 12)) * (source.random((3, 12)) < 0.6)
    cells = groups[np.arange(17) % 3] * source.uniform(0.8, 1.2, (17, 12))
    return sparse.csr_matrix(cells, dtype=np.float32)


def settings_of(**changes):
    return {"epochs": 2, "batch_size": 8, "learning_rate": 0.001, "threads": 1} | changes


def fit(expression, kind="beta_vae", seed=0, **changes):
    return training.fit(expression, kind, KINDS[kind], settings_of(**changes), seed)


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_weights_bit_for_bit(kind, expression):
    first, first_history, _ = fit(expression, kind)
    second, second_history, _ = fit(expression, kind)
    assert torch.equal(weights_of(first), weights_of(second))
    assert first_history.equals(second_history)


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_gives_other_weights(kind, expression):
    assert not torch.equal(weights_of(fit(expression, kind)[0]), weights_of(fit(expression, kind, seed=1)[0]))


def test_the_seed_decides_the_order_of_the_cells(expression, monkeypatch):
    orders = {}
    for seed in (0, 0, 1):
        seen = record_batches(monkeypatch)
        fit(expression, seed=seed)
        orders.setdefault(seed, []).append([tuple(cells) for cells in seen])
    assert orders[0][0] == orders[0][1]
    assert orders[0][0] != orders[1][0]


def test_training_does_not_depend_on_the_random_state_around_it(expression):
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        found.append(weights_of(fit(expression)[0]))
    assert torch.equal(*found)


def states():
    numpy_state = np.random.get_state()  # noqa: NPY002
    return {
        "torch": hash(torch.get_rng_state().numpy().tobytes()),
        "numpy": hash((numpy_state[1].tobytes(), numpy_state[2])),
        "random": hash(random.getstate()),
    }


def test_training_leaves_the_random_state_around_it_alone(expression):
    torch.manual_seed(11)
    before = states()
    fit(expression)
    assert states() == before


def test_embedding_leaves_the_random_state_around_it_alone(expression):
    model = fit(expression)[0]
    torch.manual_seed(11)
    before = states()
    training.embed(model, expression, "sample", seed=0)
    assert states() == before


@pytest.mark.parametrize("kind", KINDS)
def test_the_history_has_a_row_per_epoch_and_the_columns_of_the_contract(kind, expression):
    _, history, seconds = fit(expression, kind, epochs=3)
    assert list(history.columns) == ["epoch", "loss", "reconstruction", "kl"]
    assert history["epoch"].tolist() == [1, 2, 3]
    beta = KINDS[kind].get("beta", 0.0)
    np.testing.assert_allclose(history["loss"], history["reconstruction"] + beta * history["kl"], rtol=1e-5)
    assert (history["kl"] == 0).all() == (kind == "dae")
    assert seconds > 0


def record_batches(monkeypatch):
    seen = []

    def spy(expression, cells):
        seen.append(np.asarray(cells).tolist())
        return slice_cells(expression, cells)

    monkeypatch.setattr(training, "slice_cells", spy)
    return seen


@pytest.mark.parametrize(("batch_size", "lengths"), [(8, [8, 8, 1]), (17, [17]), (256, [17]), (1, [1] * 17)])
def test_every_cell_is_used_once_an_epoch(batch_size, lengths, expression, monkeypatch):
    seen = record_batches(monkeypatch)
    _, history, _ = fit(expression, epochs=2, batch_size=batch_size)
    assert [len(cells) for cells in seen] == lengths * 2
    halves = seen[: len(lengths)], seen[len(lengths) :]
    epochs = [[cell for cells in half for cell in cells] for half in halves]
    assert [sorted(epoch) for epoch in epochs] == [list(range(17))] * 2
    assert epochs[0] != epochs[1]
    assert np.isfinite(history.to_numpy()).all()


def test_a_single_cell_can_be_trained_on(expression):
    _, history, _ = fit(expression[:1], batch_size=256)
    assert np.isfinite(history.to_numpy()).all()


def test_the_history_is_the_mean_over_cells_however_they_are_batched(expression):
    model, history, _ = fit(expression, "dae", epochs=1, batch_size=8, learning_rate=1e-30)
    dense = torch.from_numpy(expression.toarray())
    with torch.no_grad():
        decoded = model.decoder(torch.from_numpy(training.embed(model, expression, "posterior_mean", seed=0)))
        expected = ((dense.double() - decoded.double()) ** 2).sum(dim=1).mean().item()
    assert history["reconstruction"].item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_loss_falls(kind, expression):
    _, history, _ = fit(expression, kind, epochs=30, learning_rate=0.01)
    assert history["loss"].iloc[-3:].mean() < 0.7 * history["loss"].iloc[0]


def test_training_is_adam_with_the_configured_rate(expression):
    start = weights_of(fit(expression, "dae", epochs=1, learning_rate=1e-30)[0])
    for rate in (1e-3, 1e-2):
        step = (weights_of(fit(expression, "dae", epochs=1, batch_size=17, learning_rate=rate)[0]) - start).abs()
        assert step.max().item() == pytest.approx(rate, rel=0.01)


@pytest.mark.parametrize("problem", ["values", "rate"])
def test_a_loss_that_is_no_number_is_the_users_to_mend(problem, expression):
    matrix = expression * np.float32(1e30) if problem == "values" else expression
    with pytest.raises(UserError, match=r"learning_rate") as caught:
        fit(matrix, epochs=20, learning_rate=1e12 if problem == "rate" else 0.001)
    assert "epoch" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_number_of_threads_is_the_configured_one(expression):
    torch.set_num_threads(2)
    fit(expression, threads=1)
    assert torch.get_num_threads() == 1


def test_an_unknown_kind_is_not_built():
    with pytest.raises(ModuleNotFoundError):
        training.build("no_such_kind", 3, {})


def test_timing_has_the_columns_of_the_contract():
    table = training.timing(2.0, 50, settings_of(epochs=4))
    assert list(table.columns) == ["epochs", "seconds", "cells_per_second", "device", "threads", "engine"]
    assert table.iloc[0][["epochs", "seconds", "cells_per_second", "threads"]].tolist() == [4, 2.0, 100.0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_model_embeds_as_the_saved_one(kind, expression, tmp_path):
    model = fit(expression, kind)[0]
    training.save(model, kind, KINDS[kind], GENES, tmp_path / "model.pt")
    loaded = training.load(tmp_path / "model.pt", GENES)
    assert torch.equal(weights_of(model), weights_of(loaded))
    assert not loaded.training
    for estimate in ("posterior_mean", "slab_mean", "sample"):
        np.testing.assert_array_equal(
            training.embed(model, expression, estimate, seed=4), training.embed(loaded, expression, estimate, seed=4)
        )


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_model_is_the_same_file_whatever_its_name(kind, expression, tmp_path):
    for name in ("model.pt", "model_again.pt", "a folder/another-name.bin"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        training.save(fit(expression, kind)[0], kind, KINDS[kind], GENES, tmp_path / name)
    contents = {path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(contents) == 1


def test_a_model_file_holds_weights_and_config_and_no_code(expression, tmp_path):
    training.save(fit(expression)[0], "beta_vae", KINDS["beta_vae"], np.array(GENES), tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert content["kind"] == "beta_vae"
    assert content["hyperparameters"] == KINDS["beta_vae"]
    assert content["genes"] == GENES
    assert all(isinstance(weight, torch.Tensor) for weight in content["state_dict"].values())


@pytest.mark.parametrize("genes", [GENES[:-1], [*GENES[:-1], "other"], GENES[::-1], [*GENES, "more"]])
def test_a_model_refuses_other_genes_than_its_own(genes, expression, tmp_path):
    training.save(fit(expression)[0], "beta_vae", KINDS["beta_vae"], GENES, tmp_path / "model.pt")
    with pytest.raises(UserError, match="other genes") as caught:
        training.load(tmp_path / "model.pt", genes)
    assert "model.pt" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_the_latent_does_not_depend_on_the_batches_it_is_computed_in(kind, expression):
    model = fit(expression, kind)[0]
    whole = training.embed(model, expression, "posterior_mean", seed=0)
    assert whole.shape == (17, 6)
    assert whole.dtype == np.float32
    parts = training.embed(model, expression, "posterior_mean", seed=0, batch_size=4)
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6)


def test_a_sampled_latent_follows_its_seed(expression):
    model = fit(expression)[0]
    first, again, other = (training.embed(model, expression, "sample", seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
