"""The parts of the report on the latent dimensions of a model: diagnostics, genes, decoded and generated cells."""

import numpy as np

from scae.evaluation import diagnostics, generated_cells, intervals
from scae.evaluation.main_scores import listed, select
from scae.report import html

GENES = 6  # of each sign, named per latent dimension
GENE_SETS = 3
DIAGNOSTICS = {  # of each latent dimension: heading and unit
    "explained_lost": ("explained variance lost", "share, held at its mean; used above 0.01"),
    "kl": ("KL divergence", "nats; active above 0.1"),
    "sd": ("standard deviation", ""),
    "zeros": ("zeros", "share of cells"),
    "repeats": ("largest correlation", "with another dimension"),
    "gate_one": ("gate exactly 1", "share of cells"),
    "gate_high": ("gate above .99", "share of cells"),
    "gate_between": ("gate between", "share of cells"),
    "gate_low": ("gate below .01", "share of cells"),
}
OVERALL = {  # of the latent as a whole
    "latents": "latent dimensions",
    "used": "used by the decoder",
    "active": "active",
    "effective_dimension": "effective dimension",
    "reconstruction": "squared error per cell, model's decoder",
    "reconstruction_trained": "squared error per cell, training cells",
    "reconstruction_held_out": "squared error per cell, held-out cells",
    "unexplained": "squared error per cell, best linear decoder",
    "steps": "gradient steps",
}
GENERATED = {  # (statistic, column of generated.csv): heading and unit
    ("mean", "correlation"): ("mean", "r over genes"),
    ("variance", "correlation"): ("variance", "r over genes"),
    ("variance", "ratio"): ("variance ratio", "decoded / real"),
    ("zeros", "correlation"): ("zeros", "r over genes"),
    ("zeros", "ratio"): ("zeros ratio", "decoded / real"),
}


def by_dimension(rows, run):
    """Diagnostics of each latent dimension of a run."""
    each = rows[rows["latent"] != diagnostics.WHOLE]
    each = each.pivot_table(index="latent", columns="measure", values="value", sort=False)
    shown = [name for name in DIAGNOSTICS if name in each]
    return html.table(
        f"Latent dimensions of {run['model']}, seed {run['seed']}",
        [html.column("dimension"), *(html.column(*DIAGNOSTICS[name]) for name in shown)],
        [[html.cell(latent), *(html.score(line[name]) for name in shown)] for latent, line in each.iterrows()],
    )


def by_seed(health):
    """Diagnostics of the whole latent and its training by seed; None if there are none."""
    if not len(health):
        return None
    each = select(health, latent=diagnostics.WHOLE).pivot_table(index="seed", columns="measure", values="value")
    shown = [name for name in OVERALL if name in each]
    return html.table(
        "Latent and training, by seed",
        [html.column("seed"), *(html.column(OVERALL[name]) for name in shown)],
        [
            [html.cell(str(seed)), *(html.cell(html.bound(line[name]), line[name]) for name in shown)]
            for seed, line in each.iterrows()
        ],
    )


def genes(study, dataset, model):
    """Genes of the latent dimensions of the first seed, and whether other seeds find the dimensions again."""
    seed, where = study.seeds[0], {"dataset": dataset, "model": model}
    effects, sets, matches = (
        select(study.files.read(name, **where), seed=seed) for name in ("latent_genes", "latent_sets", "latent_matches")
    )
    matches = matches.set_index("latent")
    names = list(dict.fromkeys(effects["latent"]))
    rows = []
    for name in names:
        of_latent = select(effects, latent=name)
        moved = [of_latent["gene"][sign * of_latent["effect"] > 0][:GENES] for sign in (1, -1)]
        line = [html.cell(name), *(html.cell(", ".join(of_sign) or html.NONE) for of_sign in moved)]
        if len(matches):
            line += [html.score(matches.loc[name, value]) for value in ("agreement", "null_95", "p_holm")]
        if len(sets):
            found = select(sets, latent=name).head(GENE_SETS).itertuples()
            line.append(html.cell(", ".join(f"{row.set} ({_sign(row.sign)})" for row in found) or html.NONE))
        rows.append(line)
    columns = [html.column("dimension"), html.column("genes up", text=True), html.column("genes down", text=True)]
    if len(matches):
        columns += [
            html.column("other seeds", "|correlation| of effects"),
            html.column("random rotations", "95th percentile"),
            html.column("p (Holm)", "reproducible below .05"),
        ]
    columns += [html.column("gene sets", f"up to {GENE_SETS}", text=True)] if len(sets) else []
    return {
        "said": reproducible(matches, names, study.models[model]["deterministic"]),
        "picture": study.picture(
            "latents_png", f"Genes of the latent dimensions of {model} on {dataset}, by type.", colors=32, **where
        ),
        "table": html.table(f"Genes of the latent dimensions of {model} on {dataset}, seed {seed}", columns, rows),
    }


def _sign(text):
    return text.replace("-", html.MINUS)


def reproducible(matches, latents, deterministic):
    """A sentence on which latent dimensions other seeds find again.

    Args:
        matches: rows of latent_matches.csv of one seed, index latent; none with one seed.
        latents: names of the active latent dimensions.
        deterministic: whether the representation is the same for every seed.
    """
    caution = "Do not interpret the genes of a single dimension."
    if not latents:
        return "No latent dimension is active."
    if deterministic:
        return "The latent is the same for every seed, so reproducibility across seeds is not tested."
    if not len(matches):
        return f"Reproducibility is unknown: only one seed was run. {caution}"
    of_latents = matches.loc[latents]
    if np.allclose(of_latents[["null_mean", "null_95"]], of_latents[["agreement"]], rtol=0, atol=1e-9):
        return (
            "Reproducibility cannot be tested: the other seeds have at most one active dimension, so there are no "
            f"random rotations to compare with. {caution}"
        )
    found = [name for name in latents if matches.loc[name, "reproducible"]]
    if not found:
        return f"No latent dimension is reproducible across seeds (no better than random rotations). {caution}"
    rest = " Do not interpret the genes of the others." if len(found) < len(latents) else ""
    return (
        f"{len(found)} of {len(latents)} active latent dimensions {'is' if len(found) == 1 else 'are'} reproducible "
        f"across seeds (better than random rotations): {listed(found)}.{rest}"
    )


def generated(study, dataset, model):
    """Reconstructed and generated cells against real ones over all seeds; None without a decoder.

    Returns:
        dict: said, table, picture (of the first seed).
    """
    where = {"dataset": dataset, "model": model}
    if not study.files.all("generated_png", **where):
        return None
    table = study.files.read("generated", **where)
    kinds = [kind for kind in (generated_cells.RECONSTRUCTED, generated_cells.GENERATED) if kind in set(table["cells"])]
    if not kinds:
        return None
    n_seeds = table["seed"].nunique()
    over = f", mean over {n_seeds} seeds" if n_seeds > 1 else ""
    over += " with 95 % CI" if n_seeds >= intervals.FEWEST_SEEDS else ""
    rows, shares = [], []
    for kind in kinds:
        values = [select(table, cells=kind, statistic=name)[column].to_numpy() for name, column in GENERATED]
        rows.append([html.cell(f"{kind} cells"), *map(_mean_and_interval, values)])
        share = values[list(GENERATED).index(("variance", "ratio"))].mean()
        shares += [f"{share:.0%} in {kind} cells"] if np.isfinite(share) else []
    return {
        "said": f"Variance relative to real cells: {listed(shares)}." if shares else "",
        "table": html.table(
            f"Cells decoded by {model} against real cells of {dataset}{over}",
            [html.column("cells"), *(html.column(*heading) for heading in GENERATED.values())],
            rows,
        ),
        "picture": study.picture(
            "generated_png",
            f"Genes of cells decoded by {model} against those of real cells of {dataset}.",
            colors=10,
            **where,
        ),
    }


def _mean_and_interval(values):
    found = intervals.over_seeds(values)
    ci = f" ({html.number(found.low)} to {html.number(found.high)})" if np.isfinite(found.low) else ""
    return html.cell(f"{html.number(found.mean)}{ci}", float(found.mean))
