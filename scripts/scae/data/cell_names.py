"""Cell names that differ between two files: find changes that match them. They are suggested, never applied."""

import itertools
import json
import re

import numpy as np
import pandas as pd

CHANGES = ("drop_prefix", "drop_suffix", "digits", "add_prefix", "add_suffix")  # in order of application
TRIED = 200  # names to try a change on
LEVELS = 3  # parts at the beginning of a name, such as GSM1_sample_
SHARED = 0.95
ENOUGH = 0.5
MOST_SAMPLES = 30


def rename(names, changes):
    """Names after dropping a prefix or suffix, padding with zeros, and adding a prefix or suffix.

    Args:
        names: iterable of text.
        changes: dict with some of `CHANGES`; None is no change. ``digits`` is the length to which names that are
            numbers are padded with zeros, or cut. Or {sample: such a dict}: each name is changed by the one whose
            prefix and suffix it has, the longest if there are several; a name that none fits stays.
    """
    names = list(names)
    several = [_given(part) for part in changes.values() if isinstance(part, dict)]
    if not several:
        return _renamed(names, _given(changes))
    several.sort(key=lambda one: -len(one.get("drop_prefix", "") + one.get("drop_suffix", "")))
    of_name = [next((n for n, one in enumerate(several) if _fits(name, one)), len(several)) for name in names]
    found = pd.Series(names, dtype=object)
    for number, one in enumerate(several):
        mine = np.flatnonzero(np.array(of_name) == number)
        found.iloc[mine] = list(_renamed([names[index] for index in mine], one))
    return pd.Index(found, dtype=object)


def _given(changes):
    return {name: value for name, value in changes.items() if value is not None}


def _fits(name, changes):
    return name.startswith(changes.get("drop_prefix", "")) and name.endswith(changes.get("drop_suffix", ""))


def _renamed(names, changes):
    found = pd.Series(names, dtype=object)
    if prefix := changes.get("drop_prefix"):
        found = found.str.removeprefix(prefix)
    if suffix := changes.get("drop_suffix"):
        found = found.str.removesuffix(suffix)
    if "digits" in changes:
        found = found.map(lambda name: str(int(name)).zfill(changes["digits"]) if re.fullmatch(r"\d+", name) else name)
    return pd.Index(changes.get("add_prefix", "") + found + changes.get("add_suffix", ""), dtype=object)


def suggest(names, cells):
    """The fewest changes of ``names`` that match most of them to ``cells``: the same for all, or for each sample.

    Returns:
        (dict, int): changes as for `rename`, and the number of names matched; ({}, 0) if none matches half of the
        possible names.
    """
    names, cells = pd.Index(names), pd.Index(cells)
    changes, matched = _suggest_for_all(names, cells)
    if matched < SHARED * min(len(names), len(cells)):
        for_samples = _suggest_for_samples(names, cells)
        again = int(rename(names, for_samples).isin(cells).sum()) if for_samples else 0
        changes, matched = (for_samples, again) if again > matched else (changes, matched)
    return (changes, matched) if changes and matched >= ENOUGH * min(len(names), len(cells)) else ({}, 0)


def written(changes):
    """Changes as they are written in a config."""
    return "{" + ", ".join(f"{_key(name)}: {_value(value)}" for name, value in changes.items()) + "}"


def _key(name):
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else json.dumps(name)


def _value(value):
    return written(value) if isinstance(value, dict) else json.dumps(value)


def _suggest_for_samples(names, cells):
    """{sample: changes} for names whose samples are at their beginning or end, found by what the names share; or {}."""
    best, best_matched = {}, 0
    of_cells = _parts(cells)
    cores = [{_core(cell) for cell in part} for part in of_cells.values()]
    for of_names in _partitions(names):
        found = {}
        for part in of_names.values():
            mine = {_core(name) for name in part}
            overlaps = np.array([len(core & mine) for core in cores])
            if not len(overlaps) or overlaps.max() == 0 or (overlaps == overlaps.max()).sum() > 1:
                continue
            sample, theirs = list(of_cells.items())[int(overlaps.argmax())]
            changes, _ = _suggest_for_all(pd.Index(part), pd.Index(theirs))
            found[sample or str(len(found))] = changes
        matched = int(rename(names, found).isin(cells).sum()) if len(found) > 1 and all(found.values()) else 0
        if matched > best_matched:
            best, best_matched = found, matched
        if matched >= SHARED * len(names):
            break
    return best


def _partitions(names):
    """Ways to split names by their last or first parts: {part: names}, each with several groups of several names."""
    for pattern in (
        *(rf"((?:[_:#|.-][^_:#|.-]{{1,12}}){{{n}}})$" for n in (1, 2, 3)),
        *(rf"^((?:[^_:#|.-]+[_:#|.-]+){{{n}}})" for n in (1, 2, 3)),
    ):
        found = pd.Series(names, dtype=object).str.extract(pattern, expand=False).fillna("")
        parts = {key: list(group) for key, group in pd.Series(names, dtype=object).groupby(found)}
        if 1 < len(parts) <= MOST_SAMPLES and len(names) > 2 * len(parts):
            yield parts


def _parts(cells):
    """{sample: cells}, by the beginning of the names or else by their end; a single part without samples."""
    ways = list(_partitions(cells))
    by_beginning = [
        parts for parts in ways if all(cell.startswith(key) for key, part in parts.items() for cell in part)
    ]
    for parts in (by_beginning or ways)[:1]:
        return {key.strip("_:#|.-"): part for key, part in parts.items()}
    return {"": list(cells)}


def _core(name):
    """The part of a name that identifies the cell within its sample: its barcode, or its longest part."""
    barcode = re.search(r"[ACGTN]{8,}", name)
    return barcode[0] if barcode else max(re.split(r"[_:#|.-]", name), key=len)


def _suggest_for_all(names, cells):
    """(the fewest changes of all names that match most of them, their number)."""
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
        tried.append((-int(_renamed(sample, _given(candidate)).isin(cells).sum()), n_changes, number))
    changes = _given(candidates[min(tried)[2]])
    return changes, int(_renamed(names, changes).isin(cells).sum())


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
    """Suffixes of nearly all names, from a separator on: the last part, the last two."""
    sample = names[:: max(1, len(names) // TRIED)]
    if not len(sample):
        return []
    found = [re.search(rf"(?:[_:#|.-][^_:#|.-]{{1,12}}){{{number}}}$", sample[0]) for number in (1, 2)]
    return [match[0] for match in found if match and sample.str.endswith(match[0]).mean() >= SHARED]
