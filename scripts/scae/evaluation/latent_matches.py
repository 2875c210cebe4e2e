"""Whether another seed finds the same latents, or only the same space in other axes.

Latents of two seeds are matched one to one by the correlation of their effects on the genes, whatever its sign. Any
axes of a shared space agree somewhat when the best match is looked for, so that the agreement is held against that of
random axes of the same space: the latents of the other seeds, their effects for one standard deviation each, rotated
uniformly over the orthogonal group. The latent that stands out most is tested first; if it comes back it is set aside
with its matches, and the others are held against rotations of what is left, so that one shared axis does not make the
rest look shared. One latent alone has no other axes, and is never found to come back.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

ROTATIONS = 999
LEVEL = 0.05  # of the chance that any latent of a seed is wrongly said to come back
COLUMNS = ["seed", "latent", "others", "agreement", "null_mean", "null_95", "p", "p_holm", "reproducible"]


def matches(effects):
    """How well each live latent comes back under the other seeds, and how well a random axis would.

    Args:
        effects: {seed: scae.evaluation.latent_genes.Effects}.

    Returns:
        pandas.DataFrame: seed, latent, others (number of other seeds), agreement (|correlation| with the matched latent
        of each other seed, mean; 0 where it has none left), null_mean and null_95 (mean and 95 % quantile of the same
        with the others rotated), p (share of rotations that agree as well), p_holm (adjusted over the latents of the
        seed, Holm 1979), reproducible (1 where p_holm is below .05). No rows with one seed.
    """
    rows = []
    for number, (seed, own) in enumerate(effects.items()):
        others = [found.per_sd for other, found in effects.items() if other != seed]
        found = _step_down(own.per_sd, others, np.random.default_rng(number)) if others and len(own.moves) else {}
        rows += [(seed, latent, len(others), *found[place]) for place, latent in enumerate(own.moves.index) if found]
    return pd.DataFrame(rows, columns=COLUMNS)


def _step_down(own, others, random):
    """{number of a latent: agreement, null_mean, null_95, p, p_holm, reproducible}."""
    found, left, free, adjusted = {}, list(range(len(own))), [list(range(len(other))) for other in others], 0.0
    while left:
        pairs = [_Pair.of(own[left], other[kept], random) for other, kept in zip(others, free, strict=True)]
        agreed, null = (np.mean([getattr(pair, name) for pair in pairs], axis=0) for name in ("agreed", "null"))
        p = (1 + (null >= agreed - 1e-12).sum(axis=0)) / (1 + ROTATIONS)
        excess = agreed - null.mean(axis=0)
        order = np.lexsort([-excess, p])
        holm = np.maximum(adjusted, np.minimum(1, p * len(left)))
        comes_back = holm[order[0]] < LEVEL
        is_last = not comes_back or len(left) <= 2  # of two axes neither can turn alone
        for place in order if is_last else order[:1]:
            values = (agreed[place], null[:, place].mean(), np.quantile(null[:, place], 0.95), p[place], holm[place])
            found[left[place]] = (*map(float, values), int(comes_back and holm[place] < LEVEL))
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
    """What latents have in common with those of another seed."""

    agreed: np.ndarray  # (latents,) |correlation| of each with its match
    partners: np.ndarray  # (latents,) number of its match, -1 without one
    null: np.ndarray  # (rotations, latents) the same |correlation| with the other rotated

    @classmethod
    def of(cls, own, other, random):
        n_own, n_other = len(own), len(other)
        if not n_other:
            return cls(np.zeros(n_own), np.full(n_own, -1), np.zeros((ROTATIONS, n_own)))
        own, other = (values - values.mean(axis=1, keepdims=True) for values in (own, other))
        own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-300)
        shared, gram = own @ other.T, other @ other.T  # all that a rotation of the other needs
        turned = _rotations(n_other, random)
        products = shared @ turned.transpose(0, 2, 1)
        norms = np.sqrt(np.maximum(np.einsum("rij,jk,rik->ri", turned, gram, turned), 1e-300))
        null = np.array([_matched(found)[0] for found in np.abs(products / norms[:, None])])
        return cls(*_matched(np.abs(shared / np.sqrt(np.maximum(np.diag(gram), 1e-300)))), null)


def _matched(alike):
    """What each row has with its column (or 0), and which that is (or -1), matched so that the sum is the largest."""
    rows, columns = linear_sum_assignment(alike, maximize=True)
    found, partners = np.zeros(len(alike)), np.full(len(alike), -1)
    found[rows], partners[rows] = alike[rows, columns], columns
    return found, partners


def _rotations(size, random):
    """(rotations, size, size) orthogonal matrices, uniform over their group (Mezzadri 2007)."""
    q, r = np.linalg.qr(random.normal(size=(ROTATIONS, size, size)))
    return q * np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None]
