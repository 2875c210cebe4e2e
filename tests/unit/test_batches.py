"""Every storage of a batch computes what plain matrices compute, values and gradients alike."""

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from scae.batches import DenseBatch, slice_cells

STORAGES = {
    "dense": lambda matrix: DenseBatch(torch.from_numpy(matrix.toarray())),
    "slice_cells": lambda matrix: slice_cells(matrix, slice(None)),
}


def matrix_of(n_cells, n_genes=9, seed=0):
    matrix = sparse.random(n_cells, n_genes, density=0.4, format="lil", random_state=seed, dtype=np.float32)
    matrix[n_cells // 2] = 0  # a cell without any expression
    return matrix.tocsr()


def linear_of(n_in, n_out, seed=0):
    random = np.random.default_rng(seed)
    layer = nn.Linear(n_in, n_out)
    weight, bias = random.normal(size=(n_out, n_in)), random.normal(size=n_out)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
        layer.bias.copy_(torch.from_numpy(bias))
    return layer, layer.weight.detach().numpy().astype(float), layer.bias.detach().numpy().astype(float)


@pytest.fixture(params=STORAGES)
def storage(request):
    return STORAGES[request.param]


@pytest.fixture(params=[1, 2, 7])
def matrix(request):
    return matrix_of(request.param)


def test_a_batch_is_as_long_as_it_has_cells(storage, matrix):
    assert len(storage(matrix)) == matrix.shape[0]


def test_linear_is_the_matrix_product_plus_bias(storage, matrix):
    layer, weight, bias = linear_of(9, 4)
    expected = matrix.toarray().astype(float) @ weight.T + bias
    np.testing.assert_allclose(storage(matrix).linear(layer).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gradients_of_linear_are_those_of_the_matrix_product(storage, matrix):
    layer, _, _ = linear_of(9, 4)
    upstream = np.random.default_rng(1).normal(size=(matrix.shape[0], 4))
    (storage(matrix).linear(layer) * torch.from_numpy(upstream)).sum().backward()
    np.testing.assert_allclose(layer.weight.grad.numpy(), upstream.T @ matrix.toarray(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), upstream.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_squared_error_is_summed_over_genes_and_averaged_over_cells(storage, matrix):
    layer, weight, bias = linear_of(5, 9)
    hidden = np.random.default_rng(2).normal(size=(matrix.shape[0], 5)).astype(np.float32)
    per_cell = ((matrix.toarray().astype(float) - (hidden @ weight.T + bias)) ** 2).sum(axis=1)
    found = storage(matrix).squared_error(torch.from_numpy(hidden), layer)
    assert found.shape == ()
    assert found.item() == pytest.approx(per_cell.mean(), rel=1e-5)


def test_gradients_of_squared_error_are_those_of_the_formula(storage, matrix):
    layer, weight, bias = linear_of(5, 9)
    hidden = np.random.default_rng(2).normal(size=(matrix.shape[0], 5)).astype(np.float32)
    tensor = torch.from_numpy(hidden.copy()).requires_grad_()
    storage(matrix).squared_error(tensor, layer).backward()
    slope = -2 / matrix.shape[0] * (matrix.toarray() - (hidden @ weight.T + bias))
    np.testing.assert_allclose(tensor.grad.numpy(), slope @ weight, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.weight.grad.numpy(), slope.T @ hidden, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(layer.bias.grad.numpy(), slope.sum(axis=0), rtol=1e-4, atol=1e-5)


def test_squared_error_keeps_digits_when_the_fit_is_nearly_perfect(storage):
    layer, weight, bias = linear_of(5, 9)
    hidden = np.random.default_rng(2).normal(size=(6, 5)).astype(np.float32)
    target = sparse.csr_matrix((hidden @ weight.T + bias + 1e-2).astype(np.float32))
    found = storage(target).squared_error(torch.from_numpy(hidden), layer).item()
    assert found == pytest.approx(9 * 1e-4, rel=0.01)


@pytest.mark.parametrize("cells", [np.array([4, 0, 2]), np.array([3]), slice(1, 4), slice(5, 99)])
def test_slice_cells_takes_these_cells_in_this_order(cells):
    matrix = matrix_of(7)
    layer, weight, bias = linear_of(9, 4)
    expected = matrix.toarray()[cells] @ weight.T + bias
    found = slice_cells(matrix, cells).linear(layer).detach().numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
