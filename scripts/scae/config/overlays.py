"""Another choice in an overlay: the settings of the old one go with it.

Snakemake merges the files of a config key by key, so that `labels: {from: csv, path: …}` of an overlay still has the
markers of the clustering that the default config chose. Whoever wrote that overlay never wrote these.
"""

from scae.config import label_sets

CHOICES = {"datasets": ("labels", "from"), "models": (None, "kind")}  # section: (part of an entry, key that chooses)
OF_ITS_OWN = ("column",)  # keys that mean another thing for each choice: a column of obs is none of a file


def drop_settings_of_others(config, layers, schema):
    """Remove from a merged config, in place, what was said of the replaced choice of an earlier layer alone.

    Args:
        config: the merged config.
        layers: the configs that it was merged from, the ones that win last.
        schema: with the keys of every choice, as in ``allOf`` of ``config/schema.yaml``.
    """
    for name in _dict(config.get("datasets")):
        labels = [_below(layer, "datasets", name, "labels") for layer in layers]
        if (merged := label_sets.merged(labels)) is not None:
            config["datasets"][name]["labels"] = merged
    for section, (part, chooser) in CHOICES.items():
        entry_schema = schema["properties"][section]["additionalProperties"]
        if part:
            entry_schema = entry_schema["properties"][part]
        keys = {
            case["if"]["properties"][chooser]["const"]: case["then"]["properties"].keys()
            for case in entry_schema["allOf"]
        }
        for path in _choosing(config, section, part):
            entry = _below(config, *path)
            written = [_below(layer, *path) for layer in layers]
            changed = _last_change([layer.get(chooser) for layer in written])
            own = set().union(*written[changed:])
            for key in [key for key in entry if changed and key not in own]:
                if key in OF_ITS_OWN or key not in keys.get(str(entry[chooser]), entry):
                    del entry[key]


def _last_change(values):
    """Number of the last layer that says something else than an earlier one; 0 if none does."""
    last, before = 0, None
    for number, value in enumerate(values):
        if value is not None:
            last = number if before not in (None, value) else last
            before = value
    return last


def _choosing(config, section, part):
    """Where a section has what chooses: its entries, or a part of each, of which there may be several sets."""
    for name in _dict(config.get(section)):
        path = (section, name, part) if part else (section, name)
        found = _below(config, *path)
        yield from ((*path, one) for one in found) if part and label_sets.are_several(found) else [path]


def _below(config, *path):
    for name in path:
        config = _dict(_dict(config).get(name))
    return config


def _dict(value):
    """The value if it is a dict, else an empty one: what is wrong with it is told later."""
    return value if isinstance(value, dict) else {}
