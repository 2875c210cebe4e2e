"""Batches of cells as the models see them, and the split into training and held-out cells.

A model never looks into its input. It asks a batch for the operations that touch every gene: the first linear layer,
and the squared error or, for a model of counts, the multinomial likelihood of the last one. So the storage can change
without any change to a model; sparse.py has the other kind. For a batch-conditioned model a batch also has
``batch_index``, the number of the experimental batch in which each cell was measured (not to be confused with the
training batch, which is this object); otherwise it is None.
"""

import numpy as np
import torch

from scae.errors import UserError


def split(n_cells, settings, seed):
    """Training and held-out cells, at random, by ``training.holdout``.

    Args:
        n_cells: number of cells.
        settings: dict with holdout, a share of the cells; without it, or with 0, no cell is held out.
        seed: the same seed gives the same cells.

    Returns:
        (torch.Tensor, torch.Tensor): indices of the training and of the held-out cells, ascending; int64.

    Raises:
        UserError: if one of the two would be empty.
    """
    share = settings.get("holdout", 0)
    if not share:
        return torch.arange(n_cells), torch.arange(0)
    n_held = round(share * n_cells)
    if not 0 < n_held < n_cells:
        raise UserError(
            f"training.holdout: {share:g} of {n_cells} cells are {n_held} held-out cells; both parts need at least one "
            "cell; change the share, or set it to 0"
        )
    order = torch.from_numpy(np.random.default_rng([seed, n_cells]).permutation(n_cells))
    return order[n_held:].sort().values, order[:n_held].sort().values


class DenseBatch:
    """Cells stored as a dense matrix: the reference definition of the operations."""

    def __init__(self, expression, batch_index=None, counts=None):  # (cells, genes), float32; (cells,), int64; as first
        self.expression, self.batch_index, self.counts = expression, batch_index, counts

    def __len__(self):
        return len(self.expression)

    def linear(self, layer):
        """A linear layer applied to the expression of each cell: (cells, layer.out_features)."""
        return layer(self.expression)

    def squared_error(self, hidden, layer):
        """Sum over genes of (expression - layer(hidden)) squared, mean over cells; hidden: (cells, in_features)."""
        return (self.expression - layer(hidden)).square().sum() / len(self)

    def multinomial(self, hidden, layer, eps):
        """-log likelihood of the counts in nats, mean over cells, with a quadratic link; hidden: (cells, in_features).

        The share of gene g in cell c is p_cg = q_cg / Σ_g q_cg with q = layer(hidden)² + eps, and the counts of the
        cell follow a multinomial distribution, -log p_c = -Σ_g n_cg log p_cg. The multinomial coefficient is left out,
        since no parameter changes it.
        """
        q = layer(hidden).float().square() + eps
        log_share = (q / q.sum(dim=1, keepdim=True)).log()
        return -(self.counts * log_share).sum() / len(self)


class DenseBatches:
    """Makes dense batches on a device; the compressed rows are moved there once.

    Args:
        expression: scae.data.expression.Expression.
        device: torch.device.
    """

    def __init__(self, expression, device):
        arrays = (expression.indptr, expression.indices, expression.data, expression.offset)
        self.indptr, self.indices, self.data, self.offset = (torch.from_numpy(array).to(device) for array in arrays)
        self.batch_index, self.counts = (
            None if array is None else torch.from_numpy(array).to(device)
            for array in (expression.batch_index, expression.counts)
        )

    def __call__(self, cells):
        """DenseBatch of these cells; cells: (n,) int64 tensor of indices, on the CPU."""
        cells = cells.to(self.indptr.device)
        first, lengths = self.indptr[cells], self.indptr[cells + 1] - self.indptr[cells]
        rows = torch.repeat_interleave(torch.arange(len(cells), device=cells.device), lengths)
        within = torch.arange(len(rows), device=cells.device) - (lengths.cumsum(0) - lengths)[rows]
        entries = first[rows] + within
        genes = self.indices[entries].long()
        dense = self.offset.repeat(len(cells), 1)
        dense[rows, genes] += self.data[entries]  # a gene has one entry in a cell
        counts = None
        if self.counts is not None:
            counts = torch.zeros_like(dense)
            counts[rows, genes] = self.counts[entries].to(counts.dtype)
        return DenseBatch(dense, None if self.batch_index is None else self.batch_index[cells], counts)
