"""Sweeps: a model entry with lists of values in place of one, spelled out as a model for each combination of them.

`beta_vae: {kind: beta_vae, sweep: {beta: [0.25, 1], n_latent: [6, 20]}}` is four models, of which the first is
`beta_vae_beta0.25_n_latent6`. A model of a sweep is one like any other: what it is made of knows no list, so that a
longer list runs what is new alone.
"""

import copy
import itertools
import math

from scae.errors import UserError, one_line
from scae.models import registry

MOST_MODELS = 100  # of one sweep: each is trained with every seed on every data set


def expand(config, layers=()):
    """Put the models of each sweep in the place of its entry, in a merged config and in its ``run.models``.

    A value that an earlier layer gave to what a later one sweeps goes, as a value that is overlaid does.

    Args:
        config: the merged config, changed in place; what is no sweep is left to the schema.
        layers: the configs that it was merged from, the ones that win last.

    Returns:
        {name of the entry: {model: {parameter: value}}}, in the order in which the lists are written.

    Raises:
        UserError: naming every key that is wrong, a line for each.
    """
    models = config.get("models")
    found, problems = {}, []
    for name, entry in list(models.items()) if isinstance(models, dict) else ():
        if isinstance(entry, dict) and "sweep" in entry:
            _drop_overlaid(name, entry, layers)
            told = list(_problems(entry))
            problems += [f"models.{name}.sweep{key}: {problem}" for key, problem in told]
            found[name] = {} if told else _points(name, entry["sweep"])
    for name, points in found.items():
        entry = models.pop(name)
        for model, values in points.items():
            if model in models:
                problems.append(f'models.{name}.sweep: makes a model "{model}", which there is already; rename one')
            models[model] = copy.deepcopy({key: value for key, value in entry.items() if key != "sweep"} | values)
    if problems:
        raise UserError("\n".join(f"config: {one_line(problem)}" for problem in problems))
    run = config.get("run")
    if found and isinstance(run, dict) and isinstance(run.get("models"), list):
        run["models"] = spelled_out(run["models"], found)
    return found


def spelled_out(names, sweeps):
    """Names of models with those of a sweep in the place of the name of its entry; each once, if one was swept."""
    if not any(isinstance(name, str) and name in sweeps for name in names):
        return names
    return list(dict.fromkeys(model for name in names for model in sweeps.get(name, [name])))


def of_run(sweeps, config):
    """The sweeps of which models are run, with these models, and their values as the checked config has them."""
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
    """The keys to a value of the expanded config as the user wrote them, who knows no model of a sweep.

    ``models, vae_beta4, beta`` is ``models, vae, sweep, beta`` where the sweep gives beta, else ``models, vae, beta``.

    Args:
        path: keys, and numbers of items of lists.
        sweeps: as from `expand`.
    """
    section, model, *below = [*path, None, None][: max(2, len(path))]
    for name, points in sweeps.items() if section == "models" else ():
        if model in points:
            return [section, name, *(["sweep"] if below and below[0] in points[model] else []), *below]
    return list(path)


def _drop_overlaid(name, entry, layers):
    """Take from an entry the values that stand only in layers before the one that sweeps them."""
    written = [layer.get("models") or {} for layer in layers if isinstance(layer, dict)]
    written = [layer.get(name) for layer in written if isinstance(layer, dict)]
    written = [layer if isinstance(layer, dict) else {} for layer in written]
    for key in entry["sweep"] if isinstance(entry["sweep"], dict) else ():
        swept = [place for place, layer in enumerate(written) if key in (layer.get("sweep") or {})]
        set_ = [place for place, layer in enumerate(written) if key in layer]
        if swept and set_ and max(set_) < min(swept):
            entry.pop(key, None)  # an overlay that writes `kind` has replaced the entry


def _problems(entry):
    """(key below ``sweep``, problem) of an entry that has one."""
    sweep, options = entry["sweep"], _options(entry.get("kind"))
    if not isinstance(sweep, dict) or not sweep:
        yield "", "needs lists of values by hyperparameter, such as {beta: [0.25, 1, 4]}"
        return
    for key, values in sweep.items():
        if options is not None and key not in options:
            has = f"it has {', '.join(options)}" if options else "it has none"
            yield f".{key}", f"{entry['kind']} has no such hyperparameter; {has}"
        elif key in entry:
            yield f".{key}", f"{key} has a value beside the sweep as well; remove one"
        elif not isinstance(values, list) or not values:
            yield f".{key}", "needs a list of values, such as [0.25, 1, 4]"
        else:
            yield from _problems_of_values(key, values)
    number = math.prod(len(values) for values in sweep.values() if isinstance(values, list))
    if number > MOST_MODELS:
        yield "", f"makes {number} models, and a sweep may make {MOST_MODELS}; shorten its lists, or sweep less at once"


def _problems_of_values(key, values):
    seen = set()
    for value in values:
        if value is not None and not isinstance(value, str | bool | int | float):
            yield f".{key}", f"{value} is no value to sweep; a list holds numbers, words, true, false or null"
        elif (text := _text(value)) in seen:
            yield f".{key}", f"{value} stands twice; remove one"
        else:
            seen.add(text)


def _options(kind):
    """Names of the hyperparameters of a kind; None if it is none, which the schema tells."""
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
    """A value within a name: 0.25, 6, -true, -logsigmoid. A whole number has no point, so that 6 and 6.0 are one."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if value is None or isinstance(value, bool):
        return f"-{'none' if value is None else str(value).lower()}"
    return f"-{value}" if isinstance(value, str) and not value[:1].isdigit() else str(value)
