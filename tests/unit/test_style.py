"""Cell types have the same colour and marker everywhere, and differ also for colour-blind readers."""

import itertools

import numpy as np
import pytest

from scae import style
from scae.data.type_colors import VISION, lab

DISTINCT = 15  # CIE Lab distance; about 2 is just noticeable


@pytest.mark.parametrize("vision", VISION)
def test_all_colours_differ_and_are_visible_on_white(vision):
    pairs = itertools.combinations([*style.COLORS, "#FFFFFF"], 2)
    close = [pair for pair in pairs if np.linalg.norm(lab(pair[0], vision) - lab(pair[1], vision)) < DISTINCT]
    assert close == []


@pytest.mark.parametrize("number", [1, 9, 12, 13, 60])
def test_up_to_sixty_types_differ_and_twelve_by_colour(number):
    styles = style.styles([f"type {rank:02d}" for rank in range(number)])
    assert len({(color, marker) for color, marker, _ in styles.values()}) == number
    assert len({(color, symbol) for color, _, symbol in styles.values()}) == number
    assert len({color for color, _, _ in styles.values()}) == min(number, 12)


def test_styles_depend_only_on_the_set_of_names():
    names = [f"type {rank:02d}" for rank in range(20)]
    assert style.styles(names[::-1] * 3) == style.styles(names)
    assert list(style.styles(names[::-1])) == names
    assert len(style.styles(map(str, range(200)))) == 200
