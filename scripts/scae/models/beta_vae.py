"""beta-VAE: Gaussian posterior, its KL divergence from the standard normal weighted by beta.

Kingma & Welling (2014), "Auto-encoding variational Bayes"; Higgins et al. (2017), "beta-VAE"; layers as in the study.
"""

import torch
from torch import nn

from scae.models.layers import Branch, Decoder, Trunk

ABOUT = {
    "title": "beta-VAE",
    "summary": "a Gaussian posterior for each latent, its KL divergence from the standard normal weighted by beta",
    "reference": "Kingma & Welling 2014, Auto-encoding variational Bayes; with beta: Higgins et al. 2017, beta-VAE",
    "doi": "10.48550/arXiv.1312.6114",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 6, "description": "Number of latents"},
    "beta": {
        "type": "number",
        "minimum": 0,
        "maximum": 1e6,
        "default": 2.0,
        "description": "Weight of the KL divergence",
    },
    "batch": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Condition the decoder on the batch of each cell, so that the latents need not encode it; every "
        "data set of the run then needs a datasets.<name>.batch",
    },
}
# Choices of latent.estimate that give the same latent as another: {choice: the other}; a literal, as CONFIG is
SAME_ESTIMATES = {"slab_mean": "posterior_mean"}


def kl_divergence(mu, log_sigma):
    """KL(N(mu, sigma²) ‖ N(0, 1)) of each latent of each cell in nats, (cells, n_latent) as its arguments.

    Kingma & Welling (2014), appendix B. ``log_sigma`` is the logarithm of the standard deviation.
    """
    return -0.5 * (1 + 2 * log_sigma - mu.square() - (2 * log_sigma).exp())


class Model(nn.Module):
    def __init__(self, n_genes, n_latent, beta, batch=()):
        super().__init__()
        self.n_latent, self.beta = n_latent, beta
        self.trunk = Trunk(n_genes)
        self.mu = Branch(n_latent)
        self.log_sigma = Branch(n_latent)
        self.decoder = Decoder(n_latent, n_genes, batch)

    def posterior(self, x):
        hidden = self.trunk(x)  # (cells, 32)
        return self.mu(hidden), self.log_sigma(hidden)  # each (cells, n_latent)

    def sample(self, mu, log_sigma):
        return mu + log_sigma.exp() * torch.randn_like(mu)

    def loss(self, x):
        """Named terms, each a scalar: the mean over the cells of the batch."""
        mu, log_sigma = self.posterior(x)
        reconstruction = self.decoder.squared_error(x, self.sample(mu, log_sigma))
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
