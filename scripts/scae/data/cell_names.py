"""Cell names that differ between two files: find changes that match them. They are suggested, never applied."""

import itertools
import re

import pandas as pd

CHANGES = ("drop_prefix", "drop_suffix", "digits", "add_prefix", "add_suffix")  # in order of application
TRIED = 300  # names to try a change on
LEVELS = 3  # parts at the beginning of a name, such as GSM1_sample_
SHARED = 0.95
ENOUGH = 0.5


def rename(names, changes):
    """Names after dropping a prefix or suffix, padding with zeros, and adding a prefix or suffix.

    Args:
        names: iterable of text.
        changes: dict with some of `CHANGES`; None is no change. ``digits`` is the length to which names that are
            numbers are padded with zeros, or cut.
    """
    changes = {name: value for name, value in changes.items() if value is not None}
    found = pd.Series(list(names), dtype=object)
    if prefix := changes.get("drop_prefix"):
        found = found.str.removeprefix(prefix)
    if suffix := changes.get("drop_suffix"):
        found = found.str.removesuffix(suffix)
    if "digits" in changes:
        found = found.map(lambda name: str(int(name)).zfill(changes["digits"]) if re.fullmatch(r"\d+", name) else name)
    return pd.Index(changes.get("add_prefix", "") + found + changes.get("add_suffix", ""), dtype=object)


def suggest(names, cells):
    """The fewest changes of ``names`` that match most of them to ``cells``.

    Returns:
        (dict, int): changes and the number of names matched; ({}, 0) if none matches half of the possible names.
    """
    names, cells = pd.Index(names), pd.Index(cells)
    sample = names[:: max(1, len(names) // TRIED)]
    widths = {1, *(len(number) for name in cells[:1] for number in re.findall(r"\d+", name))}
    candidates = [
        {"drop_prefix": drop_prefix, "drop_suffix": drop_suffix, "digits": digits}
        | {"add_prefix": add_prefix, "add_suffix": add_suffix}
        for drop_prefix in (None, *_beginnings(names))
        for drop_suffix in (None, *_ends(names))
        for digits in (None, *sorted(widths))
        for add_prefix in (None, *_beginnings(cells))
        for add_suffix in (None, *_ends(cells))
    ]
    tried = []
    for number, candidate in enumerate(candidates):
        n_changes = sum(value is not None for value in candidate.values())
        tried.append((-int(rename(sample, candidate).isin(cells).sum()), n_changes, number))
    changes = {name: value for name, value in candidates[min(tried)[2]].items() if value is not None}
    matched = int(rename(names, changes).isin(cells).sum())
    return (changes, matched) if changes and matched >= ENOUGH * min(len(names), len(cells)) else ({}, 0)


def _beginnings(names):
    """Prefixes of nearly all names: parts that end with a separator, or the letters that all share."""
    sample = names[:: max(1, len(names) // TRIED)]
    parts = re.findall(r"[^_:#|.-]*[_:#|.-]+", sample[0])[:LEVELS] if len(sample) else []
    found = ["".join(parts[: number + 1]) for number in range(len(parts))]
    found += [re.match(r"\D*", _shared(sample))[0]]
    return [text for text in dict.fromkeys(found) if text and sample.str.startswith(text).mean() >= SHARED]


def _shared(names):
    """The common prefix of all names."""
    columns = zip(*(names.min(), names.max()), strict=False) if len(names) else ()
    return "".join(first for first, last in itertools.takewhile(lambda letters: letters[0] == letters[1], columns))


def _ends(names):
    """The suffix of nearly all names, from a separator on."""
    sample = names[:: max(1, len(names) // TRIED)]
    last = re.search(r"[_:#|.-][^_:#|.-]{1,12}$", sample[0]) if len(sample) else None
    return [last[0]] if last and sample.str.endswith(last[0]).mean() >= SHARED else []
