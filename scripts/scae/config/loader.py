"""Check a config and complete it with defaults, from what the user wrote to what `plan.Plan` takes.

Light enough to run each time the workflow is parsed: the hyperparameters of a model are read from its file without
importing it.
"""

import copy
import difflib
import itertools
import math
import os
import re
from pathlib import Path

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.validators import extend

from scae.config import files as config_files
from scae.config import label_sets, overlays, sweeps
from scae.errors import UserError, control_character, one_line
from scae.evaluation import metrics
from scae.models import registry
from scae.sources import address
from scae.sources.address import is_shipped, is_url, local_files

NUMBER = re.compile(r"[+-]?\d{1,400}(\.\d*)?([eE][+-]?\d+)?")
RESULTS = "results"
# Keys for reading a file, with their defaults; they have no meaning for simulated cells
OF_FILES = {
    **{"format": "auto", "matrix": "auto", "values": "auto", "orientation": "auto"},
    **{"member": None, "genome": None, "modality": "rna", "feature_type": None},
}
WITHOUT_COUNTS = ("normalized", "log_normalized")  # values
LONGEST_VALUE = 80  # characters of a value in a message


def load(config, schema, files=(), command_line=None, processors=None, datasets_too=True, importer=None):
    """Check a config and complete it.

    Args:
        config: the merged config as Snakemake read it; not changed.
        schema: the content of ``config/schema.yaml``.
        files: the files that were merged, the last one winning.
        command_line: the part that came with ``--config``, in which Snakemake leaves nested numbers as text.
        processors: number of processors if this machine trains, else None.
        datasets_too: whether to check the data sets; if False, `problems_of_dataset` is left to the caller.
        importer: the config that a workflow which imports this one has merged into ours; its rules may make the files
            that it names. None if there is no such workflow.

    Returns:
        dict: the config with all defaults. Keys and the lists of ``run`` are sorted and numbers have one type, so that
        equal settings compare equal and give the same tables. A sweep is replaced by its models; ``sweeps`` has those
        of the run, {sweep: {model: {parameter: value}}}, in the order in which they are written.

    Raises:
        UserError: one line for each invalid key.
    """
    layers = [_with_text_keys(config_files.read(file)) for file in files]
    layers += [_with_text_keys(layer or {}) for layer in (importer, command_line)]
    config = _with_text_keys(config)
    overlays.replace_choices(config, layers)
    config = _spelled_out(config)
    complete = with_parts(schema, _outside_kinds(config))
    _read_numbers(config, _with_text_keys(command_line or {}))
    swept = sweeps.expand(config, layers)
    if swept:
        complete = with_parts(schema, _outside_kinds(config))
    problems = list(_unprintable(config)) or list(_problems_of_sets(config))
    problems = problems or _violations(config, label_sets.allow_several(complete), swept)
    found = () if problems else _contradictions(config, swept, processors, datasets_too, alone=importer is None)
    problems = problems or list(dict.fromkeys(found))  # the models of a sweep share their problems
    problems = problems or list(_not_run(layers[1:], config, swept))
    if problems:
        raise UserError("\n".join(f"config: {one_line(problem)}" for problem in problems))
    plain = _plain(config | {"run": {name: sorted(values) for name, values in config["run"].items()}})
    for name, dataset in plain["datasets"].items():
        if label_sets.are_several(dataset["labels"]):  # in their order, since the first one is special
            dataset["labels"] = {key: dataset["labels"][str(key)] for key in config["datasets"][name]["labels"]}
    if run := sweeps.of_run(swept, plain):
        plain["sweeps"] = run
    return plain


def with_parts(schema, outside=None):
    """The schema, completed with the hyperparameters of every kind of model and the names of the metrics.

    Args:
        schema: the content of ``config/schema.yaml``.
        outside: {path of a model file outside the library: its hyperparameters, or None if it is not run}.
    """
    schema = copy.deepcopy(schema)
    dataset = schema["properties"]["datasets"]["additionalProperties"]
    scores = dataset["properties"]["published"]["properties"]["scores"]
    scores["additionalProperties"]["propertyNames"] = {"enum": list(metrics.metric_info())}
    kinds = {kind: registry.find(kind).config for kind in registry.kinds()} | (outside or {})
    model = schema["properties"]["models"]["additionalProperties"]
    model["properties"]["kind"]["enum"] = list(kinds)
    model["allOf"] = [
        {
            "if": {"properties": {"kind": {"const": kind}}, "required": ["kind"]},
            "then": {"properties": {"kind": True} | hyperparameters, "additionalProperties": False},
        }
        for kind, hyperparameters in kinds.items()
        if hyperparameters is not None
    ]
    return schema


def _outside_kinds(config):
    """{path: hyperparameters, or None} of model files outside the library; only those that are run are read."""
    models = config["models"] if isinstance(config.get("models"), dict) else {}
    run = config["run"].get("models") if isinstance(config.get("run"), dict) else None
    found = {}
    for name, model in models.items():
        kind = model.get("kind") if isinstance(model, dict) else None
        if not isinstance(kind, str) or not registry.is_path(kind):
            continue
        found.setdefault(kind, None)
        if isinstance(run, list) and name in run:
            try:
                found[kind] = registry.find(kind).config
                Draft202012Validator.check_schema({"properties": found[kind]})
            except UserError as error:
                raise UserError(one_line(f"config: models.{name}.kind: {error}")) from None
            except SchemaError as error:
                key = ".".join(map(str, list(error.absolute_path)[1:]))
                raise UserError(f"config: models.{name}.kind: {kind}: CONFIG: {key}: {error.message}") from None
    return found


def _read_numbers(config, command_line):
    """Convert the numbers, true, false and null that came with ``--config`` as text, in place."""
    for name, value in command_line.items():
        if isinstance(value, dict) and isinstance(config.get(name), dict):
            _read_numbers(config[name], value)
        elif isinstance(value, list):
            config[name] = [_read_number(item) for item in value]
        else:
            config[name] = _read_number(value)


def _read_number(value):
    if isinstance(value, str) and NUMBER.fullmatch(value):
        return int(value) if value.lstrip("+-").isdigit() else float(value)
    return (
        {"true": True, "false": False, "null": None, "~": None}.get(value, value) if isinstance(value, str) else value
    )


def _number(value, entry):
    """A number in the type that the schema declares, so that 3 and 3.0 are the same setting."""
    types = entry.get("type", ()) if isinstance(entry, dict) else ()
    types = [types] if isinstance(types, str) else types
    if "number" in types and type(value) is int and abs(value) < 2**1000:
        return float(value)
    if "integer" in types and type(value) is float and value.is_integer():
        return int(value)
    return value


def _properties(validator, properties, instance, schema):
    """``properties`` of JSON schema that first fills in defaults and converts numbers to their declared type."""
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


def _is_not_finite(value):
    return isinstance(value, float) and not math.isfinite(value)


def _type(validator, types, instance, schema):
    if _is_not_finite(instance):
        yield ValidationError(f"{instance} is not a finite number")
    yield from Draft202012Validator.VALIDATORS["type"](validator, types, instance, schema)


_Validator = extend(
    Draft202012Validator,
    {"properties": _properties, "additionalProperties": _additional_properties, "items": _items, "type": _type},
)


def _violations(config, schema, swept):
    errors = sorted(_Validator(schema).iter_errors(config), key=lambda error: error.json_path)
    messages = {}  # one for each key, a wrong type before others
    for error in sorted(errors, key=lambda error: error.validator != "type"):
        key = error.json_path if error.validator not in ("additionalProperties", "required") else id(error)
        messages.setdefault(key, _message(error, swept))
    return sorted(set(messages.values()))


def _shown(value):
    """A value as a message shows it."""
    text = repr(str(value) if isinstance(value, str) else value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE // 2]}… ({len(text)} characters)"


def _message(error, swept):
    """One line: the key as the user wrote it, what is wrong, what to do."""
    key = ".".join(map(str, sweeps.as_written(error.absolute_path, swept)))
    value = error.instance
    shown, message = _shown(value), error.message.replace(repr(value), _shown(value))
    if error.validator == "additionalProperties":
        known = list(error.schema["properties"])
        unknown = sorted(set(value) - set(known), key=str)[0]
        return f"{f'{key}.{unknown}'.lstrip('.')}: unknown key; {_meant(unknown, known, 'known keys are')}"
    if error.validator == "required":
        missing = next(name for name in error.validator_value if name not in value)
        return f"{f'{key}.{missing}'.lstrip('.')}: is missing; {_description(error.schema, missing)}"
    if error.validator == "type" and error.message.endswith("finite number"):
        return f"{key}: {error.message}"
    if error.validator == "type":
        wanted = error.validator_value if isinstance(error.validator_value, str) else " or ".join(error.validator_value)
        if isinstance(value, str) and NUMBER.fullmatch(value):
            return f"{key}: YAML reads {shown} as text, not as {wanted}; write numbers unquoted, and 1e-3 as 1.0e-3"
        if value is None and wanted == "object":
            return f"{key}: is empty, but must have keys (type object); add some, or leave it out"
        if isinstance(value, list) and key.endswith(".source"):
            return f"{key}: a list has no names of samples; write {{name: path, …}}, a name and a path per sample"
        if wanted == "array" and not isinstance(value, (dict, type(None))):
            seeds = range(value) if key == "run.seeds" and isinstance(value, int) and 0 < value <= 10 else [value]
            return f"{key}: {shown} is not a list; write [{', '.join(map(str, seeds))}]"
        return f"{key}: {shown} is not of type {wanted}"
    if error.validator == "enum":
        path = ", or the path of a model file (my_model.py)" if re.fullmatch(r"models\.[^.]+\.kind", key) else ""
        known = list(map(str, error.validator_value))
        return f"{key}: {shown} is not one of {', '.join(known)}{path}{_close(value, known, '; ')}"
    if error.validator in ("pattern", "maxLength", "propertyNames", "not") or error.parent is not None:
        return f"{key}: {shown} is not allowed here; {error.schema.get('description', message)}"
    return f"{key}: {message}"


def _close(name, known, before=""):
    """The known name that is close to one, as a question; empty without one."""
    close = difflib.get_close_matches(str(name), known, n=1)
    return f'{before}did you mean "{close[0]}"?' if close else ""


def _meant(name, known, otherwise):
    """What to write in place of an unknown name: the one that is close to it, or one of them all."""
    return _close(name, known) or f"{otherwise} {', '.join(known)}"


def _description(schema, name):
    entry = schema.get("properties", {}).get(name, {})
    return entry.get("description", "give it a value") if isinstance(entry, dict) else "give it a value"


def _unprintable(config, key=""):
    """Problems with control characters, which terminals, tables and pictures cannot show."""
    if isinstance(config, dict):
        for name, value in config.items():
            yield from _unprintable(name, f"{key}.{name}".lstrip("."))
            yield from _unprintable(value, f"{key}.{name}".lstrip("."))
    elif isinstance(config, list):
        for number, value in enumerate(config):
            yield from _unprintable(value, f"{key}.{number}")
    elif isinstance(config, str) and (found := control_character(config)):
        yield f"{key}: {_shown(config)} contains the control character {found}; remove it"


def _problems_of_sets(config):
    """Problems of data sets and label sets, reported in place of less clear ones of the schema."""
    datasets = config.get("datasets")
    if isinstance(datasets, dict) and isinstance(datasets.get("source"), str):
        yield "datasets.source: is a key of a data set; indent it below the name of one, and the other keys with it"
    for name, dataset in datasets.items() if isinstance(datasets, dict) else ():
        found = label_sets.problems(dataset.get("labels")) if isinstance(dataset, dict) else ()
        yield from (f"datasets.{name}.{key}: {problem}" for key, problem in found)


def _not_run(layers, config, swept):
    """Problems with data sets and models that the user defines, but ``run`` does not name."""
    for section in ("datasets", "models"):
        defined = [name for layer in layers for name in (layer.get(section) or {})]
        chosen = any(section in (layer.get("run") or {}) for layer in layers)
        run = list(dict.fromkeys(sweeps.as_written([section, name], swept)[1] for name in config["run"][section]))
        if defined and not chosen and not set(defined) & set(run):
            yield (
                f"{section}.{defined[0]}: is defined but not run; write run: {{{section}: [{defined[0]}]}} (now: "
                f"{', '.join(run)})"
            )


def _contradictions(config, swept, processors, datasets_too, alone):
    """Problems that a schema cannot express: undefined names, missing files, settings that contradict each other."""
    for section in ("datasets", "models"):
        names = {}
        for name in config["run"][section]:
            if name not in config[section]:
                meant = _meant(name, sorted(config[section]), f"{section} has")
                yield f"run.{section}: {_quoted(name)} is not defined; {meant}"
            other = names.setdefault(name.lower(), name)
            if other != name:
                yield (
                    f'run.{section}: "{other}" and "{name}" differ only in case, one folder on some disks; rename one'
                )
    for name in config["run"]["datasets"] if datasets_too else ():
        if name in config["datasets"]:
            for key, problem in problems_of_dataset(config["datasets"][name], config["kmeans"], alone):
                yield f"datasets.{name}.{key}: {problem}"
    for name in config["run"]["models"]:
        if config["models"].get(name, {}).get("kind") == "given":
            entry = config["models"][name]
            for place in ([], ["half"]) if entry["half"] else ([],):
                for key, problem in _contradictions_of_given(entry["half"] if place else entry, config, alone):
                    yield f"{'.'.join(sweeps.as_written(['models', name, *place, *key], swept))}: {problem}"
    for name in config["run"]["models"]:
        kind = config["models"].get(name, {}).get("kind")
        if kind is None or not registry.find(kind).external:
            continue
        for dataset in config["run"]["datasets"]:
            if (values := config["datasets"].get(dataset, {}).get("values")) in WITHOUT_COUNTS:
                written = ".".join(sweeps.as_written(["models", name], swept))
                yield f"{written}: needs counts, but datasets.{dataset}.values is {values}; do not run both"
    for name in config["run"]["models"]:
        for dataset in config["run"]["datasets"] if config["models"].get(name, {}).get("batch") is True else ():
            if dataset in config["datasets"] and not config["datasets"][dataset]["batch"]:
                key = ".".join(sweeps.as_written(["models", name, "batch"], swept))
                yield (
                    f"{key}: is true, but {dataset} has no batch; name its column in datasets.{dataset}.batch, or do "
                    "not run both"
                )
    if (name := config["choose"]["model"]) is not None:
        if name not in config["models"]:
            yield f"choose.model: {_quoted(name)} is not defined; models has {', '.join(sorted(config['models']))}"
        elif "n_latent" not in config["models"][name]:
            yield f"choose.model: {_quoted(name)} has no n_latent; name another model, or null"
    training = config["training"]
    for name in config["run"]["models"] if not training["holdout"] else ():
        if (entry := config["models"].get(name)) and registry.find(entry["kind"]).training(entry).get("early_stopping"):
            key = ".".join(sweeps.as_written(["models", name, "early_stopping"], swept))
            yield f"{key}: needs held-out cells; set training.holdout, for example to 0.1, or early_stopping to 0"
    if training["engine"] == "sparse" and training["device"] == "cuda":
        yield "training.engine: sparse needs a CPU, but training.device is cuda; set one of them to auto"
    if training["engine"] == "sparse" and training["precision"] != "float32":
        yield (
            f"training.engine: sparse computes in float32, but training.precision is {training['precision']}; set "
            "training.engine to dense or auto"
        )
    if training["early_stopping"] and not training["holdout"]:
        yield (
            "training.early_stopping: needs held-out cells; set training.holdout, for example to 0.1, or "
            "early_stopping to 0"
        )
    if processors and training["threads"] > processors:
        yield (
            f"training.threads: {training['threads']} is more than the {processors} processors of this machine; set "
            f"it to {processors} or less"
        )


def problems_of_dataset(dataset, kmeans, alone=True):
    """(key, problem) of an entry of ``datasets``.

    Args:
        alone: False if rules of an importing workflow may make the files that do not exist yet.
    """
    source, qc = dataset["source"], dataset["qc"]
    if (source is None) == (dataset["samples"] is None):
        yield (
            "source",
            "is missing; give it, or a sample table"
            if source is None
            else "is given together with samples; remove one",
        )
        return
    if dataset["samples"] is not None and (
        problems := list(_problems_of_path(dataset["samples"], "", wanted="a table, .csv or .tsv"))
    ):
        yield from (("samples", problem) for problem in problems)
        return
    yield from _problems_of_simulation(dataset)
    try:
        samples = address.samples(dataset)
    except UserError as error:
        yield "samples", str(error)
        return
    for sample, entry in samples.items():
        key = "source" if sample is None else f"samples: {sample}" if source is None else f"source.{sample}"
        if sample is not None or not address.is_simulated(source):
            yield from ((key, problem) for problem in _problems_of_source(entry["source"], alone))
    of_no_file = source is None or (
        isinstance(source, str) and (address.is_simulated(source) or is_shipped(source) or os.path.isdir(source))
    )
    if dataset["sha256"] and of_no_file:
        what = "the samples have it in their table" if source is None else f"source is {source}"
        yield "sha256", f"is for a single file, but {what}; set sha256 to null"
    else:
        yield from _problems_of_digests(dataset["sha256"], samples, "source")
    for name, labels in label_sets.of(dataset["labels"]).items():
        key = label_sets.key(dataset["labels"], name)
        yield from ((f"{key}.{of}", problem) for of, problem in _problems_of_labels(labels, dataset, kmeans, alone))
    if isinstance(qc["mito_genes"], str):
        yield from (
            ("qc.mito_genes", problem)
            for problem in _problems_of_path(
                qc["mito_genes"], ", or a list of names", alone, "a file with a gene a line"
            )
        )
    if dataset["gene_sets"]:
        problems = _problems_of_path(dataset["gene_sets"], "", alone, "a .gmt file")
        yield from (("gene_sets", problem) for problem in problems)
    if dataset["values"] == "log_normalized" and qc["max_pct_mito"] is not None:
        yield "qc.max_pct_mito", "needs counts, but values is log_normalized; set it to null"
    if qc["max_genes"] is not None and qc["max_genes"] < qc["min_genes"] + 2:
        yield (
            "qc.max_genes",
            f"no cell can have more than {qc['min_genes']} (min_genes) and fewer than {qc['max_genes']} genes; raise "
            "it, or lower min_genes",
        )


def _problems_of_labels(labels, dataset, kmeans, alone):
    """(key, problem) of one entry of labels."""
    if labels["from"] == "csv":
        yield from _problems_of_label_files(labels, dataset, alone)
    changes = labels.get("cell_names", {})
    if {isinstance(value, dict) for value in changes.values() if value is not None} == {True, False}:
        yield "cell_names", "has changes for all cells beside those of samples; write them for each sample"
    if labels["from"] == "none" and kmeans["k"] is None:
        yield "from", "none needs the number of clusters; set kmeans.k"
    if labels["from"] == "clusters" and dataset["values"] in WITHOUT_COUNTS:
        yield "from", f"clusters needs counts, but values is {dataset['values']}; use obs or csv"
    if labels["from"] == "clusters" and labels["n_pcs"] >= labels["n_variable_genes"]:
        yield (
            "n_pcs",
            f"{labels['n_pcs']} components need more than {labels['n_variable_genes']} genes; lower it, or raise "
            "n_variable_genes",
        )
    if labels["from"] == "markers":
        for first, second in itertools.combinations(labels["markers"], 2):
            if set(labels["markers"][first]) == set(labels["markers"][second]):
                yield (
                    "markers",
                    f"{_quoted(first)} and {_quoted(second)} have the same genes and cannot be distinguished; add "
                    "a gene to one of them, or merge them",
                )


def _problems_of_label_files(labels, dataset, alone):
    """(key, problem) of path and sha256 of a label set."""
    files = address.label_files(labels)
    for sample, file in files.items():
        key = "path" if sample is None else f"path.{sample}"
        if is_url(file) or file.lower().startswith("ftp:"):
            yield from ((key, problem) for problem in _problems_of_source(file, alone))
            continue
        problems = _problems_of_path(file, ", or a URL", alone, "a CSV with the columns cell,label")
        yield from ((key, problem) for problem in problems)
    samples = list(address.samples(dataset))
    for sample in files if dataset["member"] != "all" else ():
        if sample is not None and sample not in samples:
            there = ", ".join(name for name in samples if name) or "none, so give a single path"
            yield f"path.{sample}", f"is not a sample of this data set; its samples: {there}"
    yield from _problems_of_digests(labels["sha256"], files, "path")


def _problems_of_digests(digests, files, of):
    """(key, problem) of sha256: one digest of the single file, or one for each of several files, {sample: digest}."""
    if digests is None:
        return
    if isinstance(digests, dict) == (None in files):
        yield (
            "sha256",
            f"needs the form of {of}: one digest for one file, {{sample: digest}} for a file per sample",
        )
    for sample in sorted(set(digests) - set(files)) if isinstance(digests, dict) and None not in files else ():
        yield f"sha256.{sample}", f"is of no file; {of} has {', '.join(files)}"


def _problems_of_simulation(dataset):
    """(key, problem) of ``simulation``, for a simulated data set or any other."""
    settings, simulated = dataset["simulation"], address.is_simulated(dataset["source"])
    if not simulated:
        if settings is not None:
            yield "simulation", f"needs source: {address.SIMULATED}; set that, or remove it"
        return
    if settings is None:
        yield "simulation", "is null; write {} for the defaults"
        return
    for key, default in OF_FILES.items():
        if dataset[key] != default:
            yield key, "is for reading a file, but the source is simulated; remove it"
    n_types = settings["types"] if isinstance(settings["types"], int) else len(settings["types"])
    if settings["cells"] < n_types:
        yield "simulation.cells", f"{settings['cells']} cells are too few for {n_types} types; raise it"
    if settings["genes"] < settings["program_genes"]:
        yield (
            "simulation.program_genes",
            f"{settings['program_genes']} genes are more than simulation.genes ({settings['genes']}); lower it or "
            "raise the latter",
        )


def _problems_of_source(source, alone):
    if source.lower().startswith("ftp:"):
        yield "FTP is not supported; most servers, including NCBI's, have the same file at https://"
    elif is_url(source):
        if problem := address.problem_of_url(source):
            yield problem
    elif is_shipped(source):
        name = source.partition(":")[2]
        if name not in address.SHIPPED_DATASETS:
            yield f"scanpy has no data set {_quoted(name)}; choose {', '.join(address.SHIPPED_DATASETS)}"
    else:
        yield from _problems_of_path(source, ", or a URL", alone)
        if os.path.isdir(source) and not local_files(source):
            yield f"{_quoted(source)} is a folder without a matrix; docs/own-data.md lists the supported files"
        if problem := address.problem_of_name(source):
            yield problem


def _problems_of_path(path, other, alone=True, wanted=None):
    """What is wrong with a path: it must exist, and be a file if ``wanted`` says which."""
    if not alone and not os.path.exists(path):
        return  # a rule of the other workflow may make it
    if alone and Path(os.path.realpath(path)).is_relative_to(os.path.realpath(RESULTS)):
        yield f"{_quoted(path)} is in {RESULTS}/, where runs overwrite files; copy it elsewhere and give that path"
    elif not os.path.exists(path):
        yield (
            f"{_quoted(path)} does not exist (looked in {Path.cwd()}). Give a path relative to the working directory"
            f"{other}"
        )
    elif not (os.path.isfile(path) or os.path.isdir(path)):
        yield f"{_quoted(path)} is neither a file nor a folder; give the path of a file"
    elif wanted and os.path.isdir(path):
        yield f"{_quoted(path)} is a folder; give {wanted}"
    elif not os.access(path, os.R_OK):
        yield f"{_quoted(path)} cannot be read; change its permissions (chmod), or give another file"


def _quoted(text):
    return f'"{text}"' if len(text) <= LONGEST_VALUE else _shown(text)


def _contradictions_of_given(model, config, alone):
    """(keys below the model, problem) of a given embedding."""
    key, path = model["key"], model["path"]
    if (key is None) == (path is None):
        yield [], "a given embedding needs either key (of obsm) or path (of a table), not both"
    if path is not None:
        yield from ((["path"], problem) for problem in _problems_of_path(path, "", alone, "a table, .csv or .tsv"))
    if key is not None:
        for name in config["run"]["datasets"]:
            if name in config["datasets"] and (problem := _problem_of_obsm(config["datasets"][name])):
                yield ["key"], f"{problem}, and {name} is not one; use path"


def _problem_of_obsm(dataset):
    """Why a data set has no obsm, or None if it may have one."""
    source = dataset["source"]
    if not isinstance(source, str) or dataset["member"] == "all":
        return "obsm can only be read from a data set with a single source"
    named_h5ad = source.partition("?")[0].endswith(".h5ad")
    return (
        None
        if is_shipped(source) or named_h5ad or dataset["format"] == "h5ad"
        else "obsm can only be read from an .h5ad"
    )


def _with_text_keys(value):
    """A copy in which every key is text (YAML reads an unquoted 68 as a number) and ~ of a path is the home folder."""
    if isinstance(value, dict):
        return {str(name): _with_text_keys(below) for name, below in value.items()}
    if isinstance(value, list):
        return [_with_text_keys(item) for item in value]
    if isinstance(value, str) and value.startswith("~") and "/" in value:
        return os.path.expanduser(value)
    return copy.deepcopy(value)


def _spelled_out(config):
    """The config with short forms written out."""
    datasets = config.get("datasets")
    for dataset in datasets.values() if isinstance(datasets, dict) else ():
        if isinstance(dataset, dict) and dataset.get("genes") == "all":
            dataset["genes"] = {}
        if isinstance(dataset, dict):
            _switch(dataset)
        if isinstance(dataset, dict) and address.is_simulated(dataset.get("source")):
            dataset.setdefault("labels", {"from": "obs", "column": "type"})
            dataset.setdefault("simulation", {})
    return config


def _switch(dataset):
    """Write out the short forms of ``held_out_molecules``, which is off by default for values that are not counts."""
    written = dataset.get("held_out_molecules", dataset.get("values") not in WITHOUT_COUNTS)
    if isinstance(written, bool):
        dataset["held_out_molecules"] = {} if written else None


def _plain(value):
    """A copy with sorted keys and plain types."""
    if isinstance(value, dict):
        return {name: _plain(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, str) else value
