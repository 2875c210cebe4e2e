"""Cell types have the same style everywhere, and distinct ones for all kinds of colour vision."""

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from toy import expression_of

from scae import style, tables
from scae.data.type_colors import VISION, assign, lab, style_distances, table, type_distances
from scae.style import COLORS, styles

APART = 15  # CIE Lab distance; about 2 is just noticeable


def names_of(number):
    return [f"type {rank:02d}" for rank in range(number)]


def test_the_conversion_to_lab_gives_known_values():
    np.testing.assert_allclose(lab("#FFFFFF"), [100, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab("#000000"), [0, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab("#FF0000"), [53.24, 80.09, 67.20], atol=0.05)


@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_from_each_other_and_from_white(vision):
    seen = [lab(color, vision) for color in (*COLORS, "#FFFFFF")]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) >= APART


def test_the_distance_of_styles_is_the_smallest_over_all_kinds_of_vision():
    found = style_distances([("#FF0000", "o", "circle"), ("#00FF00", "o", "circle"), ("#00FF00", "s", "square")])
    smallest = min(np.linalg.norm(lab("#FF0000", vision) - lab("#00FF00", vision)) for vision in VISION)
    np.testing.assert_allclose(found[0], [0, smallest, smallest + 5])
    np.testing.assert_allclose(found[1], [smallest, 0, 5])


@pytest.mark.parametrize(("number", "n_colors"), [(1, 1), (12, 12), (13, 12), (60, 12)])
def test_up_to_sixty_types_have_different_styles(number, n_colors):
    found = styles(names_of(number)).values()
    assert len({(color, marker) for color, marker, _ in found}) == number
    assert len({(color, symbol) for color, _, symbol in found}) == number
    assert len({color for color, _, _ in found}) == n_colors


def test_styles_depend_only_on_the_names():
    names = names_of(20)
    shuffled = names * 3
    random.Random(0).shuffle(shuffled)
    assert styles(shuffled) == styles(names)
    assert list(styles(shuffled)) == sorted(names)
    assert len(styles(names_of(200))) == 200


# Similar types


def distances_of(points):
    """Distances between types at these points, (types, dimensions)."""
    values = np.linalg.norm(np.subtract.outer(points, points).diagonal(axis1=1, axis2=3), axis=2)
    return pd.DataFrame(values, names_of(len(points)), names_of(len(points)))


def confusion(found, distances):
    """The sum that `assign` minimises, pair by pair."""
    apart = style_distances(list(found.values()))
    pairs = itertools.combinations(range(len(found)), 2)
    return sum(1 / (apart[pair] * distances.to_numpy()[pair]) for pair in pairs)


def neighbours_apart(found, distances):
    """The smallest distance of the styles of a type and its nearest type."""
    apart = style_distances([found[name] for name in distances.index])
    values = distances.to_numpy() + np.diag(np.full(len(distances), np.inf))
    return min(apart[place, nearest] for place, nearest in enumerate(values.argmin(axis=1)))


@pytest.mark.parametrize("number", [2, 3, 12, 13, 60])
def test_similar_types_get_more_different_colours_than_in_the_order_of_names(number):
    distances = distances_of(np.random.default_rng(number).normal(size=(number, 3)))
    found, plain = assign(distances), styles(distances.index)
    assert list(found) == list(distances.index)
    assert len({(color, marker) for color, marker, _ in found.values()}) == number
    assert confusion(found, distances) < confusion(plain, distances)
    assert neighbours_apart(found, distances) >= neighbours_apart(plain, distances)


def test_for_few_types_the_choice_is_nearly_optimal():
    distances = distances_of(np.array([[0.0], [1.0], [1.5], [5.0]]))
    found = confusion(assign(distances), distances)
    choices = itertools.permutations(style.available_styles(4), 4)
    best = min(confusion(dict(zip(distances.index, found, strict=True)), distances) for found in choices)
    assert found == pytest.approx(best, rel=0.02)  # exchanges of two lead close to it


def test_pairs_of_similar_types_do_not_share_a_colour():
    points = np.repeat(10 * np.random.default_rng(0).normal(size=(20, 3)), 2, axis=0)
    points[1::2] += 0.1
    found = list(assign(distances_of(points)).values())
    assert all(first[0] != second[0] for first, second in zip(found[::2], found[1::2], strict=True))


@pytest.mark.parametrize("number", [0, 1, 61, 200])
def test_with_too_many_types_the_order_of_the_names_decides(number):
    distances = distances_of(np.random.default_rng(0).normal(size=(number, 3)))
    assert assign(distances) == styles(distances.index)


def test_types_of_equal_expression_still_have_different_colours():
    found = assign(pd.DataFrame(np.zeros((3, 3)), names_of(3), names_of(3)))
    assert len({color for color, _, _ in found.values()}) == 3


def test_distances_are_those_of_the_mean_expression_of_the_cells_with_a_label():
    dense = np.random.default_rng(0).poisson(1.0, (30, 8)).astype(float)
    labels = np.array(["B", "", "T", "NK", "B", "T"], object)[np.arange(30) % 6]
    found = type_distances(expression_of(dense), labels)
    assert list(found.index) == list(found.columns) == ["B", "NK", "T"]
    means = {name: dense[labels == name].mean(axis=0) for name in found.index}
    for first, second in itertools.product(found.index, repeat=2):
        expected = np.sqrt(((means[first] - means[second]) ** 2).sum())
        assert found.loc[first, second] == pytest.approx(expected, rel=1e-6, abs=1e-12)
    assert type_distances(expression_of(dense), np.full(30, "", object)).shape == (0, 0)


def test_the_table_reads_back(tmp_path):
    found = assign(distances_of(np.random.default_rng(1).normal(size=(25, 3))))
    tables.write(table(found), tmp_path / "colors.csv")
    assert style.read(tmp_path / "colors.csv") == found
    tables.write(table({}), tmp_path / "none.csv")
    assert style.read(tmp_path / "none.csv") == {}
