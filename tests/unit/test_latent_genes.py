"""What a latent means: effects that are known exactly, matches between seeds against a null, gene sets by hand."""

import itertools
from math import comb

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import false_discovery_control
from torch import nn
from toy import expression_of

from scae.errors import UserError
from scae.evaluation import gene_sets, latent_genes, latent_matches
from scae.models import pca
from scae.plots import latents
from scae.report import sections_model
from scae.training import decoding

RANDOM = np.random.default_rng(0)
SLOPES = RANDOM.normal(size=(3, 12))  # (latents, genes) of a linear decoder


def latents_of(points):
    return pd.DataFrame(points, columns=[f"z{number + 1}" for number in range(points.shape[1])])


@pytest.fixture
def latent():
    return latents_of(np.random.default_rng(1).normal(size=(700, 3)) * [1.0, 2.0, 0.5])


# Effects


def test_effects_of_a_linear_decoder_are_its_slopes_times_the_moves(latent):
    found = latent_genes.moves(latent)
    of_decoder = latent_genes.of_decoder(lambda points: points @ SLOPES + 3.0, latent, found)
    low, high = np.percentile(latent, [5, 95], axis=0)
    assert np.allclose(of_decoder.changes, SLOPES * (high - low)[:, None], atol=1e-5)
    assert list(found["move"]) == ["percentiles"] * 3
    assert np.allclose(of_decoder.per_sd, SLOPES * latent.to_numpy().std(axis=0)[:, None], atol=1e-5)


def test_effects_of_a_curved_decoder_are_means_over_the_cells(latent):
    few = latent[:40]

    def decode(points):
        return np.column_stack([points[:, 0] * points[:, 1], points[:, 2] ** 2])

    found = latent_genes.moves(few)
    values = latent_genes.of_decoder(decode, few, found).changes
    span = found["high"] - found["low"]
    assert np.allclose(values[0], [span["z1"] * few["z2"].mean(), 0], atol=1e-5)
    assert np.allclose(values[1], [span["z2"] * few["z1"].mean(), 0], atol=1e-5)
    assert np.allclose(values[2], [0, found["high"]["z3"] ** 2 - found["low"]["z3"] ** 2], atol=1e-5)


def test_a_traversal_follows_a_curved_decoder_from_end_to_end(latent):
    few = latent[:40]

    def decode(points):
        return np.column_stack([points[:, 0] * points[:, 1], points[:, 2] ** 2, -points[:, 2]])

    found = latent_genes.of_decoder(decode, few, latent_genes.moves(few))
    table = latent_genes.traversals(decode, few, found, ["product", "square", "falls"], 7)
    assert list(table.columns) == latent_genes.CURVE_COLUMNS
    assert set(table["seed"]) == {7}
    for name, move in found.moves.iterrows():
        of_latent = table[table["latent"] == name]
        assert np.allclose(np.unique(of_latent["value"]), np.linspace(move["low"], move["high"], latent_genes.STEPS))
    of_third = table[table["latent"] == "z3"].set_index("gene")
    assert np.allclose(of_third.loc["square", "expression"], of_third.loc["square", "value"] ** 2, atol=1e-5)
    assert np.allclose(of_third.loc["falls", "expression"], -of_third.loc["falls", "value"], atol=1e-5)
    assert "product" not in of_third.index
    ends = table[table["latent"] == "z1"].groupby("gene")["expression"].agg(["first", "last"])
    assert np.allclose((ends["last"] - ends["first"])["product"], found.changes[0, 0])


def test_a_traversal_has_the_strongest_genes_of_each_sign_and_none_without_a_decoder(latent):
    genes = [f"g{number}" for number in range(12)]
    found = latent_genes.of_decoder(lambda points: points @ SLOPES, latent, latent_genes.moves(latent))
    table = latent_genes.traversals(lambda points: points @ SLOPES, latent, found, genes, 0)
    for number, values in enumerate(found.changes):
        order = np.argsort(values)
        of_latent = set(table["gene"][table["latent"] == f"z{number + 1}"])
        assert of_latent == {genes[gene] for gene in (*order[:3], *order[-3:])}
    assert len(table) == 3 * 6 * latent_genes.STEPS
    assert latent_genes.traversals(None, latent, found, genes, 0).empty


def test_many_cells_are_sampled_and_always_the_same(latent):
    seen = []

    def decode(points):
        seen.append(points)
        return points

    for _ in range(2):
        latent_genes.of_decoder(decode, latent, latent_genes.moves(latent))
    assert {len(points) for points in seen} == {latent_genes.SAMPLE}
    assert np.array_equal(seen[0], seen[6])


def test_effects_of_principal_components_are_their_loadings():
    table = np.random.default_rng(2).poisson(3.0, (60, 12)).astype(np.float32)
    expression = expression_of(table)
    latent = latents_of(pca.embed(expression, 0, 3).astype(float))
    found = latent_genes.moves(latent)
    loadings = np.linalg.svd(table - table.mean(axis=0), full_matrices=False)[2][:3]
    values = (
        latent_genes.of_regression(expression, latent, found).changes
        / (found["high"] - found["low"]).to_numpy()[:, None]
    )
    assert np.allclose(np.abs(values), np.abs(loadings), atol=1e-4)
    assert np.allclose(np.sign(values * loadings).mean(axis=1) ** 2, 1)  # a sign for each component


def test_effects_of_a_given_embedding_are_its_regression(latent):
    noise = np.random.default_rng(3).normal(size=(700, 12))
    points = latent.to_numpy()
    centred = np.column_stack([np.ones(700), points])
    table = (points @ SLOPES + 0.3 * noise).astype(np.float32)
    expected = np.linalg.lstsq(centred, table.astype(float), rcond=None)[0][1:]
    found = latent_genes.moves(latent)
    values = latent_genes.of_regression(expression_of(table), latent, found).changes
    assert np.allclose(values, expected * (found["high"] - found["low"]).to_numpy()[:, None], atol=1e-4)


def test_a_constant_of_each_gene_changes_no_effect(latent):
    table = (latent.to_numpy() @ SLOPES).astype(np.float32)
    found = latent_genes.moves(latent)
    plain, moved = (
        latent_genes.of_regression(expression, latent, found).changes
        for expression in (expression_of(table), expression_of(table, offset=np.arange(12, dtype=np.float32)))
    )
    assert np.allclose(plain, moved, atol=1e-4)


def test_a_dead_latent_has_no_effect(latent):
    kl = np.column_stack([np.full(700, 2.0), np.full(700, 0.01), np.full(700, 0.5)])
    assert list(latent_genes.moves(latent, {"kl": kl}).index) == ["z1", "z3"]
    latent["z2"] = 7.0
    assert list(latent_genes.moves(latent).index) == ["z1", "z3"]
    none = latent_genes.moves(latent[["z2"]])
    for found in (
        latent_genes.of_decoder(lambda points: points, latent[["z2"]], none),
        latent_genes.of_regression(expression_of(np.ones((700, 4), np.float32)), latent[["z2"]], none),
    ):
        assert len(latent_genes.top_genes(found, list("abcd"), 0)) == 0
        assert len(gene_sets.enrichment(found, list("abcd"), {"set": {"a", "b", "c"}}, 0)) == 0


def test_a_gate_that_switches_is_moved_from_off_to_the_mean_of_its_slab_and_others_by_percentiles(latent):
    n_on = 200
    gate = np.zeros((700, 3))
    gate[:n_on, 0], gate[:, 1] = 1.0, 1.0  # z1 switches, z2 is always on, z3 never
    slab = latent.to_numpy() + 5.0
    found = latent_genes.moves(latent, {"gate": gate}, slab)
    assert list(found["move"]) == ["switch", "percentiles", "percentiles"]
    assert found.loc["z1", "low"] == 0
    assert np.isclose(found.loc["z1", "high"], slab[:n_on, 0].mean())
    assert np.isclose(found.loc["z2", "high"], np.percentile(latent["z2"], 95))


def test_a_latent_that_few_cells_have_is_moved_over_its_whole_range(latent):
    latent["z1"] = 0.0
    latent.loc[:9, "z1"] = 4.0
    found = latent_genes.moves(latent)
    assert tuple(found.loc["z1", ["low", "high"]]) == (0.0, 4.0)


def test_top_genes_have_both_signs_the_strongest_first_and_none_that_stays():
    found = latent_genes.Effects(np.array([[0.0, 3.0, -1.0, -2.0, 1.0]]), moves_of(["z1"]))
    table = latent_genes.top_genes(found, list("abcde"), 7)
    assert list(table["gene"]) == ["b", "e", "d", "c"]
    assert list(table["effect"]) == [3.0, 1.0, -2.0, -1.0]
    assert set(table["seed"]) == {7}
    many = latent_genes.Effects(np.arange(1.0, 101)[None], moves_of(["z1"]))
    assert list(latent_genes.top_genes(many, range(100), 0)["gene"]) == list(range(99, 79, -1))


def test_of_many_latents_those_with_the_largest_effects_are_kept_in_their_order():
    changes = np.random.default_rng(10).normal(size=(60, 5))
    found = latent_genes.strongest(latent_genes.Effects(changes, moves_of([f"z{number}" for number in range(60)])))
    largest = sorted(range(60), key=lambda number: -np.square(changes[number]).sum())[:50]
    assert list(found.moves.index) == [f"z{number}" for number in sorted(largest)]
    assert np.array_equal(found.changes, changes[sorted(largest)])


def moves_of(names):
    return pd.DataFrame({"move": "percentiles", "low": -1.0, "high": 1.0, "sd": 1.0}, index=names).rename_axis("latent")


def test_the_decoder_of_a_page_is_found_and_a_page_may_have_none():
    class Page(nn.Module):
        def __init__(self):
            super().__init__()
            self.decoder = nn.Linear(3, 4)

    model, points = Page(), np.ones((5, 3), np.float32)
    assert np.allclose(decoding.decoder(model, 4)(points), model.decoder(torch.ones(5, 3)).detach().numpy())
    assert decoding.decoder(nn.Linear(3, 4), 4) is None


def test_expression_by_type_is_over_the_cells_of_the_type():
    table = np.array([[1, 0, 2], [3, 0, 0], [0, 5, 0], [9, 9, 9]], np.float32)
    expression = expression_of(table)
    genes = list(expression.genes)
    means, shares = latent_genes.by_type(expression, [genes[2], genes[0]], ["T", "T", "B", ""])
    assert means.loc["T"].to_dict() == {genes[2]: 1.0, genes[0]: 2.0}
    assert shares.loc["T"].to_dict() == {genes[2]: 0.5, genes[0]: 1.0}
    assert means.loc["B"].to_dict() == {genes[2]: 0.0, genes[0]: 0.0}
    assert list(latent_genes.by_type(expression, genes, [""] * 4)[0].loc["all"]) == [3.25, 3.5, 2.75]


# Matches between seeds


def effects_of(values):
    return latent_genes.Effects(
        np.asarray(values, dtype=float), moves_of([f"z{number + 1}" for number in range(len(values))])
    )


def rotation(size, random):
    q, r = np.linalg.qr(random.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


def noisy(values, random, noise=0.2):
    return values + noise * random.normal(size=values.shape)


AXES = np.random.default_rng(4).normal(size=(6, 200))


def test_axes_that_every_seed_finds_come_back_whatever_their_order_and_sign():
    random = np.random.default_rng(5)
    turned = [np.eye(6), -np.eye(6)[::-1], np.eye(6)[random.permutation(6)]]
    table = latent_matches.matches({seed: effects_of(noisy(turn @ AXES, random)) for seed, turn in enumerate(turned)})
    assert table["reproducible"].all()
    assert (table["agreement"] > 0.9).all()
    assert (table["null_95"] < table["agreement"]).all()
    assert set(table["others"]) == {2}


def test_the_same_space_in_other_axes_does_not_come_back():
    """Of 40 spaces whose axes are arbitrary, about one in twenty may have an axis that seems to."""
    found = 0
    for seed in range(40):
        random = np.random.default_rng(100 + seed)
        seeds = {number: effects_of(noisy(rotation(6, random) @ AXES, random)) for number in range(2)}
        table = latent_matches.matches(seeds)
        assert (table["agreement"] > 0.2).all()  # a best match is always there
        found += table[table["seed"] == 0]["reproducible"].any()
    assert found <= 6


def test_the_one_axis_that_is_shared_is_the_one_that_comes_back():
    random = np.random.default_rng(6)
    others = 0
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


def test_latents_are_matched_one_to_one_with_the_largest_sum():
    alike = np.random.default_rng(7).random((4, 4))
    best = max(
        itertools.permutations(range(4)), key=lambda order: sum(alike[row, column] for row, column in enumerate(order))
    )
    assert np.allclose(latent_matches._matched(alike)[0], [alike[row, column] for row, column in enumerate(best)])
    wide = latent_matches._matched(alike[:, :2])[0]
    assert (wide == 0).sum() == 2  # those without a match


def test_p_is_the_share_of_rotations_that_agree_as_well():
    """By the definition, with rotations drawn in another way."""
    random = np.random.default_rng(8)
    own, other = noisy(AXES[:3], random, 3.0), noisy(AXES[:3], random, 3.0)
    table = latent_matches.matches({0: effects_of(own), 1: effects_of(other)})
    null = []
    for _ in range(2000):
        turned = rotation(3, random) @ (other - other.mean(axis=1, keepdims=True))
        alike = np.abs(np.corrcoef(own, turned)[:3, 3:])
        null.append(latent_matches._matched(alike)[0])
    observed = latent_matches._matched(np.abs(np.corrcoef(own, other)[:3, 3:]))[0]
    of_first = table[table["seed"] == 0]
    assert np.allclose(of_first["agreement"], observed)
    assert np.allclose(of_first["null_mean"], np.mean(null, axis=0), atol=0.03)
    assert np.allclose(of_first["null_95"], np.quantile(null, 0.95, axis=0), atol=0.03)
    assert np.allclose(of_first["p"], (np.array(null) >= observed).mean(axis=0), atol=0.05)
    assert not of_first["reproducible"].any()  # else the rest would be held against what is left
    assert np.allclose(of_first["p_holm"], np.minimum(1, 3 * of_first["p"]))


def test_one_latent_alone_has_no_other_axes():
    table = latent_matches.matches({0: effects_of(AXES[:1]), 1: effects_of(AXES[:1])})
    assert list(table["p"]) == [1.0, 1.0]
    assert not table["reproducible"].any()


def test_one_seed_and_no_live_latent_give_no_rows():
    assert len(latent_matches.matches({0: effects_of(AXES)})) == 0
    none = latent_genes.Effects(np.zeros((0, 0)), moves_of([]))
    table = latent_matches.matches({0: effects_of(AXES), 1: none})
    assert (table["agreement"] == 0).all()
    assert not table["reproducible"].any()
    assert list(table.columns) == latent_matches.COLUMNS


def test_matches_are_the_same_at_each_call():
    seeds = {0: effects_of(AXES), 3: effects_of(AXES[::-1])}
    pd.testing.assert_frame_equal(latent_matches.matches(seeds), latent_matches.matches(seeds))


# Gene sets


GENES = [f"G{number}" for number in range(100)]


def write(tmp_path, text):
    path = tmp_path / "sets.gmt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_sets_are_read_with_the_genes_that_the_data_have(tmp_path):
    path = write(tmp_path, "one\tfrom somewhere\tG1\tG2\tG3\tother\r\n\ntwo\t\tG1\tG2\tunknown\n")
    assert gene_sets.read(path, GENES) == {"one": {"G1", "G2", "G3"}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("one\tabout\n", "line 1: is no gene set"),
        ("one\tabout\tG1\tG2\tG3\none,about,G1\n", "line 2: is no gene set"),
        ("one\tabout\tG1\tG2\tG3\none\tabout\tG1\n", 'line 2: the set "one" stands twice'),
        ("one\tabout\tA\tB\tC\n", "none of its 1 sets has 3 genes of the data, such as G0, G1, G2"),
        ("", "none of its 0 sets"),
    ],
)
def test_a_file_of_no_use_is_one_line(text, line, tmp_path):
    with pytest.raises(UserError, match=r"sets\.gmt: ") as caught:
        gene_sets.read(write(tmp_path, text), GENES)
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_text_is_one_line(tmp_path):
    (tmp_path / "sets.gmt").write_bytes(b"\xff\xfe\x00one")
    with pytest.raises(UserError, match="cannot be read as text"):
        gene_sets.read(str(tmp_path / "sets.gmt"), GENES)


def test_enrichment_is_the_tail_of_the_hypergeometric_distribution_adjusted_over_all_tests():
    values = np.zeros(100)
    values[:10] = np.arange(10, 0, -1)  # ten genes rise, none falls
    sets = {"rising": {f"G{number}" for number in range(8)}, "half": {f"G{number}" for number in range(5, 15)}}
    sets["elsewhere"] = {f"G{number}" for number in range(50, 60)}
    table = gene_sets.enrichment(effects_of(values[None]), GENES, sets, 3)

    def tail(shared, size):
        return sum(comb(size, k) * comb(100 - size, 10 - k) for k in range(shared, min(size, 10) + 1)) / comb(100, 10)

    p = {"rising": tail(8, 8), "half": tail(5, 10), "elsewhere": 1.0}
    q = dict(zip(p, false_discovery_control([*p.values(), 1, 1, 1])[:3], strict=True))
    assert list(table["set"]) == ["rising", "half"]
    for row in table.itertuples():
        assert np.isclose(row.p, p[row.set])
        assert np.isclose(row.q, q[row.set])
        assert row.sign == "+"
    first = table.iloc[0]
    assert (first["seed"], first["shared"], first["of"], first["expected"]) == (3, 8, 8, 0.8)
    assert first["genes"].split() == [f"G{number}" for number in range(8)]


def test_genes_that_fall_are_looked_up_apart():
    values = np.zeros(100)
    values[:10] = -1.0
    table = gene_sets.enrichment(effects_of(values[None]), GENES, {"set": {f"G{number}" for number in range(8)}}, 0)
    assert list(table["sign"]) == ["-"]


def test_chance_gives_no_set():
    random = np.random.default_rng(9)
    sets = {f"set {number}": set(random.choice(GENES, 10, replace=False)) for number in range(50)}
    assert len(gene_sets.enrichment(effects_of(random.normal(size=(4, 100))), GENES, sets, 0)) <= 2


# The picture and the words


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def test_a_dot_is_as_large_as_the_share_and_as_dark_as_the_mean():
    table = latent_genes.top_genes(effects_of([[3.0, 2, 1, 0.5, -1], [-1, 0, 0, 0, 2]]), list("abcde"), 0)
    table = latents.shown(table)
    assert list(table["gene"]) == ["a", "b", "c", "e", "e", "a"]
    means = pd.DataFrame(np.arange(10.0).reshape(2, 5) % 7, index=["B", "T"], columns=list("abcde"))
    shares = means / 10
    figure = latents.draw(table, means, shares, pd.DataFrame(columns=latent_genes.CURVE_COLUMNS), "toy")
    [dots] = figure.axes[0].collections
    assert np.allclose(dots.get_sizes(), latents.AREA * shares[table["gene"]].to_numpy().ravel())
    scaled = (means - means.min()) / (means.max() - means.min())
    assert np.allclose(dots.get_array(), scaled[table["gene"]].to_numpy().ravel())
    names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    assert names == ["a +", "b +", "c +", "e \N{MINUS SIGN}", "e +", "a \N{MINUS SIGN}"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["z1", "z2"]


def test_curves_stand_below_the_dots_of_what_has_a_decoder(latent):
    genes = [f"gene {number}" for number in range(12)]
    found = latent_genes.of_decoder(lambda points: points @ SLOPES, latent, latent_genes.moves(latent))
    curves = latent_genes.traversals(lambda points: points @ SLOPES, latent, found, genes, 0)
    table = latents.shown(latent_genes.top_genes(found, genes, 0))
    means = pd.DataFrame(1.0, index=["B", "T"], columns=genes)
    figure = latents.draw(table, means, means, curves, "toy")
    panels = [panel for panel in figure.axes if panel.get_title()]
    assert [panel.get_title() for panel in panels] == ["z1", "z2", "z3"]
    for panel in panels:
        of_latent = table[table["latent"] == panel.get_title()]
        assert {text.get_text() for text in panel.texts} == set(of_latent["gene"])
        rises = [line.get_ydata()[-1] > line.get_ydata()[0] for line in panel.lines]
        assert rises == list(of_latent["effect"] > 0)
        assert [line.get_linestyle() for line in panel.lines] == ["-" if rise else "--" for rise in rises]
        heights = sorted(text.xy[1] for text in panel.texts)
        assert np.diff(heights).min() >= latents.NAME_GAP - 1e-9


@pytest.mark.parametrize("high", [-1.5, 1.5])
def test_a_move_is_drawn_from_left_to_right(high):
    values = np.linspace(0, high, latent_genes.STEPS)
    curves = pd.DataFrame({"seed": 0, "latent": "z1", "gene": "a", "value": values, "expression": np.abs(values)})
    table = pd.DataFrame([[0, "z1", "switch", 0.0, high, "a", 1.5]], columns=latent_genes.COLUMNS)
    means = pd.DataFrame(1.0, index=["B"], columns=["a"])
    [panel] = [panel for panel in latents.draw(table, means, means, curves, "toy").axes if panel.get_title()]
    [line] = panel.lines
    across = panel.transData.transform(line.get_xydata())[:, 0]
    assert (np.diff(across) > 0).all()


def test_without_a_live_latent_the_picture_says_so():
    table = latents.shown(pd.DataFrame(columns=latent_genes.COLUMNS))
    none = pd.DataFrame()
    figure = latents.draw(table, none, none, pd.DataFrame(columns=latent_genes.CURVE_COLUMNS), "toy")
    assert [text.get_text() for text in figure.axes[0].texts] == ["toy: no latent is live"]


def matches_of(*reproducible):
    names = [f"z{number + 1}" for number in range(len(reproducible))]
    return pd.DataFrame({"agreement": 0.8, "null_mean": 0.5, "null_95": 0.7, "reproducible": reproducible}, index=names)


@pytest.mark.parametrize(
    ("matches", "latents", "deterministic", "said"),
    [
        (matches_of(), [], False, "No latent is live."),
        (matches_of(), [], True, "No latent is live."),
        (matches_of(1, 1), ["z1", "z2"], True, "The same for every seed"),
        (matches_of(), ["z1"], False, "There is one seed"),
        (matches_of(0, 0), ["z1", "z2"], False, "No latent comes back under other seeds better than random axes"),
        (matches_of(0, 1), ["z1", "z2"], False, "Of 2 live latents z2 comes back under other seeds better"),
        (matches_of(1, 0, 1), ["z1", "z2", "z3"], False, "Of 3 live latents z1 and z3 come back under other seeds"),
        (matches_of(1, 1), ["z1", "z2"], False, "Of 2 live latents z1 and z2 come back under other seeds better"),
    ],
)
def test_what_comes_back_is_said_and_that_nothing_does(matches, latents, deterministic, said):
    found = sections_model.returning(matches, latents, deterministic)
    assert found.startswith(said)
    assert ("The genes of the others are no finding." in found) == (0 < matches["reproducible"].sum() < len(latents))


@pytest.mark.parametrize("n_own", [1, 2])
def test_a_latent_that_is_alone_in_the_other_seeds_cannot_be_tested_and_the_page_says_so(n_own):
    random = np.random.default_rng(0)
    found = {seed: effects_of(random.normal(size=(n, 30))) for seed, n in ((0, n_own), (1, 1), (2, 1))}
    matches = latent_matches.matches(found)
    matches = matches[matches["seed"] == 0].set_index("latent")
    said = sections_model.returning(matches, list(matches.index), deterministic=False)
    assert "cannot be tested: the other seeds have one live latent each or none" in said
    found[2] = effects_of(random.normal(size=(2, 30)))
    matches = latent_matches.matches(found)
    matches = matches[matches["seed"] == 0].set_index("latent")
    assert "cannot be tested" not in sections_model.returning(matches, list(matches.index), deterministic=False)
