"""beta-VAE: Gaussian posterior, its KL divergence from the standard normal weighted by beta.

Kingma & Welling (2014), "Auto-encoding variational Bayes"; Higgins et al. (2017), "beta-VAE"; layers as in the study.
"""

import torch
from torch import nn

from scae.models.layers import Branch, Decoder, Trunk, VariationalLoss

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
    "calibrated": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Multiply the weight of the KL divergence by twice the mean residual variance of the genes in a "
        "batch; beta 1 then corresponds to a Gaussian decoder with the optimal variance (Rybkin et al. 2021)",
    },
    "kl_warmup": {
        "type": "integer",
        "minimum": 0,
        "maximum": 1000000,
        "default": 0,
        "off": 0,
        "description": "Epochs over which the weight of the KL divergence rises to its full value (Bowman et al. 2016)",
    },
    "free_nats": {
        "type": "number",
        "minimum": 0,
        "maximum": 1000,
        "default": 0.0,
        "off": 0.0,
        "description": "KL divergence in nats that each latent may have, on average, without a penalty (free bits, "
        "Kingma et al. 2016)",
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
    def __init__(self, n_genes, n_latent, beta, calibrated=False, kl_warmup=0, free_nats=0.0, batch=()):
        super().__init__()
        self.n_latent = n_latent
        self.variational_loss = VariationalLoss(n_genes, beta, calibrated, kl_warmup, free_nats)
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
        return self.variational_loss(reconstruction, kl_divergence(mu, log_sigma))

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
