"""Effects of latents on genes, where they are known exactly."""

import numpy as np
import pandas as pd
import pytest
from toy import expression_of

from scae.evaluation import gene_sets, latent_genes
from scae.models import pca

SLOPES = np.random.default_rng(0).normal(size=(3, 12))  # (latents, genes) of a linear decoder
GENES = [f"g{number}" for number in range(12)]


def latents_of(points):
    return pd.DataFrame(points, columns=[f"z{number + 1}" for number in range(points.shape[1])])


def moves_of(names):
    return pd.DataFrame({"move": "percentiles", "low": -1.0, "high": 1.0, "sd": 1.0}, index=names).rename_axis("latent")


@pytest.fixture
def latent():
    return latents_of(np.random.default_rng(1).normal(size=(700, 3)) * [1.0, 2.0, 0.5])


def linear(points):
    return points @ SLOPES + 3.0


def curved(points):
    return np.column_stack([points[:, 0] * points[:, 1], points[:, 2] ** 2, -points[:, 2]])


def test_effects_of_a_linear_decoder_are_its_slopes_times_the_moves(latent):
    moves = latent_genes.moves(latent)
    found = latent_genes.decoder_effects(linear, latent, moves)
    low, high = np.percentile(latent, [5, 95], axis=0)
    assert list(moves["move"]) == ["percentiles"] * 3
    assert np.allclose(found.changes, SLOPES * (high - low)[:, None], atol=1e-5)
    assert np.allclose(found.per_sd, SLOPES * latent.to_numpy().std(axis=0)[:, None], atol=1e-5)


def test_effects_of_a_curved_decoder_are_means_over_the_cells(latent):
    few = latent[:40]
    moves = latent_genes.moves(few)
    span, ends = moves["high"] - moves["low"], moves.loc["z3", ["low", "high"]]
    expected = [
        [span["z1"] * few["z2"].mean(), 0, 0],
        [span["z2"] * few["z1"].mean(), 0, 0],
        [0, ends["high"] ** 2 - ends["low"] ** 2, -span["z3"]],
    ]
    assert np.allclose(latent_genes.decoder_effects(curved, few, moves).changes, expected, atol=1e-5)


def test_a_traversal_follows_a_curved_decoder(latent):
    few = latent[:40]
    effects = latent_genes.decoder_effects(curved, few, latent_genes.moves(few))
    table = latent_genes.traversals(curved, few, effects, ["product", "square", "falls"], 7)
    assert set(table["seed"]) == {7}
    for name, move in effects.moves.iterrows():
        values = table["value"][table["latent"] == name]
        assert np.allclose(np.unique(values), np.linspace(move["low"], move["high"], latent_genes.STEPS))
    third = table[table["latent"] == "z3"].set_index("gene")
    assert np.allclose(third.loc["square", "expression"], third.loc["square", "value"] ** 2, atol=1e-5)
    assert np.allclose(third.loc["falls", "expression"], -third.loc["falls", "value"], atol=1e-5)
    assert "product" not in third.index


def test_a_traversal_has_the_strongest_genes_of_each_sign_and_needs_a_decoder(latent):
    effects = latent_genes.decoder_effects(linear, latent, latent_genes.moves(latent))
    table = latent_genes.traversals(linear, latent, effects, GENES, 0)
    for name, order in zip(effects.moves.index, np.argsort(effects.changes), strict=True):
        assert set(table["gene"][table["latent"] == name]) == {GENES[gene] for gene in (*order[:3], *order[-3:])}
    assert len(table) == 3 * 6 * latent_genes.STEPS
    assert latent_genes.traversals(None, latent, effects, GENES, 0).empty


def test_a_fixed_sample_of_cells_is_decoded(latent):
    seen = []
    for _ in range(2):
        latent_genes.decoder_effects(lambda points: seen.append(points) or points, latent, latent_genes.moves(latent))
    assert {len(points) for points in seen} == {latent_genes.SAMPLE}
    assert np.array_equal(seen[0], seen[6])


def test_effects_of_principal_components_are_their_loadings():
    table = np.random.default_rng(2).poisson(3.0, (60, 12)).astype(np.float32)
    latent = latents_of(pca.embed(expression_of(table), 0, 3).astype(float))
    moves = latent_genes.moves(latent)
    found = latent_genes.regression_effects(expression_of(table), latent, moves).changes
    found /= (moves["high"] - moves["low"]).to_numpy()[:, None]
    loadings = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)[2][:3]
    signs = np.sign((found * loadings).sum(axis=1))[:, None]
    assert np.allclose(found, signs * loadings, atol=1e-4)


@pytest.mark.parametrize("offset", [None, np.arange(12)])
def test_effects_of_a_given_embedding_are_its_regression(offset, latent):
    table = (latent.to_numpy() @ SLOPES + 0.3 * np.random.default_rng(3).normal(size=(700, 12))).astype(np.float32)
    design = np.column_stack([np.ones(700), latent])
    expected = np.linalg.lstsq(design, table.astype(float), rcond=None)[0][1:]
    moves = latent_genes.moves(latent)
    found = latent_genes.regression_effects(expression_of(table, offset), latent, moves).changes
    assert np.allclose(found, expected * (moves["high"] - moves["low"]).to_numpy()[:, None], atol=1e-4)


def test_only_active_latents_are_moved(latent):
    kl = np.column_stack([np.full(700, 2.0), np.full(700, 0.01), np.full(700, 0.5)])
    assert list(latent_genes.moves(latent, {"kl": kl}).index) == ["z1", "z3"]
    latent["z2"] = 7.0
    assert list(latent_genes.moves(latent).index) == ["z1", "z3"]
    constant = latent[["z2"]]
    for found in (
        latent_genes.decoder_effects(linear, constant, latent_genes.moves(constant)),
        latent_genes.regression_effects(expression_of(np.ones((700, 4))), constant, latent_genes.moves(constant)),
    ):
        assert latent_genes.top_genes(found, GENES, 0).empty
        assert gene_sets.enrichment(found, GENES, {"set": {"g1", "g2", "g3"}}, 0).empty


def test_a_gate_that_switches_is_moved_from_0_to_the_mean_of_its_slab(latent):
    gate = np.zeros((700, 3))
    gate[:200, 0], gate[:, 1] = 1.0, 1.0  # z1 switches, z2 is always on, z3 never
    slab = latent.to_numpy() + 5.0
    found = latent_genes.moves(latent, {"gate": gate}, slab)
    assert list(found["move"]) == ["switch", "percentiles", "percentiles"]
    assert tuple(found.loc["z1", ["low", "high"]]) == (0, pytest.approx(slab[:200, 0].mean()))
    assert found.loc["z2", "high"] == pytest.approx(np.percentile(latent["z2"], 95))


def test_a_latent_that_is_constant_in_most_cells_is_moved_over_its_range(latent):
    latent["z1"] = 0.0
    latent.loc[:9, "z1"] = 4.0
    assert tuple(latent_genes.moves(latent).loc["z1", ["low", "high"]]) == (0.0, 4.0)


def test_top_genes_have_both_signs_the_strongest_first():
    effects = latent_genes.Effects(np.array([[0.0, 3.0, -1.0, -2.0, 1.0]]), moves_of(["z1"]))
    table = latent_genes.top_genes(effects, list("abcde"), 7)
    assert list(table["gene"]) == ["b", "e", "d", "c"]
    assert list(table["effect"]) == [3.0, 1.0, -2.0, -1.0]
    assert set(table["seed"]) == {7}
    many = latent_genes.Effects(np.arange(1.0, 101)[None], moves_of(["z1"]))
    assert list(latent_genes.top_genes(many, range(100), 0)["gene"]) == list(range(99, 79, -1))


def test_the_50_latents_with_the_largest_effects_are_kept_in_their_order():
    changes = np.random.default_rng(10).normal(size=(60, 5))
    found = latent_genes.strongest(latent_genes.Effects(changes, moves_of([f"z{number}" for number in range(60)])))
    largest = sorted(sorted(range(60), key=lambda number: -np.square(changes[number]).sum())[:50])
    assert list(found.moves.index) == [f"z{number}" for number in largest]
    assert np.array_equal(found.changes, changes[largest])


def test_expression_by_type():
    expression = expression_of([[1, 0, 2], [3, 0, 0], [0, 5, 0], [9, 9, 9]])
    genes = [expression.genes[2], expression.genes[0]]
    means, shares = latent_genes.by_type(expression, genes, ["T", "T", "B", ""])
    assert list(means.index) == list(shares.index) == ["B", "T"]
    assert means[genes].to_numpy().tolist() == [[0, 0], [1, 2]]
    assert shares[genes].to_numpy().tolist() == [[0, 0], [0.5, 1]]
    assert list(latent_genes.by_type(expression, genes, [""] * 4)[0].loc["all"]) == [2.75, 3.25]
