"""How was it made: methods to paste into a paper, representations, quality control, settings, software and hardware."""

import re
import subprocess
import tomllib
from contextlib import suppress
from pathlib import Path

from scae.evaluation import intervals, label_source
from scae.evaluation.main_scores import listed
from scae.models import registry
from scae.report import html, scoreboard

PACKAGES = {  # cited in the methods: {import name: name}
    "torch": "PyTorch",
    "scvi": "scvi-tools",
    "openTSNE": "openTSNE",
    "sklearn": "scikit-learn",
    "scanpy": "scanpy",
    "igraph": "igraph",
    "snakemake": "Snakemake",
}


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


def made(study):
    """The methods, the representations and what they cite, the settings, and the software."""
    return {
        "methods": paragraph(study),
        "models": [
            model | {"name": name, "kind": study.kind(name), "is_baseline": study.roles.get(name, "model") != "model"}
            for name, model in study.models.items()
        ],
        "settings": settings(study),
        "software": software(study),
        "machines": study.machines,
    }


def paragraph(study):
    """A paragraph to paste into a paper."""
    settings = study.settings
    training, tsne, kmeans = (settings.get(name, {}) for name in ("training", "tsne", "kmeans"))
    external = [name for name, model in study.models.items() if model["external"]]
    trained = [name for name, model in study.models.items() if model["trained"] and name not in external]
    said = [sentence for dataset in study.datasets for sentence in _data(study, dataset)]
    kinds = [f"{name} ({_described(study, name)})" for name in study.models]
    said.append(f"The cells were represented by {listed(kinds)}.")
    said += _trainings(trained, training, settings.get("models", {}))
    for name in external:
        epochs = sorted(set(study.table("training_times", model=name)["epochs"]))
        shown = listed([f"{number:,}" for number in epochs])
        said.append(f"{name} was trained on the counts by its own package with its own settings for {shown} epochs.")
    details = [f"{kmeans['n_init']} starts"] if "n_init" in kmeans else []
    details += [f"k = {kmeans['k']}" if kmeans.get("k") else "k = number of labels"]
    perplexity = f"; perplexity {tsne['perplexity']:g}" if "perplexity" in tsne else ""
    compared = ", and the clusters were compared with the labels, which training did not use"
    said.append(
        f"Each latent space was projected with t-SNE (van der Maaten & Hinton 2008{perplexity}). The latent space and "
        f"the 2-D t-SNE were clustered with k-means ({', '.join(details)})"
        f"{compared if any(map(study.n_types, study.datasets)) else ''}."
    )
    if any(map(study.n_types, study.datasets)):
        said.append(scoreboard.ABOUT["knn_accuracy"])
    if len(study.table("intervals", metric="held_out")):
        said.append(
            "For held-out molecules (Batson, Royer & Webber 2019), each representation was also learned from a random "
            "half of each cell's molecules; the score is the log-likelihood of the other half, predicted from the "
            "50 nearest cells, above that of the overall profile."
        )
    n_seeds = len(study.seeds)
    seeds = listed(map(str, study.seeds))
    if n_seeds >= intervals.FEWEST_SEEDS:
        said.append(
            f"All steps were repeated with {n_seeds} random seeds ({seeds}). Confidence intervals (95 %, Student's t) "
            "are over seeds. Each model was compared with the PCA of its size and the best PCA, over cells (resampled "
            f"{intervals.RESAMPLES} times within each type) and over seeds; p values are adjusted by Holm's method "
            "(1979) over the comparisons of a score."
        )
    else:
        said.append(
            f"All steps were run with {n_seeds} random seed{'s' * (n_seeds > 1)} ({seeds}), too few for intervals."
        )
    versions = [f"{name} {study.software[key]}" for key, name in PACKAGES.items() if key in study.software]
    workflow = " ".join(["scae", study.version]).rstrip()
    said.append(f"The workflow was {workflow}{f', with {listed(versions)}' if versions else ''}.")
    return " ".join(said)


def _described(study, name):
    """Title, hyperparameters that are switched on, and authors of a representation."""
    entry = study.settings.get("models", {}).get(name, {})
    options = [
        key if value is True else f"{key} {value:g}" if isinstance(value, int | float) else f"{key} {value}"
        for key, value in sorted(entry.items())
        if value and key not in ("kind", "n_latent", "path", *registry.OF_TRAINING)
    ]
    found = re.match(r".*?\b\d{4}\b", study.models[name]["reference"])
    return "; ".join([", ".join([study.kind(name), *options]), *([found[0]] if found else [])])


def _data(study, dataset):
    """Sentences on quality control, normalisation and labels."""
    cells = study.files.read("cells", dataset=dataset)
    n_types, source = study.n_types(dataset), study.label_sources[dataset][study.first_labels(dataset)]
    n_kept = int((cells["removed_by"] == "").sum())
    entry = study.settings.get("datasets", {}).get(dataset, {})
    limits = _limits(entry.get("qc", {}))
    yield (
        f"{dataset}: {n_kept:,} of {len(cells):,} cells passed quality control"
        f"{f' ({limits})' if limits else ', which had no limits'}."
    )
    values, scale = entry.get("values", "auto"), entry.get("scale_factor", 10_000)
    if "pct_mito" not in cells:  # it is measured wherever values are not logarithms
        yield "Expression was log-normalised in the source and used as it is." + (
            " The counts that models of counts and held-out molecules need were recovered from it."
            if len(study.table("intervals", dataset=dataset, metric="held_out"))
            else ""
        )
    elif values in ("counts", "corrected_counts") or (values == "auto" and (cells["counts"] % 1 == 0).all()):
        yield f"Counts were scaled to {scale:,.0f} per cell and log-transformed (log1p)."
    else:
        yield "Expression was normalised per cell and log-transformed (log1p)."
    genes = entry.get("genes")
    if n_variable := isinstance(genes, dict) and genes.get("variable"):
        yield f"The {n_variable:,} most variable genes were used."
    if study.settings.get("expression", {}).get("scale"):
        yield "Each gene was standardised and clipped at 10."
    yield (
        f"{n_types} labels come from {label_source.WORDS.get(source, source)}." if n_types else "No cell has a label."
    )


def _limits(qc):
    """The limits of quality control that are switched on, in words."""
    said = []
    if qc.get("min_cells"):
        said.append(f"genes in at least {html.cells(qc['min_cells'])}")
    low, high, mito = (qc.get(name) for name in ("min_genes", "max_genes", "max_pct_mito"))
    said += [f"cells with more than {low:,} genes"] if low else []
    said += [f"fewer than {high:,} genes"] if high else []
    said += [f"less than {mito:g} % mitochondrial counts"] if mito is not None else []
    mads = {name: number for name, number in sorted(qc.get("mad", {}).items()) if number is not None}
    said += [f"{name} within {number:g} median absolute deviations" for name, number in mads.items()]
    return listed(said)


def quality(study, dataset):
    """How many cells each limit of quality control removed."""
    limits = study.files.read("limits", dataset=dataset)
    rows = [
        [
            html.cell(limit.limit + (f" of {limit.sample}" if limit.sample else "")),
            html.cell(html.bound(limit.lower), limit.lower),
            html.cell(html.bound(limit.upper), limit.upper),
            html.count(limit.breaks_it),
            html.count(limit.breaks_only_it),
        ]
        for limit in limits.itertuples()
    ]
    headings = ["limit", "lower limit", "upper limit", "cells that fail it", "fail only it"]
    return {
        "picture": study.picture("quality_png", f"Quality control of {dataset}.", colors=64, dataset=dataset),
        "table": html.table(
            f"Quality-control limits of {dataset} and the cells that fail them", [*map(html.column, headings)], rows
        ),
    }


def settings(study):
    """All settings as one table."""
    columns = [html.column("key"), html.column("value", text=True)]
    rows = [[html.cell(key), html.cell(str(value))] for key, value in _flat(study.settings)]
    return html.table("Settings", columns, rows)


def _flat(settings, prefix=""):
    """Nested settings as (dotted key, value) pairs."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def software(study):
    """Versions of packages; None if no log has them."""
    columns = [html.column("package"), html.column("version", text=True)]
    rows = [[html.cell(name), html.cell(version)] for name, version in study.software.items()]
    return html.table("Versions of packages", columns, rows) if rows else None


def version():
    """Version and commit of this workflow, as far as its folder has them: "0.1.0 (commit abc1234)" or ""."""
    root = Path(__file__).resolve().parents[3]
    found = []
    with suppress(OSError, KeyError, ValueError):
        found.append(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"])
    with suppress(OSError, subprocess.SubprocessError):
        if (root / ".git").exists():
            command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--exclude", "*"]
            made = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
            found.append(f"(commit {made.stdout.strip()})")
    return " ".join(found)


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
