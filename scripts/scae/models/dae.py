"""Deep autoencoder: six ReLU latents between an encoder and a mirrored decoder, trained on the squared error alone.

Hinton & Salakhutdinov (2006), "Reducing the dimensionality of data with neural networks"; layers as in the study.
"""

import torch.nn.functional as F
from torch import nn

from scae.models.layers import Decoder, Trunk

ABOUT = {
    "title": "deep autoencoder",
    "summary": "encoder and mirrored decoder with a ReLU latent between them, trained on the squared error alone",
    "reference": "Hinton & Salakhutdinov 2006, Reducing the dimensionality of data with neural networks",
    "doi": "10.1126/science.1127647",
}
CONFIG = {
    "n_latent": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 6, "description": "Number of latents"},
    "batch": {
        "type": "boolean",
        "default": False,
        "off": False,
        "description": "Condition the decoder on the batch of each cell, so that the latents need not encode it; every "
        "data set of the run then needs a datasets.<name>.batch",
    },
}
# Choices of latent.estimate that give the same latent as another: {choice: the other}; a literal, as CONFIG is
SAME_ESTIMATES = {"slab_mean": "posterior_mean", "sample": "posterior_mean"}


class Model(nn.Module):
    def __init__(self, n_genes, n_latent, batch=()):
        super().__init__()
        self.trunk = Trunk(n_genes)
        self.hidden = nn.Linear(32, 16)
        self.code = nn.Linear(16, n_latent)
        self.decoder = Decoder(n_latent, n_genes, batch)

    def encode(self, x):
        return F.relu(self.code(F.relu(self.hidden(self.trunk(x)))))  # (cells, n_latent)

    def loss(self, x):
        """Named terms, each a scalar: the mean over the cells of the batch."""
        reconstruction = self.decoder.squared_error(x, self.encode(x))
        return {"loss": reconstruction, "reconstruction": reconstruction}

    def embed(self, x, estimate):
        """Latent of each cell, (cells, n_latent); this model has no posterior, so every estimate is the code."""
        return self.encode(x)
