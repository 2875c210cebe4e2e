"""count_vae: a variational autoencoder of the counts, trained exactly at a cost that scales with the non-zero counts.

The counts of a cell are draws from a multinomial distribution over the genes, so that sequencing depth needs no latent.
The share of a gene is p_g = q_g / Σ q with a quadratic link, q_g = (w_g·h + b_g)² + EPS, where h are the decoder's last
hidden units. A softmax, exp instead of the square, needs a number for every gene of every cell; the sum of the squares
has a closed form, so only the non-zero counts are visited (training/sparse.py). The link is of the spherical family of
Vincent, de Brébisson & Bouthillier (2015) and de Brébisson & Vincent (2016, arXiv 1511.05042). The rest is the
variational autoencoder of Kingma & Welling (2014); layer normalisation is of Ba, Kiros & Hinton (2016, arXiv
1607.06450).

Its own ``epochs``, ``min_steps``, ``early_stopping`` and ``batch_size`` replace those of ``training``: the study's 200
epochs are 600 gradient steps on 700 cells and 156,000 on 200,000. A search chose the number of steps. Early stopping is
off, because on 700 cells the held-out loss is lowest after some 250 steps already.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scae.models.layers import GeneLinear

ABOUT = {
    "title": "count VAE",
    "summary": "a variational autoencoder whose decoder gives the share of each gene in the counts of a cell, with a "
    "quadratic link and multinomial counts",
    "reference": "Kingma & Welling 2014, Auto-encoding variational Bayes; quadratic link: Vincent, de Brébisson & "
    "Bouthillier 2015, Efficient exact gradient update for training deep networks with very large sparse targets",
    "doi": "10.48550/arXiv.1412.7091",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 10, "description": "Number of latents"},
    "beta": {
        "type": "number",
        "minimum": 0,
        "maximum": 1e6,
        "default": 1.0,
        "description": "Weight of the KL divergence; 1 trains on the evidence lower bound of the counts",
    },
    "batch_size": {
        "type": "integer",
        "minimum": 1,
        "maximum": 100000000,
        "default": 128,
        "description": "Cells per gradient step, in place of training.batch_size",
    },
    "epochs": {
        "type": "integer",
        "minimum": 1,
        "maximum": 1000000,
        "default": 20,
        "description": "Passes over all cells, in place of training.epochs; more where min_steps needs them",
    },
    "min_steps": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100000000,
        "default": 600,
        "description": "Minimum number of gradient steps, in place of training.min_steps",
    },
    "early_stopping": {
        "type": "integer",
        "minimum": 0,
        "maximum": 100000000,
        "default": 0,
        "description": "Early stopping in gradient steps, in place of training.early_stopping; 0 trains for all epochs",
    },
    "batch": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Condition the decoder on the batch of each cell, so that the latents need not encode it; every "
        "data set of the run then needs a datasets.<name>.batch",
    },
}
NEEDS_COUNTS = True
# Choices of latent.estimate that give the same latent as another: {choice: the other}; a literal, as CONFIG is
SAME_ESTIMATES = {"slab_mean": "posterior_mean"}

N_HIDDEN = 128
DROPOUT = 0.2  # of the encoder's hidden units; without it the held-out loss rises soon, with more the latents shrink
EPS = 1e-3  # of the link, where the mean over genes of (w·h + b)² starts at 1
WEIGHT_SCALE = 0.3  # of the initial weights of the output, relative to torch's default


def kl_divergence(mu, log_sigma):
    """KL(N(mu, sigma²) ‖ N(0, 1)) of each latent of each cell in nats, (cells, n_latent); Kingma & Welling (2014)."""
    return 0.5 * (mu.square() + (2 * log_sigma).exp() - 1) - log_sigma


class Decoder(nn.Module):
    """Latent to the share of each gene: linear, layer norm, ReLU 128, linear, square.

    With ``batches`` the one-hot batch of a cell is appended to the last hidden units, as in `layers.Decoder`.
    """

    def __init__(self, n_latent, n_genes, batches=()):
        super().__init__()
        self.n_batches = len(batches or ())
        self.hidden = nn.Sequential(nn.Linear(n_latent, N_HIDDEN), nn.LayerNorm(N_HIDDEN), nn.ReLU())
        self.output = nn.Linear(N_HIDDEN + self.n_batches, n_genes)
        with torch.no_grad():
            self.output.weight *= WEIGHT_SCALE
        self.register_buffer("expression_total", torch.tensor(1e4))  # expm1(expression) of a cell, summed over genes

    def last_hidden(self, z, batch_index=None):  # (cells, n_latent), (cells,)
        hidden = self.hidden(z)
        if self.n_batches:
            hidden = torch.cat([hidden, F.one_hot(batch_index, self.n_batches).to(hidden.dtype)], dim=1)
        return hidden  # (cells, 128 + n_batches)

    def shares(self, z, batch_index=None):
        """Expected share of each gene in the counts of a cell: (cells, n_genes), rows sum to 1."""
        q = self.output(self.last_hidden(z, batch_index)).square() + EPS
        return q / q.sum(dim=1, keepdim=True)

    def forward(self, z, batch_index=None):
        """log1p(share · scale): the expected counts on the scale of the log-normalised expression, (cells, n_genes)."""
        return torch.log1p(self.shares(z, batch_index) * self.expression_total)

    def negative_log_likelihood(self, x, z):
        """In nats, mean over cells, without the multinomial coefficient; scalar."""
        return x.multinomial(self.last_hidden(z, x.batch_index), self.output, EPS)


class Model(nn.Module):
    def __init__(self, n_genes, n_latent, beta, batch=()):
        super().__init__()
        self.n_latent, self.beta = n_latent, beta
        self.first = GeneLinear(n_genes, N_HIDDEN)
        self.norm = nn.LayerNorm(N_HIDDEN)
        self.mu = nn.Linear(N_HIDDEN, n_latent)
        self.log_sigma = nn.Linear(N_HIDDEN, n_latent)
        self.decoder = Decoder(n_latent, n_genes, batch)

    @torch.no_grad()
    def start(self, expression, cells):
        """Called once before training: the output starts at the mean share of each gene.

        Args:
            expression: scae.data.expression.Expression with counts.
            cells: indices of the training cells.
        """
        counts, total = np.zeros(expression.shape[1]), 0.0
        for cell in cells.tolist():
            row = slice(expression.indptr[cell], expression.indptr[cell + 1])
            counts[expression.indices[row]] += expression.counts[row]
            total += np.expm1(expression.data[row]).sum(dtype=np.float64)
        share = counts / max(counts.sum(), 1)
        self.decoder.output.bias.copy_(torch.from_numpy(np.sqrt(len(share) * share)))
        self.decoder.expression_total.fill_(total / len(cells))

    def posterior(self, x):
        hidden = F.relu(self.norm(x.linear(self.first)))  # (cells, 128); x: a batch of cells (training/batches.py)
        hidden = F.dropout(hidden, DROPOUT, self.training)
        # In float32 also under autocast
        return (head(hidden).to(head.weight.dtype) for head in (self.mu, self.log_sigma))  # each (cells, n_latent)

    def sample(self, mu, log_sigma):
        return mu + log_sigma.exp() * torch.randn_like(mu)

    def loss(self, x):
        """Named terms in nats, each a scalar: the mean over the cells of the batch."""
        mu, log_sigma = self.posterior(x)
        reconstruction = self.decoder.negative_log_likelihood(x, self.sample(mu, log_sigma))
        kl = kl_divergence(mu, log_sigma).sum(dim=1).mean()
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}

    def diagnostics(self, x):
        """KL divergence of each latent of each cell in nats, (cells, n_latent)."""
        return {"kl": kl_divergence(*self.posterior(x))}

    def embed(self, x, estimate):
        """Latent of each cell, (cells, n_latent): mean of the posterior, or a sample from it."""
        mu, log_sigma = self.posterior(x)
        return self.sample(mu, log_sigma) if estimate == "sample" else mu

    def prior(self, n_cells):
        """Latents from the prior, (n_cells, n_latent) float32."""
        return torch.randn(n_cells, self.n_latent)
