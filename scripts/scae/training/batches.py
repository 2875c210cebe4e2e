"""Batches of cells as the models see them.

A model never looks into its input. It asks a batch for the two things that touch every gene: the first linear layer
and the squared error of the last one. So the storage behind a batch can change without a change to any model; sparse.py
has the other kind. For a model with ``batch: true`` it also has ``batch_index``, the number of the batch in which each
cell was measured (not to be confused with a batch of training, which this is); else None.
"""

import torch


class DenseBatch:
    """Cells stored as a dense matrix: the plain definition of what every batch computes."""

    def __init__(self, expression, batch_index=None):  # (cells, genes), float32; (cells,), int64
        self.expression, self.batch_index = expression, batch_index

    def __len__(self):
        return len(self.expression)

    def linear(self, layer):
        """A linear layer applied to the expression of each cell: (cells, layer.out_features)."""
        return layer(self.expression)

    def squared_error(self, hidden, layer):
        """Sum over genes of (expression - layer(hidden)) squared, mean over cells; hidden: (cells, in_features)."""
        return (self.expression - layer(hidden)).square().sum() / len(self)


class DenseBatches:
    """Makes dense batches on a device, to which the compressed rows are moved once.

    Args:
        expression: scae.data.expression.Expression.
        device: torch.device.
    """

    def __init__(self, expression, device):
        arrays = (expression.indptr, expression.indices, expression.data, expression.offset)
        self.indptr, self.indices, self.data, self.offset = (torch.from_numpy(array).to(device) for array in arrays)
        self.batch_index = (
            None if expression.batch_index is None else torch.from_numpy(expression.batch_index).to(device)
        )

    def __call__(self, cells):
        """The batch of these cells; cells: (n,) int64 tensor on the CPU."""
        cells = cells.to(self.indptr.device)
        first, lengths = self.indptr[cells], self.indptr[cells + 1] - self.indptr[cells]
        rows = torch.repeat_interleave(torch.arange(len(cells), device=cells.device), lengths)
        within = torch.arange(len(rows), device=cells.device) - (lengths.cumsum(0) - lengths)[rows]
        entries = first[rows] + within
        genes = self.indices[entries].long()
        dense = self.offset.repeat(len(cells), 1)
        dense[rows, genes] += self.data[entries]  # a gene has one entry in a cell
        return DenseBatch(dense, None if self.batch_index is None else self.batch_index[cells])
