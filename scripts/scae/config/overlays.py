"""Overlays: a config file that changes the `kind` of a model, or `from` of labels, replaces the whole earlier entry.

Snakemake merges config files key by key, so `labels: {from: csv, path: …}` in an overlay would keep the markers of the
clustering in the default config. An overlay without `from` or `kind` is merged into the entry.
"""

import copy

from scae.config import label_sets


def replace_choices(config, layers):
    """Merge labels and models of a config again, in place.

    Args:
        config: the merged config.
        layers: the configs that were merged, the last one winning.
    """
    for section, part, chooser in (("models", None, "kind"), ("datasets", "labels", "from")):
        for name, entry in _dict(config.get(section)).items():
            written = [_dict(_dict(layer.get(section)).get(name)) for layer in layers if isinstance(layer, dict)]
            if part is None and isinstance(entry, dict) and any(chooser in one for one in written):
                config[section][name] = _merged(written, chooser)
            elif part and any(_dict(one.get(part)) for one in written) and isinstance(_dict(entry).get(part), dict):
                entry[part] = _merged([_dict(one.get(part)) for one in written], chooser)


def _merged(layers, chooser):
    found = {}
    for layer in layers:
        if chooser in layer or (chooser in found and label_sets.are_several(layer)):
            found = copy.deepcopy(layer)
        else:
            for key, value in layer.items():
                below = isinstance(value, dict) and isinstance(found.get(key), dict)
                found[key] = _merged([found[key], value], chooser) if below else copy.deepcopy(value)
    return found


def _dict(value):
    """The value if it is a dict, else an empty dict; the schema reports the wrong type."""
    return value if isinstance(value, dict) else {}
