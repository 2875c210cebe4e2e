"""Shared by tests of the config: load one, and get the message of an invalid one."""

import copy

import pytest
import yaml
from places import ROOT

from scae.config import loader
from scae.errors import UserError

SCHEMA = yaml.safe_load((ROOT / "config/schema.yaml").read_text())
MARKED = {"from": "clusters", "resolution": 0.5, "markers": {"B": ["MS4A1"]}}


def load(config, files=(), **options):
    return loader.load(config, SCHEMA, files, **options)


def changed(config, key, value):
    """The config with one dotted key set; a value of `...` removes it."""
    config = copy.deepcopy(config)
    *path, last = key.split(".")
    section = config
    for name in path:
        section = section.setdefault(name, {})
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return config


def problems(config, **options):
    """The lines of a refused config, without the "config: " that each begins with."""
    with pytest.raises(UserError) as caught:
        load(config, **options)
    lines = str(caught.value).splitlines()
    assert all(line.startswith("config: ") for line in lines)
    return [line.removeprefix("config: ") for line in lines]


def problem(config, **options):
    """The only line of a refused config."""
    lines = problems(config, **options)
    assert len(lines) == 1, lines
    return lines[0]
