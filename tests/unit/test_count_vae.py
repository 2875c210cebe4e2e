"""count_vae: its likelihood, engines, training and generated cells, and where counts come from."""

from dataclasses import replace

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from torch import nn
from toy import (
    ENGINES,
    Killed,
    assert_same_training,
    expression_of,
    fit,
    interrupt,
    refusal,
)

from scae.data import counts as counting
from scae.data import expression as expressions
from scae.data.preprocessing import log_normalize
from scae.evaluation import generated_cells, generator
from scae.models import count_vae
from scae.training import decoding, trained, weights
from scae.training.batches import DenseBatch, DenseBatches
from scae.training.checkpoint import Checkpoint
from scae.training.sparse import GENE_BLOCK, SparseBatches

N_CELLS, N_GENES, EPS = 40, GENE_BLOCK + 90, 1e-3
EMPTY = 3  # a cell without counts
SETTINGS = {"n_latent": 4, "beta": 1.0}
CELLS = {"all": list(range(N_CELLS)), "some": [17, EMPTY, 0, 39, 8], "one": [11], "empty": [EMPTY]}


def table_of(n_cells=N_CELLS, n_genes=N_GENES):
    """Counts: most genes in few cells, some in nearly all; two types of cells."""
    random = np.random.default_rng(0)
    rate = np.stack([random.beta(0.4, 3.0, n_genes), random.beta(0.4, 3.0, n_genes)])[np.arange(n_cells) % 2]
    table = random.poisson(4 * rate).astype(np.float32)
    table[EMPTY] = 0
    return table


def counted(table):
    """Log-normalised expression of a table of counts, with the counts."""
    table = sparse.csr_matrix(table)
    return replace(expression_of(log_normalize(table, 1e4)), counts=table.data)


@pytest.fixture(scope="module")
def expression():
    with np.errstate(divide="ignore", invalid="ignore"):
        return counted(table_of())


@pytest.fixture(autouse=True)
def threads():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(expression, **changes):
    return fit(expression, "count_vae", hyperparameters=SETTINGS, **changes)


# The likelihood


def test_likelihood_is_that_of_the_multinomial_distribution():
    torch.manual_seed(0)
    counts, layer, hidden = torch.from_numpy(table_of(7, 30)).double(), nn.Linear(5, 30).double(), torch.randn(7, 5)
    q = layer(hidden.double()).square() + EPS
    coefficient = torch.lgamma(counts.sum(1) + 1) - torch.lgamma(counts + 1).sum(1)
    likelihoods = [torch.distributions.Multinomial(int(n.sum()), p).log_prob(n) for n, p in zip(counts, q, strict=True)]
    expected = sum(likelihoods)
    found = DenseBatch(counts, counts=counts).multinomial(hidden.double(), layer, EPS)
    assert found.item() * 7 == pytest.approx((coefficient.sum() - expected).item(), rel=1e-6)


def test_divergence_is_that_of_normal_distributions():
    mu, log_sigma = torch.randn(2, 5, 3)
    normal, prior = torch.distributions.Normal(mu, log_sigma.exp()), torch.distributions.Normal(0.0, 1.0)
    expected = torch.distributions.kl_divergence(normal, prior)
    torch.testing.assert_close(count_vae.kl_divergence(mu, log_sigma), expected)


def outcome(batch, layer, hidden):
    """Loss, and gradients of 0.7 x the loss."""
    hidden = hidden.clone().requires_grad_()
    loss = batch.multinomial(hidden, layer, EPS)
    gradients = torch.autograd.grad(0.7 * loss, [hidden, layer.weight, layer.bias])
    return [value.detach().double() for value in (loss, *gradients)]


@pytest.mark.parametrize("units", [1, 3, 128, 130])
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
def test_both_engines_have_the_loss_and_gradients_of_float64(cells, units, expression):
    torch.manual_seed(0)
    layer, hidden, cells = nn.Linear(units, N_GENES), torch.randn(len(cells), units), torch.tensor(cells)
    nn.init.uniform_(layer.bias, 0.5, 1.5)
    nn.init.uniform_(layer.weight, -0.02, 0.02)
    batches = [SparseBatches(expression, 1)(cells), DenseBatches(expression, torch.device("cpu"))(cells)]
    found = [outcome(batch, layer, hidden) for batch in batches]
    again = outcome(SparseBatches(expression, 1)(cells), layer, hidden)
    counts = torch.from_numpy(table_of()[cells.numpy()]).double()
    layer = layer.double()
    expected = outcome(_Exact(counts), layer, hidden.double())
    for one in found:
        for value, exact in zip(one, expected, strict=True):
            assert (value - exact).norm() <= 1e-5 * exact.norm()
    assert all(map(torch.equal, found[0], again))


class _Exact:
    """The formula in float64."""

    def __init__(self, counts):
        self.counts = counts

    def multinomial(self, hidden, layer, eps):
        q = (hidden @ layer.weight.t() + layer.bias) ** 2 + eps
        return (self.counts.sum(1) * q.sum(1).log() - (self.counts * q.log()).sum(1)).mean()


def test_sparse_gradient_is_the_slope_of_the_loss(expression):
    torch.manual_seed(0)
    layer, hidden, batch = nn.Linear(6, N_GENES), torch.randn(5, 6), SparseBatches(expression, 1)(torch.arange(4, 9))
    _, _, by_weight, _ = outcome(batch, layer, hidden)
    direction = torch.randn_like(layer.weight)
    losses = []
    for step in (1e-3, -1e-3):
        moved = nn.Linear(6, N_GENES)
        moved.load_state_dict({"weight": layer.weight + step * direction, "bias": layer.bias})
        losses.append(outcome(batch, moved, hidden)[0].item())
    assert (losses[0] - losses[1]) / 2e-3 == pytest.approx((by_weight * direction).sum().item() / 0.7, rel=0.02)


def test_same_bits_for_any_number_of_threads(expression):
    torch.manual_seed(0)
    layer, hidden = nn.Linear(9, N_GENES), torch.randn(N_CELLS, 9)
    one, two = (outcome(SparseBatches(expression, n)(torch.arange(N_CELLS)), layer, hidden) for n in (1, 2))
    assert all(map(torch.equal, one, two))


# The model


def test_starts_at_the_mean_shares_of_the_training_cells(expression):
    model = weights.build("count_vae", N_GENES, SETTINGS)
    model.start(expression, torch.arange(0, N_CELLS, 2))
    with torch.no_grad():
        model.decoder.output.weight.zero_()
        decoded = model.decoder(torch.randn(2, 4))
    table = table_of()[::2]
    np.testing.assert_allclose(decoded, np.tile(np.log1p(1e4 * table.sum(0) / table.sum()), (2, 1)), atol=0.03)


@pytest.mark.parametrize("engine", ENGINES)
def test_learns_the_types(engine, expression):
    model, history = train(expression, engine=engine, epochs=40, learning_rate=0.003)
    assert history[-1]["loss"] < 0.97 * history[0]["loss"]
    assert history[-1]["loss"] == pytest.approx(history[-1]["reconstruction"] + history[-1]["kl"])
    model.eval()
    model.eval()
    cells = [cell for cell in range(N_CELLS) if cell != EMPTY]
    latent = trained.embed(model, expression, "posterior_mean", 0)[cells]
    even, odd = (latent[[cell % 2 == rest for cell in cells]] for rest in (0, 1))
    along = even.mean(0) - odd.mean(0)
    assert (even @ along).mean() - (odd @ along).mean() > 2 * ((even @ along).std() + (odd @ along).std())
    kl = trained.diagnostics(model, expression)["kl"]
    assert kl.sum(1).mean() == pytest.approx(trained.losses(model, expression, {}, 0)["kl"], rel=1e-4)


def test_resumed_training_has_the_same_bits(expression, tmp_path, monkeypatch):
    settings = {"engine": "sparse", "epochs": 4, "batch_size": 16, "holdout": 0.2, "early_stopping": 3}
    whole = train(expression, **settings)
    assert {"held_out_loss", "held_out_kl"} <= set(whole[1][0])
    with monkeypatch.context() as patch:
        interrupt(patch, 5)
        with pytest.raises(Killed):
            train(expression, saved=Checkpoint(tmp_path / "checkpoint", 0, "same"), **settings)
    assert_same_training(train(expression, saved=Checkpoint(tmp_path / "checkpoint", 0, "same"), **settings), whole)


@pytest.mark.parametrize("engine", ENGINES)
def test_conditioned_on_batches_the_decoder_has_shares_for_each(engine, expression):
    table = table_of()
    shifted = np.where(np.arange(N_GENES) < N_GENES // 2, 3, 1)  # half of the genes, in the second batch
    table[20:] *= shifted
    data, names = expressions.with_batches(counted(table[4:]), ["A"] * 16 + ["B"] * 20)
    model, _ = fit(
        data, "count_vae", hyperparameters=SETTINGS | {"batch": names}, engine=engine, epochs=60, learning_rate=0.01
    )
    with torch.no_grad():
        shares = [model.decoder.shares(torch.zeros(1, 4), torch.tensor([number]))[0] for number in (0, 1)]
    first = [share[: N_GENES // 2].sum().item() for share in shares]
    assert sum(shares[0]).item() == pytest.approx(1, abs=1e-5)
    assert first[1] > first[0] + 0.1


def test_generated_cells_have_counting_noise(expression):
    data = counted(np.repeat(table_of()[4:8], 50, axis=0))
    model, _ = train(data, epochs=1)
    model.eval()
    totals, factors = generator.depths(data)
    np.testing.assert_array_equal(totals, np.repeat(table_of()[4:8].sum(1), 50))
    np.testing.assert_allclose(factors * totals, 1e4, rtol=1e-4)
    point, like = np.zeros((4000, 4), np.float32), np.full(4000, 120)
    drawn = generator._decoder(model, data, np.random.default_rng(0))(point, like)
    counts = np.expm1(drawn) / factors[120]
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-6)
    np.testing.assert_array_equal(np.rint(counts).sum(1), totals[120])
    share = decoding.decoder(model, N_GENES, "shares")(point[:1])[0]
    error = np.sqrt(totals[120] * share * (1 - share) / 4000)
    assert (np.abs(counts.mean(0) - totals[120] * share) < 6 * error).all()
    np.testing.assert_allclose(counts.var(0).sum(), (totals[120] * share * (1 - share)).sum(), rtol=0.02)
    found = generator.generate(model, data, np.full(N_GENES, 0.01), 0)
    again = generator.generate(model, data, np.full(N_GENES, 0.01), 0)
    assert list(found) == [generated_cells.RECONSTRUCTED, generated_cells.GENERATED]
    pd.testing.assert_frame_equal(found["generated"], again["generated"], check_exact=True)


@pytest.mark.parametrize("engine", ENGINES)
def test_counts_as_int16_train_to_the_same_bits(engine, expression):
    stored = replace(expression, counts=expression.counts.astype(np.int16))
    assert_same_training(*(train(data, engine=engine, epochs=2) for data in (expression, stored)))


# Where the counts come from


def written(path, values, **layers):
    names = {"obs": [f"cell{n}" for n in range(values.shape[0])], "var": [f"gene{n}" for n in range(values.shape[1])]}
    tables = {axis: pd.DataFrame(index=index) for axis, index in names.items()}
    anndata.AnnData(sparse.csr_matrix(values), **tables, layers=layers).write_h5ad(path)
    return path


def read(path, **settings):
    return counting.add(expressions.read(path, **settings), path)


def test_counts_are_those_of_the_layer(tmp_path, monkeypatch):
    monkeypatch.setattr(counting, "READ_ENTRIES", 50)
    whole = sparse.csr_matrix(table_of()[4:])
    large, corrected = whole.copy(), whole * np.float32(0.5)  # corrected counts need not be whole
    large.data[-70:] += 2**15
    for table, dtype in ((whole, np.int16), (large, np.float32), (corrected, np.float32)):
        values = log_normalize(table, 1e4)
        path = written(tmp_path / "expression.h5ad", values, counts=table)
        for memory in (None, 0.001):
            found = read(path, memory_mb=memory, scratch=tmp_path)
            np.testing.assert_array_equal(found.counts, table.data)
            assert found.counts.dtype == dtype
    with pytest.raises(ValueError, match="same non-zero"):
        read(written(tmp_path / "other.h5ad", values, counts=table[::-1]))


def test_counts_are_recovered_from_log_normalised_values(tmp_path, caplog):
    caplog.set_level("INFO")
    table = table_of()[4:]
    table[0] *= 2  # a cell whose smallest count is 2, with an odd one
    table[0, 0], table[1, 0] = 5, 250
    values = np.log1p(1e4 * table / (3 * table.sum(1, keepdims=True))).round(4)  # some genes left out; four decimals
    found = read(written(tmp_path / "expression.h5ad", values.astype(np.float32)))
    np.testing.assert_array_equal(found.counts, table[table != 0])
    assert "recovered" in caplog.text
    values[7, 11] = 0.3
    message = refusal(read, written(tmp_path / "other.h5ad", values.astype(np.float32)))
    assert "cell7 " in message
    assert "counts" in message
