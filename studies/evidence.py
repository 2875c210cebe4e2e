"""Run the simulated data sets of config/evidence.yaml and write docs/evidence.md and docs/evidence.svg.

make evidence                          (continues where an earlier run stopped)
make evidence DATASETS="coil cycle"    (some of the data sets)
"""

import sys
from pathlib import Path

import numpy as np
import yaml
from common import (
    ROOT,
    SCORES,
    descriptions,
    difference_table,
    left_out,
    markdown_table,
    path,
    read,
    run,
    score_picture,
    score_table,
)

from scae.evaluation import intervals

CONFIG, DOCUMENT, PICTURE = ROOT / "config/evidence.yaml", ROOT / "docs/evidence.md", ROOT / "docs/evidence.svg"
TEMPLATE = Path(__file__).with_name("evidence.template.md")
TABLES = {name: name.removeprefix("all_") for name in ("intervals", "differences", "all_health", "all_stability")}
AGAINST = "pca"
N_TABLES = 200_000


def two_modes(draw, shape):
    """Scores of k-means that finds all clusters with 56 of 60 seeds, as with ten PCs of the data set `batches`."""
    return np.where(draw.random(shape) < 56 / 60, 1.0, 0.64) + draw.normal(0, 0.002, shape)


# Distributions of a seed's score: name, function of a generator and a shape, true mean
DISTRIBUTIONS = [
    ("normal", lambda draw, shape: draw.normal(0.6, 0.03, shape), 0.6),
    ("uniform", lambda draw, shape: draw.uniform(0.5, 0.7, shape), 0.6),
    ("heavy tails (t, 5 degrees of freedom)", lambda draw, shape: 0.6 + 0.03 * draw.standard_t(5, shape), 0.6),
    ("skewed (beta, near its end)", lambda draw, shape: draw.beta(8, 2, shape), 0.8),
    ("two modes (56 of 60 at 1.00, the others at 0.64)", two_modes, 1 - 0.36 * 4 / 60),
]
SEEDS = (3, 5, 10)


def coverage(draw, truth, n_seeds, n_tables=N_TABLES, seed=0):
    """Share of tables with this many seeds whose 95 % interval contains the true mean."""
    _, _, low, high = intervals.over_seeds(draw(np.random.default_rng([seed, n_seeds]), (n_tables, n_seeds)))
    return float(np.mean((low <= truth) & (truth <= high)))


def document(config, found, coverages):
    """The document.

    Args:
        config: of the run.
        found: {name: table} of `TABLES`, without the prefix "all_".
        coverages: Markdown table.
    """
    names, models = config["run"]["datasets"], config["run"]["models"]
    about, simulation = descriptions(CONFIG), config["datasets"][names[0]]["simulation"]
    whole = found["health"][found["health"]["latent"] == "all"]
    mean = whole.groupby(["dataset", "model", "measure"])["value"].mean()
    steps = whole.loc[whole["measure"] == "steps", "value"]
    (first, first_heading), (second, second_heading) = SCORES.items()
    return TEMPLATE.read_text(encoding="utf-8").format(
        against=AGAINST,
        conclusions="\n".join(conclusion(found["differences"], metric, names) for metric in SCORES),
        n_seeds=len(config["run"]["seeds"]),
        patience=config["training"]["early_stopping"],
        steps=f"{steps.min():,.0f} to {steps.max():,.0f}",
        n_cells=simulation["cells"],
        n_genes=simulation["genes"],
        missing=left_out(CONFIG, names, "evidence"),
        datasets="| data set | description |\n|---|---|\n"
        + "\n".join(f"| `{name}` | {about[name]} |" for name in names),
        first_heading=first_heading,
        first_scores=score_table(scores(found["intervals"], first), names, models),
        second_heading=second_heading,
        second_scores=score_table(scores(found["intervals"], second), names, models),
        differences="\n\n".join(
            f"{heading}:\n\n{difference_table(against_pca(found['differences'], metric), names)}"
            for metric, heading in SCORES.items()
        ),
        errors=markdown_table("data set", names, [*models, "mean"], lambda *cell: error(mean, models, *cell)),
        programs=markdown_table("data set", names, models, lambda *cell: programs(mean, *cell)),
        stability=stability(found["stability"], names, models),
        n_tables=f"{N_TABLES:,}",
        coverage=coverages,
    )


def scores(table, metric):
    """Intervals over seeds of a score in the latent, with index (dataset, model)."""
    chosen = (table["over"] == "seeds") & (table["space"] == "latent") & (table["metric"] == metric)
    return table[chosen].set_index(["dataset", "model"])


def against_pca(table, metric):
    return table[(table["space"] == "latent") & (table["metric"] == metric) & (table["second"] == AGAINST)]


def conclusion(table, metric, names):
    """Which models are shown to beat PCA with as many components, and which to be beaten by it."""
    rows = against_pca(table, metric)
    rows = rows[[intervals.shown(row) for _, row in rows.iterrows()]]
    words = []
    for sign in (1, -1):
        models = [
            f"`{model}` on {', '.join(name for name in names if name in set(of_model['dataset']))}"
            for model, of_model in rows[np.sign(rows["mean"]) == sign].groupby("first")
        ]
        words.append("; ".join(models) or "none")
    return f"- **{SCORES[metric]}**: shown ahead of `{AGAINST}`: {words[0]}. Shown behind: {words[1]}."


def error(mean, models, name, column):
    """Reconstruction error by the model's own decoder, or by the best linear one."""
    if column == "mean":
        return f"{mean[name, models[0], 'total']:.0f}"
    if (name, column, "reconstruction") in mean:
        return f"{mean[name, column, 'reconstruction']:.0f} ({mean[name, column, 'active']:.1f} active)"
    return f"{mean[name, column, 'unexplained']:.0f}"


def programs(mean, name, model):
    shares = [mean.get((name, model, f"recovered_{kind}")) for kind in ("programs", "nuisance")]
    return " / ".join(f"{share:.0%}" for share in shares if share is not None)


def stability(table, names, models):
    value = table[table["space"] == "latent"].set_index(["dataset", "model", "measure"])["value"]
    return markdown_table(
        "data set",
        names,
        models,
        lambda name, model: f"{value[name, model, 'ari']:.2f} / {value[name, model, 'canonical_correlation']:.2f}",
    )


def coverage_table():
    lines = [f"| scores | {' | '.join(f'{n_seeds} seeds' for n_seeds in SEEDS)} |", "|---" * (len(SEEDS) + 1) + "|"]
    for name, draw, truth in DISTRIBUTIONS:
        lines.append(f"| {name} | {' | '.join(f'{coverage(draw, truth, n_seeds):.1%}' for n_seeds in SEEDS)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    folder, *chosen = sys.argv[1:]
    folder, config = Path(folder).resolve(), yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    config["run"]["datasets"] = sorted(chosen) or config["run"]["datasets"]
    targets = [path(Path(), name) for name in TABLES]
    run(folder, [CONFIG], {"run": {"datasets": config["run"]["datasets"]}}, targets)
    found = {short: read(folder, name) for name, short in TABLES.items()}
    DOCUMENT.write_text(document(config, found, coverage_table()), encoding="utf-8")
    first = scores(found["intervals"], next(iter(SCORES)))
    score_picture(first, config["run"]["datasets"], config["run"]["models"], AGAINST, PICTURE)
