"""Scores of mixing against plain loops, the figures of another package, and arrangements whose score is known."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.spatial.distance import cdist

from scae.evaluation import batch_mixing, metrics, neighbors


@pytest.fixture(scope="module")
def cells():
    """Four types in three batches that are shifted: points, types, batches."""
    source = np.random.default_rng(0)
    types, batches = source.integers(4, size=400), source.integers(3, size=400)
    points = source.normal(size=(400, 6)) + types[:, None] * 1.5
    points[:, 0] += batches * 0.8
    return points, types.astype(str), batches.astype(str)


def plain_lisi(points, names, perplexity=30):
    """The definition, a cell at a time: weights exp(-distance / scale) of the 89 nearest with this perplexity."""
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


@pytest.mark.parametrize("which", [1, 2])
def test_lisi_is_its_definition(cells, which):
    np.testing.assert_allclose(batch_mixing.lisi(cells[0], cells[which]), plain_lisi(cells[0], cells[which]), rtol=1e-5)


def test_lisi_has_the_figures_of_harmonypy(cells):
    """Medians of harmonypy 0.0.10 (compute_lisi) on the same cells."""
    points, types, batches = cells
    assert np.median(batch_mixing.lisi(points, types)) == pytest.approx(1.1773534, abs=1e-6)
    assert np.median(batch_mixing.lisi(points, batches)) == pytest.approx(2.5079374, abs=1e-5)


def test_batches_that_share_nothing_or_all_are_at_the_ends():
    source = np.random.default_rng(1)
    points, halves = source.normal(size=(300, 2)), np.repeat(["a", "b"], 150)
    apart = points + (halves == "b")[:, None] * 100
    assert batch_mixing.integration(apart, halves) == pytest.approx(0, abs=1e-9)
    assert batch_mixing.conservation(apart, halves) == pytest.approx(1, abs=1e-9)
    assert batch_mixing.integration(points, halves) > 0.9
    collapsed = np.zeros((300, 3))
    assert batch_mixing.integration(collapsed, halves) > 0.9
    assert batch_mixing.conservation(collapsed, halves) < 0.1


def test_few_cells_have_a_smaller_neighbourhood():
    points = np.random.default_rng(0).normal(size=(5, 2))
    found = batch_mixing.lisi(points, np.array(list("ababa")))
    assert ((found >= 1) & (found <= 2)).all()


def test_a_type_in_two_pieces_is_half_connected():
    line = np.concatenate([np.arange(20), np.arange(20) + 1000, np.arange(40) + 2000])[:, None].astype(float)
    types = np.repeat(["split", "whole"], 40)
    assert batch_mixing.graph_connectivity(line, types, k=3) == pytest.approx((0.5 + 1) / 2)


def test_connections_go_through_cells_of_the_type_alone():
    line = np.arange(40)[:, None].astype(float)
    types = np.where((np.arange(40) >= 15) & (np.arange(40) < 25), "between", "around")
    assert batch_mixing.graph_connectivity(line, types, k=4) == pytest.approx((0.5 + 1) / 2)
    assert batch_mixing.graph_connectivity(line, np.full(40, "one"), k=4) == 1
    assert batch_mixing.graph_connectivity(line, np.full(40, "one")) == 1 == neighbors.K / 15


def test_cells_without_a_batch_do_not_count(cells):
    points, types, batches = cells
    names = [f"c{number}" for number in range(400)]
    table, types = pd.DataFrame(points, names), pd.Series(types, names)[20:]
    given = pd.Series(np.where(np.arange(400) < 50, "", batches), names)
    seen = batch_mixing.look(table, types, given)
    np.testing.assert_array_equal(seen["placed"], points[50:])
    assert seen["typed"].tolist() == types[30:].tolist()
    assert seen["batches"].tolist() == batches[50:].tolist()


def test_one_batch_or_one_type_has_no_score(cells):
    points, types, _ = cells
    table, types = pd.DataFrame(points), pd.Series(types)
    seen = batch_mixing.look(table, types, pd.Series(["only"] * 400))
    scores = metrics.score(types, types, points, **seen).set_index("metric")["value"]
    assert np.isnan(scores["ilisi"])
    assert scores["clisi"] > 0.5
    seen = batch_mixing.look(table, pd.Series(["B"] * 400), pd.Series(["a", "b"] * 200))
    scores = metrics.score(types, types, points, **seen).set_index("metric")["value"]
    assert scores["ilisi"] > 0.5
    assert scores[["clisi", "graph_connectivity"]].isna().all()


def test_cells_without_labels_have_a_score_of_their_batches(cells):
    points, _, batches = cells
    seen = batch_mixing.look(pd.DataFrame(points), pd.Series([""] * 400), pd.Series(batches))
    assert seen["typed"] is None
    assert batch_mixing.integration(seen["placed"], seen["batches"]) > 0.3
