"""The last parts of the report: how long it took, methods to paste into a paper, settings, software and machine."""

from scae.evaluation import label_source
from scae.report import html

NAMED = {  # packages that the methods name, by the name they are imported under
    "torch": "PyTorch",
    "scvi": "scvi-tools",
    "openTSNE": "openTSNE",
    "sklearn": "scikit-learn",
    "scanpy": "scanpy",
    "igraph": "igraph",
    "snakemake": "Snakemake",
}


def times(study):
    """How long training took; None where nothing was trained."""
    if not len(study.training_times):
        return None
    rows = []
    for (dataset, model), runs in study.training_times.groupby(["dataset", "model"], sort=False):
        seconds, rate = runs["seconds"], runs["cells_per_second"]
        rows.append(
            [
                html.cell(model),
                html.cell(dataset),
                _range(runs["epochs"]),
                html.count(len(runs)),
                html.cell(f"{seconds.min():.1f}", seconds.min()),
                html.cell(f"{seconds.max():.1f}", seconds.max()),
                html.cell(f"{rate.max():,.0f}", rate.max()),
                html.cell(html.listed(dict.fromkeys(runs["device"]))),
                html.cell(html.listed(dict.fromkeys(map(str, runs["threads"])))),
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
                html.column("best rate", "cells per second"),
                html.column("device", text=True),
                html.column("threads"),
            ],
            rows,
        )
    }


def _range(epochs):
    """The epochs of some runs, of which early stopping may end one before another."""
    low, high = int(epochs.min()), int(epochs.max())
    return html.count(low) if low == high else html.cell(f"{low:,}–{high:,}", high)


def methods(study):
    """A paragraph on what was done, from settings, pages and versions, and the works that it cites."""
    settings = study.settings
    training, tsne, kmeans = (settings.get(name, {}) for name in ("training", "tsne", "kmeans"))
    peers = [name for name, model in study.models.items() if model["peer"]]
    trained = [name for name, model in study.models.items() if model["trained"] and name not in peers]
    said = [_data(study, dataset) for dataset in study.datasets]
    kinds = [f"{name} ({_cited(model)})" for name, model in study.models.items()]
    said.append(f"The cells were represented by {html.listed(kinds)}.")
    if trained:
        least, patience = training.get("min_steps", 0), training.get("early_stopping", 0)
        said.append(
            f"{html.listed(trained)} {'was' if len(trained) == 1 else 'were'} trained on the expression alone for "
            f"{'at most ' if patience else ''}{training.get('epochs')} epochs in batches of "
            f"{training.get('batch_size')} cells with Adam at a learning rate of {training.get('learning_rate')}"
            + (f", and for more epochs where {least:,} gradient steps needed more." if least else ".")
        )
        if patience:
            said.append(
                f"Training ended when the loss of {training['holdout']:.0%} of the cells, which were held out, had not "
                f"fallen for {patience} epochs; the weights are those of the epoch in which it was lowest."
            )
    for name in peers:
        epochs = study.training_times.loc[study.training_times["model"] == name, "epochs"]
        shown = html.listed([f"{number:,}" for number in sorted(set(epochs))])
        said.append(
            f"{name} was trained on the counts by a package of its own, with the settings of that, for {shown} epochs."
        )
    said.append(
        "Each latent space was projected with t-SNE (van der Maaten & Hinton 2008"
        + (f"; perplexity {tsne['perplexity']:g}" if "perplexity" in tsne else "")
        + ") and clustered with k-means"
        + (f" ({kmeans['n_init']} starts" if "n_init" in kmeans else " (")
        + f", k {'the number of labels' if not kmeans.get('k') else kmeans['k']}), and the clusters were compared with "
        "the labels."
    )
    n_seeds = len(study.seeds)
    if n_seeds >= 3:
        said.append(
            f"All of it was repeated with {n_seeds} seeds; intervals are 95 % intervals of Student's t over these, "
            "differences are paired by seed and adjusted by Holm (1979) over the pairs of a score."
        )
    else:
        said.append(f"It was run with {n_seeds} seed{'s' if n_seeds > 1 else ''}, too few for an interval.")
    versions = [f"{name} {study.software[key]}" for key, name in NAMED.items() if key in study.software]
    if versions:
        said.append(f"Software: {html.listed(versions)}, run with scae.")
    works = [
        model["reference"] + (f". doi:{model['doi']}" if model["doi"] else "")
        for model in study.models.values()
        if model["reference"]
    ]
    return {"paragraph": " ".join(said), "works": list(dict.fromkeys(works))}


def _data(study, dataset):
    removed = study.quality[dataset].cells["removed_by"]
    n_kept, n_types = int((removed == "").sum()), len(set(study.labels[dataset]) - {""})
    origin = next(iter(study.origins[dataset].values()))
    labels = f"{n_types} labels come from {label_source.WORDS.get(origin, origin)}" if n_types else "none has a label"
    return f"{dataset}: {n_kept:,} of {len(removed):,} cells were kept by quality control; {labels}."


def _cited(model):
    return f"{model['title']}; {model['reference'].partition(',')[0]}" if model["reference"] else model["title"]


def settings(study):
    """The settings by section, each a small table."""
    sections = {}
    for key, value in flat(study.settings):
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


def flat(settings, prefix=""):
    """Nested settings as (dotted key, value) pairs."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def software(study):
    """Packages with their versions and the machines; None where no log tells of them."""
    if not study.software:
        return None
    columns = [html.column("package"), html.column("version", text=True)]
    rows = [[html.cell(name), html.cell(version)] for name, version in study.software.items()]
    return {"table": html.table("Software that the jobs ran with", columns, rows), "machines": study.machines}


def representations(study):
    """What each representation is, in a line."""
    return {
        "models": [
            {"name": name, "role": study.roles.get(name, "model")} | model for name, model in study.models.items()
        ]
    }


def made_with(noted):
    """What software and machines made the results.

    Args:
        noted: {file: {"software": {package: version}, "machine": …}}, as from scae.jobs.record.read.

    Returns:
        (dict, list): {package: its version, or all of them}; the machines; both sorted.
    """
    versions, machines = {}, set()
    for origin in noted.values():
        machines |= {origin["machine"]} if "machine" in origin else set()
        for package, version in origin.get("software", {}).items():
            versions.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(versions[package])) for package in sorted(versions)}, sorted(machines)
