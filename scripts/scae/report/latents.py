"""The latent dimensions of a representation: diagnostics, genes, and whether other seeds find them again."""

import numpy as np

from scae.evaluation import diagnostics
from scae.evaluation.main_scores import listed, select
from scae.report import html

GENES = 6  # of each sign, named per latent dimension
GENE_SETS = 3
DIAGNOSTICS = {  # of each latent dimension: heading and unit
    "explained_lost": ("explained variance lost", "held at its mean"),
    "kl": ("KL divergence", "nats"),
    "sd": ("standard deviation", ""),
    "zeros": ("zeros", "share of cells"),
    "repeats": ("largest correlation", "with another dimension"),
    "gate_one": ("gate exactly 1", "share of cells"),
    "gate_high": ("gate above .99", "share of cells"),
    "gate_between": ("gate between", "share of cells"),
    "gate_low": ("gate below .01", "share of cells"),
}


def dimensions(study, run, health):
    """Diagnostics and genes of each latent dimension of a run: table.

    Args:
        run: {dataset, model, seed}.
        health: rows of health.csv of the run.
    """
    where, seed = {"dataset": run["dataset"], "model": run["model"]}, run["seed"]
    effects, sets, matches = (
        select(study.files.read(name, **where), seed=seed) for name in ("latent_genes", "latent_sets", "latent_matches")
    )
    matches = matches.set_index("latent")
    each = health[health["latent"] != diagnostics.WHOLE]
    each = each.pivot_table(index="latent", columns="measure", values="value", sort=False)
    shown = [name for name in DIAGNOSTICS if name in each]
    rows = []
    for name in dict.fromkeys([*each.index, *effects["latent"]]):
        line = [html.cell(name)]
        line += [html.score(each.loc[name, measure] if name in each.index else np.nan) for measure in shown]
        if len(matches):
            found = matches.loc[name] if name in matches.index else dict.fromkeys(matches.columns, np.nan)
            line += [html.score(found[value]) for value in ("agreement", "null_95", "p_holm")]
        of_latent = select(effects, latent=name)
        moved = [of_latent["gene"][sign * of_latent["effect"] > 0][:GENES] for sign in (1, -1)]
        line += [html.cell(", ".join(of_sign) or html.NONE) for of_sign in moved]
        if len(sets):
            found = select(sets, latent=name).head(GENE_SETS).itertuples()
            line.append(html.cell(", ".join(f"{row.set} ({_sign(row.sign)})" for row in found) or html.NONE))
        rows.append(line)
    columns = [html.column("dimension"), *(html.column(*DIAGNOSTICS[name]) for name in shown)]
    if len(matches):
        columns += [
            html.column("other seeds", "|correlation| of effects"),
            html.column("random rotations", "95th percentile"),
            html.column("p (Holm)", "reproducible below .05"),
        ]
    columns += [html.column("genes up", text=True), html.column("genes down", text=True)]
    columns += [html.column("gene sets", f"up to {GENE_SETS}", text=True)] if len(sets) else []
    return html.table(f"Latent dimensions of {run['model']} on {run['dataset']}, seed {seed}", columns, rows)


def _sign(text):
    return text.replace("-", html.MINUS)


def reproducibility(study, dataset, model):
    """A sentence on which latent dimensions of the first seed other seeds find again."""
    effects, matches = (
        select(study.files.read(name, dataset=dataset, model=model), seed=study.seeds[0])
        for name in ("latent_genes", "latent_matches")
    )
    names = list(dict.fromkeys(effects["latent"]))
    return reproducible(matches.set_index("latent"), names, study.models[model]["deterministic"])


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
