"""The verdict of each data set in sentences, from tables alone.

A difference is stated only if its p value, adjusted over all pairs of the score, is below .05; otherwise the verdict
says "no difference is shown".
"""

import numpy as np
import pandas as pd

from scae.evaluation import baselines, comparison, diagnostics, intervals, label_source, summary

# The scores of the verdict: one of the clusters, and one without k-means
SCORES = {
    ("latent", "ari"): "ARI (k-means on the latent)",
    ("latent", "knn_accuracy"): "kNN accuracy (15 nearest neighbours in the latent)",
}
GATE_SHARE = 0.5  # of the cells


def sentences(scores, differences, health, roles, label_sources, stability):
    """The verdict of each data set.

    Args:
        scores: DataFrame of intervals, as intervals.csv; rows over cells are not used.
        differences: as from `comparison.differences`.
        health: DataFrame with dataset, model, seed, latent, measure, value.
        roles: {model: "model", "pca" or "floor"}.
        label_sources: {dataset: {label set: source}}, the main label set first.
        stability: DataFrame with dataset, model, space, measure, pairs, value.

    Returns:
        dict: {dataset: list of str}.
    """
    scores = scores[scores["over"] == "seeds"]
    return {
        dataset: [
            *_against_pca(_rows(differences, dataset), roles, sets),
            *_among_models(_rows(differences, dataset), roles, sets),
            *_disagreements(_rows(differences, dataset), sets),
            *_near_the_floor(_rows(scores, dataset), roles, sets),
            *_ceiling(_rows(scores, dataset), sets),
            *_stability(_rows(stability, dataset), roles),
            *_active_latents(_rows(health, dataset), roles),
            *_training(_rows(health, dataset)),
            *_reconstruction(_rows(health, dataset), roles),
            *_held_out(_rows(health, dataset), roles),
            *_mixing(_rows(scores, dataset)),
        ]
        for dataset, sets in label_sources.items()
    }


def text(verdicts):
    """The content of verdict.txt: one line for each sentence, after the name of its data set."""
    return "".join(f"{dataset}: {sentence}\n" for dataset, lines in verdicts.items() for sentence in lines)


def _rows(table, dataset):
    return table[table["dataset"] == dataset]


def _families(differences, sets):
    """(score in words, label set, rows) of each score of the verdict, for each label set with labels."""
    for name, source in sets.items():
        for (space, metric), heading in SCORES.items():
            chosen = (
                (differences["labels"] == name) & (differences["space"] == space) & (differences["metric"] == metric)
            )
            if chosen.any() and source != "none":
                yield f"{heading}{_labels(name, sets)}", name, differences[chosen]


def _labels(name, sets):
    """The label set in words, if the data set has several or its source biases the score; else an empty text."""
    source = sets[name]
    bias = ", which favours PCA" if source in label_source.FAVOURS_PCA else ""
    if len(sets) == 1 and not bias:
        return ""
    which = f" ({name})" if list(sets.values()).count(source) > 1 else ""
    return f", with labels from {label_source.WORDS[source]}{which}{bias}"


def _against_pca(differences, roles, sets):
    if "pca" not in roles.values():
        return ["PCA was not run, so the models cannot be compared with it."]
    if "model" not in roles.values():
        return []
    found = []
    for score, _, rows in _families(differences, sets):
        rows = rows[rows["second"].map(roles) == "pca"]
        if not len(rows):
            continue
        if reason := _untested(rows):
            found.append(f"Differences are not tested by {score}: {reason}.")
            continue
        ahead, behind = _shown(rows, 1), _shown(rows, -1)
        found += [
            f"{_listed(_pair(row) for _, row in shown.iterrows())} in {score}."
            for shown in (ahead, behind)
            if len(shown)
        ]
        not_shown = rows.drop([*ahead.index, *behind.index])
        if not len(ahead):
            found.append(f"No model is shown to beat PCA by {score}.")
        elif len(not_shown):
            pairs = _listed(f"{row['first']} and {row['second']}" for _, row in not_shown.iterrows())
            found.append(f"No difference is shown between {pairs} by {score}.")
    return found


def _among_models(differences, roles, sets):
    found = []
    for score, _, rows in _families(differences, sets):
        rows = rows[(rows["first"].map(roles) == "model") & (rows["second"].map(roles) == "model")]
        if not len(rows) or _untested(rows):
            continue
        shown = pd.concat([_shown(rows, 1), _shown(rows, -1)])
        if len(shown):
            found.append(f"{_listed(_pair(row) for _, row in shown.iterrows())} in {score}.")
        else:
            found.append(f"No difference is shown among the models by {score}.")
    return found


def _disagreements(differences, sets):
    """Pairs for which one score shows a difference, and another shows none or the opposite."""
    signs = {}
    for score, name, rows in _families(differences, sets):
        for _, row in rows.iterrows():
            sign = int(np.sign(row["mean"])) if comparison.shown(row) else 0
            signs.setdefault((row["first"], row["second"]), {})[score, name] = sign
    families = {family for by_family in signs.values() for family in by_family}
    if len(families) < 2 or not any(sign for by_family in signs.values() for sign in by_family.values()):
        return []
    opposite = [pair for pair, by_family in signs.items() if {1, -1} <= set(by_family.values())]
    partly = [pair for pair, by_family in signs.items() if len(set(by_family.values())) > 1 and pair not in opposite]
    if opposite:
        return [f"The scores contradict each other on {_listed(map(' and '.join, opposite))}."]
    if partly:
        return [f"Only some scores show a difference between {_listed(map(' and '.join, partly))}."]
    return ["The scores agree on every pair."]


def _near_the_floor(scores, roles, sets):
    """Models that are not shown to be better than a representation that has learned nothing."""
    found = []
    for name in sets:
        rows = scores[(scores["labels"] == name) & (scores["space"] == "latent") & (scores["metric"] == "ari")]
        rows = rows.set_index("model")
        models = [model for model, role in roles.items() if role == "model" and model in rows.index]
        for floor in (model for model, role in roles.items() if role == "floor"):
            if floor not in rows.index or not np.isfinite(rows["high"][floor]):
                continue
            near = [model for model in models if not rows["low"][model] > rows["high"][floor]]
            if near:
                verb = "is" if len(near) == 1 else "are"
                score = f"{SCORES['latent', 'ari']}{_labels(name, sets)}"
                found.append(f"{_listed(near)} {verb} not shown to beat {floor} by {score}: the intervals overlap.")
    return found


def _ceiling(scores, sets):
    """Agreement of labels that are a clustering with repetitions of that clustering."""
    found = []
    rows = scores[(scores["space"] == summary.NO_SPACE) & (scores["metric"] == "ari")]
    for name in sets:
        mean = rows[rows["labels"] == name].set_index("model")["mean"]
        if all(again in mean for again in baselines.RECLUSTERED):
            seeds, lower, higher = (f"{mean[again]:.3f}" for again in baselines.RECLUSTERED)
            which = f" {name}" if len(sets) > 1 else ""
            found.append(
                f"For scale: repeating the clustering behind the labels{which} reproduces them with ARI {seeds} (other "
                f"seeds), {lower} (lower resolution) and {higher} (higher resolution)."
            )
    return found


def _stability(table, roles):
    """Agreement between the seeds of each model."""
    models = table[(table["model"].map(roles) == "model") & (table["space"] == "latent")]
    if not len(models):
        return []
    if not models["pairs"].any():
        return ["Stability across seeds is unknown: only one seed was run."]
    value = models.pivot_table(index="model", columns="measure", values="value", sort=False)
    ari, correlation = (
        _listed(f"{number:.2f} ({model})" for model, number in value[measure].items())
        for measure in ("ari", "canonical_correlation")
    )
    return [
        f"Between seeds, the clusters of the latent agree with ARI {ari}, and the latents have a mean canonical "
        f"correlation of {correlation}."
    ]


def _active_latents(table, roles):
    found = []
    for model, rows in table[table["model"].map(roles) == "model"].groupby("model", sort=False):
        whole = rows[rows["latent"] == diagnostics.WHOLE]
        value = whole.pivot_table(index="seed", columns="measure", values="value")
        n_latents, n_seeds = int(value["latents"].max()), len(value)
        kind = "active" if (rows["measure"] == "kl").any() else "non-constant"
        seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
        sentence = f"{model} has {_range(value['active'])} of {n_latents} latent dimensions {kind} ({seeds})"
        if fixed := _fixed_gates(rows):
            sentence += f"; in {fixed} of {seeds} each gate is exactly 1 or stays at its prior"
        found.append(f"{sentence}.")
    return found


def _fixed_gates(rows):
    """Number of seeds in which each gate is 1 in most cells or, in a collapsed latent, at its prior."""
    each = rows[rows["latent"] != diagnostics.WHOLE]
    each = each.pivot_table(index=["seed", "latent"], columns="measure", values="value")
    if "gate_one" not in each or "kl" not in each:
        return 0
    collapsed = ~diagnostics.is_active(each["kl"], each["sd"])
    fixed = (each["gate_one"] >= GATE_SHARE) | ((each["gate_between"] >= GATE_SHARE) & collapsed)
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
            f"with fewer than {diagnostics.FEW_STEPS:,} a model may have learned little, so its scores say little "
            "about it."
        )
    falling = whole[(whole["measure"] == "still_falling") & (whole["value"] > diagnostics.STILL_FALLING)]
    if len(falling):
        found.append(
            f"The loss was still falling at the end of {len(falling)} of {len(steps)} trainings: more epochs may "
            "change the scores."
        )
    return found or [f"The loss had levelled off in all {len(steps)} trainings."]


def _reconstruction(table, roles):
    """Reconstruction error of each model's decoder, and of PCA."""
    whole = table[table["latent"] == diagnostics.WHOLE]
    errors = []
    for role, measure in (("model", "reconstruction"), ("pca", "unexplained")):
        rows = whole[(whole["model"].map(roles) == role) & (whole["measure"] == measure)]
        mean = rows.groupby("model", sort=False)["value"].mean()
        errors.append(_listed(f"{model} {value:,.1f}" for model, value in mean.items()))
    models, pca = errors
    return [f"Squared reconstruction error per cell: {models}; for comparison, {pca} (linear)."] if all(errors) else []


def _held_out(table, roles):
    """Reconstruction error of held-out cells against that of training cells (training.holdout)."""
    whole = table[(table["latent"] == diagnostics.WHOLE) & (table["model"].map(roles) == "model")]
    value = whole.pivot_table(index=["model", "seed"], columns="measure", values="value", sort=False)
    parts = ["reconstruction_held_out", "reconstruction_trained"]
    if not set(parts) <= set(value):
        return []
    models = []
    for model, seeds in value.dropna(subset=parts).groupby(level="model", sort=False):
        apart = intervals.difference(*(seeds[part] for part in parts))
        spread = f"95 % CI {apart.low:+,.1f} to {apart.high:+,.1f}" if np.isfinite(apart.low) else "no CI"
        if apart.low <= 0 <= apart.high:
            spread += ": no difference is shown"
        models.append(f"{model} {apart.mean:+,.1f} ({spread})")
    return [f"Reconstruction error, held-out minus training cells: {_listed(models)}."]


def _mixing(scores):
    """Batch mixing and separation of types, for a data set with batches."""
    found = {}
    for metric in ("ilisi", "clisi"):
        rows = scores[(scores["space"] == "latent") & (scores["metric"] == metric)].drop_duplicates("model")
        found[metric] = _listed(f"{row.model} {row.mean:.2f}" for row in rows.dropna(subset=["mean"]).itertuples())
    if not all(found.values()):
        return []
    return [
        f"Batch mixing in the latent (iLISI, 1 = best): {found['ilisi']}. Separation of cell types (cLISI, 1 = best): "
        f"{found['clisi']}. Only batch-conditioned models correct for batches."
    ]


def _untested(rows):
    """Why these pairs are not tested, or an empty text."""
    n_seeds = int(rows["n"].max())
    if n_seeds < intervals.FEWEST_SEEDS:
        seeds = "1 seed has" if n_seeds == 1 else f"{n_seeds} seeds have"
        return f"only {seeds} scores, and {intervals.FEWEST_SEEDS} or more are needed (run.seeds)"
    return "the scores are the same for every seed" if rows["p"].isna().all() else ""


def _shown(rows, sign):
    chosen = [comparison.shown(row) and np.sign(row["mean"]) == sign for _, row in rows.iterrows()]
    return rows[np.array(chosen, dtype=bool)]


def _pair(row):
    """Which of a pair is ahead, by how much, with the interval over seeds."""
    first, second = (row["first"], row["second"]) if row["mean"] > 0 else (row["second"], row["first"])
    low, high = sorted(abs(row[bound]) for bound in ("low", "high"))
    return f"{first} is ahead of {second} by {abs(row['mean']):.3f} (95 % CI {low:.3f} to {high:.3f} over seeds)"


def _range(values):
    low, high = int(min(values)), int(max(values))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _listed(names):
    *names, last = [*names] or [""]
    return f"{', '.join(names)} and {last}" if names else last
