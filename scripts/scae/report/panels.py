"""A panel for each representation of a data set: its clusters, types, latent dimensions and training, first seed."""

import numpy as np
import pandas as pd

from scae import tables
from scae.evaluation import diagnostics, summary
from scae.evaluation.main_scores import KEPT, listed
from scae.report import html, latents
from scae.report.contents import NO_LABEL, run_id
from scae.report.embeddings import interactive

OVERLAP = 0.2  # share of a type's cells in clusters of another type from which the page mentions it
MENTIONED = 5  # such pairs, and types with low recall
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
    run = {"dataset": dataset, "model": model, "seed": study.seeds[0]}
    where = {"dataset": dataset, "model": model}
    labels, clusters = study.labels[dataset].to_numpy(), study.points("clusters", run)
    health = study.table("all_health", **run)
    text = clusters_in_words(labels, clusters["tsne2d"])
    name = f"{model} on {dataset}, seed {run['seed']}"
    has_batches = bool(study.files.all("batches", dataset=dataset))
    parts = "by label, by k-means cluster and by batch" if has_batches else "by label and by k-means cluster"
    return {
        "id": f"{dataset}.{model}",
        "run": run_id(run),
        "name": model,
        "kind": study.kind(model),
        "summary": study.models[model]["summary"],
        "is_baseline": study.roles.get(model, "model") != "model",
        "seed": run["seed"],
        "said": [
            text for text in (_recall(study, dataset, model), latents.reproducibility(study, dataset, model)) if text
        ],
        "warnings": diagnostics.warnings(health) if len(health) else [],
        "in_words": text,
        "has_batches": has_batches,
        "n_cells": len(labels),
        "n_interactive": len(interactive(labels, True)),
        "picture": study.picture("clusters_png", f"2-D t-SNE of {name}, {parts}. {text}", COLORS, **run),
        "clusters": cluster_table(labels, clusters, run, "latent"),
        "losses": study.picture("losses_png", f"Loss curves of {model} on {dataset}.", 16, **where),
        "genes": study.picture("latents_png", f"Genes of the latent dimensions of {name}, by type.", 32, **where),
        "dimensions": latents.dimensions(study, run, health),
        "generated": study.picture(
            "generated_png", f"Genes of cells decoded by {model} against those of real cells of {dataset}.", 10, **where
        ),
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
    )


def _recall(study, dataset, model):
    """A sentence on the types with low kNN recall in the latent; None without labels."""
    where = {"dataset": dataset, "model": model, "space": "latent", "labels": study.first_labels(dataset)}
    table = study.table("all_recalls", **where)
    if not len(table):
        return None
    means = table.groupby("label")["recall"].mean().sort_values(kind="stable")
    low = means[means < KEPT]
    named = [f"{name} ({value:.2f})" for name, value in means.head(min(MENTIONED, max(1, len(low)))).items()]
    if not len(low):
        return f"kNN recall is at least {KEPT:g} for every type; lowest: {named[0]}."
    named += [f"{len(low) - MENTIONED} more of {len(means)} types"] if len(low) > MENTIONED else []
    return f"kNN recall is below {KEPT:g} for {listed(named)}."
