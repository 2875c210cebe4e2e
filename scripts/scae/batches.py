"""Batches of cells as the models see them.

A model never looks into its input. It asks a batch for the two things that touch every gene: the first linear layer
and the squared error of the last one. So the storage behind a batch can change without a change to any model.
"""

import torch


class DenseBatch:
    """Cells stored as a dense matrix: the plain definition of what every batch computes."""

    def __init__(self, expression):  # (cells, genes), float32
        self.expression = expression

    def __len__(self):
        return len(self.expression)

    def linear(self, layer):
        """A linear layer applied to the expression of each cell: (cells, layer.out_features)."""
        return layer(self.expression)

    def squared_error(self, hidden, layer):
        """Sum over genes of (expression - layer(hidden)) squared, mean over cells; hidden: (cells, in_features)."""
        return (self.expression - layer(hidden)).square().sum() / len(self)


def slice_cells(expression, cells):
    """A batch of the given cells (an index array or a slice) of a CSR matrix (cells, genes)."""
    return DenseBatch(torch.from_numpy(expression[cells].toarray()))
