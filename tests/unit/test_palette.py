"""Cell types look the same everywhere and stay apart, also for colour-blind readers."""

import itertools
import random

import numpy as np
import pytest

from scae.report.palette import COLORS, styles

# Machado, Oliveira & Fernandes (2009), table 1, severity 1; they act on linear RGB
VISION = {
    "normal": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# sRGB (IEC 61966-2-1) to CIE XYZ, white D65
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
APART = 15  # CIE Lab distance; about 2 is just noticeable


def lab_of(color, vision):
    encoded = np.array([int(color[start : start + 2], 16) / 255 for start in (1, 3, 5)])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    ratio = XYZ @ seen / XYZ.sum(axis=1)
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def names_of(number):
    return [f"type {rank:02d}" for rank in range(number)]


def test_the_conversion_to_lab_gives_known_values():
    np.testing.assert_allclose(lab_of("#FFFFFF", "normal"), [100, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab_of("#000000", "normal"), [0, 0, 0], atol=0.01)
    np.testing.assert_allclose(lab_of("#FF0000", "normal"), [53.24, 80.09, 67.20], atol=0.05)


@pytest.mark.parametrize("vision", VISION)
def test_all_colours_stay_apart(vision):
    distances = {
        pair: np.linalg.norm(lab_of(pair[0], vision) - lab_of(pair[1], vision))
        for pair in itertools.combinations(COLORS, 2)
    }
    assert {pair: distance for pair, distance in distances.items() if distance < APART} == {}


@pytest.mark.parametrize("vision", VISION)
def test_all_colours_can_be_seen_on_white(vision):
    for color in COLORS:
        assert np.linalg.norm(lab_of(color, vision) - lab_of("#FFFFFF", vision)) >= APART


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
