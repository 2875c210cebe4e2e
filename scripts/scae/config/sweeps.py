"""Sweeps: a model entry with lists of values becomes one model for each combination.

`beta_vae: {kind: beta_vae, sweep: {beta: [0.25, 1], n_latent: [6, 20]}}` is four models, the first being
`beta_vae_beta0.25_n_latent6`. Its settings do not contain the lists, so a longer list runs only the new models.
"""

import copy
import itertools
import math

from scae.errors import UserError, one_line
from scae.models import registry

MOST_MODELS = 100  # in one sweep; each is trained with every seed on every data set


def expand(config, layers=()):
    """Replace each sweep by its models, in a merged config and in its ``run.models``.

    If a later layer sweeps a hyperparameter, its single value in an earlier layer is dropped.

    Args:
        config: the merged config, changed in place; the schema checks everything but the sweeps.
        layers: the configs that were merged, the last one winning.

    Returns:
        {name of the entry: {model: {parameter: value}}}, in the order of the lists.

    Raises:
        UserError: one line for each invalid key.
    """
    models = config.get("models")
    found, problems = {}, []
    for name, entry in list(models.items()) if isinstance(models, dict) else ():
        if isinstance(entry, dict) and "sweep" in entry:
            _drop_overlaid(name, entry, layers)
            invalid = list(_problems(entry))
            problems += [f"models.{name}.sweep{key}: {problem}" for key, problem in invalid]
            found[name] = {} if invalid else _points(name, entry["sweep"])
    for name, points in found.items():
        entry = models.pop(name)
        for model, values in points.items():
            if model in models:
                problems.append(
                    f'models.{name}.sweep: creates a model "{model}", but there is already one of this name; rename it'
                )
            models[model] = copy.deepcopy({key: value for key, value in entry.items() if key != "sweep"} | values)
    if problems:
        raise UserError("\n".join(f"config: {one_line(problem)}" for problem in problems))
    run = config.get("run")
    if found and isinstance(run, dict) and isinstance(run.get("models"), list):
        run["models"] = spelled_out(run["models"], found)
    return found


def spelled_out(names, sweeps):
    """Names of models, the name of a sweep replaced by its models; duplicates are dropped if there is a sweep."""
    if not any(isinstance(name, str) and name in sweeps for name in names):
        return names
    return list(dict.fromkeys(model for name in names for model in sweeps.get(name, [name])))


def of_run(sweeps, config):
    """The sweeps with models in the run: these models, with their values in the checked config."""
    of_models = {
        name: {
            model: {key: config["models"][model][key] for key in values}
            for model, values in points.items()
            if model in config["run"]["models"]
        }
        for name, points in sweeps.items()
    }
    return {name: points for name, points in of_models.items() if points}


def as_written(path, sweeps):
    """The keys of a value in the expanded config, as the user wrote them.

    ``models, vae_beta4, beta`` becomes ``models, vae, sweep, beta`` if beta is swept, else ``models, vae, beta``.

    Args:
        path: keys, and indices of list items.
        sweeps: from `expand`.
    """
    section, model, *below = [*path, None, None][: max(2, len(path))]
    for name, points in sweeps.items() if section == "models" else ():
        if model in points:
            return [section, name, *(["sweep"] if below and below[0] in points[model] else []), *below]
    return list(path)


def _drop_overlaid(name, entry, layers):
    """Remove from an entry the values that only layers before the sweep set."""
    written = [layer.get("models") or {} for layer in layers if isinstance(layer, dict)]
    written = [layer.get(name) for layer in written if isinstance(layer, dict)]
    written = [layer if isinstance(layer, dict) else {} for layer in written]
    for key in entry["sweep"] if isinstance(entry["sweep"], dict) else ():
        swept = [place for place, layer in enumerate(written) if key in (layer.get("sweep") or {})]
        set_ = [place for place, layer in enumerate(written) if key in layer]
        if swept and set_ and max(set_) < min(swept):
            entry.pop(key, None)  # a new kind has dropped it already


def _problems(entry):
    """(key below ``sweep``, problem) of an entry with a sweep."""
    sweep, options = entry["sweep"], _options(entry.get("kind"))
    if not isinstance(sweep, dict) or not sweep:
        yield "", "needs a list of values for each hyperparameter, such as {beta: [0.25, 1, 4]}"
        return
    for key, values in sweep.items():
        if options is not None and key not in options:
            known = f"known are {', '.join(options)}" if options else "it has none"
            yield f".{key}", f"is not a hyperparameter of {entry['kind']}; {known}"
        elif key in entry:
            yield f".{key}", f"{key} also has a single value beside the sweep; remove one"
        elif not isinstance(values, list) or not values:
            yield f".{key}", "needs a list of values, such as [0.25, 1, 4]"
        else:
            yield from _problems_of_values(key, values)
    number = math.prod(len(values) for values in sweep.values() if isinstance(values, list))
    if number > MOST_MODELS:
        yield "", f"has {number} models, but at most {MOST_MODELS} are allowed; shorten the lists"


def _problems_of_values(key, values):
    seen = set()
    for value in values:
        if value is not None and not isinstance(value, str | bool | int | float):
            yield f".{key}", f"{value} cannot be swept; list numbers, words, true, false or null"
        elif (text := _text(value)) in seen:
            yield f".{key}", f"{value} is given twice; remove one"
        else:
            seen.add(text)


def _options(kind):
    """Names of the hyperparameters of a kind; None for an unknown kind, which the schema reports."""
    try:
        return sorted(registry.find(kind).config)
    except (UserError, AttributeError, TypeError):
        return None


def _points(name, sweep):
    """{model: {parameter: value}} of a sweep, the last parameter changing first."""
    keys = list(sweep)
    return {
        "_".join([name, *(f"{key}{_text(value)}" for key, value in zip(keys, values, strict=True))]): dict(
            zip(keys, values, strict=True)
        )
        for values in itertools.product(*sweep.values())
    }


def _text(value):
    """A value as part of a name: 0.25, 6, -true, -X_pca; 6.0 is written like 6, since they are the same value."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if value is None or isinstance(value, bool):
        return f"-{'none' if value is None else str(value).lower()}"
    return f"-{value}" if isinstance(value, str) and not value[:1].isdigit() else str(value)
