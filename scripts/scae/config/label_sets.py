"""The labels of a data set in the config: one entry, or several label sets by name.

An entry says where labels come from (``from``), which is also the name of a single one in tables. The first of several,
{name: entry}, determines the number of clusters, the pictures and which cells are dropped; all are scored.
"""

import copy


def are_several(labels):
    """Whether the ``labels`` of a data set are several sets; the schema reports what is wrong with them."""
    return isinstance(labels, dict) and "from" not in labels and any(map(_is_entry, labels.values()))


def of(labels):
    """{name: entry} of the label sets of a data set, in their order."""
    return labels if are_several(labels) else {labels["from"]: labels}


def first(labels):
    """The entry of the first label set."""
    return next(iter(of(labels).values()))


def further(labels):
    """{name: entry} of the additional label sets, which are only scored."""
    return dict(list(of(labels).items())[1:])


def key(labels, name):
    """The key of a set's entry below the data set."""
    return f"labels.{name}" if are_several(labels) else "labels"


def allow_several(schema):
    """A copy of the config's schema that also accepts several label sets in place of one entry."""
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
                "description": "the name of a label set has up to 100 letters, digits, _ and -",
            },
            "additionalProperties": entry,
        },
    }
    return schema


def problems(labels):
    """(key, problem) of label sets that the schema cannot express."""
    if not are_several(labels):
        return
    names = {}
    for name, entry in labels.items():
        if not isinstance(entry, dict):
            sets = ", ".join(other for other, one in labels.items() if isinstance(one, dict))
            yield f"labels.{name}", f"is a setting beside the label sets {sets}; move it into one of them"
        elif entry.get("from") == "none":
            yield f"labels.{name}.from", "none has no labels to score; remove this label set"
        elif entry.get("missing") == "drop" and names:
            yield (
                f"labels.{name}.missing",
                f"only the first label set, {next(iter(names.values()))}, can drop cells; set it to unscored",
            )
        other = names.setdefault(name.lower(), name)
        if other != name:
            yield (
                f"labels.{name}",
                f"differs from {other} only in case, which is the same file on some disks; rename one",
            )


def _is_entry(value):
    return isinstance(value, dict) and "from" in value
