"""The verdict of made-up tables: each sentence says what its interval allows, and no more."""

import numpy as np
import pandas as pd
import pytest

from scae.evaluation import comparison, verdict

ROLES = {"dae": "model", "vae": "model", "pca": "pca", "random": "floor"}
MARKERS, CLUSTERS = {"hand": "markers"}, {"study": "clusters"}
ARI, KNN = ("latent", "ari"), ("latent", "knn_accuracy")
PAIR = {"dae": 0.5, "pca": 0.6}


def scores(means, n_seeds=5, sd=0.01, labels="hand", score=ARI):
    """A long table: each model's mean, plus noise that sums to 0 over the seeds."""
    rows = []
    for number, (model, mean) in enumerate(means.items()):
        noise = np.random.default_rng(number).normal(size=n_seeds)
        noise = (noise - noise.mean()) / (noise.std() or 1) * sd
        rows += [("toy", model, seed, labels, *score, mean + noise[seed]) for seed in range(n_seeds)]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


def health_of(values=(), n_seeds=1, steps=5_000, still_falling=0.0, **active):
    """Diagnostics: the number of active latents (of 6) of models, and {(model, latent, measure): value or values}."""
    values = {(model, "all", "active"): number for model, number in active.items()} | dict(values)
    for model in active:
        values[model, "all", "latents"] = 6
        if ROLES[model] == "model":
            values |= {(model, "all", "steps"): steps, (model, "all", "still_falling"): still_falling}
    rows = [
        ("toy", model, seed, latent, measure, float(value[seed] if isinstance(value, list) else value))
        for (model, latent, measure), value in values.items()
        for seed in range(n_seeds)
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "latent", "measure", "value"])


def stability_of(pairs=3, **models):
    """Agreement between seeds: the ARI and canonical correlation of models."""
    rows = []
    for model, (ari, correlation) in models.items():
        rows += [("toy", model, "tsne2d", "ari", pairs, 0.1), ("toy", model, "latent", "ari", pairs, ari)]
        rows.append(("toy", model, "latent", "canonical_correlation", pairs, correlation))
    return pd.DataFrame(rows, columns=["dataset", "model", "space", "measure", "pairs", "value"])


def sentences(*tables, roles=ROLES, sources=MARKERS, health=None, stability=None, baselines=()):
    metrics = pd.concat(tables)
    compared = comparison.pairs({model: roles[model] for model in dict.fromkeys(metrics["model"])})
    over_seeds = comparison.over_seeds(pd.concat([metrics, *baselines]))
    found = verdict.sentences(
        pd.concat([over_seeds.assign(over="cells", mean=9.0, low=9.0, high=9.0), over_seeds]),
        comparison.differences(metrics, compared),
        health_of() if health is None else health,
        roles,
        {"toy": sources},
        stability_of() if stability is None else stability,
    )
    return found["toy"]


def has(sentence, *fragments):
    return all(fragment in sentence for fragment in fragments)


# Differences


@pytest.mark.parametrize(
    ("means", "sd"), [({"dae": 0.5, "vae": 0.501, "pca": 0.5}, 0.05), ({"dae": 0.7, "vae": 0.4, "pca": 0.5}, 0.4)]
)
def test_without_a_significant_difference_none_is_shown(means, sd):
    against_pca, among_models = sentences(scores(means, sd=sd))
    assert has(against_pca, "No model is shown to beat PCA by ARI")
    assert has(among_models, "No difference is shown among the models by ARI")


def test_a_pca_that_is_ahead_is_stated_with_its_interval():
    metrics = scores({"dae": 0.5, "vae": 0.5, "pca": 0.6})
    ahead, no_model, _ = sentences(metrics)
    difference = comparison.differences(metrics, [("dae", "pca")]).iloc[0]
    interval = f"{-difference['high']:.3f} to {-difference['low']:.3f}"
    assert has(ahead, f"pca is ahead of dae by 0.100 (95 % CI {interval} over seeds)", "pca is ahead of vae", "ARI")
    assert has(no_model, "No model is shown to beat PCA")


def test_a_model_that_is_ahead_is_stated_and_the_others_are_open():
    ahead, still_open, among_models = sentences(scores({"dae": 0.7, "vae": 0.501, "pca": 0.5}))
    assert ahead.startswith("dae is ahead of pca by 0.200 ")
    assert has(still_open, "No difference is shown between vae and pca")
    assert among_models.startswith("dae is ahead of vae by 0.199 ")


@pytest.mark.parametrize(
    ("table", "fragments"),
    [
        (scores(PAIR | {"vae": 0.1}, n_seeds=1), ["not tested by ARI", "1 seed ", "3 or more", "run.seeds"]),
        (scores(PAIR, n_seeds=2), ["2 seeds"]),
        (scores(PAIR, sd=0), ["not tested", "same for every seed"]),
    ],
)
def test_too_few_seeds_or_no_spread_are_not_tested(table, fragments):
    [sentence] = sentences(table)
    assert has(sentence, *fragments)


def test_without_pca_or_models_nothing_is_compared_with_pca():
    missing, among_models = sentences(scores({"dae": 0.9, "vae": 0.5}), roles={"dae": "model", "vae": "model"})
    assert has(missing, "PCA was not run")
    assert among_models.startswith("dae is ahead of vae by 0.400 ")
    assert sentences(scores({"pca": 0.6, "random": 0.1}), roles={"pca": "pca", "random": "floor"}) == []


@pytest.mark.parametrize(
    ("second", "sd", "fragments"),
    [
        (PAIR, 0.01, ["agree on every pair"]),
        ({"dae": 0.6, "pca": 0.5}, 0.01, ["contradict", "dae and pca"]),
        ({"dae": 0.5, "pca": 0.5}, 0.01, ["Only some scores", "dae and pca"]),
        (PAIR, 0.5, ["No model"]),  # nothing is shown, so there is nothing to agree on
    ],
)
def test_agreement_of_the_scores(second, sd, fragments):
    found = sentences(scores(PAIR, sd=sd), scores(second, sd=sd, score=KNN))
    assert has(found[-1], *fragments)
    assert any("kNN accuracy" in sentence for sentence in found)


def test_labels_are_named_if_there_are_several_or_they_favour_pca():
    def by_ari(*names, **sources):
        table = pd.concat([scores(PAIR, labels=name) for name in names])
        return [sentence for sentence in sentences(table, sources=sources) if sentence.startswith("No model")]

    assert has(*by_ari("study", study="clusters"), "clustering of principal components", "favours PCA")
    study, hand = by_ari("study", "hand", study="clusters", hand="markers")
    assert has(study, "favours PCA")
    assert has(hand, "marker genes")
    assert "PCA by" in hand
    ours, theirs = by_ari("ours", "theirs", ours="obs", theirs="obs")
    assert has(ours, "annotation (ours)")
    assert has(theirs, "annotation (theirs)")
    assert sentences(scores(dict.fromkeys(PAIR, np.nan), labels="none"), sources={"none": "none"}) == []


# Baselines


@pytest.mark.parametrize("mean", [0.05, 0.08])  # intervals are 0.028 to both sides; only the mean of 0.08 is above
def test_a_model_that_overlaps_the_floor_is_named(mean):
    means = {"dae": mean, "vae": 0.6, "pca": 0.6, "random": 0.04}
    assert has(sentences(scores(means, sd=0.02))[-1], "dae is not shown to beat random by ARI")
    for table in (scores(means | {"dae": 0.6}, sd=0.02), scores(means, n_seeds=1)):
        assert not any("random" in sentence for sentence in sentences(table))


def test_the_agreement_of_a_clustering_with_itself_is_stated():
    means = {"other_seed": 0.98, "lower_resolution": 0.8, "higher_resolution": 0.75, "shuffled": 0.0}
    baselines = [scores(means, labels="study", score=("labels", "ari"))]
    [sentence] = [
        one for one in sentences(scores(PAIR, labels="study"), sources=CLUSTERS, baselines=baselines) if "scale" in one
    ]
    assert has(sentence, "0.980 (other seeds)", "0.800 (lower resolution)", "0.750 (higher resolution)")
    only_shuffled = [scores({"shuffled": 0.0}, score=("labels", "ari"))]
    assert not any("scale" in one for one in sentences(scores(PAIR), baselines=only_shuffled))


# Models


QUIET = scores({"dae": 0.5, "vae": 0.5, "pca": 0.5}, sd=0.05)


def about_models(health=None, stability=None):
    return sentences(QUIET, health=health, stability=stability)[2:]


def test_stability_between_seeds():
    [sentence] = about_models(stability=stability_of(dae=(0.62, 0.914), pca=(1.0, 1.0)))
    assert has(sentence, "ARI 0.62 (dae)", "correlation of 0.91 (dae)")
    assert "pca" not in sentence
    [sentence] = about_models(stability=stability_of(pairs=0, dae=(np.nan, np.nan)))
    assert has(sentence, "unknown", "only one seed")


def test_active_latents_are_counted_over_the_seeds():
    kl = {("vae", "z1", "kl"): 2.0}
    dae, vae, training = about_models(health_of(kl, n_seeds=3, dae=6, vae=[3, 5, 4], pca=6))
    assert has(dae, "dae has 6 of 6", "non-constant", "3 seeds")
    assert has(vae, "vae has 3 to 5 of 6", " active")
    assert has(training, "levelled off in all 6 trainings")


def test_fixed_gates_are_counted():
    fixed = {"gate_one": 0.8, "gate_between": 0.2, "kl": 3.0, "sd": 0.5}
    moving_once = {"gate_one": [0.0, 0.2], "gate_between": [0.9, 0.8], "kl": [1.0, 0.01], "sd": 0.5}
    values = {("vae", "z1", name): value for name, value in fixed.items()}
    values |= {("vae", "z2", name): value for name, value in moving_once.items()}
    assert has(about_models(health_of(values, n_seeds=2, vae=1))[0], "in 1 of 2 seeds each gate is exactly 1")


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"steps": 600}, ["600 gradient steps for dae and vae", "1,000"]),
        ({"still_falling": 0.1}, ["still falling", "2 of 2 trainings"]),
        ({"steps": 1_000, "still_falling": 0.02}, ["levelled off"]),
    ],
)
def test_short_trainings(changes, fragments):
    assert has(about_models(health_of(dae=6, vae=6, **changes))[-1], *fragments)


def test_reconstruction_error_is_compared_with_pca():
    errors = {("dae", "all", "reconstruction"): [1_770.0, 1_771.0], ("pca", "all", "unexplained"): 1_776.7}
    assert has(about_models(health_of(errors, n_seeds=2, dae=6, pca=6))[-1], "dae 1,770.5;", "pca 1,776.7 (linear)")
    assert not any("error" in sentence for sentence in about_models(health_of(pca=6)))


@pytest.mark.parametrize(
    ("errors", "fragments"),
    [
        # Means 4 and 1, sd 1 and 2 over 3 seeds: 4.303 sd / sqrt(3) is 2.48 and 4.97
        (
            {"dae": [103.0, 104, 105], "vae": [99.0, 101, 103]},
            ["dae +4.0 (95 % CI +1.5 to +6.5)", "vae +1.0 (95 % CI -4.0 to +6.0: no difference"],
        ),
        ({"dae": [95.0, 96, 97]}, ["dae -4.0 (95 % CI -6.5 to -1.5)"]),
        ({"dae": [103.0, 105]}, ["dae +4.0 (no CI)"]),
    ],
)
def test_held_out_cells_are_compared_with_training_cells(errors, fragments):
    values = {(model, "all", "reconstruction_held_out"): value for model, value in errors.items()}
    values |= {(model, "all", "reconstruction_trained"): 100.0 for model in errors}
    health = health_of(values, n_seeds=len(errors["dae"]), **dict.fromkeys(errors, 6))
    assert has(about_models(health)[-1], "held-out minus training", *fragments)


def test_batch_mixing_is_stated_for_data_with_batches():
    tables = [scores(PAIR | {"pca": pca}, score=("latent", name)) for name, pca in (("ilisi", 0.2), ("clisi", 0.9))]
    assert has(sentences(scores(PAIR), *tables)[-1], "iLISI, 1 = best): dae 0.50 and pca 0.20", "dae 0.50 and pca 0.90")
    undefined = [table.assign(value=np.nan) for table in tables]
    assert not any("iLISI" in sentence for sentence in sentences(scores(PAIR), *undefined))


def test_the_text_has_a_line_for_each_sentence():
    assert verdict.text({"toy": ["One.", "Two."], "other": ["Three."]}) == "toy: One.\ntoy: Two.\nother: Three.\n"
