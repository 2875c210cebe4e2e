"""beta-VSC: variational sparse coding; each latent is switched off (spike) or Gaussian (slab).

Tonolini, Jensen & Murray-Smith (2019), "Variational sparse coding"; the weight beta and the layers as in the study. The
gate by log sigmoid is that of Louizos, Welling & Kingma (2018), "Learning sparse neural networks through L0
regularization", doi:10.48550/arXiv.1712.01312, without its stretch.
"""

import torch
import torch.nn.functional as F
from torch import nn

from scae.models.layers import Branch, Decoder, Trunk, WeightedKL

ABOUT = {
    "title": "beta-VSC",
    "summary": "each latent is switched off or Gaussian; the KL divergence from such a prior is weighted by beta",
    "reference": "Tonolini, Jensen & Murray-Smith 2019, Variational sparse coding, PMLR 115, 690-700",
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
    "calibrated": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Weigh the KL divergence by beta times twice the residual variance of a gene in the batch; "
        "beta 1 is then the weight for a Gaussian decoder whose variance fits (Rybkin et al. 2021)",
    },
    "kl_warmup": {
        "type": "integer",
        "minimum": 0,
        "maximum": 1000000,
        "default": 0,
        "off": 0,
        "description": "Epochs over which the weight of the KL divergence rises to its whole (Bowman et al. 2016)",
    },
    "free_nats": {
        "type": "number",
        "minimum": 0,
        "maximum": 1000,
        "default": 0.0,
        "off": 0.0,
        "description": "KL divergence in nats that each latent may have on average at no further cost (free bits, "
        "Kingma et al. 2016)",
    },
    "spike": {
        "enum": ["clamp", "logsigmoid"],
        "default": "clamp",
        "off": "clamp",
        "description": "How the encoder's x gives the probability that a latent is on: exp(min(x, 0)), without "
        "gradient where it is fully on; or sigmoid(x), with one everywhere (Louizos et al. 2018)",
    },
    "batch": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Tell the decoder the batch of each cell (datasets.<name>.batch), so that the latents need not; "
        "of every data set of the run",
    },
}

GAMMA_MARGIN = 1e-6  # keeps the logarithms of gamma and 1 - gamma finite


def kl_divergence(mu, log_sigma, gamma, alpha):
    """KL divergence of each latent's spike-and-slab posterior from its prior in nats, (cells, n_latent).

    The slab counts as much as it is switched on; the switch itself is a Bernoulli(gamma) against a Bernoulli(alpha).
    Tonolini et al. (2019), equation 7.
    """
    gamma = gamma.clamp(GAMMA_MARGIN, 1 - GAMMA_MARGIN)
    slab = -0.5 * (1 + 2 * log_sigma - mu.square() - (2 * log_sigma).exp())
    switch = (1 - gamma) * ((1 - gamma) / (1 - alpha)).log() + gamma * (gamma / alpha).log()
    return gamma * slab + switch


class Model(nn.Module):
    def __init__(
        self,
        n_genes,
        n_latent,
        beta,
        alpha,
        c,
        calibrated=False,
        kl_warmup=0,
        free_nats=0.0,
        spike="clamp",
        batch=(),
    ):
        super().__init__()
        self.n_latent, self.alpha, self.c, self.spike = n_latent, alpha, c, spike
        self.weigh = WeightedKL(n_genes, beta, calibrated, kl_warmup, free_nats)
        self.trunk = Trunk(n_genes)
        self.mu = Branch(n_latent)
        self.log_sigma = Branch(n_latent)
        self.log_spike = Branch(n_latent)
        self.decoder = Decoder(n_latent, n_genes, batch)

    def posterior(self, x):
        hidden = self.trunk(x)  # (cells, 32)
        log_spike = self.log_spike(hidden)
        log_gamma = log_spike.clamp(max=0) if self.spike == "clamp" else F.logsigmoid(log_spike)
        gamma = log_gamma.exp()  # probability that the latent is on
        return self.mu(hidden), self.log_sigma(hidden), gamma  # each (cells, n_latent)

    def sample(self, mu, log_sigma, gamma):
        slab = mu + log_sigma.exp() * torch.randn_like(mu)
        switch = torch.sigmoid(self.c * (torch.rand_like(gamma) + gamma - 1))  # relaxed Bernoulli(gamma)
        return switch * slab

    def loss(self, x):
        """Named terms, each a scalar: the mean over the cells of the batch."""
        mu, log_sigma, gamma = self.posterior(x)
        reconstruction = self.decoder.squared_error(x, self.sample(mu, log_sigma, gamma))
        return self.weigh(reconstruction, kl_divergence(mu, log_sigma, gamma, self.alpha))

    def health(self, x):
        """What each latent does, each (cells, n_latent): its KL divergence in nats, and how far it is switched on."""
        mu, log_sigma, gamma = self.posterior(x)
        return {"kl": kl_divergence(mu, log_sigma, gamma, self.alpha), "gate": gamma}

    def embed(self, x, estimate):
        """Latent of each cell, (cells, n_latent): the posterior's mean, the slab's mean, or a sample."""
        mu, log_sigma, gamma = self.posterior(x)
        if estimate == "sample":
            return self.sample(mu, log_sigma, gamma)
        return mu if estimate == "slab_mean" else gamma * mu

    def prior(self, n_cells):
        """Latents from the prior, (n_cells, n_latent) float32: on with probability alpha, by a switch that is hard."""
        return (torch.rand(n_cells, self.n_latent) < self.alpha) * torch.randn(n_cells, self.n_latent)
