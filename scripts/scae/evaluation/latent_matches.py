"""Whether another seed finds the same latents, or only the same space with other axes.

Latents of two seeds are matched one to one by the absolute correlation of their effects on the genes. Even random axes
of a shared space agree somewhat with their best match, so the null distribution is that of random axes: the latents of
the other seeds (effects per standard deviation), rotated uniformly over the orthogonal group. The most significant
latent is tested first. If it is reproducible, it is removed with its matches and the others are tested against
rotations of the remaining latents, so that one shared axis does not make the others look shared. A single latent has
no other axes and is never called reproducible.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from scae import results

ROTATIONS = 999
LEVEL = 0.05  # family-wise error rate over the latents of a seed
COLUMNS = results.BY_NAME["latent_matches"].column_names


def matches(effects):
    """How well the other seeds reproduce each active latent, and how well they reproduce a random axis.

    Args:
        effects: {seed: scae.evaluation.latent_genes.Effects}.

    Returns:
        pandas.DataFrame: seed, latent, others (number of other seeds), agreement (|correlation| with the matched latent
        of each other seed, mean; 0 for a seed without one), null_mean and null_95 (mean and 95 % quantile of the same
        under rotations), p (share of rotations that agree as well), p_holm (adjusted over the latents of the seed, Holm
        1979), reproducible (1 if p_holm is below .05). No rows with one seed.
    """
    rows = []
    for number, (seed, own) in enumerate(effects.items()):
        others = [found.per_sd for other, found in effects.items() if other != seed]
        found = _step_down(own.per_sd, others, np.random.default_rng(number)) if others and len(own.moves) else {}
        rows += [(seed, latent, len(others), *found[place]) for place, latent in enumerate(own.moves.index) if found]
    return pd.DataFrame(rows, columns=COLUMNS)


def n_rotations(n_latents):
    """999, or as many as let the smallest p value of so many latents stay below the level after Holm's adjustment."""
    return ROTATIONS if n_latents < (ROTATIONS + 1) * LEVEL else int(2 * n_latents / LEVEL) - 1


def _step_down(own, others, random):
    """{position of a latent: agreement, null_mean, null_95, p, p_holm, reproducible}."""
    rotations = n_rotations(len(own))
    found, left, free, adjusted = {}, list(range(len(own))), [list(range(len(other))) for other in others], 0.0
    while left:
        pairs = [_Pair.of(own[left], other[kept], random, rotations) for other, kept in zip(others, free, strict=True)]
        agreed, null = (np.mean([getattr(pair, name) for pair in pairs], axis=0) for name in ("agreed", "null"))
        p = (1 + (null >= agreed - 1e-12).sum(axis=0)) / (1 + rotations)
        excess = agreed - null.mean(axis=0)
        order = np.lexsort([-excess, p])
        holm = np.maximum(adjusted, np.minimum(1, p * len(left)))
        reproducible = holm[order[0]] < LEVEL
        is_last = not reproducible or len(left) <= 2  # one of two axes cannot rotate alone
        for place in order if is_last else order[:1]:
            values = (agreed[place], null[:, place].mean(), np.quantile(null[:, place], 0.95), p[place], holm[place])
            found[left[place]] = (*map(float, values), int(reproducible and holm[place] < LEVEL))
        if is_last:
            break
        adjusted, first = holm[order[0]], order[0]
        free = [
            [one for place, one in enumerate(kept) if place != pair.partners[first]]
            for pair, kept in zip(pairs, free, strict=True)
        ]
        del left[first]
    return found


@dataclass(frozen=True)
class _Pair:
    """Agreement of latents with those of another seed."""

    agreed: np.ndarray  # (latents,) |correlation| of each with its match
    partners: np.ndarray  # (latents,) position of the match, -1 without one
    null: np.ndarray  # (rotations, latents) the same |correlation| with the other seed rotated

    @classmethod
    def of(cls, own, other, random, rotations):
        n_own, n_other = len(own), len(other)
        if not n_other:
            return cls(np.zeros(n_own), np.full(n_own, -1), np.zeros((rotations, n_own)))
        own, other = (values - values.mean(axis=1, keepdims=True) for values in (own, other))
        own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-300)
        shared, gram = own @ other.T, other @ other.T  # enough to rotate the other seed
        turned = _rotations(n_other, random, rotations)
        products = shared @ turned.transpose(0, 2, 1)
        norms = np.sqrt(np.maximum(np.einsum("rij,jk,rik->ri", turned, gram, turned), 1e-300))
        null = np.array([_matched(found)[0] for found in np.abs(products / norms[:, None])])
        return cls(*_matched(np.abs(shared / np.sqrt(np.maximum(np.diag(gram), 1e-300)))), null)


def _matched(alike):
    """Match rows and columns so that the sum is largest: each row's value (or 0) and its column (or -1)."""
    rows, columns = linear_sum_assignment(alike, maximize=True)
    found, partners = np.zeros(len(alike)), np.full(len(alike), -1)
    found[rows], partners[rows] = alike[rows, columns], columns
    return found, partners


def _rotations(size, random, number):
    """(number, size, size) orthogonal matrices, uniform over their group (Mezzadri 2007)."""
    q, r = np.linalg.qr(random.normal(size=(number, size, size)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
