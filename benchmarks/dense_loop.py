"""The training loop one writes without this project: dense tensors, DataLoader, nn.Module, Adam with its defaults.

What the sparse engine is measured against. It shares no code with the workflow, so that neither can slow the other.
"""

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset


def encoder(n_genes):
    return nn.Sequential(nn.Linear(n_genes, 128), nn.Linear(128, 32), nn.ReLU())


def branch():
    return nn.Sequential(nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 6))


def decoder(n_genes):
    return nn.Sequential(
        nn.Linear(6, 16),
        nn.ReLU(),
        nn.Linear(16, 32),
        nn.ReLU(),
        nn.Linear(32, 128),
        nn.ReLU(),
        nn.Linear(128, n_genes),
    )


class DeepAutoencoder(nn.Module):
    def __init__(self, n_genes):
        super().__init__()
        self.encoder, self.code, self.decoder = encoder(n_genes), branch(), decoder(n_genes)

    def loss(self, x):
        z = F.relu(self.code(self.encoder(x)))
        return F.mse_loss(self.decoder(z), x, reduction="sum") / len(x)


class BetaVAE(nn.Module):
    def __init__(self, n_genes, beta=2.0):
        super().__init__()
        self.encoder, self.mu, self.log_sigma, self.decoder = encoder(n_genes), branch(), branch(), decoder(n_genes)
        self.beta = beta

    def loss(self, x):
        hidden = self.encoder(x)
        mu, log_sigma = self.mu(hidden), self.log_sigma(hidden)
        z = mu + log_sigma.exp() * torch.randn_like(mu)
        kl = -0.5 * (1 + 2 * log_sigma - mu**2 - (2 * log_sigma).exp()).sum()
        return (F.mse_loss(self.decoder(z), x, reduction="sum") + self.beta * kl) / len(x)


class BetaVSC(nn.Module):
    def __init__(self, n_genes, beta=2.0, alpha=0.5, c=50.0):
        super().__init__()
        self.encoder, self.decoder = encoder(n_genes), decoder(n_genes)
        self.mu, self.log_sigma, self.log_spike = branch(), branch(), branch()
        self.beta, self.alpha, self.c = beta, alpha, c

    def loss(self, x):
        hidden = self.encoder(x)
        mu, log_sigma = self.mu(hidden), self.log_sigma(hidden)
        gamma = self.log_spike(hidden).clamp(max=0).exp()
        switch = torch.sigmoid(self.c * (torch.rand_like(gamma) + gamma - 1))
        z = switch * (mu + log_sigma.exp() * torch.randn_like(mu))
        on = gamma.clamp(1e-6, 1 - 1e-6)
        slab = -0.5 * (1 + 2 * log_sigma - mu**2 - (2 * log_sigma).exp())
        spike = (1 - on) * ((1 - on) / (1 - self.alpha)).log() + on * (on / self.alpha).log()
        kl = (on * slab + spike).sum()
        return (F.mse_loss(self.decoder(z), x, reduction="sum") + self.beta * kl) / len(x)


MODELS = {"dae": DeepAutoencoder, "beta_vae": BetaVAE, "beta_vsc": BetaVSC}


def epochs(name, expression, seed=0, batch_size=256, learning_rate=1e-3):
    """Train without end; yields after each epoch. expression: dense (cells, genes) float32 tensor."""
    torch.manual_seed(seed)
    loader = DataLoader(TensorDataset(expression), batch_size=batch_size, shuffle=True)
    model = MODELS[name](expression.shape[1])
    optimizer = torch.optim.Adam(model.parameters(), lr=learning_rate)
    while True:
        total = 0.0
        for (x,) in loader:
            loss = model.loss(x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
        yield model, total / len(expression)
