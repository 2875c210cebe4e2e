"""The other sections of the report: representations, training times, methods, settings, software and hardware."""

import re

from scae.evaluation import intervals, label_source
from scae.evaluation.main_scores import listed
from scae.models import registry
from scae.report import html

PACKAGES = {  # cited in the methods: {import name: name}
    "torch": "PyTorch",
    "scvi": "scvi-tools",
    "openTSNE": "openTSNE",
    "sklearn": "scikit-learn",
    "scanpy": "scanpy",
    "igraph": "igraph",
    "snakemake": "Snakemake",
}


def times(study):
    """How long training took; None if nothing was trained."""
    table = study.table("training_times")
    if not len(table):
        return None
    rows = []
    for (dataset, model), runs in table.groupby(["dataset", "model"], sort=False):
        seconds, rate = runs["seconds"], runs["cells_per_second"]
        rows.append(
            [
                html.cell(model),
                html.cell(dataset),
                _range(runs["epochs"]),
                html.count(len(runs)),
                html.score(seconds.min(), 1),
                html.score(seconds.max(), 1),
                html.score(rate.max(), 0),
                html.cell(listed(dict.fromkeys(runs["device"]))),
                html.cell(listed(dict.fromkeys(map(str, runs["threads"])))),
            ]
        )
    return {
        "table": html.table(
            "Training times",
            [
                html.column("model"),
                html.column("data set", text=True),
                html.column("epochs"),
                html.column("runs"),
                html.column("fastest run", "seconds"),
                html.column("slowest run", "seconds"),
                html.column("highest rate", "cells per second"),
                html.column("device", text=True),
                html.column("threads"),
            ],
            rows,
        )
    }


def _range(epochs):
    """The epochs of some runs, which differ with early stopping."""
    low, high = int(epochs.min()), int(epochs.max())
    return html.count(low) if low == high else html.cell(f"{low:,}–{high:,}", high)


def _trainings(names, training, models):
    """Sentences on how models were trained: one for those with the same settings, which a model may have of its own."""
    alike = {}
    for name in names:
        own = {key: value for key, value in models.get(name, {}).items() if key in registry.OF_TRAINING}
        alike.setdefault(tuple((training | own).items()), []).append(name)
    for settings, of_settings in alike.items():
        settings = dict(settings)
        least, patience = settings.get("min_steps", 0), settings.get("early_stopping", 0)
        limit = f", or {least:,} gradient steps if that is longer," if least else ""
        stopped = (
            f", until the loss of a held-out {settings.get('holdout', 0):.0%} of the cells had not fallen for "
            f"{patience:,} gradient steps; the weights of the epoch with the lowest loss were kept."
        )
        yield (
            f"{listed(of_settings)} {'was' if len(of_settings) == 1 else 'were'} trained without labels for "
            f"{'at most ' if patience else ''}{settings.get('epochs')} epochs{limit} in batches of "
            f"{settings.get('batch_size')} cells with Adam at a learning rate of {settings.get('learning_rate')}"
            + (stopped if patience else ".")
        )


def methods(study):
    """A paragraph to paste into a paper, and the works that it cites."""
    settings = study.settings
    training, tsne, kmeans = (settings.get(name, {}) for name in ("training", "tsne", "kmeans"))
    external = [name for name, model in study.models.items() if model["external"]]
    trained = [name for name, model in study.models.items() if model["trained"] and name not in external]
    said = [_data(study, dataset) for dataset in study.datasets]
    kinds = [f"{name} ({study.kind(name)}{_cited(model)})" for name, model in study.models.items()]
    said.append(f"The cells were represented by {listed(kinds)}.")
    said += _trainings(trained, training, settings.get("models", {}))
    for name in external:
        epochs = sorted(set(study.table("training_times", model=name)["epochs"]))
        shown = listed([f"{number:,}" for number in epochs])
        said.append(f"{name} was trained on the counts by its own package with its own settings for {shown} epochs.")
    details = [f"{kmeans['n_init']} starts"] if "n_init" in kmeans else []
    details += [f"k = {kmeans['k']}" if kmeans.get("k") else "k = number of labels"]
    perplexity = f"; perplexity {tsne['perplexity']:g}" if "perplexity" in tsne else ""
    said.append(
        f"Each latent space was projected with t-SNE (van der Maaten & Hinton 2008{perplexity}). The latent space and "
        f"the 2-D t-SNE were clustered with k-means ({', '.join(details)}), and the clusters were compared with the "
        "labels."
    )
    n_seeds = len(study.seeds)
    if n_seeds >= intervals.FEWEST_SEEDS:
        said.append(
            f"All steps were repeated with {n_seeds} random seeds. Confidence intervals (95 %, Student's t) are over "
            "seeds. Each model was compared with the PCA of its size and the best PCA, over cells (resampled within "
            "each type) and over seeds; p values are adjusted by Holm's method (1979) over the comparisons of a score."
        )
    else:
        said.append(f"All steps were run with {n_seeds} random seed{'s' * (n_seeds > 1)}, too few for intervals.")
    versions = [f"{name} {study.software[key]}" for key, name in PACKAGES.items() if key in study.software]
    if versions:
        said.append(f"Software: {listed(versions)}, run with scae.")
    works = [
        model["reference"] + (f". doi:{model['doi']}" if model["doi"] else "")
        for model in study.models.values()
        if model["reference"]
    ]
    return {"paragraph": " ".join(said), "works": list(dict.fromkeys(works))}


def _data(study, dataset):
    removed_by = study.files.read("cells", dataset=dataset)["removed_by"]
    n_types, source = study.n_types(dataset), study.label_sources[dataset][study.first_labels(dataset)]
    labels = (
        f"{n_types} labels come from {label_source.WORDS.get(source, source)}" if n_types else "no cell has a label"
    )
    n_kept = int((removed_by == "").sum())
    return f"{dataset}: {n_kept:,} of {len(removed_by):,} cells passed quality control; {labels}."


def _cited(model):
    """Authors and year of a reference, after a semicolon."""
    found = re.match(r".*?\b\d{4}\b", model["reference"])
    return f"; {found[0]}" if found else ""


def settings(study):
    """The settings, one small table per section."""
    sections = {}
    for key, value in _flat(study.settings):
        section, _, rest = key.partition(".")
        name, _, below = rest.partition(".") if section in ("datasets", "models") else ("", "", rest)
        sections.setdefault(f"{section}: {name}" if name else section, []).append((below or rest or key, value))
    columns = [html.column("key"), html.column("value", text=True)]
    return {
        "tables": [
            html.table(name, columns, [[html.cell(key), html.cell(str(value))] for key, value in rows])
            for name, rows in sections.items()
        ]
    }


def _flat(settings, prefix=""):
    """Nested settings as (dotted key, value) pairs."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def software(study):
    """Versions of packages, and the machines; None if no log has them."""
    if not study.software:
        return None
    columns = [html.column("package"), html.column("version", text=True)]
    rows = [[html.cell(name), html.cell(version)] for name, version in study.software.items()]
    return {"table": html.table("Versions of packages", columns, rows), "machines": study.machines}


def representations(study):
    """One line about each representation."""
    return {
        "models": [
            model | {"name": name, "kind": study.kind(name), "role": study.roles.get(name, "model")}
            for name, model in study.models.items()
        ]
    }


def software_and_machines(records):
    """The software and machines of all jobs.

    Args:
        records: {file: {"software": {package: version}, "machine": …}}, as from scae.jobs.record.read.

    Returns:
        (dict, list): {package: versions, joined by commas}; machines; both sorted.
    """
    versions, machines = {}, set()
    for record in records.values():
        machines |= {record["machine"]} if "machine" in record else set()
        for package, version in record.get("software", {}).items():
            versions.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(versions[package])) for package in sorted(versions)}, sorted(machines)
