"""What each latent of each model does, and whether other seeds find it again: a section of docs/models.md."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from scae import tables
from scae.evaluation import intervals, latent_genes, latent_matches

SHOWN_GENES = 4  # of each sign
EXAMPLE = "pbmc3k_variable"


def measure(data, points, labels, inside, model, seed):
    """Effects of the live latents of one run, and the types in which each is highest and lowest.

    Args:
        data: scae.data.expression.Expression.
        points: DataFrame (cells, latents).
        labels: Series by cell.
        inside: what the model says of the cells, as scae.training.trained.diagnostics has it; empty without a model.
        model: trained, or None.
        seed: of the run.

    Returns:
        dict: arrays, as `write` takes them.
    """
    slab, decode = None, None
    if model is not None:
        from scae.training import decoding, trained

        slab = trained.embed(model, data, "slab_mean", seed) if "gate" in inside else None
        decode = decoding.decoder(model, len(data.genes))
    moves = latent_genes.moves(points, inside, slab)
    found = (
        latent_genes.of_decoder(decode, points, moves) if decode else latent_genes.of_regression(data, points, moves)
    )
    found = latent_genes.strongest(found)
    of_types = points.groupby(labels.loc[tables.scored(labels).index]).mean()[list(found.moves.index)]
    return {
        "changes": found.changes.astype(np.float32),
        "latent": np.array(found.moves.index, str),
        "move": found.moves["move"].to_numpy(str),
        **{name: found.moves[name].to_numpy(float) for name in ("low", "high", "sd")},
        "highest": of_types.idxmax().to_numpy(str) if len(found.moves) else np.array([], str),
        "lowest": of_types.idxmin().to_numpy(str) if len(found.moves) else np.array([], str),
        "genes": np.array(data.genes, str),
    }


def path(folder, dataset, entry, seed):
    """Where the effects of a run lie; ``entry`` is its settings as JSON."""
    return Path(folder) / "effects" / dataset / f"{hashlib.sha256(entry.encode()).hexdigest()[:16]}.{seed}.npz"


def read(file):
    """(Effects, DataFrame with highest and lowest by latent, genes) of a run."""
    with np.load(file) as stored:
        moves = pd.DataFrame({name: stored[name] for name in ("move", "low", "high", "sd")}, stored["latent"])
        types = pd.DataFrame({name: stored[name] for name in ("highest", "lowest")}, stored["latent"])
        return latent_genes.Effects(stored["changes"].astype(float), moves), types, stored["genes"]


def section(folder, of_models, names, models):
    """The section: how many latents come back, and what those of the first seed do on `EXAMPLE`.

    Args:
        folder: of the runs.
        of_models: runs, with columns dataset, model, entry, seed and deterministic.
        names, models: what to show, in this order.
    """
    found = {}
    for (dataset, model), of_runs in of_models.groupby(["dataset", "model"]):
        found[dataset, model] = {
            run.seed: read(path(folder, dataset, run.entry, run.seed)) for run in of_runs.itertuples()
        }
    trained = [model for model in models if not of_models.loc[of_models["model"] == model, "deterministic"].any()]
    matches = {
        (name, model): latent_matches.matches({seed: run[0] for seed, run in found[name, model].items()})
        for name in names
        for model in trained
        if (name, model) in found
    }
    text = (
        "## What each latent means, and whether it comes back\n\nA live latent is moved from its 5th to its 95th "
        "percentile, a gate from off to on, and the decoder says which\ngenes follow. Latents of two seeds are matched "
        "by these effects. *Comes back* is what agrees with its matches under\nthe other seeds better than random axes "
        "of the same space do (p below .05 after Holm over the latents of the seed).\nMean and 95 % interval over "
        "seeds.\n\n" + came_back(matches, names, trained)
    )
    if EXAMPLE not in names:
        return text
    return text + "\n\n" + example({model: found[EXAMPLE, model] for model in models}, matches)


def came_back(matches, names, models):
    lines = ["| data set | model | live latents | come back | agreement | of random axes |", "|---" * 6 + "|"]
    for name in names:
        for model in models:
            if (name, model) not in matches:
                continue
            table = matches[name, model]
            of_seeds = table.groupby("seed")
            columns = [of_seeds.size(), of_seeds["reproducible"].sum(), of_seeds["agreement"].mean()]
            shown = [
                interval(values, digits)
                for values, digits in zip([*columns, of_seeds["null_mean"].mean()], (1, 1, 2, 2), strict=True)
            ]
            lines.append(f"| `{name}` | `{model}` | {' | '.join(shown)} |")
    return "\n".join(lines)


def example(of_models, matches):
    """What each latent of the first seed does on one data set."""
    lines = ["| model | latent | up | down | highest in | lowest in | comes back |", "|---" * 7 + "|"]
    for model, of_seeds in of_models.items():
        seed = min(of_seeds)
        found, types, genes = of_seeds[seed]
        back = {}
        if (EXAMPLE, model) in matches:
            table = matches[EXAMPLE, model]
            back = table[table["seed"] == seed].set_index("latent")["reproducible"].to_dict()
        for latent, values in zip(found.moves.index, found.changes, strict=True):
            up, down = (
                " ".join(genes[latent_genes.ranked(signed)[:SHOWN_GENES]].tolist()) for signed in (values, -values)
            )
            kind = " (switch)" if found.moves.loc[latent, "move"] == "switch" else ""
            returns = {1: "yes", 0: "no"}.get(back.get(latent), "always the same")
            cells = f"{latent}{kind} | {up} | {down} | {types.loc[latent, 'highest']} | {types.loc[latent, 'lowest']}"
            lines.append(f"| `{model}` | {cells} | {returns} |")
    return (
        f"The live latents of the first seed on `{EXAMPLE}`: the genes that follow it most, and the types in which it "
        "is highest\nand lowest on average. The sign of a latent means nothing.\n\n" + "\n".join(lines)
    )


def interval(values, digits=2):
    """Mean over seeds and its 95 % interval as text; the mean alone where the seeds agree."""
    found = intervals.over_seeds(values.to_numpy(dtype=float))
    exact = found.sd < 5e-4
    return f"{found.mean:.{digits}f}" + ("" if exact else f" ({found.low:.{digits}f}–{found.high:.{digits}f})")
