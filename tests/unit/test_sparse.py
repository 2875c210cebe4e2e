"""The sparse engine has the numbers of the dense one, on any input, and always the same bits."""

import numpy as np
import pytest
import torch
from torch import nn
from toy import KINDS, dense_of, expression_of, fit

from scae.models.layers import GeneLinear
from scae.training import sparse, weights
from scae.training.batches import DenseBatch, DenseBatches
from scae.training.sparse import GENE_BLOCK, SparseBatches

N_CELLS, N_GENES = 40, GENE_BLOCK + 188
SILENT, EMPTY = 5, 3  # a gene in no cell, a cell without genes

AT_START = 1e-5  # against the dense engine, norm of the difference over the norm
AFTER_TRAINING = 1e-4  # the same against float64, of either engine in float32: its terms nearly cancel by then


def table_of(n_cells=N_CELLS, n_genes=N_GENES):
    random = np.random.default_rng(0)
    share = random.beta(0.4, 3.0, n_genes)  # most genes in few cells, some in nearly all, as in real data
    table = random.gamma(4.0, 0.4, (n_cells, n_genes)) * (random.random((n_cells, n_genes)) < share)
    table[:, SILENT] = 0
    table[EMPTY] = 0
    return table.astype(np.float32)


def standardized_of(table):
    """Expression of the z-scores of a table: entries where it has entries, and an offset."""
    sd = table.std(axis=0, ddof=1)
    sd[sd == 0] = np.inf
    offset = (-table.mean(axis=0) / sd).astype(np.float32)
    return expression_of(np.where(table != 0, table / sd, 0), offset)


EXPRESSIONS = {"plain": lambda: expression_of(table_of()), "standardised": lambda: standardized_of(table_of())}
CELLS = {"all": list(range(N_CELLS)), "some": [17, EMPTY, 0, 39, 8], "one": [11], "empty": [EMPTY]}


@pytest.fixture(scope="module", params=EXPRESSIONS)
def expression(request):
    return EXPRESSIONS[request.param]()


@pytest.fixture(autouse=True)
def threads():
    """One thread, unless a test says otherwise."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def noise(monkeypatch):
    """The same noise for every sample, whatever its type."""
    torch.manual_seed(7)
    normal, uniform = torch.randn(N_CELLS, 6), torch.rand(N_CELLS, 6)
    monkeypatch.setattr(torch, "randn_like", lambda like: normal[: len(like)].to(like.dtype))
    monkeypatch.setattr(torch, "rand_like", lambda like: uniform[: len(like)].to(like.dtype))


def both(expression, cells):
    cells = torch.tensor(cells)
    return SparseBatches(expression, threads=1)(cells), DenseBatches(expression, torch.device("cpu"))(cells)


def loss_and_gradients(model, batch):
    model.zero_grad()
    loss = model.loss(batch)["loss"]
    loss.backward()
    return {"loss": loss.detach().double()} | {
        name: parameter.grad.double().clone() for name, parameter in model.named_parameters()
    }


def assert_close(found, expected, tolerance):
    assert found.keys() == expected.keys()
    distances = {name: (found[name] - expected[name]).norm().item() for name in expected}
    limits = {name: tolerance * expected[name].norm().item() for name in expected}
    assert {name: distances[name] for name in expected if distances[name] > limits[name]} == {}


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("cells", CELLS.values(), ids=CELLS)
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_gradients_are_those_of_the_dense_engine(kind, cells, expression):
    torch.manual_seed(0)
    model = weights.build(kind, N_GENES, KINDS[kind])
    found, expected = (loss_and_gradients(model, batch) for batch in both(expression, cells))
    assert expected["loss"] > 0
    assert_close(found, expected, AT_START)
    again = loss_and_gradients(model, both(expression, cells)[0])
    assert all(torch.equal(found[name], again[name]) for name in found)


@pytest.mark.usefixtures("noise")
@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_model_has_the_loss_and_gradients_of_float64(kind, expression):
    settings = {"epochs": 20, "batch_size": 16, "learning_rate": 0.003}
    model, history = fit(expression, kind, engine="sparse", **settings)
    assert history[-1]["loss"] < 0.98 * history[0]["loss"]
    found = loss_and_gradients(model, SparseBatches(expression, threads=1)(torch.arange(N_CELLS)))
    expected = loss_and_gradients(model.double(), DenseBatch(torch.from_numpy(dense_of(expression))))
    assert_close(found, expected, AFTER_TRAINING)


def layer_gradients(batch, first, last, hidden, upstream):
    hidden = hidden.clone().requires_grad_()
    outcome = {"linear": batch.linear(first), "error": batch.squared_error(hidden, last)}
    loss = (outcome["linear"] * upstream).sum() + 0.7 * outcome["error"]
    inputs = {
        "hidden": hidden,
        "weight1": first.weight,
        "bias1": first.bias,
        "weight2": last.weight,
        "bias2": last.bias,
    }
    gradients = torch.autograd.grad(loss, list(inputs.values()), retain_graph=True)
    again = torch.autograd.grad(loss, list(inputs.values()))
    assert all(map(torch.equal, gradients, again))
    return {name: value.detach() for name, value in outcome.items()} | dict(zip(inputs, gradients, strict=True))


@pytest.mark.parametrize("units", [1, 2, 3, 5, 7, 128, 130])
@pytest.mark.parametrize("n_genes", [N_GENES, GENE_BLOCK - 1, GENE_BLOCK, GENE_BLOCK + 1, 2 * GENE_BLOCK + 3])
def test_layers_of_any_size_are_those_of_the_dense_engine(n_genes, units):
    expression = standardized_of(table_of(9, n_genes))
    torch.manual_seed(0)
    first, last = GeneLinear(n_genes, units), nn.Linear(units, n_genes)
    hidden, upstream = torch.randn(9, units), torch.randn(9, units)
    batches = both(expression, list(range(9)))
    found, expected = (layer_gradients(batch, first, last, hidden, upstream) for batch in batches)
    assert_close(found, expected, AT_START)


@pytest.mark.parametrize("use", ["linear", "squared_error"])
def test_a_weight_used_twice_in_one_loss_gets_both_gradients(use, expression):
    torch.manual_seed(0)
    layer = GeneLinear(N_GENES, 6) if use == "linear" else nn.Linear(6, N_GENES)
    hidden = torch.randn(2, 5, 6)
    gradients = []
    for first, second in zip(both(expression, [0, 1, 2, 3, 4]), both(expression, [4, 20, 21, 22, 23]), strict=True):
        if use == "linear":
            loss = first.linear(layer).square().sum() + 3 * second.linear(layer).sum() + first.linear(layer).sum()
        else:
            loss = first.squared_error(hidden[0], layer) + 3 * second.squared_error(hidden[1], layer)
        found = torch.autograd.grad(loss, [layer.weight, layer.bias])
        gradients.append(dict(zip(["weight", "bias"], found, strict=True)))
    assert_close(*gradients, AT_START)


def kernels(expression, n_threads):
    """All that the kernels compute for one batch."""
    random = np.random.default_rng(0)
    weight, by_gene, dense, by_unit, gradient = (
        torch.from_numpy(random.normal(size=size).astype(np.float32))
        for size in ((N_GENES, 7), N_GENES, (N_CELLS, 7), 7, (N_GENES, 7))
    )
    batch = SparseBatches(expression, n_threads)(torch.arange(N_CELLS).flip(0))
    found = [*batch.columns, batch.gene_sum, batch.sum_of_squares, *batch.matmul(weight, by_gene)]
    found.append(batch.gradient(dense, by_gene, by_unit, base=gradient))
    return [np.asarray(array).tobytes() for array in found]


def test_kernels_give_the_same_bits_for_any_number_of_threads(expression):
    assert kernels(expression, 1) == kernels(expression, 2)
    rows = expression.indptr[:-1], expression.indptr[1:], expression.indices, expression.data
    whole, *others = (sparse._transpose(n, *rows, N_GENES) for n in (1, 2, 3, 50))
    for other in others:
        assert [array.tobytes() for array in whole] == [array.tobytes() for array in other]


@pytest.mark.parametrize("common", [0.0, 0.25, 2.0], ids=["all genes", "some genes", "no gene"])
def test_panel_and_columns_together_are_the_matrix(common, expression, monkeypatch):
    monkeypatch.setattr(sparse, "COMMON", common)
    batch, _ = both(expression, CELLS["some"])
    assert len(batch.common) == {0.0: N_GENES, 2.0: 0}.get(common, len(batch.common))
    starts, cells, values = batch.columns
    dense = dense_of(expression)[CELLS["some"]] - expression.offset
    found = np.zeros((5, N_GENES))
    for gene in range(N_GENES):
        column = slice(starts[gene], starts[gene + 1])
        assert (np.diff(cells[column]) > 0).all()
        found[cells[column], gene] = values[column]
    assert not found[:, batch.common].any()
    found[:, batch.common] = batch.panel
    np.testing.assert_allclose(found, dense, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(batch.gene_sum, dense.sum(0), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(batch.sum_of_squares, np.square(dense).sum(), rtol=1e-6)
