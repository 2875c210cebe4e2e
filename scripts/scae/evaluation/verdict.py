"""The answer in a few sentences, from tables alone.

"No difference shown" is what it says unless the interval of a difference, adjusted for all pairs of that score, says
otherwise; no sentence claims more than its interval.
"""

import numpy as np
import pandas as pd

from scae.evaluation import baselines, comparison, diagnostics, intervals, summary
from scae.evaluation import label_source as label_origins

# The scores that the verdict goes by: one of the clusters and one that does not hang on k-means
SCORES = {
    ("latent", "ari"): "ARI of k-means on the latent",
    ("latent", "knn_accuracy"): "vote of the 15 nearest neighbours in the latent",
}
GATE_SHARE = 0.5  # of the cells


def write(scores, differences, health_of_runs, roles, origins, stability):
    """All sentences, a paragraph for each data set.

    Args:
        scores: intervals over the seeds, as from `comparison.over_seeds`, of representations and references.
        differences: as from `comparison.differences`.
        health_of_runs: DataFrame with dataset, model, seed, latent, measure, value.
        roles: {model: "model", "pca" or "floor"}.
        origins: {dataset: {label set: origin}}, the first set being that of the pictures.
        stability: DataFrame with dataset, model, space, measure, pairs, value.

    Returns:
        dict: {dataset: list of str}.
    """
    return {
        dataset: [
            *_against_pca(_of(differences, dataset), roles, sets),
            *_among_models(_of(differences, dataset), roles, sets),
            *_disagreements(_of(differences, dataset), sets),
            *_near_the_floor(_of(scores, dataset), roles, sets),
            *_ceiling(_of(scores, dataset), sets),
            *_stable(_of(stability, dataset), roles),
            *_life(_of(health_of_runs, dataset), roles),
            *_training(_of(health_of_runs, dataset)),
            *_left_over(_of(health_of_runs, dataset), roles),
            *_held_out(_of(health_of_runs, dataset), roles),
            *_mixing(_of(scores, dataset)),
        ]
        for dataset, sets in origins.items()
    }


def text(verdicts):
    """The verdicts as they stand in verdict.txt: a line for each sentence, behind the name of its data set."""
    return "".join(f"{dataset}: {sentence}\n" for dataset, sentences in verdicts.items() for sentence in sentences)


def _of(table, dataset):
    return table[table["dataset"] == dataset]


def _tables(differences, sets):
    """(heading, label set, rows) of each score that the verdict goes by, for each label set."""
    for name in sets:
        for (space, metric), heading in SCORES.items():
            chosen = (
                (differences["labels"] == name) & (differences["space"] == space) & (differences["metric"] == metric)
            )
            if chosen.any():
                yield heading, name, differences[chosen]


def _on(name, sets):
    """Which labels a sentence is about, with where they come from where that tilts the score."""
    origin = sets[name]
    tilt = ", which favours PCA" if origin in label_origins.FAVOURS_PCA else ""
    which = f" ({name})" if list(sets.values()).count(origin) > 1 else ""
    return f"on labels from {label_origins.WORDS[origin]}{which}{tilt}"


def _against_pca(differences, roles, sets):
    if "pca" not in roles.values():
        return ["No PCA was run beside the models: whether they beat it is not known."]
    if "model" not in roles.values():
        return []
    found = []
    for heading, name, rows in _tables(differences, sets):
        rows = rows[rows["second"].map(roles) == "pca"]
        about = f"By the {heading}, {_on(name, sets)},"
        untested = _untested(rows)
        if untested:
            found.append(f"{about} {untested}")
            continue
        ahead, behind = _shown(rows, 1), _shown(rows, -1)
        if len(ahead):
            found.append(f"{about} {_listed(f'{_pair(row)}' for _, row in ahead.iterrows())}.")
        if len(behind):
            found.append(f"{about} {_listed(f'{_pair(row)}' for _, row in behind.iterrows())}.")
        n_open = len(rows) - len(ahead) - len(behind)
        if not len(ahead):
            found.append(f"{about} no model is shown to beat PCA.")
        elif n_open:
            pairs = _listed(f"{row['first']} and {row['second']}" for _, row in _open(rows).iterrows())
            found.append(f"{about} no difference is shown between {pairs}.")
    return found


def _among_models(differences, roles, sets):
    found = []
    for heading, name, rows in _tables(differences, sets):
        rows = rows[(rows["first"].map(roles) == "model") & (rows["second"].map(roles) == "model")]
        if not len(rows) or _untested(rows):
            continue
        about = f"By the {heading}, {_on(name, sets)},"
        shown = pd.concat([_shown(rows, 1), _shown(rows, -1)])
        if len(shown):
            found.append(f"{about} {_listed(_pair(row) for _, row in shown.iterrows())}.")
        else:
            found.append(f"{about} no difference is shown among the models.")
    return found


def _disagreements(differences, sets):
    """Pairs of which one table shows a difference and another shows the opposite, or none."""
    signs = {}
    for heading, name, rows in _tables(differences, sets):
        for _, row in rows.iterrows():
            sign = int(np.sign(row["mean"])) if comparison.shown(row) else 0
            signs.setdefault((row["first"], row["second"]), {})[heading, name] = sign
    tables = [*dict.fromkeys(key for of_pair in signs.values() for key in of_pair)]
    opposite = [pair for pair, of_pair in signs.items() if {1, -1} <= set(of_pair.values())]
    partly = [pair for pair, of_pair in signs.items() if len(set(of_pair.values())) > 1 and pair not in opposite]
    if len(tables) < 2 or not any(sign for of_pair in signs.values() for sign in of_pair.values()):
        return []
    if opposite:
        return [
            f"The scores contradict each other on {_listed(f'{first} and {second}' for first, second in opposite)}."
        ]
    if partly:
        pairs = _listed(f"{first} and {second}" for first, second in partly)
        return [f"The scores do not agree: what one shows of {pairs} another does not."]
    return ["The scores agree on every pair."]


def _near_the_floor(scores, roles, sets):
    """Models that are not shown to be above a representation that learned nothing."""
    found = []
    floors = [name for name, role in roles.items() if role == "floor"]
    for name in sets:
        rows = scores[(scores["labels"] == name) & (scores["space"] == "latent") & (scores["metric"] == "ari")]
        rows = rows.set_index("model")
        for floor in floors:
            if floor not in rows.index or not np.isfinite(rows["high"][floor]):
                continue
            low = [
                model
                for model, role in roles.items()
                if role == "model" and model in rows.index and not rows["low"][model] > rows["high"][floor]
            ]
            if low:
                found.append(f"{_listed(low)} cannot be told from {floor} {_on(name, sets)}: the intervals overlap.")
    return found


def _ceiling(scores, sets):
    """How far labels that are a clustering agree with that clustering itself, made again."""
    found = []
    rows = scores[(scores["space"] == summary.NO_SPACE) & (scores["metric"] == "ari")]
    for name in sets:
        of_set = rows[rows["labels"] == name].set_index("model")["mean"]
        if all(again in of_set for again in baselines.AGAIN):
            seeds, lower, higher = (f"{of_set[again]:.3f}" for again in baselines.AGAIN)
            found.append(
                f"To judge an ARI {_on(name, sets)}: made again, that clustering agrees with itself by {seeds} with "
                f"other seeds, and by {lower} and {higher} at a lower and a higher resolution."
            )
    return found


def _stable(table, roles):
    """Whether another seed of a model tells the same."""
    of_models = table[(table["model"].map(roles) == "model") & (table["space"] == "latent")]
    if not len(of_models):
        return []
    if not of_models["pairs"].any():
        return ["With one seed nothing is known of whether another would find the same clusters and latents."]
    value = of_models.pivot_table(index="model", columns="measure", values="value", sort=False)
    told = _listed(
        f"{model} by an ARI of {row['ari']:.2f} and a mean canonical correlation of {row['canonical_correlation']:.2f}"
        for model, row in value.iterrows()
    )
    return [f"Between seeds, clusters of the latent and the space that it spans agree for {told}."]


def _life(table, roles):
    found = []
    of_models = table[table["model"].map(roles) == "model"]
    for model, rows in of_models.groupby("model", sort=False):
        whole = rows[rows["latent"] == diagnostics.WHOLE]
        value = whole.pivot_table(index="seed", columns="measure", values="value")
        n_latents, n_seeds = int(value["latents"].max()), len(value)
        kind = "live" if (rows["measure"] == "kl").any() else "not constant"
        live = f"{_range(value['live'])} of {n_latents} latents {kind}"
        runs = "" if n_seeds == 1 else f" over {n_seeds} seeds"
        sentence = f"{model} has {live}{runs}"
        gates = _gates(rows)
        if gates:
            sentence += f"; its gates are at exactly 1 or rest at the prior in {gates} of {n_seeds}" + (
                " run" if n_seeds == 1 else " seeds"
            )
        found.append(sentence + ".")
    return found


def _gates(rows):
    """Number of seeds in which each gate is at 1 in most cells or, the latent being dead, between; 0 without gates."""
    each = rows[rows["latent"] != diagnostics.WHOLE].pivot_table(
        index=["seed", "latent"], columns="measure", values="value"
    )
    if "gate_one" not in each or "kl" not in each:
        return 0
    dead = ~diagnostics.is_live(each["kl"], each["sd"])
    fixed = (each["gate_one"] >= GATE_SHARE) | ((each["gate_between"] >= GATE_SHARE) & dead)
    return int(fixed.groupby(level="seed").all().sum())


def _training(table):
    whole = table[table["latent"] == diagnostics.WHOLE]
    steps = whole[whole["measure"] == "steps"]
    if not len(steps):
        return []
    found = []
    few = steps[steps["value"] < diagnostics.FEW_STEPS]
    if len(few):
        found.append(
            f"Training was short: {_range(few['value'])} gradient steps for {_listed(dict.fromkeys(few['model']))}; "
            f"below {diagnostics.FEW_STEPS:,} a model may have learned little, so its scores say little about it."
        )
    falling = whole[(whole["measure"] == "still_falling") & (whole["value"] > diagnostics.STILL_FALLING)]
    if len(falling):
        found.append(
            f"The loss was still falling at the end in {len(falling)} of {len(steps)} trainings: more epochs may "
            "change the scores."
        )
    if not found:
        found.append(f"Training was long enough by its loss, which had levelled off in all {len(steps)} trainings.")
    return found


def _left_over(table, roles):
    """What each model's decoder loses of the expression, beside what PCA leaves unexplained."""
    whole = table[table["latent"] == diagnostics.WHOLE]
    left = {
        role: whole[(whole["model"].map(roles) == role) & (whole["measure"] == measure)]
        .groupby("model", sort=False)["value"]
        .mean()
        for role, measure in (("model", "reconstruction"), ("pca", "unexplained"))
    }
    if not all(map(len, left.values())):
        return []
    told = {role: _listed(f"{name} {value:,.1f}" for name, value in found.items()) for role, found in left.items()}
    return [f"Squared error left per cell: {told['model']}; {told['pca']}, which is linear."]


def _held_out(table, roles):
    """Whether models leave more of the cells that they did not train on, where there are any (training.holdout)."""
    whole = table[(table["latent"] == diagnostics.WHOLE) & (table["model"].map(roles) == "model")]
    value = whole.pivot_table(index=["model", "seed"], columns="measure", values="value", sort=False)
    parts = ["reconstruction_held_out", "reconstruction_trained"]
    if not set(parts) <= set(value):
        return []
    value = value.dropna(subset=parts)
    told = []
    for model, of_seeds in value.groupby(level="model", sort=False):
        apart = intervals.difference(*(of_seeds[part] for part in parts))
        if not np.isfinite(apart.low):
            spread = "no interval"
        elif apart.low <= 0 <= apart.high:
            spread = f"95 % interval {apart.low:+,.1f} to {apart.high:+,.1f}: no difference is shown"
        else:
            spread = f"95 % interval {apart.low:+,.1f} to {apart.high:+,.1f}"
        told.append(f"{model} {apart.mean:+,.1f} ({spread})")
    return [f"Squared error left of a cell held out of training, against one that was trained on: {_listed(told)}."]


def _mixing(scores):
    """How batches mix and types stay apart, of a data set that has batches."""
    told = {}
    for metric in ("ilisi", "clisi"):
        rows = scores[(scores["space"] == "latent") & (scores["metric"] == metric)].drop_duplicates("model")
        told[metric] = [f"{row.model} {row.mean:.2f}" for row in rows.dropna(subset=["mean"]).itertuples()]
    if not all(told.values()):
        return []
    return [
        "Batches, which nothing corrects but models that are told them, mix in the latent by iLISI (1 is best): "
        f"{_listed(told['ilisi'])}; types stay apart there by cLISI: {_listed(told['clisi'])}."
    ]


def _untested(rows):
    """Why nothing can be shown of these pairs, or an empty text."""
    if rows["n"].max() < intervals.FEWEST_SEEDS:
        n_seeds = int(rows["n"].max())
        return (
            f"nothing can be shown with {n_seeds} seed{'s' if n_seeds > 1 else ''}: an interval takes "
            f"{intervals.FEWEST_SEEDS} or more (run.seeds)."
        )
    if rows["p"].isna().all():
        return "nothing can be shown: the scores do not vary with the seed."
    return ""


def _shown(rows, sign):
    chosen = [comparison.shown(row) and np.sign(row["mean"]) == sign for _, row in rows.iterrows()]
    return rows[np.array(chosen, dtype=bool)]


def _open(rows):
    return rows[~np.array([comparison.shown(row) for _, row in rows.iterrows()], dtype=bool)]


def _pair(row):
    """Who is ahead of whom, by how much, with the interval over the seeds."""
    first, second = (row["first"], row["second"]) if row["mean"] > 0 else (row["second"], row["first"])
    low, high = sorted(abs(row[bound]) for bound in ("low", "high"))
    return f"{first} is ahead of {second} by {abs(row['mean']):.3f} (95 % interval over seeds {low:.3f} to {high:.3f})"


def _range(values):
    low, high = int(min(values)), int(max(values))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _listed(names):
    names = list(names)
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
