"""Run every model on real cells, and write docs/models.md, its picture and docs/real.csv.

make models-page DATA=folder    (continues where it stopped; DATA has copies of the files, else they are fetched)

The scores on simulated cells are those of docs/simulated.csv (studies/simulated.py).
"""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from common import (
    ROOT,
    SCORES,
    descriptions,
    interval_text,
    markdown_table,
    path,
    read,
    run,
    score_picture,
    score_table,
)
from scipy import stats
from simulated import ALL, DRAWS, EXTERNAL, SEEDS, TABLE

from scae import tables
from scae.evaluation import intervals

DOCS = ROOT / "docs"
REAL = DOCS / "real.csv"
CONFIGS = [ROOT / f"config/{name}.yaml" for name in ("mixology", "models")]
TEMPLATE = Path(__file__).with_name("models.template.md")
MARKERS, LABELLED = "pbmc3k", "pbmc3k_variable"  # the marker genes of the types are not all among the variable genes
CONDITIONED = "count_vae_conditioned"
MODELS = ["dae", "beta_vae", "beta_vsc", "count_vae", "scvi", "pca", "pca10", "pca20", "pca50"]
HEADINGS = {metric: (heading, 2) for metric, heading in SCORES.items()}  # of the scores on real cells, and their digits
HEADINGS["held_out"] = ("Held-out molecules (nats per 1,000)", 1)
COLUMNS = {  # representations of the simulated cells: (model, number of latents; None is chosen by held-out molecules)
    "dae": ("dae", 6),
    "beta_vae": ("beta_vae", 6),
    "beta_vsc": ("beta_vsc", 6),
    "pca": ("pca", 6),
    "pca10": ("pca", 10),
    "count_vae": ("count_vae", 10),
    "scvi": ("scvi", 10),
    "pca, size chosen": ("pca", None),
    "count_vae, size chosen": ("count_vae", None),
}
PAIRS = [  # compared on simulated cells
    *(("dae", "pca"), ("beta_vae", "pca"), ("beta_vsc", "pca"), ("count_vae", "pca10"), ("scvi", "pca10")),
    *(("count_vae", "scvi"), ("count_vae, size chosen", "pca, size chosen")),
]


def representations(table, score):
    """Mean score over seeds of each of `COLUMNS` on each draw: DataFrame, index (dataset, draw)."""
    draws = ["dataset", "draw"]
    found = table[table["molecules"] == ALL].groupby([*draws, "model", "n_latent"])[score].mean()
    chosen = table[table["size"] == 1].set_index([*draws, "model"])["n_latent"]
    columns = {}
    for name, (model, size) in COLUMNS.items():
        sizes = chosen.xs(model, level="model") if size is None else pd.Series(size, chosen.index.droplevel(2).unique())
        columns[name] = pd.Series({at: found[(*at, model, size)] for at, size in sizes.items()})
    return pd.DataFrame(columns).rename_axis(draws)


def over_draws(scores):
    """Mean and 95 % confidence interval over the draws: DataFrame, index (dataset, model)."""
    found = scores.melt(var_name="model", ignore_index=False).reset_index()
    return _intervals(found.groupby(["dataset", "model"], sort=False), highest=1)


def _intervals(groups, highest=np.inf):
    """Mean, sd and 95 % confidence interval, which ends at the highest value of the score, of each group of a table."""
    rows = {key: intervals.over_seeds(rows["value"].to_numpy())._asdict() for key, rows in groups}
    table = pd.DataFrame(rows).T.rename_axis(groups.keys)
    return table.assign(high=table["high"].clip(upper=highest))


def compared(scores):
    """Differences of `PAIRS` over the draws, with Holm's adjustment over the pairs of a data set: DataFrame."""
    rows = []
    for name, one in scores.groupby("dataset"):
        apart = [(one[first] - one[second]).to_numpy() for first, second in PAIRS]
        p = np.array([stats.ttest_1samp(values, 0).pvalue if values.std() else np.nan for values in apart])
        for pair, values, level, adjusted in zip(
            PAIRS, apart, intervals.holm_levels(p), intervals.holm(p), strict=True
        ):
            reach = stats.t.ppf(1 - level / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            mean = values.mean()
            rows.append((name, *pair, mean, mean - reach, mean + reach, adjusted))
    return pd.DataFrame(rows, columns=["dataset", "first", "second", "mean", "adjusted_low", "adjusted_high", "p_holm"])


def difference_table(differences, names):
    """Markdown table of `compared`; what is shown is bold."""
    rows = differences.set_index(["dataset", "first", "second"])

    def cell(name, pair):
        row = rows.loc[(name, *pair.split("` − `"))]
        text = f"{row['mean']:+.2f} ({row.adjusted_low:+.2f} to {row.adjusted_high:+.2f})"
        return f"**{text}**" if intervals.shown(row) else text

    return markdown_table("data set", names, ["` − `".join(pair) for pair in PAIRS], cell)


def conclusions(differences, names):
    """Where the first of each pair is shown to be ahead of the second, and behind it: a Markdown list."""
    lines = []
    for first, second in PAIRS:
        rows = differences[(differences["first"] == first) & (differences["second"] == second)]
        mean = rows[[intervals.shown(row) for _, row in rows.iterrows()]].set_index("dataset")["mean"]
        ahead, behind = ([name for name in names if sign * mean.get(name, 0) > 0] for sign in (1, -1))
        words = [f"{word} on {', '.join(sets)}" for word, sets in (("ahead", ahead), ("behind", behind)) if sets]
        lines.append(f"- `{first}` against `{second}`: {'; '.join(words) or 'no difference is shown'}.")
    return "\n".join(lines)


def real_scores(folder):
    """Scores of every run on real cells: DataFrame with dataset, model, seed, metric, value."""
    found = read(folder, "all_metrics")
    return found[(found["space"] == "latent") & found["metric"].isin(HEADINGS)]


def over_seeds(scores):
    """Mean and 95 % confidence interval of scores as from `real_scores`: DataFrame, index (metric, dataset, model)."""
    keys, ends = ["metric", "dataset", "model"], scores["metric"].isin(SCORES)
    parts = (scores[ends].groupby(keys), 1), (scores[~ends].groupby(keys), np.inf)
    return pd.concat([_intervals(*part) for part in parts if len(part[0])])


def shown_on_real(folder):
    """Differences from PCA that differences.csv shows: a Markdown list."""
    rows = read(folder, "differences")
    rows = rows[(rows["space"] == "latent") & rows["metric"].isin(HEADINGS) & rows["second"].str.startswith("pca")]
    rows = rows[[intervals.shown(row) for _, row in rows.iterrows()]]
    lines = []
    for _, row in rows.iterrows():
        (heading, digits), side = HEADINGS[row["metric"]], "ahead of" if row["mean"] > 0 else "behind"
        low, high = sorted(map(abs, (row["adjusted_low"], row["adjusted_high"])))
        sizes = f"{abs(row['mean']):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"
        lines.append(f"- {row['dataset']}, {heading}: `{row['first']}` {side} `{row['second']}` by {sizes}")
    return "\n".join(lines)


def document(table, real, conditioned, differences):
    """The text of docs/models.md.

    Args:
        table: docs/simulated.csv.
        real: as from `over_seeds`.
        conditioned: likewise, of `CONDITIONED` where there are batches.
        differences: Markdown list, as from `shown_on_real`.
    """
    names, abouts = sorted(set(table["dataset"])), {}
    for config in CONFIGS:
        abouts |= descriptions(config)
    scores = {score: representations(table, score) for score in SCORES}
    tested = compared(next(iter(scores.values())))
    (first, first_heading), (second, second_heading) = SCORES.items()
    sets = list(dict.fromkeys(real.index.get_level_values("dataset")))
    seconds = table[table["molecules"] == ALL].groupby(["model", "n_latent"])["seconds"].median()
    return TEMPLATE.read_text(encoding="utf-8").format(
        conclusions=conclusions(tested, names),
        draws=DRAWS,
        seeds=SEEDS,
        first_heading=first_heading,
        first_scores=score_table(over_draws(scores[first]), names, COLUMNS),
        first_differences=difference_table(tested, names),
        second_heading=second_heading,
        second_scores=score_table(over_draws(scores[second]), names, COLUMNS),
        best=markdown_table("data set", names, ["pca", "count_vae"], lambda *at: sizes(table, *at)),
        real="\n\n".join(
            f"{heading}:\n\n{score_table(real.loc[metric], sets, MODELS, digits)}"
            for metric, (heading, digits) in HEADINGS.items()
        ),
        real_seeds=len(yaml.safe_load(CONFIGS[1].read_text(encoding="utf-8"))["run"]["seeds"]),
        differences=differences,
        conditioned="\n".join(
            f"- {name}, {SCORES[metric]}: {interval_text(row)}; without: "
            f"{interval_text(real.loc[(metric, name, 'count_vae')])}"
            for (metric, name, _), row in conditioned.iterrows()
            if metric in SCORES
        ),
        datasets="| data set | description |\n|---|---|\n"
        + "\n".join(f"| `{name}` | {abouts[name]} |" for name in [*names, *sets]),
        cost=", ".join(f"`{model}` {seconds[key]:.1f}" for model, key in COLUMNS.items() if key in seconds.index),
    )


def sizes(table, name, model):
    """Sizes chosen by held-out molecules, and those with the highest kNN accuracy, for each draw."""
    rows = table[(table["dataset"] == name) & (table["model"] == model)]
    chosen = rows[rows["size"] == 1].sort_values("draw")["n_latent"].astype(int)
    means = rows[rows["molecules"] == ALL].groupby(["draw", "n_latent"])["knn_accuracy"].mean()
    best = [by_size.droplevel("draw").idxmax() for _, by_size in means.groupby("draw")]
    return f"{' '.join(map(str, chosen))} / {' '.join(map(str, best))}"


def local(sources, data):
    """The files of a source, or of several by sample, in the folder ``data``."""
    if isinstance(sources, dict):
        return {name: local(source, data) for name, source in sources.items()}
    return str(data / Path(sources).name)


def overlay(data, names, models):
    """Settings on top of the config files; the labels of `LABELLED` are the marker types of `MARKERS`."""
    labels = {"from": "csv", "path": "markers.csv", "missing": "unscored"}
    found = {MARKERS: {}, LABELLED: {"labels": labels}}
    if data:
        given = yaml.safe_load(CONFIGS[0].read_text(encoding="utf-8"))["datasets"]
        for name, dataset in given.items():
            place = {"path": local(dataset["labels"]["path"], data)}
            found[name] = {"source": local(dataset["source"], data), "labels": place}
        archive = {"source": str(data / "pbmc3k_filtered_gene_bc_matrices.tar.gz"), "sha256": None}  # packed anew
        found = {name: dataset | (archive if name in (MARKERS, LABELLED) else {}) for name, dataset in found.items()}
    short = {"early_exaggeration_iterations": 50, "iterations": 50}  # only the latent is used
    return {"run": {"datasets": names, "models": models}, "datasets": found, "kmeans": {"k": None}, "tsne": short}


def main(folder, data):
    mixtures = list(yaml.safe_load(CONFIGS[0].read_text(encoding="utf-8"))["datasets"])
    first = overlay(data, [MARKERS], ["pca"])
    first["datasets"][LABELLED].pop("labels")
    run(folder, CONFIGS, first, [f"results/{MARKERS}/labels/markers.csv"])
    shutil.copy(folder / f"results/{MARKERS}/labels/markers.csv", folder / "markers.csv")
    targets = [path(Path(), name) for name in ("all_metrics", "differences")]
    own = [model for model in MODELS if model != EXTERNAL]
    run(folder, CONFIGS, overlay(data, [LABELLED, *mixtures], own), targets)
    scores, differences = real_scores(folder), shown_on_real(folder)
    slow = overlay(data, [LABELLED, *mixtures], [EXTERNAL])  # not trained again on the training half
    for name in slow["run"]["datasets"]:
        slow["datasets"].setdefault(name, {})["held_out_molecules"] = False
    run(folder, CONFIGS, slow, targets)
    scores = pd.concat([scores, real_scores(folder)])
    batches = [name for name in mixtures if name != "rna_mixtures"]
    run(folder, CONFIGS, overlay(data, batches, [CONDITIONED]), targets)
    conditioned = real_scores(folder)
    tables.write(pd.concat([scores, conditioned]).round(4), REAL)
    found, text = pd.read_csv(TABLE), DOCS / "models.md"
    text.write_text(document(found, over_seeds(scores), over_seeds(conditioned), differences), encoding="utf-8")
    names = sorted(set(found["dataset"]))
    means = over_draws(representations(found, next(iter(SCORES))))
    score_picture(means, names, list(COLUMNS), "pca10", DOCS / "models.svg")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None)
