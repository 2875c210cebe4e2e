"""Training at the cost of the non-zeros: batches, kernels and the optimizer of the sparse engine.

For sparse S and a linear output layer x̂ = h Wᵀ + b the squared error needs no dense cells x genes matrix,

    Σ (S - x̂)² = Σ S² - 2 Σ h·(S W) - 2 Σ S·b + Σ h·(h WᵀW) + 2 Σ h·(Wᵀb) + cells · b·b,

nor do its gradients: with E = x̂ - S and g the gradient of the loss, dh = 2g E W, dW = 2g Eᵀh, db = 2g Σ E. Nothing is
approximated; DenseBatch (batches.py) is what all of this must equal.

The weight gradients of the two layers that touch every gene have one form, base + Sᵀ·dense + by_gene ⊗ by_unit. They
are left as these factors to `Adam`, which puts together a gene's gradient and updates its weights and moments while
they are in the cache.
"""

import math

import numba
import numpy as np
import torch
from torch.autograd import Function

# "contract" lets a multiplication and an addition be one instruction. No sum is reordered: the same input on the same
# kind of processor gives the same bits, whatever the number of threads, since each output row has one owner.
kernel = numba.njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
threaded = numba.njit(nogil=True, cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")

GENE_BLOCK = 512  # genes whose weights (512 x 128 floats, 256 kB) stay in a core's cache while all cells gather them


class SparseBatches:
    """Makes sparse batches; expression: scae.expression.Expression."""

    def __init__(self, expression):
        self.expression = expression

    def __call__(self, cells):
        """The batch of these cells; cells: (n,) int64 tensor."""
        return SparseBatch(self.expression, cells.numpy())


class SparseBatch:
    """Some rows of compressed expression S, and an offset per gene: stands for S + 1·offsetᵀ, (cells, genes)."""

    def __init__(self, expression, cells):
        self.rows = expression.indptr, expression.indices, expression.data, cells
        *self.columns, gene_sum, self.sum_of_squares = _transpose(*self.rows, expression.shape[1])
        self.gene_sum = torch.from_numpy(gene_sum)
        self.offset = torch.from_numpy(expression.offset)

    def __len__(self):
        return len(self.rows[-1])

    def linear(self, layer):
        """A layers.GeneLinear applied to the expression of each cell: (cells, units)."""
        return _Linear.apply(layer.weight, layer.bias, self)

    def squared_error(self, hidden, layer):
        """Sum over genes of (expression - layer(hidden)) squared, mean over cells; hidden: (cells, units)."""
        return _SquaredError.apply(hidden, layer.weight, layer.bias, self)

    def matmul(self, weight, by_gene):
        """S @ weight, (cells, units), and by_gene @ weight, (units,), in one pass over weight (genes, units)."""
        product, shift = torch.empty(len(self), weight.shape[1]), torch.empty(weight.shape[1])
        arrays = (tensor.detach().numpy() for tensor in (weight, by_gene, product, shift))
        _gather(_threads(), *self.rows, *arrays)
        return product, shift

    def gradient(self, weight, dense, by_gene, by_unit, base):
        """base + Sᵀ @ dense + by_gene ⊗ by_unit, (genes, units); left as factors with a weight that `Adam` updates."""
        arrays = (tensor.detach().numpy() for tensor in (dense, by_gene, by_unit, base))
        factors = _Factors(*self.columns, *arrays)
        if getattr(weight, "factors", factors) is None:
            weight.factors = factors
            return None
        gradient = torch.empty(weight.shape)
        _scatter(_threads(), *factors, gradient.numpy())
        return gradient


class _Factors(tuple):
    """(starts, cells, values, dense, by_gene, by_unit, base) of a gradient; base has no rows where it is zero."""

    def __new__(cls, *arrays):
        return super().__new__(cls, arrays)

    def plus(self, gradient):
        *others, base = self
        return _Factors(*others, base + gradient if len(base) else gradient)


class _Linear(Function):
    @staticmethod
    def forward(ctx, weight, bias, batch):
        ctx.weight, ctx.batch = weight, batch
        product, shift = batch.matmul(weight, batch.offset)
        return product.add_(bias + shift)

    @staticmethod
    def backward(ctx, gradient):
        total = gradient.sum(0)
        by_weight = ctx.batch.gradient(ctx.weight, gradient.contiguous(), ctx.batch.offset, total, torch.empty(0, 0))
        return by_weight, total, None


class _SquaredError(Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, batch):
        bias = bias - batch.offset  # (S + offset) - (h Wᵀ + b) = S - (h Wᵀ + (b - offset))
        target, shift = batch.matmul(weight, bias)
        error = torch.addmm(shift, hidden, weight.t() @ weight) - target  # E W
        # The terms of the sum nearly cancel once the model fits, so they are summed in float64
        loss = (hidden.double() * (error.double() + shift - target)).sum()
        loss += batch.sum_of_squares + bias.double() @ (len(batch) * bias.double() - 2 * batch.gene_sum)
        ctx.weight, ctx.batch = weight, batch
        ctx.save_for_backward(hidden, bias, error)
        return (loss / len(batch)).float()

    @staticmethod
    def backward(ctx, gradient):
        hidden, bias, error = ctx.saved_tensors
        weight, batch, scale = ctx.weight.detach(), ctx.batch, 2 * gradient / len(ctx.batch)
        scaled = scale * hidden
        total = scaled.sum(0)
        by_weight = batch.gradient(ctx.weight, -scaled, bias, total, weight @ (scaled.t() @ hidden))
        by_bias = weight @ total + scale * (len(batch) * bias - batch.gene_sum.float())
        return scale * error, by_weight, by_bias, None


class Adam(torch.optim.Adam):
    """torch.optim.Adam that takes the gradients of gene-wide weights as factors; same steps, same state."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr, fused=True)
        for weight in self._matrices():
            weight.factors = None

    def _matrices(self):
        return [weight for group in self.param_groups for weight in group["params"] if weight.dim() == 2]

    def zero_grad(self, set_to_none=True):
        super().zero_grad(set_to_none)
        for weight in self._matrices():
            weight.factors = None

    @torch.no_grad()
    def step(self):
        for weight in self._matrices():
            if weight.factors is not None:
                self._step_by_factors(weight)
        super().step()

    def _step_by_factors(self, weight):
        if weight.grad is not None:  # of a second use of the weight in the same step
            weight.factors = weight.factors.plus(weight.grad.numpy())
            weight.grad = None
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(weight), torch.zeros_like(weight)
        state["step"] += 1
        group = self.param_groups[0]
        (beta1, beta2), step = group["betas"], state["step"].item()
        constants = (
            group["lr"] / (1 - beta1**step),
            1 - beta1,
            1 - beta2,
            1 / math.sqrt(1 - beta2**step),
            group["eps"],
        )
        arrays = (tensor.detach().numpy() for tensor in (weight, state["exp_avg"], state["exp_avg_sq"]))
        _adam(_threads(), *weight.factors, *arrays, *map(np.float32, constants))
        weight.factors = None


def _threads():
    """As many threads as torch uses."""
    threads = min(torch.get_num_threads(), numba.config.NUMBA_NUM_THREADS)
    numba.set_num_threads(threads)
    return threads


@kernel
def _transpose(indptr, indices, data, rows, n_genes):
    """Columns of the given rows: (start of each gene, cells, values); the sum of each gene and of all squares."""
    starts = np.zeros(n_genes + 1, np.int64)
    for row in rows:
        for gene in indices[indptr[row] : indptr[row + 1]]:
            starts[gene + 1] += 1
    for gene in range(n_genes):
        starts[gene + 1] += starts[gene]
    free = starts[:-1].copy()
    cells, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for cell in range(len(rows)):
        for entry in range(indptr[rows[cell]], indptr[rows[cell] + 1]):
            slot = free[indices[entry]]
            free[indices[entry]] = slot + 1
            cells[slot], values[slot] = cell, data[entry]
    gene_sum, sum_of_squares = np.empty(n_genes), 0.0
    for gene in range(n_genes):
        total = 0.0
        for value in values[starts[gene] : starts[gene + 1]]:
            total += value
            sum_of_squares += np.float64(value) * value
        gene_sum[gene] = total
    return starts, cells, values, gene_sum, sum_of_squares


@threaded
def _gather(threads, indptr, indices, data, rows, weight, by_gene, product, shift):
    """product = S @ weight and shift = by_gene @ weight; each thread has its share of the cells."""
    for part in numba.prange(threads):
        start, stop = len(rows) * part // threads, len(rows) * (part + 1) // threads
        _gather_cells(start, stop, part == 0, indptr, indices, data, rows, weight, by_gene, product, shift)


@kernel
def _gather_cells(start, stop, with_shift, indptr, indices, data, rows, weight, by_gene, product, shift):
    n_genes, n_units = weight.shape
    position, block_shift = np.empty(stop - start, np.int64), np.empty(n_units, np.float32)
    for cell in range(start, stop):
        position[cell - start] = indptr[rows[cell]]
    product[start:stop] = 0
    if with_shift:
        shift[:] = 0
    for first in range(0, n_genes, GENE_BLOCK):
        last = min(first + GENE_BLOCK, n_genes)
        if with_shift:  # also brings the block into the cache
            block_shift[:] = 0
            for gene in range(first, last):
                factor = by_gene[gene]
                for unit in range(n_units):
                    block_shift[unit] += factor * weight[gene, unit]
            shift += block_shift
        for cell in range(start, stop):
            k, end = position[cell - start], indptr[rows[cell] + 1]
            while (
                k + 4 <= end and indices[k + 3] < last
            ):  # by fours: the product is read and written a quarter as often
                a, b, c, d = indices[k], indices[k + 1], indices[k + 2], indices[k + 3]
                va, vb, vc, vd = data[k], data[k + 1], data[k + 2], data[k + 3]
                for unit in range(n_units):
                    product[cell, unit] += (va * weight[a, unit] + vb * weight[b, unit]) + (
                        vc * weight[c, unit] + vd * weight[d, unit]
                    )
                k += 4
            while k < end and indices[k] < last:
                a, va = indices[k], data[k]
                for unit in range(n_units):
                    product[cell, unit] += va * weight[a, unit]
                k += 1
            position[cell - start] = k


@kernel
def _gene_gradient(gene, starts, cells, values, dense, by_gene, by_unit, base, out):
    """One gene's row of base + Sᵀ @ dense + by_gene ⊗ by_unit, into out (units,)."""
    n_units, factor = len(out), by_gene[gene]
    if len(base):
        for unit in range(n_units):
            out[unit] = base[gene, unit] + factor * by_unit[unit]
    else:
        for unit in range(n_units):
            out[unit] = factor * by_unit[unit]
    k, end = starts[gene], starts[gene + 1]
    while k + 4 <= end:
        a, b, c, d = cells[k], cells[k + 1], cells[k + 2], cells[k + 3]
        va, vb, vc, vd = values[k], values[k + 1], values[k + 2], values[k + 3]
        for unit in range(n_units):
            out[unit] += (va * dense[a, unit] + vb * dense[b, unit]) + (vc * dense[c, unit] + vd * dense[d, unit])
        k += 4
    while k < end:
        a, va = cells[k], values[k]
        for unit in range(n_units):
            out[unit] += va * dense[a, unit]
        k += 1


@threaded
def _scatter(threads, starts, cells, values, dense, by_gene, by_unit, base, out):
    """The whole gradient, into out (genes, units); each thread has its share of the genes."""
    n_genes = len(out)
    for part in numba.prange(threads):
        for gene in range(n_genes * part // threads, n_genes * (part + 1) // threads):
            _gene_gradient(gene, starts, cells, values, dense, by_gene, by_unit, base, out[gene])


@threaded
def _adam(
    threads, starts, cells, values, dense, by_gene, by_unit, base, weight, mean, square, rate, new1, new2, unbias, eps
):
    """Adam's step with a factored gradient; mean and square are the moments, all (genes, units)."""
    n_genes = len(weight)
    for part in numba.prange(threads):
        first, last = n_genes * part // threads, n_genes * (part + 1) // threads
        gradient = np.empty(weight.shape[1], np.float32)
        for gene in range(first, last):
            _gene_gradient(gene, starts, cells, values, dense, by_gene, by_unit, base, gradient)
            _adam_row(gradient, weight[gene], mean[gene], square[gene], rate, new1, new2, unbias, eps)


@kernel
def _adam_row(gradient, weight, mean, square, rate, new1, new2, unbias, eps):
    one = np.float32(1)
    for unit in range(len(weight)):
        g = gradient[unit]
        mean[unit] += new1 * (g - mean[unit])
        square[unit] = (one - new2) * square[unit] + new2 * g * g
        weight[unit] -= rate * mean[unit] / (np.sqrt(square[unit]) * unbias + eps)
