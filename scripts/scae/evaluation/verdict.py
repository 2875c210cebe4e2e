"""The verdict of each data set: at most six statements, from tables alone.

A difference is stated only if it is shown over cells and, where the seeds can test it, over seeds
(`scae.evaluation.comparison.differences`). Everything else is in the tables of the report.
"""

import numpy as np

from scae.evaluation import baselines, comparison, diagnostics, intervals, label_source, summary
from scae.evaluation.main_scores import HELD_OUT, KEPT, listed, score_rows, select

# The scores of the verdict: one of the clusters, and one without k-means
SCORES = {
    ("latent", "ari"): "ARI (k-means on the latent)",
    ("latent", "knn_accuracy"): "kNN accuracy (15 nearest neighbours in the latent)",
}
UNSEEN = "held-out molecules (nats per 1,000)"
MOST = 6  # statements about a data set
SHOWN_TYPES = 4  # names in a statement
NOT_SHOWN = 2  # differences of a statement, the largest ones; the report's table has all
COMPARED = 4  # at most, of them about differences: two scores by two label sets


def sentences(metrics, differences, health, roles, label_sources, recalls, components=None):
    """The verdict of each data set.

    Args:
        metrics: DataFrame with dataset, model, seed, labels, space, metric, value; baselines have `summary.NO_SPACE`.
        differences: as from `comparison.differences`.
        health: DataFrame with dataset, model, seed, latent, measure, value.
        roles: {model: "model", "pca" or "floor"}.
        label_sources: {dataset: {label set: source}}, the main label set first.
        recalls: DataFrame with dataset, model, seed, labels, space, label, cells, recall.
        components: {dataset: the smallest number of principal components that predicts held-out molecules as well as
            any}.

    Returns:
        dict: {dataset: list of str}, the most important one first.
    """
    found = {}
    for dataset, sets in label_sources.items():
        scores, compared, whole, kept = (
            select(table, dataset=dataset) for table in (metrics, differences, health, recalls)
        )
        labelled = label_source.first_labelled(sets) is not None
        unseen = _held_out(scores, compared, roles, sets, (components or {}).get(dataset))
        found[dataset] = [
            *(_headline(scores, compared, whole, roles, sets) if labelled else unseen),
            *_comparisons(compared, roles, sets)[:COMPARED],
            *(unseen if labelled else []),
            *_lost(kept, roles, sets),
            *_chance(compared, roles, sets),
            *_apart(scores, sets),
            *_training(whole),
            *_mixing(scores),
            *_ceiling(scores, sets),
        ][:MOST]
    return found


def text(verdicts):
    """The content of verdict.txt: one line for each sentence, after the name of its data set."""
    return "".join(f"{dataset}: {sentence}\n" for dataset, lines in verdicts.items() for sentence in lines)


def _families(table, sets):
    """(score in words, rows) of each score of the verdict, for each label set with labels."""
    for name, source in sets.items():
        for (space, metric), heading in SCORES.items():
            rows = select(table, labels=name, space=space, metric=metric)
            if len(rows) and source != "none":
                yield f"{heading}{_labels(name, sets)}", rows
    if label_source.first_labelled(sets) is None and len(rows := score_rows(table, HELD_OUT)):
        yield UNSEEN, rows


def _headline(scores, differences, health, roles, sets):
    """Which representation is first and by how much, whether that is shown, and what would undo it."""
    name = label_source.first_labelled(sets)
    means = _means(select(scores, labels=name, space="latent", metric="ari"), roles)
    of_kind = {role: means[means.index.map(roles) == role] for role in ("model", "pca")}
    if any(not len(found) for found in of_kind.values()):
        return []
    model, pca = (of_kind[role].idxmax() for role in ("model", "pca"))
    leads = means[model] > means[pca]
    first = model if leads else pca
    second = f"the best PCA, {pca}," if leads else f"the best model, {model},"
    rows = select(differences, labels=name, space="latent", metric="ari", first=model, second=pca).to_dict("records")
    row = rows[0] if rows else None
    if row is None or not np.isfinite(row["p_holm"]):
        text = f"{second} is {abs(means[model] - means[pca]):.3f} behind, which was not tested"
    else:
        ends = sorted((row["adjusted_low"], row["adjusted_high"]), key=abs)
        low, high = (end if leads else -end for end in ends)
        if intervals.shown(row):
            text = f"{second} is {abs(row['mean']):.3f} behind (adjusted 95 % CI {low:.3f} to {high:.3f})"
        else:
            needed = row["seeds_needed"]
            would = f"about {needed:.0f} seeds would show it" if np.isfinite(needed) else "more seeds alone would not"
            text = f"that {second} is {abs(row['mean']):.3f} behind is not shown ({would})"
    cautions = []
    if (n_seeds := scores[scores["model"] == model]["seed"].nunique()) < intervals.FEWEST_SEEDS:
        cautions.append(_count(n_seeds, "seed"))
    if len(short := diagnostics.short(health)):
        cautions.append(f"short training ({_range(short['value'])} gradient steps)")
    if sets[name] in label_source.FAVOURS_PCA:
        cautions.append("labels that favour PCA")
    caution = f" Caution: {listed(cautions)}." if cautions else ""
    others = "; ".join(f"by {score}, {best} is first" for score, best in _first_by_others(scores, roles, name).items())
    others = f" {others[0].upper()}{others[1:]}." if others else ""
    return [f"{first} is first by ARI (k-means on the latent, {means[first]:.3f}); {text}.{others}{caution}"]


def _first_by_others(scores, roles, labels):
    """{score in words: the representation that is first} of the scores that are not the headline's."""
    found = {}
    by_labels = select(scores, labels=labels, space="latent", metric="knn_accuracy")
    for score, rows in (("kNN accuracy", by_labels), ("held-out molecules", score_rows(scores, HELD_OUT))):
        if len(means := _means(rows, roles)) > 1:
            found[score] = means.idxmax()
    return found


def _means(rows, roles):
    """Mean score over the seeds of each model and PCA that has one: Series."""
    rows = rows[rows["model"].map(roles).isin(["model", "pca"])]
    return rows.groupby("model", sort=False)["value"].mean().dropna()


def _lost(recalls, roles, sets):
    """Cell types that no representation keeps: under half of their cells have neighbours of their type."""
    name = label_source.first_labelled(sets)
    rows = select(recalls, labels=name, space="latent") if name else recalls[:0]
    if not len(rows):
        return []
    rows = rows[rows["model"].map(roles) != "floor"]
    best, cells = summary.mean_recalls(rows).max(axis=1), rows.groupby("label")["cells"].first()
    lost = [f"{label} ({_count(int(cells[label]), 'cell')})" for label in best.index[best < KEPT]]
    more = [f"{len(lost) - SHOWN_TYPES} more"] if len(lost) > SHOWN_TYPES else []
    kept = "under half of their cells have mostly neighbours of their own type"
    return [f"No representation keeps {listed([*lost[:SHOWN_TYPES], *more])}: {kept}."] if lost else []


def _held_out(scores, differences, roles, sets, components):
    """Which representation predicts held-out molecules best, and whether kNN accuracy has the same one first."""
    means = _means(score_rows(scores, HELD_OUT), roles)
    if len(means) < 2:
        return []
    best = means.idxmax()
    pairs = score_rows(differences, HELD_OUT)
    pairs = pairs[(pairs["first"] == best) | (pairs["second"] == best)]
    near = [
        row["second"] if row["first"] == best else row["first"]
        for row in pairs.to_dict("records")
        if not row["p"] < 1 - intervals.LEVEL
    ]
    near = [name for name in near if name in means]
    text = (
        f"By held-out molecules, which need no labels, {best} predicts best ({means[best]:.1f} nats per 1,000 "
        "molecules above the overall profile)"
    )
    text += f"; not shown to be worse: {listed(near)}" if near else ""
    text += f"; of principal components, {components} are enough" if components else ""
    named = label_source.first_labelled(sets)
    by_labels = select(scores, labels=named, space="latent", metric="knn_accuracy") if named else scores[:0]
    accuracy = _means(by_labels, roles).reindex(means.index).dropna()
    if len(accuracy) < 2:
        return [f"{text}."]
    first = accuracy.idxmax()
    if first == best:
        return [f"{text}. kNN accuracy by labels agrees: {first} is first there as well."]
    if first in near:
        return [f"{text}. kNN accuracy by labels has {first} first, one of these."]
    return [
        f"{text}. kNN accuracy by labels has {first} first: what types share, such as the cell cycle, counts for "
        "molecules but not for labels."
    ]


def _labels(name, sets):
    """The label set in words, if the data set has several or its source biases the score; else an empty text."""
    if len(sets) == 1 and sets[name] not in label_source.FAVOURS_PCA:
        return ""
    return f", with {label_source.words(name, sets)}"


def _comparisons(differences, roles, sets):
    """For each score: which models are ahead of and behind PCA, and what would show the differences that are not."""
    if "model" not in roles.values():
        return []
    if "pca" not in roles.values():
        return ["PCA was not run, so the models cannot be compared with it."]
    return [
        _comparison(score, rows[~rows["question"].isin(["", comparison.CHANCE])].to_dict("records"))
        for score, rows in _families(differences, sets)
        if not rows["question"].isin(["", comparison.CHANCE]).all()
    ]


def _comparison(score, rows):
    against_best = [row for row in rows if row["question"] in (comparison.BEST, comparison.BOTH)]
    best = against_best[0]["second"]
    tested = [row for row in rows if np.isfinite(row["p_holm"])]
    shown = [row for row in tested if intervals.shown(row)]
    if not tested:
        return f"Differences from PCA by {score} are not tested: {_untested(rows)}."
    ahead, behind = ([row for row in shown if np.sign(row["mean"]) == sign] for sign in (1, -1))
    beats = [row["first"] for row in ahead if row in against_best]
    lead = f"{listed(beats)} {'beats' if len(beats) == 1 else 'beat'} {best}, the best PCA," if beats else ""
    parts = [f"{lead or f'No model is shown to beat {best}, the best PCA,'} by {score}"]
    parts += [f"ahead: {listed(map(_pair, ahead))}"] if ahead else []
    parts += [f"behind: {listed(map(_pair, behind))}"] if behind else []
    open_pairs = sorted((row for row in tested if row not in shown), key=lambda row: -abs(row["mean"]))
    more = [f"{len(open_pairs) - NOT_SHOWN} more"] if len(open_pairs) > NOT_SHOWN else []
    parts += [f"not shown: {listed([*map(_not_shown, open_pairs[:NOT_SHOWN]), *more])}"] if open_pairs else []
    untested = [f"{row['first']} and {row['second']}" for row in rows if row not in tested]
    parts += [f"not tested: {listed(untested)}"] if untested else []
    over = "cells and seeds" if any(np.isfinite(row["p_seeds"]) for row in tested) else "cells"
    found = f"{'; '.join(parts)} (95 % CI over {over}, adjusted for {_count(len(tested), 'comparison')})."
    if (n_seeds := int(max(row["n"] for row in rows))) < intervals.FEWEST_SEEDS:
        seeds = _count(n_seeds, "seed")
        found += f" With {seeds}, this holds for these trainings only: run {intervals.FEWEST_SEEDS} or more."
    return found


def _pair(row):
    """Who leads whom, by how much."""
    low, high = sorted(abs(row[bound]) for bound in ("adjusted_low", "adjusted_high"))
    return f"{row['first']} vs {row['second']} by {abs(row['mean']):.3f} ({low:.3f} to {high:.3f})"


def _not_shown(row):
    needed = row["seeds_needed"]
    would = f"about {needed:.0f} seeds would show it" if np.isfinite(needed) else "more seeds alone would not show it"
    interval = f"{row['adjusted_low']:+.3f} to {row['adjusted_high']:+.3f}"
    return f"{row['first']} vs {row['second']} ({row['mean']:+.3f}, {interval}; {would})"


def _untested(rows):
    """Why no pair is tested."""
    n_seeds = int(max(row["n"] for row in rows))
    if n_seeds < intervals.FEWEST_SEEDS:
        return (
            f"{_count(n_seeds, 'seed')} and no resampled cells (run {intervals.FEWEST_SEEDS} or more seeds: run.seeds)"
        )
    return "the scores are the same for every seed, and there are no resampled cells"


def _chance(differences, roles, sets):
    """Models and PCAs that are not shown to be better than a representation that has learned nothing, by score."""
    parts = []
    for score, rows in _families(differences, sets):
        rows = rows[rows["question"] == comparison.CHANCE].dropna(subset=["p_holm"])
        for floor, pairs in rows.groupby("second", sort=False):
            signs = {row["first"]: np.sign(row["mean"]) * intervals.shown(row) for row in pairs.to_dict("records")}
            worse, near = ([name for name in signs if signs[name] == sign] for sign in (-1, 0))
            parts += [f"{listed(worse)} {_be(worse)} worse than {floor} by {score}"] if worse else []
            parts += [f"{listed(near)} {_be(near)} not shown to be better than {floor} by {score}"] if near else []
    return [f"{'; '.join(parts)}."] if parts else []


def _apart(scores, sets):
    """Representations with seeds whose scores lie far from the others: a failed or a second solution."""
    found = []
    for score, rows in _families(summary.representation_scores(scores), sets):
        for model, values in rows.groupby("model", sort=False)["value"]:
            if score != UNSEEN and (groups := intervals.two_groups(values.dropna().to_numpy())):
                few, many = sorted(groups, key=len)
                found.append(
                    f"{model} has {len(few)} of {_count(len(few) + len(many), 'seed')} apart, at {few.mean():.2f} "
                    f"against {many.mean():.2f} by {score}"
                )
    return [f"Scores of some seeds lie apart, so that means and CIs mislead: {'; '.join(found)}."] if found else []


def _ceiling(scores, sets):
    """Agreement of labels that are a clustering with repetitions of that clustering."""
    found = []
    rows = scores[(scores["space"] == summary.NO_SPACE) & (scores["metric"] == "ari")]
    for name in sets:
        mean = rows[rows["labels"] == name].groupby("model")["value"].mean()
        if all(again in mean for again in baselines.RECLUSTERED):
            seeds, lower, higher = (f"{mean[again]:.3f}" for again in baselines.RECLUSTERED)
            which = f" {name}" if len(sets) > 1 else ""
            found.append(
                f"For scale: repeating the clustering behind the labels{which} reproduces them with ARI {seeds} (other "
                f"seeds), {lower} (lower resolution) and {higher} (higher resolution)."
            )
    return found


def _training(table):
    """Trainings that were short or not at their end; nothing if there are none."""
    whole = table[table["latent"] == diagnostics.WHOLE]
    steps = whole[whole["measure"] == "steps"]
    found = []
    if len(few := diagnostics.short(table)):
        found.append(
            f"Training was short: {_range(few['value'])} gradient steps for {listed(dict.fromkeys(few['model']))}; "
            "with so few a model may have learned little, so its scores say little about it."
        )
    falling = whole[(whole["measure"] == "still_falling") & (whole["value"] > diagnostics.STILL_FALLING)]
    if len(falling):
        found.append(
            f"The loss was still falling at the end of {len(falling)} of {len(steps)} trainings: more epochs may "
            "change the scores."
        )
    return [" ".join(found)] if found else []


def _mixing(scores):
    """Batch mixing and separation of types, for a data set with batches."""
    found = {}
    for metric in ("ilisi", "clisi"):
        rows = scores[(scores["space"] == "latent") & (scores["metric"] == metric)].dropna(subset=["value"])
        rows = rows.drop_duplicates(["model", "seed"])  # of the first label set
        mean = rows.groupby("model", sort=False)["value"].mean()
        found[metric] = listed(f"{model} {value:.2f}" for model, value in mean.items())
    if not all(found.values()):
        return []
    return [
        f"Batch mixing in the latent (iLISI, 1 = best): {found['ilisi']}. Separation of cell types (cLISI, 1 = best): "
        f"{found['clisi']}. Only batch-conditioned models correct for batches."
    ]


def _be(names):
    return "is" if len(names) == 1 else "are"


def _count(number, noun):
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _range(values):
    low, high = int(min(values)), int(max(values))
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
