"""What the models of the study share: their layers, and how the terms of a variational loss are weighed."""

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
    """Latent to expression: ReLU 16, ReLU 32, ReLU 128, linear.

    With ``batches``, the names of those in which cells were measured, the one-hot batch of a cell stands beside its
    last hidden units: each gene has a constant for each batch, which the latent then need not tell. Telling a decoder
    what is known of a cell makes a conditional autoencoder (Sohn, Lee & Yan 2015, "Learning structured output
    representation using deep conditional generative models"), and scVI tells its decoder the batch (Lopez et al. 2018,
    doi:10.1038/s41592-018-0229-2) from the first layer on. Here that has 16 units, through which a shift of every gene
    would have to pass.
    """

    def __init__(self, n_latent, n_genes, batches=()):
        super().__init__()
        self.n_batches = len(batches or ())
        self.hidden = nn.Sequential(
            nn.Linear(n_latent, 16), nn.ReLU(), nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 128), nn.ReLU()
        )
        self.output = nn.Linear(128 + self.n_batches, n_genes)

    def units(self, z, batch_index=None):  # (cells, n_latent), (cells,)
        hidden = self.hidden(z)
        if self.n_batches:
            hidden = torch.cat([hidden, F.one_hot(batch_index, self.n_batches).to(hidden.dtype)], dim=1)
        return hidden  # (cells, 128 + n_batches)

    def forward(self, z, batch_index=None):
        return self.output(self.units(z, batch_index))  # (cells, n_genes)

    def squared_error(self, x, z):
        """Reconstruction loss: sum over genes of (x - decoded z) squared, mean over cells; scalar."""
        return x.squared_error(self.units(z, x.batch_index), self.output)


class WeightedKL(nn.Module):
    """The loss of a variational autoencoder: reconstruction + weight x KL divergence, the weight being beta or other.

    With ``calibrated`` it is beta x 2 x the residual variance of a gene in the batch. A squared error takes that
    variance for 1/2; so beta 1 has the gradient of the evidence lower bound of a Gaussian decoder with the best
    variance: Rybkin, Daniilidis & Levine (2021), "Simple and effective VAE training with calibrated decoders",
    doi:10.48550/arXiv.2006.13202. With ``warmup`` it rises in equal steps over so many epochs: Bowman et al. (2016),
    "Generating sentences from a continuous space", doi:10.18653/v1/K16-1002. Of ``free_nats`` each latent may have so
    much divergence, mean over the batch, at no more cost than with less: Kingma et al. (2016), "Improving variational
    inference with inverse autoregressive flow", doi:10.48550/arXiv.1606.04934, whose minimum is called free bits.
    """

    def __init__(self, n_genes, beta, calibrated=False, warmup=0, free_nats=0.0):
        super().__init__()
        self.n_genes, self.beta, self.calibrated = n_genes, beta, calibrated
        self.warmup, self.free_nats = warmup, free_nats
        self.risen = 1.0  # share of the weight

    def start_epoch(self, epoch):
        """What training tells of itself, the first epoch being 1; a model that is read back has risen."""
        self.risen = min(1.0, epoch / self.warmup) if self.warmup else 1.0

    def forward(self, reconstruction, kl_of_each):  # scalar, (cells, n_latent)
        """The named terms of the loss, ``kl`` in nats with what is free; and the weight, where it is not just beta."""
        kl = kl_of_each.sum(dim=1).mean()
        charged = kl_of_each.mean(dim=0).clamp(min=self.free_nats).sum() if self.free_nats else kl
        weight = self.beta
        if self.calibrated:
            weight = weight * 2 * reconstruction.detach() / self.n_genes
        if self.warmup:
            weight = weight * self.risen
        terms = {"loss": reconstruction + weight * charged, "reconstruction": reconstruction, "kl": kl}
        return terms | ({"kl_weight": torch.as_tensor(weight)} if self.calibrated or self.warmup else {})
