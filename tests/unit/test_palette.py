"""Cell types look the same everywhere and stay apart, also for colour-blind readers."""

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from toy import expression_of

from scae import style, tables
from scae.data.type_colors import VISION, assign, lab, look_distances, table, type_distances
from scae.style import COLORS, styles

APART = 15  # CIE Lab distance; about 2 is just noticeable


def names_of(number):
    return [f"type {rank:02d}" for rank in range(number)]


def test_the_conversion_to_lab_gives_known_values():
    np.testing.assert_allclose(lab("#FFFFFF"), [100, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab("#000000"), [0, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab("#FF0000"), [53.24, 80.09, 67.20], atol=0.05)


@pytest.mark.parametrize("vision", VISION)
def test_all_colours_stay_apart(vision):
    distances = {
        pair: np.linalg.norm(lab(pair[0], vision) - lab(pair[1], vision)) for pair in itertools.combinations(COLORS, 2)
    }
    assert {pair: distance for pair, distance in distances.items() if distance < APART} == {}


@pytest.mark.parametrize("vision", VISION)
def test_all_colours_can_be_seen_on_white(vision):
    for color in COLORS:
        assert np.linalg.norm(lab(color, vision) - lab("#FFFFFF", vision)) >= APART


@pytest.mark.parametrize("number", [1, 9, 12, 13, 30, 60])
def test_up_to_sixty_types_all_look_different(number):
    looks = styles(names_of(number))
    assert len(looks) == number
    assert len({(color, marker) for color, marker, _ in looks.values()}) == number
    assert len({(color, symbol) for color, _, symbol in looks.values()}) == number


def test_up_to_twelve_types_differ_in_colour():
    assert len({color for color, _, _ in styles(names_of(12)).values()}) == 12


def test_more_types_than_looks_still_have_one():
    assert len(styles(names_of(200))) == 200


def test_types_look_the_same_in_whatever_order_and_number_of_cells_they_come():
    names = names_of(20)
    shuffled = names * 3
    random.Random(0).shuffle(shuffled)
    assert styles(shuffled) == styles(names)
    assert list(styles(shuffled)) == sorted(names)


# Types that resemble each other


def distances_of(points):
    """Distances between types at these points, (types, dimensions)."""
    values = np.linalg.norm(np.subtract.outer(points, points).diagonal(axis1=1, axis2=3), axis=2)
    return pd.DataFrame(values, names_of(len(points)), names_of(len(points)))


def confusion(looks, distances):
    """The sum that colours are chosen by, written out pair by pair."""
    apart = look_distances(list(looks.values()))
    pairs = itertools.combinations(range(len(looks)), 2)
    return sum(1 / (apart[pair] * distances.to_numpy()[pair]) for pair in pairs)


def neighbours_apart(looks, distances):
    """The distance of the look of each type to that of the type nearest to it, the smallest."""
    apart = look_distances([looks[name] for name in distances.index])
    values = distances.to_numpy() + np.diag(np.full(len(distances), np.inf))
    return min(apart[place, nearest] for place, nearest in enumerate(values.argmin(axis=1)))


@pytest.mark.parametrize("number", [2, 3, 9, 12, 13, 20, 40, 60])
def test_types_that_are_alike_get_colours_further_apart_than_in_the_order_of_names(number):
    distances = distances_of(np.random.default_rng(number).normal(size=(number, 3)))
    looks, plain = assign(distances), styles(distances.index)
    assert list(looks) == list(distances.index)
    assert len({(color, marker) for color, marker, _ in looks.values()}) == number
    assert confusion(looks, distances) < confusion(plain, distances)
    assert neighbours_apart(looks, distances) >= neighbours_apart(plain, distances)


def test_of_few_types_no_choice_of_colours_is_better():
    distances = distances_of(np.array([[0.0], [1.0], [1.5], [5.0]]))
    found = confusion(assign(distances), distances)
    choices = itertools.permutations(style.available_styles(4), 4)
    best = min(confusion(dict(zip(distances.index, looks, strict=True)), distances) for looks in choices)
    assert found == pytest.approx(best, rel=0.02)  # exchanges of two lead close to it


def test_pairs_of_like_types_never_share_a_colour_though_there_are_more_types_than_colours():
    points = np.repeat(10 * np.random.default_rng(0).normal(size=(20, 3)), 2, axis=0)
    points[1::2] += 0.1
    looks = list(assign(distances_of(points)).values())
    assert all(first[0] != second[0] for first, second in zip(looks[::2], looks[1::2], strict=True))


@pytest.mark.parametrize("number", [0, 1, 61, 200])
def test_without_a_choice_the_order_of_the_names_decides(number):
    distances = distances_of(np.random.default_rng(0).normal(size=(number, 3)))
    assert assign(distances) == styles(distances.index)


def test_types_of_equal_expression_have_colours_all_the_same():
    looks = assign(pd.DataFrame(np.zeros((3, 3)), names_of(3), names_of(3)))
    assert len({color for color, _, _ in looks.values()}) == 3


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


def test_what_is_written_is_what_pictures_read(tmp_path):
    looks = assign(distances_of(np.random.default_rng(1).normal(size=(25, 3))))
    tables.write(table(looks), tmp_path / "colors.csv")
    assert style.read(tmp_path / "colors.csv") == looks
    tables.write(table({}), tmp_path / "none.csv")
    assert style.read(tmp_path / "none.csv") == {}
