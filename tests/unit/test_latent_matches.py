"""Matches of latents between seeds, against a null distribution that is made in another way."""

import itertools

import numpy as np
import pandas as pd
import pytest
from test_latent_genes import moves_of

from scae.evaluation import latent_genes, latent_matches

AXES = np.random.default_rng(4).normal(size=(6, 200))  # effects of six latents on 200 genes


def effects_of(values):
    names = [f"z{number + 1}" for number in range(len(values))]
    return latent_genes.Effects(np.asarray(values, dtype=float), moves_of(names))


def rotation(size, random):
    q, r = np.linalg.qr(random.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


def noisy(values, random, noise=0.2):
    return values + noise * random.normal(size=values.shape)


def test_axes_of_every_seed_are_reproducible_whatever_their_order_and_sign():
    random = np.random.default_rng(5)
    turns = [np.eye(6), -np.eye(6)[::-1], np.eye(6)[random.permutation(6)]]
    seeds = {seed: effects_of(noisy(turn @ AXES, random)) for seed, turn in enumerate(turns)}
    table = latent_matches.matches(seeds)
    assert table["reproducible"].all()
    assert (table["agreement"] > 0.9).all()
    assert (table["null_95"] < table["agreement"]).all()
    assert table["p"].min() == 1 / (1 + latent_matches.ROTATIONS)
    assert table["p_holm"].min() == 6 * table["p"].min()  # of the latent that is tested first; no later one has less
    assert set(table["others"]) == {2}
    pd.testing.assert_frame_equal(table, latent_matches.matches(seeds), check_exact=True)


def test_many_latents_can_be_reproducible_after_holms_adjustment():
    assert [latent_matches.n_rotations(n_latents) for n_latents in (1, 6, 49)] == [latent_matches.ROTATIONS] * 3
    for n_latents in (50, 200):
        assert n_latents / (1 + latent_matches.n_rotations(n_latents)) < latent_matches.LEVEL


def test_random_axes_of_a_shared_space_are_not_reproducible():
    found = 0
    for seed in range(40):  # at most one in twenty of them
        random = np.random.default_rng(100 + seed)
        seeds = {number: effects_of(noisy(rotation(6, random) @ AXES, random)) for number in range(2)}
        table = latent_matches.matches(seeds)
        assert (table["agreement"] > 0.2).all()  # there is always a best match
        found += table[table["seed"] == 0]["reproducible"].any()
    assert found <= 6


def test_only_the_shared_axis_is_reproducible():
    random, others = np.random.default_rng(6), 0
    for _ in range(10):
        seeds = {}
        for seed in range(3):
            turn = np.eye(6)
            turn[1:, 1:] = rotation(5, random)
            seeds[seed] = effects_of(noisy(turn @ AXES, random))
        table = latent_matches.matches(seeds)
        assert (table[table["latent"] == "z1"]["reproducible"] == 1).all()
        others += table[(table["latent"] != "z1") & (table["seed"] == 0)]["reproducible"].any()
    assert others <= 2


def best_match(alike):
    """Brute force: each row's value in the permutation with the largest sum."""
    order = max(itertools.permutations(range(len(alike))), key=lambda order: alike[range(len(alike)), order].sum())
    return alike[range(len(alike)), order]


def test_p_is_the_share_of_rotations_that_agree_as_well():
    random = np.random.default_rng(8)
    own, other = noisy(AXES[:3], random, 3.0), noisy(AXES[:3], random, 3.0)
    table = latent_matches.matches({0: effects_of(own), 1: effects_of(other)})
    null = []
    for _ in range(2000):
        turned = rotation(3, random) @ (other - other.mean(axis=1, keepdims=True))
        null.append(best_match(np.abs(np.corrcoef(own, turned)[:3, 3:])))
    observed = best_match(np.abs(np.corrcoef(own, other)[:3, 3:]))
    first = table[table["seed"] == 0]
    assert np.allclose(first["agreement"], observed)
    assert np.allclose(first["null_mean"], np.mean(null, axis=0), atol=0.03)
    assert np.allclose(first["null_95"], np.quantile(null, 0.95, axis=0), atol=0.03)
    assert np.allclose(first["p"], (np.array(null) >= observed).mean(axis=0), atol=0.05)
    assert not first["reproducible"].any()  # else the others are tested against the remaining latents
    assert np.allclose(first["p_holm"], np.minimum(1, 3 * first["p"]))


def test_the_width_of_a_move_does_not_matter():
    seeds = {seed: effects_of(noisy(AXES[:3], np.random.default_rng(seed), 3.0)) for seed in range(2)}
    times = np.array([1.0, 2.0, 5.0])
    other = seeds[1]
    moves = other.moves.assign(low=other.moves["low"] * times, high=other.moves["high"] * times)
    stretched = latent_genes.Effects(other.changes * times[:, None], moves)
    expected = latent_matches.matches(seeds)
    pd.testing.assert_frame_equal(latent_matches.matches({0: seeds[0], 1: stretched}), expected)


@pytest.mark.parametrize(
    ("sizes", "agreements"),
    [((6,), []), ((1, 1), [1, 1]), ((2, 0), [0, 0]), ((3, 2), [1, 1, 0, 1, 1])],  # unmatched latents agree by 0
)
def test_few_latents(sizes, agreements):
    table = latent_matches.matches({seed: effects_of(AXES[:size]) for seed, size in enumerate(sizes)})
    assert list(table["agreement"]) == pytest.approx(agreements)
    assert not len(table) or max(sizes) > 2 or not table["reproducible"].any()
