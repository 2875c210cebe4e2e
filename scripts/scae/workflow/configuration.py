"""Checking the config: one pass from what the user wrote to what the rules use.

Light enough to run each time the workflow is parsed: the hyperparameters of a model are read from its page without
importing it.
"""

import ast
import copy
import difflib
import math
import re
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from scae.data.source_files import is_shipped, is_url, local_files
from scae.errors import UserError

MODEL_PAGES = Path(__file__).resolve().parents[1] / "models"
BESIDE_THE_PAGES = ("__init__", "layers")  # what else lies in that folder


def load(config, schema, files=()):
    """Check a config and complete it.

    Args:
        config: the merged config as Snakemake read it; left as it is.
        schema: the content of ``config/schema.yaml``.
        files: the YAML files that it was merged from, searched for keys that stand twice.

    Returns:
        dict: the config with all defaults; keys and the lists of ``run`` sorted and numbers of one type, so that equal
        settings compare equal and give the same tables.

    Raises:
        UserError: naming every key that is wrong, a line for each.
    """
    for file in files:
        if Path(file).suffix != ".json":
            _refuse_duplicate_keys(file)
    config = _with_text_keys(config)
    errors = sorted(_Validator(with_model_pages(schema)).iter_errors(config), key=lambda error: error.json_path)
    problems = list(dict.fromkeys(_message(error) for error in errors)) or list(_contradictions(config))
    if problems:
        raise UserError("\n".join(f"config: {problem}" for problem in problems))
    return _sorted(config | {"run": {name: sorted(values) for name, values in config["run"].items()}})


def kinds():
    """{kind: JSON schemas of its hyperparameters}, from the ``CONFIG`` of each page in ``scae/models``."""
    found = {}
    for page in sorted(MODEL_PAGES.glob("*.py")):
        if page.stem not in BESIDE_THE_PAGES:
            found[page.stem] = _literal(page, "CONFIG")
            if found[page.stem] is None:
                raise UserError(f"{page}: has no CONFIG = {{…}} with the hyperparameters of the model")
    return found


def estimate(kind, name):
    """What a kind of model makes of a ``latent.estimate``, by the ``SAME_ESTIMATES`` of its page if it has some.

    Two names for the same numbers are no reason to embed again.
    """
    return (_literal(MODEL_PAGES / f"{kind}.py", "SAME_ESTIMATES") or {}).get(name, name)


def with_model_pages(schema):
    """The schema with the hyperparameters of every kind filled in."""
    schema = copy.deepcopy(schema)
    model = schema["properties"]["models"]["additionalProperties"]
    model["properties"]["kind"]["enum"] = list(kinds())
    model["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"properties": {"kind": True} | hyperparameters, "additionalProperties": False},
        }
        for kind, hyperparameters in kinds().items()
    ]
    return schema


def _literal(page, name):
    for node in ast.parse(page.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return None


def _number(value, entry):
    """A number in the type that the schema declares, so that 3 and 3.0 are the same setting."""
    types = entry.get("type", ()) if isinstance(entry, dict) else ()
    if "number" in types and type(value) is int:
        return float(value)
    if "integer" in types and type(value) is float and value.is_integer():
        return int(value)
    return value


def _properties(validator, properties, instance, schema):
    """``properties`` of JSON schema that first fills in defaults and gives numbers their declared type."""
    if isinstance(instance, dict):
        for name, entry in properties.items():
            if isinstance(entry, dict) and "default" in entry:
                instance.setdefault(name, copy.deepcopy(entry["default"]))
            if name in instance:
                instance[name] = _number(instance[name], entry)
    yield from Draft202012Validator.VALIDATORS["properties"](validator, properties, instance, schema)


def _additional_properties(validator, entry, instance, schema):
    if isinstance(instance, dict):
        for name in instance.keys() - schema.get("properties", {}).keys():
            instance[name] = _number(instance[name], entry)
    yield from Draft202012Validator.VALIDATORS["additionalProperties"](validator, entry, instance, schema)


def _items(validator, entry, instance, schema):
    if isinstance(instance, list):
        instance[:] = [_number(value, entry) for value in instance]
    yield from Draft202012Validator.VALIDATORS["items"](validator, entry, instance, schema)


def _type(validator, types, instance, schema):
    if isinstance(instance, float) and not math.isfinite(instance):
        yield ValidationError(f"{instance} is not a finite number")
    yield from Draft202012Validator.VALIDATORS["type"](validator, types, instance, schema)


_Validator = extend(
    Draft202012Validator,
    {"properties": _properties, "additionalProperties": _additional_properties, "items": _items, "type": _type},
)


def _message(error):
    """One line for a person: the key, what is wrong, what to do."""
    key = ".".join(map(str, error.absolute_path))
    value = error.instance
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = sorted(set(value) - set(known), key=str)[0]
        close = difflib.get_close_matches(str(unknown), known, n=1)
        hint = f'did you mean "{close[0]}"?' if close else f"known keys are {', '.join(known)}"
        return f"{f'{key}.{unknown}'.lstrip('.')}: unknown key; {hint}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in value)
        return f"{f'{key}.{missing}'.lstrip('.')}: is missing; {_description(error.schema, missing)}"
    if error.validator == "type" and error.message.endswith("finite number"):
        return f"{key}: {error.message}"
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, str) else " or ".join(error.validator_value)
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d+(\.\d*)?([eE][+-]?\d+)?", value):
            return f"{key}: {value!r} is text to YAML, not a {wanted}; write 1e-3 as 1.0e-3, and no quotes"
        return f"{key}: {value!r} is not of type {wanted}"
    if error.validator == "enum":
        return f"{key}: {value!r} is not one of {', '.join(map(str, error.validator_value))}"
    if error.validator in ("pattern", "propertyNames", "not") or error.parent is not None:
        return f"{key}: {value!r} is not usable here; {error.schema.get('description', error.message)}"
    return f"{key}: {error.message}"


def _description(schema, name):
    entry = schema.get("properties", {}).get(name, {})
    return entry.get("description", "give it a value") if isinstance(entry, dict) else "give it a value"


def _contradictions(config):
    """What a schema cannot say: names that must exist elsewhere, files that must be there."""
    for section in ("datasets", "models"):
        for name in config["run"][section]:
            if name not in config[section]:
                yield f'run.{section}: "{name}" is not defined; {section} has {", ".join(sorted(config[section]))}'
    for name in config["run"]["datasets"]:
        dataset = config["datasets"].get(name)
        if dataset is None:
            continue
        source, is_local = dataset["source"], not (is_url(dataset["source"]) or is_shipped(dataset["source"]))
        paths = {"source": source} if is_local else {}
        if dataset["labels"]["from"] == "csv":
            paths["labels.path"] = dataset["labels"]["path"]
        for key, path in paths.items():
            if not Path(path).exists():
                yield (
                    f'datasets.{name}.{key}: "{path}" does not exist (looked in {Path.cwd()}). Give a path relative to '
                    "the working directory, or a URL"
                )
        if is_local and Path(source).is_dir() and not local_files(source):
            yield f'datasets.{name}.source: "{source}" is a folder without the three files of a 10x matrix'
        if dataset["sha256"] and (is_shipped(source) or (is_local and Path(source).is_dir())):
            yield f"datasets.{name}.sha256: only a file has one, and source is {source}; set sha256 to null"
        if dataset["values"] != "counts" and dataset["qc"]["max_pct_mito"] is not None:
            yield f"datasets.{name}.qc.max_pct_mito: needs counts, but values is log_normalized; set it to null"
        if dataset["labels"]["from"] == "clusters" and dataset["values"] != "counts":
            yield f"datasets.{name}.labels.from: clusters needs counts, but values is log_normalized; use obs or csv"


def _with_text_keys(value):
    """A copy in which every key is text; YAML reads an unquoted 68 or yes as something else."""
    if isinstance(value, dict):
        return {str(name): _with_text_keys(below) for name, below in value.items()}
    return copy.deepcopy(value)


def _sorted(value):
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return value


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses a key that stands twice, of which the plain loader keeps the last."""

    def construct_mapping(self, node, deep=False):
        seen = {}
        for key, _ in node.value:
            if key.value in seen:
                raise UserError(
                    f'config: {self.name}: key "{key.value}" stands twice, in lines {seen[key.value]} and '
                    f"{key.start_mark.line + 1}; remove one"
                )
            seen[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _refuse_duplicate_keys(file):
    with open(file, encoding="utf-8") as stream:
        yaml.load(stream, Loader=_StrictLoader)
