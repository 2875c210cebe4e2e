"""Scores of mixing against their definition, another package, and arrangements whose score is known."""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

from scae.evaluation import batch_mixing


@pytest.fixture(scope="module")
def cells():
    """Four types in three shifted batches: points, types, batches."""
    source = np.random.default_rng(0)
    types, batches = source.integers(4, size=400), source.integers(3, size=400)
    points = source.normal(size=(400, 6)) + types[:, None] * 1.5
    points[:, 0] += batches * 0.8
    return points, types.astype(str), batches.astype(str)


def lisi_by_definition(points, names, perplexity=30):
    """Cell by cell: weights exp(-distance / scale) of the 89 nearest with this perplexity."""
    found = []
    for distances in cdist(points, points):
        near = distances.argsort()[1 : 3 * perplexity]

        def weights(beta, distances=distances[near]):
            found = np.exp(-beta * (distances - distances.min()))
            return found / found.sum()

        def excess(beta):
            share = weights(beta)
            return -(share * np.log(share)).sum() - np.log(perplexity)

        share = weights(brentq(excess, 1e-6, 20))
        found.append(1 / sum(share[names[near] == name].sum() ** 2 for name in np.unique(names)))
    return np.array(found)


@pytest.mark.parametrize(("which", "harmonypy"), [(1, 1.1773534), (2, 2.5079374)])
def test_lisi_is_its_definition_and_that_of_harmonypy(cells, which, harmonypy):
    """The medians are those of compute_lisi of harmonypy 0.0.10 on these cells."""
    found = batch_mixing.lisi(cells[0], cells[which])
    np.testing.assert_allclose(found, lisi_by_definition(cells[0], cells[which]), rtol=1e-5)
    assert np.median(found) == pytest.approx(harmonypy, abs=1e-5)


def test_separate_and_mixed_batches_are_at_the_ends():
    points, halves = np.random.default_rng(1).normal(size=(300, 2)), np.repeat(["a", "b"], 150)
    apart = points + (halves == "b")[:, None] * 100
    assert batch_mixing.ilisi(apart, halves) == pytest.approx(0, abs=1e-9)
    assert batch_mixing.clisi(apart, halves) == pytest.approx(1, abs=1e-9)
    for mixed in (points, np.zeros((300, 3))):
        assert batch_mixing.ilisi(mixed, halves) > 0.9
        assert batch_mixing.clisi(mixed, halves) < 0.1
    few = batch_mixing.lisi(points[:5], np.array(list("ababa")))
    assert ((few >= 1) & (few <= 2)).all()


def test_connections_are_within_the_cells_of_a_type():
    pieces = np.concatenate([np.arange(20), np.arange(20) + 1000, np.arange(40) + 2000])[:, None].astype(float)
    types = np.repeat(["split", "whole"], 40)
    assert batch_mixing.graph_connectivity(pieces, types, k=3) == pytest.approx((0.5 + 1) / 2)
    line = np.arange(40)[:, None].astype(float)
    between = np.where((np.arange(40) >= 15) & (np.arange(40) < 25), "between", "around")
    assert batch_mixing.graph_connectivity(line, between, k=4) == pytest.approx((0.5 + 1) / 2)
