"""Batches and kernels of the sparse engine, whose time and memory scale with the number of non-zeros.

For sparse S and a linear output layer x̂ = h Wᵀ + b the squared error needs no dense cells x genes matrix,

    Σ (S - x̂)² = Σ S² - 2 Σ h·(S W) - 2 Σ S·b + Σ h·(h WᵀW) + 2 Σ h·(Wᵀb) + cells · b·b,

nor do its gradients: with E = x̂ - S and g the gradient of the loss, dh = 2g E W, dW = 2g Eᵀh, db = 2g Σ E. Nothing is
approximated; all results equal those of DenseBatch (batches.py) up to rounding.

A model of counts n has the shares p_cg = q_cg / Q_c of the genes in a cell, with q_cg = a_cg² + ε and a = h Wᵀ + b
(`DenseBatch.multinomial`). Its likelihood needs a_cg of the non-zeros and the sum over all genes, which has a closed
form (the spherical family of Vincent, de Brébisson & Bouthillier 2015, arXiv 1412.7091; de Brébisson & Vincent 2016,
arXiv 1511.05042),

    -log p_c = N_c log Q_c - Σ n_cg log q_cg,    Q_c = h·(WᵀW h) + 2 h·(Wᵀb) + b·b + genes · ε.

With E_cg = -2 n_cg a_cg / q_cg, zero where no count is, and r_c = 2 N_c / Q_c the gradients are dh = E W + r (WᵀW h +
Wᵀb), dW = Eᵀh + W Σ r h hᵀ + b ⊗ Σ r h, db = Σ E + W Σ r h + b Σ r.

The weight gradients of the layers that touch every gene have the same form, base + Sᵀ·dense + by_gene ⊗ by_unit, and
share one kernel.

The common genes, some hundred with a large share of the non-zeros, are cheaper as a dense matrix. Each batch splits its
rows into that panel and the rest; the kernels only process the rest. The CSR matrix itself stays as it was read.
"""

import ctypes

import numba
import numpy as np
import torch
from torch.autograd import Function

# "contract" allows fused multiply-add. No sum is reordered, and each output row belongs to one thread: the same input
# on the same kind of processor gives the same bits for any number of threads.
kernel = numba.njit(nogil=True, cache=True, fastmath={"contract"}, error_model="numpy")
threaded = numba.njit(nogil=True, cache=True, parallel=True, fastmath={"contract"}, error_model="numpy")
# Inner products are summed in the order of the vector registers, which the compiler fixes
inner = numba.njit(nogil=True, cache=True, fastmath={"contract", "reassoc", "nsz"}, error_model="numpy")

COMMON = 0.25  # a gene that at least this share of the cells express belongs to the dense panel
GENE_BLOCK = 512  # genes whose weights (512 x 128 floats, 256 kB) stay in a core's cache while all cells gather them

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of the GNU C library's mallopt
LARGEST_INT = 2**31 - 1


class SparseBatches:
    """Makes sparse batches.

    Args:
        expression: scae.data.expression.Expression.
        threads: number of threads of the kernels.
    """

    def __init__(self, expression, threads):
        self.expression = expression
        n_cells, n_genes = expression.shape
        count, self.squares = _survey(expression.indptr, expression.indices, expression.data, n_genes)
        common = np.flatnonzero(count >= COMMON * n_cells)
        self.common = torch.from_numpy(common)
        self.column = np.full(
            n_genes, len(common), np.int32
        )  # of each gene in the panel; one past the last for all others
        self.column[common] = np.arange(len(common))
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
        # When numba starts its threads, it also sets torch's OpenMP to all cores
        torch.set_num_threads(threads)
        _keep_freed_memory()

    def __call__(self, cells):
        """SparseBatch of these cells; cells: (n,) int64 tensor of indices."""
        return SparseBatch(self.expression, cells.numpy(), self.squares, self.common, self.column)


class SparseBatch:
    """Some rows of compressed expression S and an offset per gene; represents S + 1·offsetᵀ, (cells, genes)."""

    def __init__(self, expression, cells, squares, common, column):
        threads, n_genes = numba.get_num_threads(), expression.shape[1]
        arrays = expression.indptr, expression.indices, expression.data
        panel, *self.rows = _split(threads, *arrays, cells, column, len(common))
        self.panel, self.common = torch.from_numpy(panel)[:, : len(common)], common
        *self.columns, gene_sum = _transpose(threads, *self.rows, n_genes)
        self.gene_sum = torch.from_numpy(gene_sum)
        self.gene_sum[common] = self.panel.sum(0, dtype=torch.float64)
        self.sum_of_squares = squares[cells].sum()
        self.offset = torch.from_numpy(expression.offset)
        index = expression.batch_index
        self.batch_index = None if index is None else torch.from_numpy(index[cells])
        if expression.counts is not None:
            arrays = expression.indptr, expression.indices, expression.counts
            panel, *_, self.counts = _split(threads, *arrays, cells, column, len(common))
            self.count_panel = torch.from_numpy(panel)[:, : len(common)]

    def __len__(self):
        return len(self.panel)

    def linear(self, layer):
        """A layers.GeneLinear applied to the expression of each cell: (cells, units)."""
        return _Linear.apply(layer.weight, layer.bias, self)

    def squared_error(self, hidden, layer):
        """Sum over genes of (expression - layer(hidden)) squared, mean over cells; hidden: (cells, units)."""
        return _SquaredError.apply(hidden, layer.weight, layer.bias, self)

    def multinomial(self, hidden, layer, eps):
        """-log likelihood of the counts, mean over cells, as `DenseBatch.multinomial` defines it."""
        return _Multinomial.apply(hidden, layer.weight, layer.bias, eps, self)

    def matmul(self, weight, by_gene):
        """S @ weight, (cells, units), and by_gene @ weight, (units,), in one pass over weight (genes, units)."""
        product, shift = torch.empty(len(self), weight.shape[1]), torch.empty(weight.shape[1])
        arrays = (tensor.detach().numpy() for tensor in (weight, by_gene, product, shift))
        _gather(numba.get_num_threads(), *self.rows, *arrays)
        return product.addmm_(self.panel, weight[self.common]), shift

    def gradient(self, dense, by_gene, by_unit, base=None, columns=None, panel=None):
        """base + Sᵀ @ dense + by_gene ⊗ by_unit, (genes, units); base (None: 0) is overwritten.

        ``columns`` and ``panel`` are the two parts of another sparse matrix in place of S.
        """
        out = torch.empty(len(by_gene), len(by_unit)) if base is None else base
        arrays = (tensor.detach().numpy() for tensor in (dense, by_gene, by_unit, out))
        _scatter(numba.get_num_threads(), base is not None, *(columns or self.columns), *arrays)
        return out.index_add_(0, self.common, (self.panel if panel is None else panel).t() @ dense)

    def sampled_product(self, hidden, weight, bias, eps):
        """Everything about the counts that depends on the non-zeros, in one pass over weight (genes, units).

        Returns:
            tuple: (cells,) Σ n log q and (cells,) Σ n, float64; E @ weight, (cells, units); bias @ weight, (units,);
            E as columns and panel, and its sum over cells, (genes,) float64.
        """
        threads, n_genes, starts, stops, genes = numba.get_num_threads(), len(weight), *self.rows[:3]
        product, shift, error = torch.empty_like(hidden), torch.empty(weight.shape[1]), np.empty_like(self.counts)
        logs, totals = np.empty(len(self)), np.empty(len(self))
        arrays = (tensor.detach().numpy() for tensor in (hidden, weight, bias, product, shift))
        _sample(threads, starts, stops, genes, self.counts, eps, *arrays, error, logs, totals)
        *columns, error_sum = _transpose(threads, starts, stops, genes, error, n_genes)
        common = weight[self.common]
        output = torch.addmm(bias[self.common], hidden, common.t())
        q = output.square() + eps
        panel = -2 * self.count_panel * output / q
        logs += (self.count_panel * q.log()).sum(1, dtype=torch.float64).numpy()
        totals += self.count_panel.sum(1, dtype=torch.float64).numpy()
        error_sum[self.common] = panel.sum(0, dtype=torch.float64)
        product.addmm_(panel, common)
        return *map(torch.from_numpy, (logs, totals)), product, shift, columns, panel, torch.from_numpy(error_sum)


class _Linear(Function):
    @staticmethod
    def forward(ctx, weight, bias, batch):
        ctx.batch = batch
        product, shift = batch.matmul(weight, batch.offset)
        return product.add_(bias + shift)

    @staticmethod
    def backward(ctx, gradient):
        total = gradient.sum(0)
        return ctx.batch.gradient(gradient.contiguous(), ctx.batch.offset, total), total, None


class _SquaredError(Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, batch):
        bias = bias - batch.offset  # (S + offset) - (h Wᵀ + b) = S - (h Wᵀ + (b - offset))
        target, shift = batch.matmul(weight, bias)
        error = torch.addmm(shift, hidden, _gram(weight)) - target  # E W
        # The terms nearly cancel once the model fits, so they are summed in float64
        loss = (hidden.double() * (error.double() + shift - target)).sum()
        loss += batch.sum_of_squares + bias.double() @ (len(batch) * bias.double() - 2 * batch.gene_sum)
        ctx.batch = batch
        ctx.save_for_backward(hidden, weight, bias, error)
        return (loss / len(batch)).float()

    @staticmethod
    def backward(ctx, gradient):
        hidden, weight, bias, error = ctx.saved_tensors
        batch, scale = ctx.batch, 2 * gradient / len(ctx.batch)
        scaled = scale * hidden
        total = scaled.sum(0)
        by_weight = batch.gradient(-scaled, bias, total, base=weight @ (scaled.t() @ hidden))
        by_bias = weight @ total + scale * (len(batch) * bias - batch.gene_sum.float())
        return scale * error, by_weight, by_bias, None


class _Multinomial(Function):
    @staticmethod
    def forward(ctx, hidden, weight, bias, eps, batch):
        logs, totals, by_hidden, shift, *error = batch.sampled_product(hidden, weight, bias, eps)
        product = hidden @ _gram(weight)  # WᵀW h
        norm = (hidden.double() * (product.double() + 2 * shift.double())).sum(1)
        norm += bias.double() @ bias.double() + len(bias) * eps
        rate = (2 * totals / norm).float()[:, None]
        ctx.batch, ctx.error = batch, error
        ctx.save_for_backward(hidden, weight, bias, by_hidden.add_(rate * (product + shift)), rate)
        return ((totals * norm.log() - logs).sum() / len(batch)).float()

    @staticmethod
    def backward(ctx, gradient):
        hidden, weight, bias, by_hidden, rate = ctx.saved_tensors
        columns, panel, error_sum = ctx.error
        scale = gradient / len(ctx.batch)
        scaled = scale * hidden
        normaliser = rate * scaled
        total = normaliser.sum(0)
        base = weight @ (normaliser.t() @ hidden)
        by_weight = ctx.batch.gradient(scaled, bias, total, base, columns, panel)
        by_bias = weight @ total + scale * (rate.sum() * bias + error_sum.float())
        return scale * by_hidden, by_weight, by_bias, None, None


def _gram(weight):
    """weightᵀ @ weight: symmetric, so three quarters are computed and the last one is mirrored."""
    units = weight.shape[1]
    half, gram = units // 2, torch.empty(units, units)
    torch.mm(weight[:, :half].t(), weight, out=gram[:half])
    torch.mm(weight[:, half:].t(), weight[:, half:], out=gram[half:, half:])
    gram[half:, :half] = gram[:half, half:].t()
    return gram


def _keep_freed_memory():
    """Make the GNU C library reuse freed memory; otherwise the kernel zeroes new pages for each gradient."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_TRIM_THRESHOLD, LARGEST_INT)
        libc.mallopt(M_MMAP_THRESHOLD, LARGEST_INT)


@kernel
def _survey(indptr, indices, data, n_genes):
    """Number of cells that express each gene, and sum of squares of each cell, float64."""
    count, squares = np.zeros(n_genes, np.int64), np.zeros(len(indptr) - 1)
    for cell in range(len(squares)):
        for k in range(indptr[cell], indptr[cell + 1]):
            count[indices[k]] += 1
            squares[cell] += np.float64(data[k]) * data[k]
    return count, squares


@threaded
def _split(threads, indptr, indices, data, rows, column, width):
    """The given rows as a panel (rows, width + 1), whose last column is scratch, and the rest in compressed form.

    The rest: where each row starts and stops, genes (ascending within a row) and values.
    """
    starts = np.zeros(len(rows) + 1, np.int64)
    for cell in range(len(rows)):
        starts[cell + 1] = starts[cell] + indptr[rows[cell] + 1] - indptr[rows[cell]]
    panel, stops = np.zeros((len(rows), width + 1), np.float32), np.empty(len(rows), np.int64)
    genes, values = np.empty(starts[-1], np.int32), np.empty(starts[-1], np.float32)
    for part in numba.prange(threads):
        for cell in range(len(rows) * part // threads, len(rows) * (part + 1) // threads):
            row, start = slice(indptr[rows[cell]], indptr[rows[cell] + 1]), starts[cell]
            stops[cell] = start + _split_row(
                indices[row], data[row], column, panel[cell], genes[start:], values[start:]
            )
    return panel, starts, stops, genes, values


@kernel
def _split_row(indices, data, column, panel, genes, values):
    """Writes each entry to both places and keeps one of the two, which avoids a branch."""
    rest = 0
    for k in range(len(indices)):
        gene, value = indices[k], data[k]
        panel[column[gene]] = value
        genes[rest], values[rest] = gene, value
        rest += column[gene] == len(panel) - 1
    return rest


@threaded
def _transpose(threads, starts, stops, indices, data, n_genes):
    """Columns of compressed rows: (start of each gene, cells, values), and the sum of each gene, float64."""
    first_of = np.zeros(n_genes + 1, np.int64)
    for part in numba.prange(threads):
        _count(n_genes * part // threads, n_genes * (part + 1) // threads, starts, stops, indices, first_of)
    for gene in range(n_genes):
        first_of[gene + 1] += first_of[gene]
    cells, values = np.empty(first_of[-1], np.int32), np.empty(first_of[-1], np.float32)
    gene_sum = np.empty(n_genes)
    for part in numba.prange(threads):
        first, last = n_genes * part // threads, n_genes * (part + 1) // threads
        _fill(first, last, starts, stops, indices, data, first_of, cells, values, gene_sum)
    return first_of, cells, values, gene_sum


@kernel
def _count(first, last, starts, stops, indices, first_of):
    """Counts the cells that express each gene of first:last, into first_of[gene + 1]."""
    for cell in range(len(stops)):
        genes = indices[starts[cell] : stops[cell]]
        for k in range(np.searchsorted(genes, first), np.searchsorted(genes, last)):
            first_of[genes[k] + 1] += 1


@kernel
def _fill(first, last, starts, stops, indices, data, first_of, cells, values, gene_sum):
    """Fills the columns first:last, cells ascending, and the sum of each."""
    free = first_of[first:last].copy()
    for cell in range(len(stops)):
        row = slice(starts[cell], stops[cell])
        genes, expression = indices[row], data[row]
        for k in range(np.searchsorted(genes, first), np.searchsorted(genes, last)):
            slot = free[genes[k] - first]
            free[genes[k] - first] = slot + 1
            cells[slot], values[slot] = cell, expression[k]
    for gene in range(first, last):
        total = 0.0
        for value in values[first_of[gene] : first_of[gene + 1]]:
            total += value
        gene_sum[gene] = total


@threaded
def _gather(threads, starts, stops, indices, data, weight, by_gene, product, shift):
    """product = S @ weight and shift = by_gene @ weight; each thread has its share of the cells."""
    for part in numba.prange(threads):
        first, last = len(stops) * part // threads, len(stops) * (part + 1) // threads
        _gather_cells(first, last, part == 0, starts, stops, indices, data, weight, by_gene, product, shift)


@kernel
def _gather_cells(start, stop, with_shift, starts, stops, indices, data, weight, by_gene, product, shift):
    n_genes, n_units = weight.shape
    position, block_shift = starts[start:stop].copy(), np.empty(n_units, np.float32)
    product[start:stop] = 0
    if with_shift:
        shift[:] = 0
    for first in range(0, n_genes, GENE_BLOCK):
        last = min(first + GENE_BLOCK, n_genes)
        if with_shift:  # also loads the block into the cache
            block_shift[:] = 0
            for gene in range(first, last):
                factor = by_gene[gene]
                for unit in range(n_units):
                    block_shift[unit] += factor * weight[gene, unit]
            shift += block_shift
        for cell in range(start, stop):
            k, end = position[cell - start], stops[cell]
            # four at a time: a quarter of the reads and writes of the product
            while k + 4 <= end and indices[k + 3] < last:
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


@threaded
def _sample(threads, starts, stops, indices, counts, eps, hidden, weight, bias, product, shift, error, logs, totals):
    """Per non-zero count, with a = hidden · weight + bias, error = -2 n a / (a² + eps).

    Per cell product = error @ weight and, in float64, logs = Σ n log(a² + eps) and totals = Σ n; also shift = bias @
    weight. Each thread has its share of the cells.
    """
    for part in numba.prange(threads):
        first, last = len(stops) * part // threads, len(stops) * (part + 1) // threads
        rows = starts, stops, indices, counts, np.float32(eps)
        _sample_cells(first, last, part == 0, *rows, hidden, weight, bias, product, shift, error, logs, totals)


@inner
def _sample_cells(first_cell, end_cell, with_shift, starts, stops, indices, counts, eps, *arrays):
    hidden, weight, bias, product, shift, error, logs, sums = arrays
    n_genes, n_units = weight.shape
    position, block_shift = starts[first_cell:end_cell].copy(), np.empty(n_units, np.float32)
    product[first_cell:end_cell], logs[first_cell:end_cell], sums[first_cell:end_cell] = 0, 0, 0
    if with_shift:
        shift[:] = 0
    for first in range(0, n_genes, GENE_BLOCK):
        last = min(first + GENE_BLOCK, n_genes)
        if with_shift:
            block_shift[:] = 0
            for gene in range(first, last):
                factor = bias[gene]
                for unit in range(n_units):
                    block_shift[unit] += factor * weight[gene, unit]
            shift += block_shift
        for cell in range(first_cell, end_cell):
            k, end = position[cell - first_cell], stops[cell]
            log_sum, total = 0.0, 0.0
            # four at a time: a quarter of the reads of hidden, and of the reads and writes of the product
            while k + 4 <= end and indices[k + 3] < last:
                a, b, c, d = indices[k], indices[k + 1], indices[k + 2], indices[k + 3]
                va = vb = vc = vd = np.float32(0)
                for unit in range(n_units):
                    h = hidden[cell, unit]
                    va += weight[a, unit] * h
                    vb += weight[b, unit] * h
                    vc += weight[c, unit] * h
                    vd += weight[d, unit] * h
                va, vb, vc, vd = va + bias[a], vb + bias[b], vc + bias[c], vd + bias[d]
                qa, qb, qc, qd = va * va + eps, vb * vb + eps, vc * vc + eps, vd * vd + eps
                na, nb, nc, nd = counts[k], counts[k + 1], counts[k + 2], counts[k + 3]
                log_sum += na * np.log(qa) + nb * np.log(qb) + nc * np.log(qc) + nd * np.log(qd)
                total += na + nb + nc + nd
                two = np.float32(-2)
                va, vb, vc, vd = two * na * va / qa, two * nb * vb / qb, two * nc * vc / qc, two * nd * vd / qd
                error[k], error[k + 1], error[k + 2], error[k + 3] = va, vb, vc, vd
                for unit in range(n_units):
                    product[cell, unit] += (va * weight[a, unit] + vb * weight[b, unit]) + (
                        vc * weight[c, unit] + vd * weight[d, unit]
                    )
                k += 4
            while k < end and indices[k] < last:
                a, va, na = indices[k], np.float32(0), counts[k]
                for unit in range(n_units):
                    va += weight[a, unit] * hidden[cell, unit]
                va += bias[a]
                qa = va * va + eps
                log_sum += na * np.log(qa)
                total += na
                va = np.float32(-2) * na * va / qa
                error[k] = va
                for unit in range(n_units):
                    product[cell, unit] += va * weight[a, unit]
                k += 1
            logs[cell] += log_sum
            sums[cell] += total
            position[cell - first_cell] = k


@threaded
def _scatter(threads, add, first_of, cells, values, dense, by_gene, by_unit, out):
    """out = [out +] Sᵀ @ dense + by_gene ⊗ by_unit; each thread has its share of the genes."""
    n_genes = len(out)
    for part in numba.prange(threads):
        for gene in range(n_genes * part // threads, n_genes * (part + 1) // threads):
            if not add:
                out[gene] = 0
            _scatter_gene(first_of[gene], first_of[gene + 1], cells, values, dense, by_gene[gene], by_unit, out[gene])


@kernel
def _scatter_gene(k, end, cells, values, dense, factor, by_unit, out):
    n_units = len(out)
    for unit in range(n_units):
        out[unit] += factor * by_unit[unit]
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
