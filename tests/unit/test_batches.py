"""Every storage of a batch computes what plain matrices compute, values and gradients alike."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn
from toy import dense_of, expression_of

from scae.models.layers import GeneLinear
from scae.training.batches import DenseBatch, DenseBatches
from scae.training.sparse import SparseBatches

CPU = torch.device("cpu")
MAKERS = {
    "DenseBatches": lambda expression: DenseBatches(expression, CPU),
    "SparseBatches": lambda expression: SparseBatches(expression, threads=1),
}
STORAGES = {
    "DenseBatch": lambda expression: DenseBatch(torch.from_numpy(dense_of(expression)).float()),
    "DenseBatches": lambda expression: MAKERS["DenseBatches"](expression)(torch.arange(expression.shape[0])),
    "SparseBatches": lambda expression: MAKERS["SparseBatches"](expression)(torch.arange(expression.shape[0])),
}
OFFSETS = {"no offset": np.zeros(9), "offset": np.array([0, -1.5, 0.25, 3, -0.5, 0, -10, 1e-3, 2])}


def matrix_of(n_cells, n_genes=9, seed=0):
    matrix = sparse.random(n_cells, n_genes, density=0.4, format="lil", random_state=seed, dtype=np.float32)
    matrix[n_cells // 2] = 0  # a cell without any expression
    return matrix.tocsr()


def fill(layer, weight, bias):
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer, layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy().astype(float)


def first_layer(n_units, seed=0):
    """Layer, weight (genes, units), bias."""
    random = np.random.default_rng(seed)
    return fill(GeneLinear(9, n_units), random.normal(size=(9, n_units)), random.normal(size=n_units))


def last_layer(n_units, seed=0):
    """Layer, weight (genes, units), bias."""
    random = np.random.default_rng(seed)
    return fill(nn.Linear(n_units, 9), random.normal(size=(9, n_units)), random.normal(size=9))


@pytest.fixture(params=STORAGES)
def storage(request):
    return STORAGES[request.param]


@pytest.fixture(params=OFFSETS)
def offset(request):
    return OFFSETS[request.param]


@pytest.fixture(params=[1, 2, 7])
def expression(request, offset):
    return expression_of(matrix_of(request.param), offset)


@pytest.fixture
def table(expression):
    return dense_of(expression)


def test_a_batch_is_as_long_as_it_has_cells(storage, expression):
    assert len(storage(expression)) == expression.shape[0]


def test_linear_is_the_matrix_product_plus_bias(storage, expression, table):
    layer, weight, bias = first_layer(4)
    found = storage(expression).linear(layer).detach().numpy()
    np.testing.assert_allclose(found, table @ weight + bias, rtol=1e-5, atol=1e-5)


def test_gradients_of_linear_are_those_of_the_matrix_product(storage, expression, table):
    layer, _, _ = first_layer(4)
    upstream = np.random.default_rng(1).normal(size=(len(table), 4)).astype(np.float32)
    (storage(expression).linear(layer) * torch.from_numpy(upstream)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), table.T @ upstream, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), upstream.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_squared_error_is_summed_over_genes_and_averaged_over_cells(storage, expression, table):
    layer, weight, bias = last_layer(5)
    hidden = np.random.default_rng(2).normal(size=(len(table), 5)).astype(np.float32)
    per_cell = ((table - (hidden @ weight.T + bias)) ** 2).sum(axis=1)
    found = storage(expression).squared_error(torch.from_numpy(hidden), layer)
    assert found.shape == ()
    assert found.item() == pytest.approx(per_cell.mean(), rel=1e-5)


def test_gradients_of_squared_error_are_those_of_the_formula(storage, expression, table):
    layer, weight, bias = last_layer(5)
    hidden = np.random.default_rng(2).normal(size=(len(table), 5)).astype(np.float32)
    tensor = torch.from_numpy(hidden.copy()).requires_grad_()
    storage(expression).squared_error(tensor, layer).backward()
    slope = -2 / len(table) * (table - (hidden @ weight.T + bias))
    np.testing.assert_allclose(tensor.grad.numpy(), slope @ weight, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.weight.grad.numpy(), slope.T @ hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), slope.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_squared_error_keeps_digits_when_the_fit_is_nearly_perfect(storage, offset):
    layer, weight, bias = last_layer(5)
    hidden = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32)
    target = expression_of(hidden @ weight.T + bias + 1e-2 - offset, offset)
    found = storage(target).squared_error(torch.from_numpy(hidden), layer).item()
    assert found == pytest.approx(9 * 1e-4, rel=0.01)


@pytest.mark.parametrize("maker", MAKERS.values(), ids=MAKERS)
@pytest.mark.parametrize("cells", [[4, 0, 2], [3], [1, 2, 3], [6, 5, 4, 3, 2, 1, 0]])
def test_a_batch_takes_these_cells_in_this_order(cells, maker, offset):
    expression = expression_of(matrix_of(7), offset)
    layer, weight, bias = first_layer(4)
    batch = maker(expression)(torch.tensor(cells))
    assert len(batch) == len(cells)
    found = batch.linear(layer).detach().numpy()
    np.testing.assert_allclose(found, dense_of(expression)[cells] @ weight + bias, rtol=1e-5, atol=1e-5)


def test_the_first_layer_starts_as_a_linear_layer_of_torch_does():
    torch.manual_seed(0)
    ours = GeneLinear(9, 4)
    torch.manual_seed(0)
    theirs = nn.Linear(9, 4)
    x = torch.rand(5, 9)
    assert ours.weight.shape == (9, 4)
    assert ours.weight.is_contiguous()
    assert torch.equal(ours.weight.t(), theirs.weight)
    torch.testing.assert_close(ours(x), theirs(x))
