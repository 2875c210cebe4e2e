"""The labels of a data set in the config: one entry, or several sets of labels by name, the first being that of k.

An entry says where labels come from (``from``), and a single one goes by that name in tables. Of several,
{name: entry}, the first one named gives the number of clusters, the pictures and what is dropped; all are scored.
"""

import copy


def are_several(labels):
    """Whether the ``labels`` of a data set are several sets; what is wrong with them is told by the schema."""
    return isinstance(labels, dict) and "from" not in labels and any(map(_is_entry, labels.values()))


def of(labels):
    """{name: entry} of the labels of a data set, the first set first."""
    return labels if are_several(labels) else {labels["from"]: labels}


def first(labels):
    """The entry of the set that gives k and the pictures."""
    return next(iter(of(labels).values()))


def further(labels):
    """{name: entry} of the sets that are only scored."""
    return dict(list(of(labels).items())[1:])


def key(labels, name):
    """Where the entry of a set stands below the data set."""
    return f"labels.{name}" if are_several(labels) else "labels"


def allow_several(schema):
    """The schema of a config with several sets allowed where it describes one entry; a changed copy."""
    schema = copy.deepcopy(schema)
    properties = schema["properties"]["datasets"]["additionalProperties"]["properties"]
    entry = {name: value for name, value in properties["labels"].items() if name not in ("default", "description")}
    no_entry = {"additionalProperties": {"not": {"type": "object", "required": ["from"]}}}
    properties["labels"] = {
        **{name: properties["labels"][name] for name in ("type", "default", "description")},
        "if": {"anyOf": [{"required": ["from"]}, no_entry]},
        "then": entry,
        "else": {
            "propertyNames": {
                "pattern": "^[A-Za-z0-9][A-Za-z0-9_-]{0,99}$",
                "description": "a set of labels is named by up to 100 letters, digits, _ and -",
            },
            "additionalProperties": entry,
        },
    }
    return schema


def problems(labels):
    """(key, problem) of sets of labels that the schema cannot tell."""
    if not are_several(labels):
        return
    names = {}
    for name, entry in labels.items():
        if not isinstance(entry, dict):
            sets = ", ".join(other for other, one in labels.items() if isinstance(one, dict))
            yield f"labels.{name}", f"stands beside the sets {sets}; write it below the one that it is for"
        elif entry.get("from") == "none":
            yield f"labels.{name}.from", "none is no set of labels to be scored; leave the set out"
        elif entry.get("missing") == "drop" and names:
            yield (
                f"labels.{name}.missing",
                f"cells are dropped by the first set alone, {next(iter(names.values()))}; set it to unscored",
            )
        other = names.setdefault(name.lower(), name)
        if other != name:
            yield f"labels.{name}", f"and {other} differ in case only, and are one file on some disks; rename one"


def _is_entry(value):
    return isinstance(value, dict) and "from" in value
