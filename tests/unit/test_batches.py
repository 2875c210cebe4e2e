"""Every storage of a batch computes what plain matrices compute, values and gradients; the split is random."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn
from toy import dense_of, expression_of, refusal

from scae.models.layers import GeneLinear
from scae.training.batches import DenseBatch, DenseBatches, split
from scae.training.sparse import SparseBatches

MAKERS = {
    "DenseBatch": lambda expression: lambda cells: DenseBatch(torch.from_numpy(dense_of(expression)).float()[cells]),
    "DenseBatches": lambda expression: DenseBatches(expression, torch.device("cpu")),
    "SparseBatches": lambda expression: SparseBatches(expression, threads=1),
}
OFFSETS = {"no offset": np.zeros(9), "offset": np.array([0, -1.5, 0.25, 3, -0.5, 0, -10, 1e-3, 2])}


def matrix_of(n_cells):
    matrix = sparse.random(n_cells, 9, density=0.4, format="lil", random_state=0, dtype=np.float32)
    matrix[n_cells // 2] = 0  # a cell without any expression
    return matrix.tocsr()


def layer_of(layer):
    """The layer with random parameters, weight and bias as float64 arrays."""
    random = np.random.default_rng(0)
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.from_numpy(random.normal(size=parameter.shape)))
    return layer, *(parameter.detach().numpy().astype(float) for parameter in (layer.weight, layer.bias))


@pytest.fixture(params=MAKERS)
def make_batches(request):
    return MAKERS[request.param]


@pytest.fixture(params=OFFSETS)
def offset(request):
    return OFFSETS[request.param]


CELLS = [[0], [0, 1, 2, 3, 4, 5, 6], [4, 0, 2]]


@pytest.mark.parametrize("cells", CELLS)
def test_linear_is_the_matrix_product_plus_bias(cells, make_batches, offset):
    expression = expression_of(matrix_of(7), offset)
    batch, table = make_batches(expression)(torch.tensor(cells)), dense_of(expression)[cells]
    layer, weight, bias = layer_of(GeneLinear(9, 4))
    found = batch.linear(layer)
    assert len(batch) == len(cells)
    np.testing.assert_allclose(found.detach().numpy(), table @ weight + bias, rtol=1e-5, atol=1e-5)
    upstream = np.random.default_rng(1).normal(size=found.shape).astype(np.float32)
    (found * torch.from_numpy(upstream)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), table.T @ upstream, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), upstream.sum(axis=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("cells", CELLS)
def test_squared_error_is_summed_over_genes_and_averaged_over_cells(cells, make_batches, offset):
    expression = expression_of(matrix_of(7), offset)
    batch, table = make_batches(expression)(torch.tensor(cells)), dense_of(expression)[cells]
    layer, weight, bias = layer_of(nn.Linear(5, 9))
    hidden = np.random.default_rng(2).normal(size=(len(cells), 5)).astype(np.float32)
    tensor = torch.from_numpy(hidden.copy()).requires_grad_()
    found = batch.squared_error(tensor, layer)
    difference = table - (hidden @ weight.T + bias)
    assert found.shape == ()
    assert found.item() == pytest.approx((difference**2).sum(axis=1).mean(), rel=1e-5)
    found.backward()
    slope = -2 / len(cells) * difference
    np.testing.assert_allclose(tensor.grad.numpy(), slope @ weight, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(layer.weight.grad.numpy(), slope.T @ hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), slope.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_squared_error_keeps_digits_when_the_fit_is_nearly_perfect(make_batches, offset):
    layer, weight, bias = layer_of(nn.Linear(5, 9))
    hidden = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32)
    expression = expression_of(hidden @ weight.T + bias + 1e-2 - offset, offset)
    found = make_batches(expression)(torch.arange(6)).squared_error(torch.from_numpy(hidden), layer).item()
    assert found == pytest.approx(9 * 1e-4, rel=0.01)


def test_the_first_layer_starts_as_a_linear_layer_of_torch_does():
    layers = []
    for kind in (GeneLinear, nn.Linear):
        torch.manual_seed(0)
        layers.append(kind(9, 4))
    ours, theirs = layers
    assert ours.weight.shape == (9, 4)
    assert ours.weight.is_contiguous()
    assert torch.equal(ours.weight.t(), theirs.weight)
    assert torch.equal(ours.bias, theirs.bias)


def test_the_seed_chooses_the_held_out_cells():
    trained, held_out = split(40, {"holdout": 0.3}, seed=5)
    assert len(held_out) == 12
    assert sorted([*trained.tolist(), *held_out.tolist()]) == list(range(40))
    assert trained.tolist() == sorted(trained)
    assert held_out.tolist() == sorted(held_out)
    assert all(map(torch.equal, split(40, {"holdout": 0.3}, seed=5), (trained, held_out)))
    assert not torch.equal(split(40, {"holdout": 0.3}, seed=6)[1], held_out)


def test_without_holdout_all_cells_are_trained_on_and_no_part_may_be_empty():
    for settings in ({}, {"holdout": 0}):
        trained, held_out = split(40, settings, seed=0)
        assert (trained.tolist(), held_out.tolist()) == (list(range(40)), [])
    for share in (0.01, 0.99):
        assert refusal(split, 40, {"holdout": share}, seed=0).startswith(f"training.holdout: {share} of 40 cells")
