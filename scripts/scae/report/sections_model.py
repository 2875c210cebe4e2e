"""The part of the report on each representation of a data set: what its clusters hold, its health, each seed."""

import numpy as np
import pandas as pd

from scae import tables
from scae.evaluation import diagnostics, summary
from scae.report import generated, html
from scae.report.contents import NO_LABEL
from scae.style import UNSCORED_COLOR

SHOWN_CELLS = 20_000  # points of the rotatable plot for the first seed; the pictures show all cells
SHOWN_CELLS_LATER = 450  # for each further seed
TOGETHER = 0.2  # share of the cells of a type in clusters of another, from which on the page tells it
TOLD = 5  # such pairs, and types that are lost
LOST = 0.5  # recall of a type below which it counts as lost
COLORS = 64  # of the pictures of the first seed
GENES = 6  # of each sign, that the page names of a latent
GENE_SETS = 3
HEALTH = {  # measures of each latent, with their headings
    "kl": ("KL divergence", "nats; above 0.1 is live"),
    "sd": ("standard deviation", ""),
    "zeros": ("zeros", "share of cells"),
    "repeats": ("most like another latent", "|correlation|"),
    "gate_one": ("gate exactly 1", "share of cells"),
    "gate_high": ("gate above .99", "share of cells"),
    "gate_between": ("gate between", "share of cells"),
    "gate_low": ("gate below .01", "share of cells"),
}
WHOLE = {  # measures of all latents together
    "latents": "latents",
    "live": "of these live",
    "effective_dimension": "effective dimension",
    "reconstruction": "squared error of its decoder, per cell",
    "unexplained": "squared error of the best linear decoder, per cell",
    "steps": "gradient steps",
}


def together(labels, clusters):
    """Types that lie in clusters of other types: [(share, type, owner of the cluster)], largest share first.

    Args:
        labels, clusters: (cells,); cells without a label do not count.
    """
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    scored = labels != tables.UNSCORED
    labels, clusters = labels[scored], clusters[scored]
    owners = summary.cluster_owners(labels, clusters)["label"]
    counts = pd.crosstab(labels, owners.reindex(clusters).to_numpy()) if len(labels) else pd.DataFrame()
    shares = counts.div(counts.sum(axis=1), axis=0)
    pairs = [
        (float(share), name, owner) for name, row in shares.iterrows() for owner, share in row.items() if name != owner
    ]
    return sorted((pair for pair in pairs if pair[0] >= TOGETHER), key=lambda pair: (-pair[0], *pair[1:]))


def seen(labels, clusters):
    """What a picture of these clusters shows, in words."""
    labels, clusters = np.asarray(labels), np.asarray(clusters)
    scored = labels != tables.UNSCORED
    n_types = len(set(labels[scored]))
    if not n_types:
        return f"{len(set(clusters))} clusters; no cell has a label."
    detected = summary.cluster_owners(labels[scored], clusters[scored])["label"].nunique()
    pairs = together(labels, clusters)
    said = [f"{detected} of {n_types} own a cluster."]
    said += [f"{share:.0%} of {name} lie in clusters of {owner}." for share, name, owner in pairs[:TOLD]]
    if len(pairs) > TOLD:
        said.append(f"{len(pairs) - TOLD} more pairs overlap; the table below has all.")
    if not pairs:
        said.append("No type has a fifth of its cells in clusters of another.")
    return " ".join(said)


def panel(study, dataset, model):
    """All that the page shows of one representation on one data set."""
    of_model = study.runs_of(dataset, model)
    table = study.health
    of_health = table[(table["dataset"] == dataset) & (table["model"] == model)] if len(table) else table
    first, *others = [_run(study, run, of_health, is_first=run is of_model[0]) for run in of_model]
    return {
        "id": f"{dataset}.{model}",
        "name": model,
        "title": study.models[model]["title"],
        "summary": study.models[model]["summary"],
        "role": study.roles.get(model, "model"),
        "first": first,
        "others": others,
        "scores": _scores_by_seed(study, dataset, model),
        "health": _health_by_seed(of_health),
        "lost": _lost(study, dataset, model),
        "meaning": _meaning(study, dataset, model),
        "generated": generated.section(study, dataset, model),
    }


def _run(study, run, of_health, is_first):
    labels = study.labels[run.dataset]
    text = seen(labels, run.clusters["tsne2d"])
    what = f"2-D t-SNE of {run.model} on {run.dataset}, seed {run.seed}, left by label and right by k-means cluster. "
    found = {
        "id": run.id,
        "seed": run.seed,
        "seen": text,
        "picture": html.picture(run.pictures["clusters"], what + text, COLORS, light=not is_first),
        "n_cells": len(labels),
        "n_pointed_at": len(html.sample(labels, SHOWN_CELLS if is_first else SHOWN_CELLS_LATER)),
        "losses": None,
        "batches": None,
        "clusters": [cluster_table(study, run, space) for space in run.clusters],
        "latents": None,
        "warnings": [],
    }
    if run.pictures["losses"]:
        alt = f"Loss curves of {run.model} on {run.dataset}, seed {run.seed}."
        found["losses"] = html.picture(run.pictures["losses"], alt, 16, light=not is_first)
    if run.pictures["batches"]:
        alt = f"2-D t-SNE of {run.model} on {run.dataset}, seed {run.seed}, left by label and right by batch."
        found["batches"] = html.picture(run.pictures["batches"], alt, COLORS, light=not is_first)
    rows = of_health[of_health["seed"] == run.seed] if len(of_health) else of_health
    if len(rows):
        found |= {"latents": _latents(rows, run), "warnings": diagnostics.warnings(rows)}
    return found


def cluster_table(study, run, space):
    """How many cells of each type each cluster holds."""
    labels, clusters = study.labels[run.dataset].to_numpy(), run.clusters[space]
    scored = labels != tables.UNSCORED
    counts = pd.crosstab(clusters.to_numpy(), np.where(scored, labels, NO_LABEL))
    owners = summary.cluster_owners(labels[scored], clusters[scored])["label"]
    rows = []
    for cluster, line in counts.iterrows():
        cells = [
            html.count(value) | {"mark": label == owners.get(cluster), "style": _tint(value / line.sum())}
            for label, value in line.items()
        ]
        rows.append([html.cell(f"k{cluster}"), *cells, html.count(line.sum())])
    name = summary.SPACE_NAMES.get(space, space)
    return html.table(
        f"k-means on the {name} of {run.model}, seed {run.seed}: cells of each label in each cluster; the most "
        f"frequent one owns it. {owners.nunique()} of {len(set(labels[scored]))} own a cluster.",
        [html.column("cluster"), *map(html.column, counts.columns), html.column("all")],
        rows,
    ) | {"space": name}


def _tint(share):
    return f"--share: {share:.2f}"


def _latents(rows, run):
    each = rows[rows["latent"] != diagnostics.WHOLE].pivot_table(
        index="latent", columns="measure", values="value", sort=False
    )
    shown = [name for name in HEALTH if name in each]
    return html.table(
        f"Each latent of {run.model}, seed {run.seed}",
        [html.column("latent"), *(html.column(*HEALTH[name]) for name in shown)],
        [
            [html.cell(latent), *(html.cell(html.number(line[name]), line[name]) for name in shown)]
            for latent, line in each.iterrows()
        ],
    )


def _health_by_seed(of_health):
    if not len(of_health):
        return None
    whole = of_health[of_health["latent"] == diagnostics.WHOLE]
    by_seed = whole.pivot_table(index="seed", columns="measure", values="value")
    shown = [name for name in WHOLE if name in by_seed]
    rows = [
        [html.cell(str(seed)), *(html.cell(html.bound(line[name]), line[name]) for name in shown)]
        for seed, line in by_seed.iterrows()
    ]
    return html.table(
        "Latents and training, by seed", [html.column("seed"), *(html.column(WHOLE[name]) for name in shown)], rows
    )


def _scores_by_seed(study, dataset, model):
    """Every score of every seed."""
    metrics = study.metrics
    of_model = metrics[(metrics["dataset"] == dataset) & (metrics["model"] == model)]
    several = len(study.origins[dataset]) > 1
    rows = []
    for (labels, space, metric), found in of_model.groupby(["labels", "space", "metric"], sort=False):
        about = study.described.get(metric, {"heading": metric, "up": True})
        by_seed = found.set_index("seed")["value"]
        name = [html.cell(f"{about['heading']} {html.UP if about['up'] else html.DOWN}")]
        name += [html.cell(summary.SPACE_NAMES.get(space, space))]
        name += [html.cell(labels)] if several else []
        values = [by_seed.get(seed, float("nan")) for seed in study.seeds]
        rows.append(name + [html.cell(html.number(value, 3), value) for value in values])
    columns = [html.column("score"), html.column("space", text=True)]
    columns += [html.column("labels", text=True)] if several else []
    seeds = [html.column(f"seed {seed}") for seed in study.seeds]
    return html.table(f"Scores of {model} on {dataset}, by seed", columns + seeds, rows)


def _meaning(study, dataset, model):
    """The genes of the latents of the first seed, and whether other seeds find these latents again."""
    found = study.latents.get((dataset, model))
    if found is None:
        return None
    seed = study.runs_of(dataset, model)[0].seed
    genes, sets = (table[table["seed"] == seed] for table in (found.genes, found.sets))
    matches = found.matches[found.matches["seed"] == seed].set_index("latent")
    names = list(dict.fromkeys(genes["latent"]))
    rows = []
    for name in names:
        of_latent, of_sets = genes[genes["latent"] == name], sets[sets["latent"] == name]
        moved = [of_latent["gene"][sign * of_latent["effect"] > 0][:GENES] for sign in (1, -1)]
        line = [html.cell(name), *(html.cell(", ".join(of_sign) or html.NONE) for of_sign in moved)]
        if len(matches):
            of_seeds = matches.loc[name]
            line += [
                html.cell(html.number(of_seeds[value]), of_seeds[value]) for value in ("agreement", "null_95", "p_holm")
            ]
        if len(sets):
            named = [f"{row.set} ({row.sign.replace('-', html.MINUS)})" for row in of_sets.head(GENE_SETS).itertuples()]
            line.append(html.cell(", ".join(named) or html.NONE))
        rows.append(line)
    columns = [html.column("latent"), html.column("genes that rise", text=True)]
    columns += [html.column("genes that fall", text=True)]
    if len(matches):
        columns += [
            html.column("other seeds", "|correlation| of effects"),
            html.column("random axes", "95 % of rotations below"),
            html.column("p (Holm)", "below .05 comes back"),
        ]
    columns += [html.column("gene sets", f"at most {GENE_SETS}", text=True)] if len(sets) else []
    return {
        "said": returning(matches, names, study.models[model]["deterministic"]),
        "picture": html.picture(found.picture, f"Genes of the latents of {model} on {dataset}, by type.", colors=32),
        "table": html.table(f"What the latents of {model} mean on {dataset}, seed {seed}", columns, rows),
    }


def returning(matches, latents, deterministic):
    """Which latents other seeds find again, in words.

    Args:
        matches: rows of latent_matches.csv of one seed, index latent; none with one seed.
        latents: names of the live latents.
        deterministic: whether the representation is the same for every seed.
    """
    if not latents:
        return "No latent is live."
    if deterministic:
        return "The same for every seed, so that other seeds say nothing of its latents."
    if not len(matches):
        return "There is one seed: whether another finds the same latents is not known, so their genes are no finding."
    back = [name for name in latents if matches.loc[name, "reproducible"]]
    of_latents = matches.loc[latents]
    if np.allclose(of_latents[["null_mean", "null_95"]], of_latents[["agreement"]], rtol=0, atol=1e-9):
        return (
            f"Whether {'this latent comes' if len(latents) == 1 else 'these latents come'} back cannot be tested: the "
            "other seeds have one live latent each or none, which leaves no random axes to compare with. Genes of "
            "a latent are no finding here."
        )
    if not back:
        return (
            "No latent comes back under other seeds better than random axes of the same space do: the genes of a "
            "single latent are no finding here."
        )
    rest = " The genes of the others are no finding." if len(back) < len(latents) else ""
    if len(latents) == 1:
        return f"The one live latent, {back[0]}, comes back under other seeds better than random axes of theirs do."
    return (
        f"Of {len(latents)} live latents {html.listed(back)} {'comes' if len(back) == 1 else 'come'} back under other "
        f"seeds better than random axes of the same space do.{rest}"
    )


def _lost(study, dataset, model):
    """Types that a vote of their neighbours in the latent does not find, in words."""
    table = study.recalls
    if not len(table):
        return None
    of_model = table[(table["dataset"] == dataset) & (table["model"] == model) & (table["space"] == "latent")]
    of_model = of_model[of_model["labels"] == next(iter(study.origins[dataset]))]
    means = of_model.groupby("label")["recall"].mean()
    lost = means[means < LOST].sort_values()
    if not len(means):
        return None
    if not len(lost):
        name = means.idxmin()
        return (
            f"No type is lost: the one found least by its 15 nearest neighbours is {name} (recall {means[name]:.2f})."
        )
    found = [f"{name} (recall {value:.2f})" for name, value in lost.head(TOLD).items()]
    more = [f"{len(lost) - TOLD} more of {len(means)} types"] if len(lost) > TOLD else []
    return f"Lost to the vote of 15 nearest neighbours (recall below {LOST:g}): {html.listed(found + more)}."


def points(study):
    """Points of the rotatable plots: packed arrays and what the browser needs to draw them."""
    datasets, packed = {}, {}
    for dataset in study.datasets:
        labels = study.labels[dataset].to_numpy()
        looks = {tables.UNSCORED: (UNSCORED_COLOR, None, "circle")} if (labels == tables.UNSCORED).any() else {}
        looks |= study.looks[dataset]
        number = {name: place for place, name in enumerate(looks)}
        numbers = np.array([number[name] for name in labels])
        chosen = [html.sample(labels, limit) for limit in (SHOWN_CELLS, SHOWN_CELLS_LATER)]
        datasets[dataset] = {
            "types": [
                {"name": name or NO_LABEL, "color": color, "symbol": symbol}
                for name, (color, _, symbol) in looks.items()
            ],
            "labels": [html.packed(numbers[cells], np.uint16) for cells in chosen],
        }
        for model in study.models_of(dataset):
            for place, run in enumerate(study.runs_of(dataset, model)):
                which = min(place, 1)
                cells = chosen[which]
                packed[run.id] = {
                    "dataset": dataset,
                    "labels": which,
                    "two": html.packed_points(run.tsne2d.to_numpy()[cells]),
                    "three": html.packed_points(run.tsne3d.to_numpy()[cells]),
                    "clusters": html.packed(run.clusters["tsne2d"].to_numpy()[cells], np.uint16),
                }
    return {"datasets": datasets, "runs": packed}
