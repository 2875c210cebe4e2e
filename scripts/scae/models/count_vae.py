"""count_vae: a variational autoencoder of the counts, whose training cost scales with the number of non-zeros."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from scae.models.beta_vae import kl_divergence
from scae.models.layers import GeneLinear, VariationalLoss

ABOUT = {"title": "count VAE", "summary": "x", "reference": "x", "doi": ""}
CONFIG = {}
EPS = 1e-3


class Model(nn.Module):
    def __init__(self, n_genes, n_latent=10, beta=1.0, n_hidden=128, kl_warmup=0, scale=0.3, batch=()):
        super().__init__()
        self.variational_loss = VariationalLoss(n_genes, beta, warmup=kl_warmup)
        self.first = GeneLinear(n_genes, n_hidden)
        self.norm = nn.LayerNorm(n_hidden)
        self.mu = nn.Linear(n_hidden, n_latent)
        self.log_sigma = nn.Linear(n_hidden, n_latent)
        self.hidden = nn.Sequential(nn.Linear(n_latent, n_hidden), nn.LayerNorm(n_hidden), nn.ReLU())
        self.output = nn.Linear(n_hidden, n_genes)
        self.scale = scale

    def start(self, expression, cells):
        totals = np.zeros(expression.shape[1])
        for cell in cells.tolist():
            row = slice(expression.indptr[cell], expression.indptr[cell + 1])
            totals[expression.indices[row]] += expression.counts[row]
        with torch.no_grad():
            self.output.weight *= self.scale
            self.output.bias.copy_(torch.from_numpy(np.sqrt(len(totals) * totals / totals.sum())))

    def posterior(self, x):
        hidden = F.relu(self.norm(x.linear(self.first)))
        return self.mu(hidden), self.log_sigma(hidden)

    def loss(self, x):
        mu, log_sigma = self.posterior(x)
        z = mu + log_sigma.exp() * torch.randn_like(mu)
        return self.variational_loss(x.multinomial(self.hidden(z), self.output, EPS), kl_divergence(mu, log_sigma))

    def embed(self, x, estimate):
        return self.posterior(x)[0]
