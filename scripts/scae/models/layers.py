"""Layers that the models of the study share."""

import torch
import torch.nn.functional as F
from torch import nn


class GeneLinear(nn.Linear):
    """nn.Linear with the weight stored as (genes, units), so that the weights of a gene are contiguous in memory."""

    def __init__(self, n_genes, units):
        super().__init__(n_genes, units)
        self.weight = nn.Parameter(self.weight.detach().t().contiguous())

    def forward(self, expression):  # (cells, genes)
        return torch.addmm(self.bias, expression, self.weight)  # (cells, units)


class Trunk(nn.Module):
    """Expression to 32 hidden units: linear 128, then ReLU 32 (the study puts no ReLU after the first layer)."""

    def __init__(self, n_genes):
        super().__init__()
        self.first = GeneLinear(n_genes, 128)
        self.second = nn.Linear(128, 32)

    def forward(self, x):  # x: a batch of cells (training/batches.py)
        return F.relu(self.second(x.linear(self.first)))  # (cells, 32)


class Branch(nn.Module):
    """One parameter of the posterior: ReLU 16, then a linear head."""

    def __init__(self, n_latent):
        super().__init__()
        self.hidden = nn.Linear(32, 16)
        self.head = nn.Linear(16, n_latent)

    def forward(self, hidden):  # (cells, 32)
        # In float32 also under autocast: the divergences take logarithms of values close to 0 and 1
        return self.head(F.relu(self.hidden(hidden))).to(self.head.weight.dtype)  # (cells, n_latent)


class Decoder(nn.Module):
    """Latent to expression: ReLU 16, ReLU 32, ReLU 128, linear.

    With ``batches``, the names of the experimental batches, it is batch-conditioned: the one-hot batch of a cell is
    appended to its last hidden units, so that each gene has a constant per batch, which the latent need not encode. It
    is then the decoder of a conditional autoencoder (Sohn, Lee & Yan 2015, "Learning structured output representation
    using deep conditional generative models"). scVI conditions its decoder from the first layer on (Lopez et al. 2018,
    doi:10.1038/s41592-018-0229-2); here that layer has 16 units, too narrow to carry a shift of every gene.
    """

    def __init__(self, n_latent, n_genes, batches=()):
        super().__init__()
        self.n_batches = len(batches or ())
        self.hidden = nn.Sequential(
            nn.Linear(n_latent, 16), nn.ReLU(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 128), nn.ReLU()
        )
        self.output = nn.Linear(128 + self.n_batches, n_genes)

    def last_hidden(self, z, batch_index=None):  # (cells, n_latent), (cells,)
        hidden = self.hidden(z)
        if self.n_batches:
            hidden = torch.cat([hidden, F.one_hot(batch_index, self.n_batches).to(hidden.dtype)], dim=1)
        return hidden  # (cells, 128 + n_batches)

    def forward(self, z, batch_index=None):
        return self.output(self.last_hidden(z, batch_index))  # (cells, n_genes)

    def squared_error(self, x, z):
        """Reconstruction loss: sum over genes of (x - decoded z) squared, mean over cells; scalar."""
        return x.squared_error(self.last_hidden(z, x.batch_index), self.output)
