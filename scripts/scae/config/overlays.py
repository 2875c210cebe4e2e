"""Overlays: a later config file that makes another choice replaces the settings of the earlier one.

Snakemake merges config files key by key, so that `labels: {from: csv, path: …}` of an overlay would still have the
markers of the clustering that the default config chose. An overlay that writes `labels.from`, or the `kind` of a model,
replaces that whole entry; without it, its keys are merged into the entry.
"""

import copy

from scae.config import label_sets


def replace_choices(config, layers):
    """Merge labels and models of a config anew, in place.

    Args:
        config: the merged config.
        layers: the configs that it was merged from; the last one wins.
    """
    for section, part, chooser in (("models", None, "kind"), ("datasets", "labels", "from")):
        for name, entry in _dict(config.get(section)).items():
            written = [_dict(_dict(layer.get(section)).get(name)) for layer in layers if isinstance(layer, dict)]
            if part is None and any(chooser in one for one in written):
                config[section][name] = _merged(written, chooser)
            elif part and any(_dict(one.get(part)) for one in written) and isinstance(entry, dict):
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
    """The value if it is a dict, else an empty one: the schema reports what is wrong with it."""
    return value if isinstance(value, dict) else {}
