"""The section of the report on each representation of a data set: pictures of every seed, clusters, scores."""

import numpy as np
import pandas as pd

from scae import tables
from scae.data import sampling
from scae.evaluation import diagnostics, summary
from scae.evaluation.main_scores import listed, select
from scae.report import html, sections_latents
from scae.report.contents import NO_LABEL, run_id
from scae.style import UNSCORED_COLOR

SHOWN_CELLS = 20_000  # points of the interactive plot of the first seed; the pictures show all cells
FEWEST_OF_A_TYPE = 50  # cells
SHOWN_CELLS_LATER = 450  # of each later seed
OVERLAP = 0.2  # share of a type's cells in clusters of another type from which the page mentions it
MENTIONED = 5  # such pairs, and types with low recall
LOW_RECALL = 0.5
COLORS = 64  # of the pictures of cells


def overlaps(labels, clusters):
    """Types in clusters of other types: [(share, type, most frequent type of the cluster)], largest share first.

    Args:
        labels, clusters: (cells,) arrays; cells without a label do not count.
    """
    has_label = labels != tables.UNSCORED
    labels, clusters = labels[has_label], clusters[has_label]
    owners = summary.cluster_owners(labels, clusters)["label"]
    counts = pd.crosstab(labels, owners.reindex(clusters).to_numpy()) if len(labels) else pd.DataFrame()
    shares = counts.div(counts.sum(axis=1), axis=0)
    pairs = [
        (float(share), name, owner) for name, row in shares.iterrows() for owner, share in row.items() if name != owner
    ]
    return sorted((pair for pair in pairs if pair[0] >= OVERLAP), key=lambda pair: (-pair[0], *pair[1:]))


def clusters_in_words(labels, clusters):
    """What a picture of these clusters shows, in sentences."""
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    if not (labels != tables.UNSCORED).any():
        return f"{len(set(clusters))} clusters; no cell has a label."
    pairs = overlaps(labels, clusters)
    said = [f"{_detected(labels, clusters)}."]
    said += [f"{share:.0%} of {name} are in clusters of {owner}." for share, name, owner in pairs[:MENTIONED]]
    if len(pairs) > MENTIONED:
        said.append(f"{len(pairs) - MENTIONED} more pairs overlap (see the table).")
    if not pairs:
        said.append(f"No type has {OVERLAP:.0%} or more of its cells in clusters of another.")
    return " ".join(said)


def _detected(labels, clusters):
    has_label = labels != tables.UNSCORED
    detected = summary.cluster_owners(labels[has_label], clusters[has_label])["label"].nunique()
    return f"{detected} of {len(set(labels[has_label]))} types detected"


def panel(study, dataset, model):
    """All that the page shows of one representation on one data set."""
    health = study.table("all_health", dataset=dataset, model=model)
    runs = [{"dataset": dataset, "model": model, "seed": seed} for seed in study.seeds]
    first, *others = [_run(study, run, select(health, seed=run["seed"])) for run in runs]
    return {
        "id": f"{dataset}.{model}",
        "name": model,
        "kind": study.kind(model),
        "summary": study.models[model]["summary"],
        "is_baseline": study.roles.get(model, "model") != "model",
        "first": first,
        "others": others,
        "scores": _scores_by_seed(study, dataset, model),
        "diagnostics": sections_latents.by_seed(health),
        "recall": _recall(study, dataset, model),
        "genes": sections_latents.genes(study, dataset, model),
        "generated": sections_latents.generated(study, dataset, model),
    }


def _run(study, run, health):
    labels = study.labels[run["dataset"]].to_numpy()
    clusters = study.points("clusters", run)
    is_first = run["seed"] == study.seeds[0]
    text = clusters_in_words(labels, clusters["tsne2d"])
    name = f"{run['model']} on {run['dataset']}, seed {run['seed']}"
    has_batches = bool(study.files.all("batches", dataset=run["dataset"]))
    parts = "by label, by k-means cluster and by batch" if has_batches else "by label and by k-means cluster"
    return {
        "id": run_id(run),
        "seed": run["seed"],
        "in_words": text,
        "has_batches": has_batches,
        "has_3d": bool(study.files.all("tsne3d", **run)),
        "picture": study.picture(
            "clusters_png", f"2-D t-SNE of {name}, {parts}. {text}", COLORS, light=not is_first, **run
        ),
        "losses": study.picture("losses_png", f"Loss curves of {name}.", 16, light=not is_first, **run),
        "n_cells": len(labels),
        "n_interactive": len(_interactive(labels, SHOWN_CELLS if is_first else SHOWN_CELLS_LATER)),
        "clusters": [cluster_table(labels, clusters, run, space) for space in clusters],
        "latents": sections_latents.by_dimension(health, run) if len(health) else None,
        "warnings": diagnostics.warnings(health) if len(health) else [],
    }


def cluster_table(labels, clusters, run, space):
    """Number of cells by cluster and label."""
    clusters, has_label = clusters[space].to_numpy(), labels != tables.UNSCORED
    counts = pd.crosstab(clusters, np.where(has_label, labels, NO_LABEL))
    owners = summary.cluster_owners(labels[has_label], clusters[has_label])["label"]
    rows = []
    for cluster, line in counts.iterrows():
        cells = [
            html.count(value) | {"mark": label == owners.get(cluster), "style": f"--share: {value / line.sum():.2f}"}
            for label, value in line.items()
        ]
        rows.append([html.cell(f"k{cluster}"), *cells, html.count(line.sum())])
    name = summary.SPACE_NAMES.get(space, space)
    return html.table(
        f"k-means on the {name} of {run['model']}, seed {run['seed']}: cells by cluster and label, the most frequent "
        f"label of each cluster outlined. {_detected(labels, clusters)}.",
        [html.column("cluster"), *map(html.column, counts.columns), html.column("all")],
        rows,
    ) | {"space": name}


def _scores_by_seed(study, dataset, model):
    """Every score of every seed."""
    scores = study.table("all_metrics", dataset=dataset, model=model)
    several = len(study.label_sources[dataset]) > 1
    rows = []
    for (labels, space, metric), found in scores.groupby(["labels", "space", "metric"], sort=False):
        info = study.metric_info.get(metric, {"heading": metric, "up": True})
        by_seed = found.set_index("seed")["value"]
        name = [html.cell(f"{info['heading']} {html.UP if info['up'] else html.DOWN}")]
        name += [html.cell(summary.SPACE_NAMES.get(space, space))]
        name += [html.cell(labels)] if several else []
        rows.append(name + [html.score(by_seed.get(seed, float("nan")), 3) for seed in study.seeds])
    columns = [html.column("score"), html.column("space", text=True)]
    columns += [html.column("labels", text=True)] if several else []
    seeds = [html.column(f"seed {seed}") for seed in study.seeds]
    return html.table(f"Scores of {model} on {dataset}, by seed", columns + seeds, rows)


def _recall(study, dataset, model):
    """A sentence on the types with low kNN recall in the latent; None without labels."""
    where = {"dataset": dataset, "model": model, "space": "latent", "labels": study.first_labels(dataset)}
    table = study.table("all_recalls", **where)
    if not len(table):
        return None
    means = table.groupby("label")["recall"].mean().sort_values(kind="stable")
    low = means[means < LOW_RECALL]
    named = [f"{name} ({value:.2f})" for name, value in means.head(min(MENTIONED, max(1, len(low)))).items()]
    if not len(low):
        return f"kNN recall is at least {LOW_RECALL:g} for every type; lowest: {named[0]}."
    named += [f"{len(low) - MENTIONED} more of {len(means)} types"] if len(low) > MENTIONED else []
    return f"kNN recall is below {LOW_RECALL:g} for {listed(named)}."


def points(study):
    """Points of the interactive plots: packed arrays and what the browser needs to draw them."""
    datasets, packed = {}, {}
    for dataset, labels in study.labels.items():
        labels = labels.to_numpy()
        styles = {tables.UNSCORED: (UNSCORED_COLOR, None, "circle")} if (labels == tables.UNSCORED).any() else {}
        styles |= study.styles[dataset]
        number = {name: place for place, name in enumerate(styles)}
        numbers = np.array([number[name] for name in labels])
        chosen = [_interactive(labels, limit) for limit in (SHOWN_CELLS, SHOWN_CELLS_LATER)]
        datasets[dataset] = {
            "types": [
                {"name": name or NO_LABEL, "color": color, "symbol": symbol}
                for name, (color, _, symbol) in styles.items()
            ],
            "labels": [html.packed(numbers[cells], np.uint16) for cells in chosen],
        }
        for run in [run for run in study.runs if run["dataset"] == dataset]:
            sample = int(run["seed"] != study.seeds[0])
            cells = chosen[sample]
            clusters, *spaces = (study.points(name, run) for name in ("clusters", "tsne2d", "tsne3d"))
            two, three = (
                html.packed_points(space.to_numpy()[cells]) if space is not None else None for space in spaces
            )
            clusters = html.packed(clusters["tsne2d"].to_numpy()[cells], np.uint16)
            packed[run_id(run)] = {"dataset": dataset, "labels": sample, "clusters": clusters, "two": two} | (
                {"three": three} if three else {}
            )
    return {"datasets": datasets, "runs": packed}


def _interactive(labels, limit):
    """Positions of the cells that an interactive plot shows, rare types whole."""
    return sampling.stratified(labels, limit, FEWEST_OF_A_TYPE, up=False)
