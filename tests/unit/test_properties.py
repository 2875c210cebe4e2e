"""Any config and any labels are accepted, or rejected with readable lines."""

import copy

import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from places import ROOT

from scae import tables
from scae.config import loader
from scae.data import labels
from scae.errors import UserError, is_control, one_line

SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text())
DEFAULT = yaml.safe_load((ROOT / "config/config.yaml").read_text())
EXAMPLES = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(10**400),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text() | st.integers(), below, max_size=3),
    max_leaves=5,
)


def paths(config, above=()):
    """Every place in a config, as a tuple of keys."""
    for key, value in config.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from paths(value, (*above, key))


@EXAMPLES
@given(place=st.sampled_from(list(paths(DEFAULT))), value=ANYTHING, command_line=st.booleans())
def test_any_value_anywhere_in_the_config_is_accepted_or_named(place, value, command_line):
    config = copy.deepcopy(DEFAULT)
    part, given_there = config, {}
    given_part = given_there
    for key in place[:-1]:
        part, given_part = part[key], given_part.setdefault(key, {})
    part[place[-1]] = given_part[place[-1]] = value
    try:
        found = loader.load(config, SCHEMA, command_line=given_there if command_line else None)
    except UserError as error:
        lines = str(error).split("\n")
        assert all(line.startswith("config: ") and not any(map(is_control, line)) for line in lines)
    else:
        assert loader.load(found, SCHEMA) == found


@EXAMPLES
@given(st.text())
def test_any_text_is_one_line(text):
    assert not any(map(is_control, one_line(text)))


NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@EXAMPLES
@given(st.lists(NAMES, min_size=1, max_size=8, unique=True), st.lists(st.none() | NAMES, min_size=8, max_size=8))
def test_labels_follow_their_cells_whatever_the_order(cells, given_labels):
    source = pd.Series(given_labels[: len(cells)], index=cells, dtype=object)
    if source.isna().all() or any(any(map(is_control, label)) for label in source.dropna()):
        with pytest.raises(UserError, match="; "):
            labels.match(source, pd.Index(cells), missing="unscored")
        return
    found = labels.match(source.iloc[::-1], pd.Index(cells), missing="unscored")
    assert list(found.index) == cells
    assert found.tolist() == source.where(source.notna(), tables.UNSCORED).tolist()
