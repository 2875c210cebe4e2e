"""Run the simulated data sets of config/evidence.yaml and write docs/evidence.md: which representation wins where.

make evidence                          (a quarter of an hour on two idle cores; goes on where an earlier run stopped)
make evidence DATASETS="coil cycle"    (some of them, as the page then says)

The workflow is the ordinary one; only the start-up of its jobs is saved, as the tests do (tests/workflow/warm.py).
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import yaml

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests/workflow")]

from scae import tables  # noqa: E402 (needs the path above)
from scae.evaluation import comparison, diagnostics, intervals  # noqa: E402

CONFIG, PAGE = ROOT / "config/evidence.yaml", ROOT / "docs/evidence.md"
TABLES = ("intervals", "differences", "health", "stability")
SCORES = {
    "knn_accuracy": "Vote of the 15 nearest neighbours in the latent (balanced accuracy)",
    "ari": "k-means on the latent (ARI)",
}
AGAINST = "pca"
N_TABLES = 200_000
# What the scores of a seed may be drawn from: name, function of a generator and a shape, its true mean
DISTRIBUTIONS = [
    ("normal", lambda draw, shape: draw.normal(0.6, 0.03, shape), 0.6),
    ("uniform", lambda draw, shape: draw.uniform(0.5, 0.7, shape), 0.6),
    ("heavy tails (t, 5 degrees of freedom)", lambda draw, shape: 0.6 + 0.03 * draw.standard_t(5, shape), 0.6),
    ("skewed (beta, near its end)", lambda draw, shape: draw.beta(8, 2, shape), 0.8),
]
SEEDS = (3, 5, 10)

INTRODUCTION = """\
# Evidence on simulated cells

Which representation wins where the truth is known. `make evidence` makes this page: the data sets of
`config/evidence.yaml`, gamma-Poisson counts whose types, programs and batches are drawn, go through the workflow with
{n_seeds} seeds, and every trained model takes {steps} gradient steps. The seeds are of training, t-SNE and k-means, the
cells being the same: an interval says nothing of other cells. What is simulated is not a tissue; it shows what a
representation can do, not what it will do on your data.

| data set | what it is |
|---|---|
{datasets}

All have {n_cells} cells and {n_genes} genes. `coil` and `cycle` are not linear.{missing}"""


def run(folder, names, cores):
    """The tables of a finished run of these data sets in ``folder``, and the seconds that it took."""
    from warm import Warm
    from workflow_project import Project

    folder.mkdir(parents=True, exist_ok=True)
    warm, start = Warm(), time.perf_counter()
    project = Project(folder, {"run": {"datasets": names}}, ROOT, [CONFIG], warm=warm)
    process = project.start(*(f"results/{name}.csv" for name in TABLES), "--cores", cores)
    output, _ = process.communicate()
    warm.close()
    if process.returncode:
        sys.exit(output)
    found = {name: tables.read(folder / f"results/{name}.csv") for name in TABLES}
    return found, time.perf_counter() - start


def coverage(draw, truth, n_seeds, n_tables=N_TABLES, seed=0):
    """Share of tables of so many seeds whose 95 % interval holds the mean that they were drawn from."""
    _, _, low, high = intervals.over_seeds(draw(np.random.default_rng([seed, n_seeds]), (n_tables, n_seeds)))
    return float(np.mean((low <= truth) & (truth <= high)))


def page(config, found):
    """The page, from the config of a run and its tables."""
    first = config["datasets"][config["run"]["datasets"][0]]["simulation"]
    whole = found["health"][found["health"]["latent"] == diagnostics.WHOLE]
    steps = whole[whole["measure"] == "steps"]["value"]
    names, models = config["run"]["datasets"], config["run"]["models"]
    remarks = {name: config["datasets"][name]["about"] for name in names}
    parts = [
        INTRODUCTION.format(
            n_seeds=len(config["run"]["seeds"]),
            steps=f"{steps.min():,.0f}",
            datasets="\n".join(f"| `{name}` | {about} |" for name, about in remarks.items()),
            n_cells=f"{first['cells']:,}",
            n_genes=f"{first['genes']:,}",
            missing=_missing(names),
        )
    ]
    for metric, heading in SCORES.items():
        parts.append(
            f"## {heading}\n\n{_winners(found, metric, names)}\n\n{_scores(found['intervals'], metric, names, models)}"
        )
        parts.append(_differences(found["differences"], metric, names))
    parts.append(_left(whole, names, models))
    parts.append(_recovered(whole, names, models))
    parts.append(_stability(found["stability"], names, models))
    return "\n\n".join(parts) + "\n"


def _missing(names):
    """Which data sets of the config the page is not about, as a sentence behind another."""
    left_out = sorted(set(read_config()["run"]["datasets"]) - set(names))
    listed = ", ".join(f"`{name}`" for name in left_out)
    return f" Not run for this page: {listed} (`make evidence` runs all)." if left_out else ""


def _of_score(table, metric):
    return table[(table["space"] == "latent") & (table["metric"] == metric)]


def _scores(table, metric, names, models):
    rows = _of_score(table[table["over"] == "seeds"], metric).set_index(["dataset", "model"])
    best = rows["mean"].groupby("dataset").idxmax()

    def cell(name, model):
        row = rows.loc[(name, model)]
        text = f"{row['mean']:.2f}" + ("" if row["sd"] < 5e-4 else f" ({row['low']:.2f}–{row['high']:.2f})")
        return f"**{text}**" if best[name] == (name, model) else text

    return "Mean and 95 % interval over seeds; the highest mean is bold.\n\n" + markdown_table(
        "data set", names, models, cell
    )


def _differences(table, metric, names):
    rows = _of_score(table, metric)
    rows = rows[rows["second"] == AGAINST].set_index(["dataset", "first"])
    models = list(dict.fromkeys(rows.index.get_level_values("first")))

    def cell(name, model):
        row = rows.loc[(name, model)]
        if not comparison.shown(row):
            return f"{row['mean']:+.2f}"
        word = "ahead" if row["mean"] > 0 else "behind"
        return f"{word}: {row['mean']:+.2f} ({row['low']:+.2f} to {row['high']:+.2f})"

    return (
        f"Against `{AGAINST}`, paired by seed; ahead and behind where that is shown after Holm, else no difference is "
        f"shown.\n\n" + markdown_table("data set", names, models, cell)
    )


def _winners(found, metric, names):
    """Who is shown to beat PCA of as many components, and whom it is shown to beat, in a sentence each."""
    rows = _of_score(found["differences"], metric)
    rows = rows[rows["second"] == AGAINST]
    shown = rows[[comparison.shown(row) for _, row in rows.iterrows()]]
    lines = []
    for sign, words in ((1, f"Shown ahead of `{AGAINST}`"), (-1, f"Shown behind `{AGAINST}`")):
        of_sign = shown[np.sign(shown["mean"]) == sign]
        told = [
            f"`{model}` on {', '.join(name for name in names if name in set(of_model['dataset']))}"
            for model, of_model in of_sign.groupby("first")
        ]
        lines.append(f"- {words}: {'; '.join(told) if told else 'none anywhere'}.")
    return "\n".join(lines)


def _left(whole, names, models):
    """What each representation leaves of the expression: by its own decoder, or by the best linear one."""
    mean = whole.groupby(["dataset", "model", "measure"])["value"].mean()

    def cell(name, column):
        if column == "nothing":
            return f"{mean[name, models[0], 'total']:.0f}"
        own = (name, column, "reconstruction")
        text = f"{mean[own] if own in mean else mean[name, column, 'unexplained']:.0f}"
        return text + (f" ({mean[name, column, 'live']:.1f} live)" if own in mean else "")

    return (
        "## Squared error left per cell\n\nMean over seeds; a trained model by its own decoder, with its live latents; "
        "`nothing` is the mean of each gene: a model\nthat is hardly below it has hardly learned.\n\n"
        + markdown_table("data set", names, [*models, "nothing"], cell)
    )


def _recovered(whole, names, models):
    mean = whole.groupby(["dataset", "model", "measure"])["value"].mean()

    def cell(name, model):
        shares = [mean.get((name, model, f"recovered_{kind}")) for kind in ("programs", "nuisance")]
        return " / ".join(f"{share:.0%}" for share in shares if share is not None)

    return (
        "## Programs that are found again\n\nShare of the true programs with which a latent correlates by 0.7 or more, "
        "mean over seeds; behind the stroke of those that know nothing of the types.\n\n"
        + markdown_table("data set", names, models, cell)
    )


def _stability(table, names, models):
    value = table[table["space"] == "latent"].set_index(["dataset", "model", "measure"])["value"]

    def cell(name, model):
        return f"{value[name, model, 'ari']:.2f} / {value[name, model, 'canonical_correlation']:.2f}"

    return (
        "## Agreement of the seeds\n\nARI between the clusters of the latent under two seeds, and mean canonical "
        "correlation of their latents.\n\n" + markdown_table("data set", names, models, cell)
    )


def markdown_table(corner, names, columns, cell):
    lines = [f"| {corner} | {' | '.join(f'`{column}`' for column in columns)} |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| `{name}` | {' | '.join(cell(name, column) for column in columns)} |" for name in names]
    return "\n".join(lines)


def coverages():
    """How often intervals hold the truth, as a section of the page."""
    rows = [
        f"| {name} | " + " | ".join(f"{coverage(draw, truth, n_seeds):.1%}" for n_seeds in SEEDS) + " |"
        for name, draw, truth in DISTRIBUTIONS
    ]
    return (
        f"## Do the intervals hold the truth?\n\nShare of {N_TABLES:,} simulated tables whose interval by Student's t "
        "holds the mean that the scores were drawn from; 95 % is promised for normal scores.\n\n| scores of a seed | "
        + " | ".join(f"{n_seeds} seeds" for n_seeds in SEEDS)
        + " |\n"
        + "|---" * (len(SEEDS) + 1)
        + "|\n"
        + "\n".join(rows)
        + "\n"
    )


def read_config():
    """config/evidence.yaml, each data set with the remark behind its name as ``about``."""
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    for line in CONFIG.read_text(encoding="utf-8").splitlines():
        name, hash_sign, about = line.partition(" # ")
        if hash_sign and (name := name.strip().removesuffix(":")) in config["datasets"]:
            config["datasets"][name]["about"] = about
    return config


if __name__ == "__main__":
    folder, *chosen = sys.argv[1:]
    config = read_config()
    config["run"]["datasets"] = sorted(chosen) or config["run"]["datasets"]
    found, seconds = run(Path(folder).resolve(), config["run"]["datasets"], os.environ.get("CORES", "2"))
    PAGE.write_text(page(config, found) + "\n" + coverages(), encoding="utf-8")
    print(f"{PAGE}: made in {seconds / 60:.1f} minutes")
