"""beta-VSC: variational sparse coding; each latent is switched off (spike) or Gaussian (slab).

The objective is that of Tonolini, Jensen & Murray-Smith (2019), "Variational sparse coding", as submitted to ICLR 2019:
its prior is fixed, unlike that of PMLR 115. The weight beta and the layers are as in the study.
"""

import torch
from torch import nn

from scae.models.layers import Branch, Decoder, Trunk

ABOUT = {
    "title": "beta-VSC",
    "summary": "each latent is switched off or Gaussian; the KL divergence from the prior is weighted by beta",
    "reference": "Tonolini, Jensen & Murray-Smith 2019, Variational sparse coding, submitted to ICLR 2019",
    "doi": "",
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
    "alpha": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 1,
        "default": 0.5,
        "description": "Prior probability that a latent is switched on",
    },
    "c": {
        "type": "number",
        "exclusiveMinimum": 0,
        "maximum": 1e6,
        "default": 50.0,
        "description": "Steepness of the relaxed switch; larger is closer to on/off",
    },
    "batch": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Condition the decoder on the batch of each cell, so that the latents need not encode it; every "
        "data set of the run then needs a datasets.<name>.batch",
    },
}

GAMMA_MARGIN = 1e-6  # keeps the logarithms of gamma and 1 - gamma finite


def kl_divergence(mu, log_sigma, gamma, alpha):
    """KL divergence of each latent's spike-and-slab posterior from its prior in nats, (cells, n_latent).

    The divergence of the slab is weighted by gamma; that of the switch is from Bernoulli(gamma) to Bernoulli(alpha).
    ``log_sigma`` is the logarithm of the standard deviation, ``gamma`` the probability that the latent is on. Tonolini
    et al. (2019), equation 7.
    """
    gamma = gamma.clamp(GAMMA_MARGIN, 1 - GAMMA_MARGIN)
    slab = -0.5 * (1 + 2 * log_sigma - mu.square() - (2 * log_sigma).exp())
    switch = (1 - gamma) * ((1 - gamma) / (1 - alpha)).log() + gamma * (gamma / alpha).log()
    return gamma * slab + switch


class Model(nn.Module):
    def __init__(self, n_genes, n_latent, beta, alpha, c, batch=()):
        super().__init__()
        self.n_latent, self.beta, self.alpha, self.c = n_latent, beta, alpha, c
        self.trunk = Trunk(n_genes)
        self.mu = Branch(n_latent)
        self.log_sigma = Branch(n_latent)
        self.log_spike = Branch(n_latent)
        self.decoder = Decoder(n_latent, n_genes, batch)

    def posterior(self, x):
        hidden = self.trunk(x)  # (cells, 32)
        gamma = self.log_spike(hidden).clamp(max=0).exp()  # probability that the latent is on
        return self.mu(hidden), self.log_sigma(hidden), gamma  # each (cells, n_latent)

    def sample(self, mu, log_sigma, gamma):
        slab = mu + log_sigma.exp() * torch.randn_like(mu)
        switch = torch.sigmoid(self.c * (torch.rand_like(gamma) + gamma - 1))  # relaxed Bernoulli(gamma)
        return switch * slab

    def loss(self, x):
        """Named terms, each a scalar: the mean over the cells of the batch."""
        mu, log_sigma, gamma = self.posterior(x)
        reconstruction = self.decoder.squared_error(x, self.sample(mu, log_sigma, gamma))
        kl = kl_divergence(mu, log_sigma, gamma, self.alpha).sum(dim=1).mean()
        return {"loss": reconstruction + self.beta * kl, "reconstruction": reconstruction, "kl": kl}

    def diagnostics(self, x):
        """KL divergence in nats and gate (probability of being on) of each latent, each (cells, n_latent)."""
        mu, log_sigma, gamma = self.posterior(x)
        return {"kl": kl_divergence(mu, log_sigma, gamma, self.alpha), "gate": gamma}

    def embed(self, x, estimate):
        """Latent of each cell, (cells, n_latent): mean of the posterior, mean of the slab, or a sample."""
        mu, log_sigma, gamma = self.posterior(x)
        if estimate == "sample":
            return self.sample(mu, log_sigma, gamma)
        return mu if estimate == "slab_mean" else gamma * mu

    def prior(self, n_cells):
        """Latents from the prior, (n_cells, n_latent) float32: on with probability alpha, by a hard switch."""
        return (torch.rand(n_cells, self.n_latent) < self.alpha) * torch.randn(n_cells, self.n_latent)
