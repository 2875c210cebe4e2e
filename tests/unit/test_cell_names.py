"""Cell names that differ between two files, and the change that matches them."""

import pandas as pd
import pytest

from scae.data import cell_names

CELLS = pd.Index([f"s1_{'ACGT'[n % 4]}{'CATG'[n // 4 % 4]}{n:04d}-1" for n in range(200)])
NUMBERS = pd.Index([f"{n:05d}" for n in range(200)])


@pytest.mark.parametrize(
    ("cells", "theirs", "changes"),
    [
        (CELLS, lambda name: name[:-2], {"add_suffix": "-1"}),
        (CELLS, lambda name: name + "_1", {"drop_suffix": "_1"}),
        (CELLS, lambda name: name[3:], {"add_prefix": "s1_"}),
        (CELLS, lambda name: name[:-2] + "_1", {"drop_suffix": "_1", "add_suffix": "-1"}),
        (CELLS, lambda name: "GSM1_pbmc_" + name[3:], {"drop_prefix": "GSM1_pbmc_", "add_prefix": "s1_"}),
        (NUMBERS, lambda name: str(int(name)), {"digits": 5}),
        (pd.Index([str(int(name)) for name in NUMBERS]), lambda name: name.zfill(5), {"digits": 1}),
        (pd.Index([f"CELL{name}-1" for name in NUMBERS]), lambda name: str(int(name[4:-2])), None),
    ],
)
def test_the_change_that_fits_is_found_and_does_what_it_says(cells, theirs, changes):
    names = pd.Index([theirs(name) for name in cells])
    found, matched = cell_names.suggest(names, cells)
    assert changes is None or found == changes
    assert matched == len(cells)
    assert list(cell_names.rename(names, found)) == list(cells)


def test_a_file_about_few_or_many_more_cells_is_matched_too():
    assert cell_names.suggest(pd.Index([name[:-2] for name in CELLS[:20]]), CELLS) == ({"add_suffix": "-1"}, 20)
    assert cell_names.suggest(pd.Index([name[:-2] for name in CELLS]), CELLS[:20]) == ({"add_suffix": "-1"}, 20)


def test_nothing_is_suggested_if_nothing_fits():
    assert cell_names.suggest(pd.Index([f"other{n}" for n in range(50)]), CELLS) == ({}, 0)
    assert cell_names.suggest(pd.Index([]), CELLS) == ({}, 0)
    few = [name[:-2] if number % 5 else f"other{number}" for number, name in enumerate(CELLS)]
    assert cell_names.suggest(pd.Index(few), CELLS) == ({"add_suffix": "-1"}, 160)
    few = [f"other{number}" if number % 5 else name[:-2] for number, name in enumerate(CELLS)]
    assert cell_names.suggest(pd.Index(few), CELLS) == ({}, 0)


def test_changes_are_made_from_left_to_right_and_none_is_no_change():
    changes = dict.fromkeys(cell_names.CHANGES)
    changes |= {"drop_prefix": "x", "digits": 3, "add_prefix": "y", "add_suffix": "z"}
    assert list(cell_names.rename(["x7", "8", "x"], changes)) == ["y007z", "y008z", "yz"]
