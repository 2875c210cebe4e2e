"""The layers that all three models of the study share."""

import torch
import torch.nn.functional as F
from torch import nn


class GeneLinear(nn.Linear):
    """nn.Linear with the weight stored as (genes, units), so that the weights of a gene lie side by side in memory."""

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

    def forward(self, x):  # x: a batch of cells (see batches.py), never looked into
        return F.relu(self.second(x.linear(self.first)))  # (cells, 32)


class Branch(nn.Module):
    """One parameter of the posterior: ReLU 16, then a linear head."""

    def __init__(self, n_latent):
        super().__init__()
        self.hidden = nn.Linear(32, 16)
        self.head = nn.Linear(16, n_latent)

    def forward(self, hidden):  # (cells, 32)
        # As exact as the weights also under autocast: the divergences take logarithms of what is close to 0 and 1
        return self.head(F.relu(self.hidden(hidden))).to(self.head.weight.dtype)  # (cells, n_latent)


class Decoder(nn.Module):
    """Latent to expression: ReLU 16, ReLU 32, ReLU 128, linear."""

    def __init__(self, n_latent, n_genes):
        super().__init__()
        self.hidden = nn.Sequential(
            nn.Linear(n_latent, 16), nn.ReLU(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 128), nn.ReLU()
        )
        self.output = nn.Linear(128, n_genes)

    def forward(self, z):  # (cells, n_latent)
        return self.output(self.hidden(z))  # (cells, n_genes)

    def squared_error(self, x, z):
        """Reconstruction loss: sum over genes of (x - decoded z) squared, mean over cells; scalar."""
        return x.squared_error(self.hidden(z), self.output)
