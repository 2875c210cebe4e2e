"""The verdict of made-up tables: each sentence says what cells and seeds allow, and no more."""

import numpy as np
import pandas as pd
import pytest

from scae.evaluation import comparison, verdict

ROLES = {"dae": "model", "vae": "model", "given": "model", "pca": "pca", "pca10": "pca", "random": "floor"}
SIZES = {"toy": {"dae": 6, "vae": 6, "given": 20, "pca": 6, "pca10": 10, "random": 6}}
MARKERS, CLUSTERS = {"hand": "markers"}, {"study": "clusters"}
ARI, KNN = ("latent", "ari"), ("latent", "knn_accuracy")
PAIR = {"dae": 0.5, "pca": 0.6}
FIXED = ("given", "pca", "pca10")


def scores(means, n_seeds=5, sd=0.01, labels="hand", score=ARI):
    """A long table: each model's mean, plus noise that sums to 0 over the seeds; or its value for each seed."""
    rows = []
    for number, (model, mean) in enumerate(means.items()):
        if np.ndim(mean):
            values = mean
        else:
            noise = np.random.default_rng(number).normal(size=n_seeds)
            values = mean + (noise - noise.mean()) / (noise.std() or 1) * (0 if model in FIXED else sd)
        rows += [("toy", model, seed, labels, *score, value) for seed, value in enumerate(values)]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


def resampled(metrics, cell_sd):
    """The bootstrap of made-up scores: independent noise over the cells, the same for every seed of a model."""
    keys = ["dataset", "model", "seed", "labels", "space"]
    rows = []
    for key, found in metrics.groupby(keys, sort=False):
        noise = np.random.default_rng([7, sum(map(ord, key[1]))]).normal(size=200)
        noise = (noise - noise.mean()) / noise.std() * cell_sd / np.sqrt(2)
        values = found.set_index("metric")["value"]
        table = pd.DataFrame({name: values.get(name, np.nan) + noise for name in comparison.OVER_CELLS})
        rows.append(table.assign(draw=range(200), **dict(zip(keys, key, strict=True))))
    return pd.concat(rows)


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


def recalls_of(cells, labels="hand", **models):
    """Recall of each type by the models: {label: number of cells}, and {model: {label: recall}}."""
    rows = [
        ("toy", model, 0, labels, "latent", label, cells[label], value)
        for model, values in models.items()
        for label, value in values.items()
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "label", "cells", "recall"])


def sentences(*tables, roles=ROLES, sources=MARKERS, health=None, recalls=None, baselines=(), cell_sd=0.01):
    """The verdict without its headline."""
    return whole(*tables, roles, sources, health, recalls, baselines, cell_sd)[1]


def headline(*tables, roles=ROLES, sources=MARKERS, health=None, cell_sd=0.01):
    return whole(*tables, roles, sources, health, None, (), cell_sd)[0]


def whole(*arguments):
    *tables, roles, sources, health, recalls, baselines, cell_sd = arguments
    metrics = pd.concat(tables)
    there = {model: roles[model] for model in dict.fromkeys(metrics["model"])}
    cells = None if cell_sd is None else resampled(metrics, cell_sd)
    found = verdict.sentences(
        pd.concat([metrics, *baselines]),
        comparison.differences(metrics, there, SIZES, FIXED, resamples=cells),
        health_of() if health is None else health,
        there,
        {"toy": sources},
        recalls_of({}) if recalls is None else recalls,
    )["toy"]
    first = found[0] if found and "is first by ARI" in found[0] else None
    return first, found[1 if first else 0 :]


def has(sentence, *fragments):
    return all(fragment in sentence for fragment in fragments)


# Differences


def test_a_fixed_embedding_that_is_ahead_over_the_cells_is_shown_beside_a_noisy_model():
    means = {"given": 0.92, "dae": 0.5, "pca": 0.83}
    [sentence] = sentences(scores(means, sd=0.05, score=KNN))
    assert has(sentence, "given beats pca, the best PCA,", "ahead: given vs pca by 0.090 (", "behind: dae vs pca")


def test_a_difference_within_the_noise_of_the_cells_is_not_shown_however_still_the_seeds_are():
    means = {"dae": [0.6030, 0.6031, 0.6032], "pca": [0.6] * 3}
    [sentence] = sentences(scores(means), cell_sd=0.01)
    assert has(
        sentence, "No model is shown to beat pca", "not shown: dae vs pca (+0.003,", "more seeds alone would not"
    )


def test_a_difference_within_the_noise_of_the_seeds_is_not_shown_however_many_cells_there_are():
    [sentence] = sentences(scores({"dae": 0.55, "pca": 0.6}, n_seeds=3, sd=0.05), cell_sd=0.001)
    assert has(sentence, "No model is shown to beat pca", "not shown: dae vs pca (-0.050,", "seeds would show it")


def test_seeds_that_happen_to_be_alike_borrow_the_spread_of_the_other_models():
    alike, noisy = {"dae": [0.56, 0.5601, 0.5602], "pca": 0.6}, {"vae": [0.5, 0.6, 0.7]}
    assert "behind: dae vs pca" in sentences(scores(alike, n_seeds=3), cell_sd=0.001)[0]
    assert "behind: " not in sentences(scores(alike | noisy, n_seeds=3), cell_sd=0.001)[0]


def test_the_tested_pairs_are_those_with_the_pca_of_the_same_size_and_the_best_one():
    means = {"dae": 0.7, "vae": 0.55, "pca": 0.5, "pca10": 0.65}
    [sentence] = sentences(scores(means, sd=0.005), cell_sd=0.005)
    assert sentence.startswith("dae beats pca10, the best PCA, by ARI (k-means on the latent); ahead: ")
    assert has(sentence, "dae vs pca by 0.200 (", "vae vs pca by 0.050 (", "behind: vae vs pca10 by 0.100 (")
    assert has(sentence, "95 % CI over cells and seeds, adjusted for 4 comparisons")
    assert "dae vs vae" not in sentence
    [sentence] = sentences(scores({"given": 0.7, "pca": 0.5, "pca10": 0.8}), cell_sd=0.005)
    assert has(
        sentence, "No model is shown to beat pca10", "given vs pca10 by 0.100", "over cells, adjusted for 1 comparison)"
    )


def test_the_interval_is_that_of_the_decision():
    metrics = scores({"dae": 0.5, "vae": 0.57, "pca": 0.6}, sd=0.02)
    table = comparison.differences(metrics, {name: ROLES[name] for name in ("dae", "vae", "pca")}, SIZES, FIXED)
    row = table[table["first"] == "dae"].iloc[0]
    [sentence] = sentences(metrics, cell_sd=0.001)
    assert f"dae vs pca by 0.100 ({-row['adjusted_high']:.3f} to {-row['adjusted_low']:.3f})" in sentence


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_with_too_few_seeds_only_the_cells_are_tested_and_it_is_said(n_seeds):
    [sentence] = sentences(scores(PAIR, n_seeds=n_seeds))
    seeds = "1 seed" if n_seeds == 1 else "2 seeds"
    assert has(
        sentence, "behind: dae vs pca by", "over cells, adjusted", f"With {seeds}, this holds for these trainings"
    )


def test_what_is_not_tested_is_called_so():
    for table, fragment in (
        (scores(PAIR, n_seeds=1), "run.seeds"),
        (scores({"given": 0.5, "pca": 0.6}), "same for every"),
    ):
        [sentence] = sentences(table, cell_sd=None)
        assert has(sentence, "not tested", fragment)
        assert "No model" not in sentence
    [sentence] = sentences(scores({"given": 0.5, "dae": 0.5, "pca": 0.6}), cell_sd=None)
    assert has(sentence, "behind: dae vs pca", "not tested: given and pca")


def test_two_modes_are_reported():
    bimodal = scores({"dae": [1.0, 0.99, 1.0, 0.64, 0.99], "pca": 0.97}, score=KNN)
    comparison_of_means, apart = sentences(bimodal)
    assert has(comparison_of_means, "not shown: dae vs pca")
    assert has(apart, "apart", "dae has 1 of 5 seeds", "0.64 against 0.9", "kNN accuracy")


def test_without_pca_or_models_nothing_is_compared_with_pca():
    assert has(*sentences(scores({"dae": 0.9, "vae": 0.5})), "PCA was not run")
    assert sentences(scores({"pca": 0.6, "random": 0.1})) == []


def test_labels_are_named_if_there_are_several_or_they_favour_pca():
    def by_ari(*names, **sources):
        return sentences(pd.concat([scores(PAIR, labels=name) for name in names]), sources=sources)

    assert has(*by_ari("study", study="clusters"), "clustering of principal components", "favours PCA")
    study, hand = by_ari("study", "hand", study="clusters", hand="markers")
    assert has(study, "favours PCA")
    assert "marker genes;" in hand
    ours, theirs = by_ari("ours", "theirs", ours="obs", theirs="obs_clusters")
    assert has(ours, "annotation;")
    assert has(theirs, "clustering in the data's own annotation", "favours PCA")
    assert sentences(scores(dict.fromkeys(PAIR, np.nan), labels="none"), sources={"none": "none"}) == []


def test_six_statements_at_most():
    sets = {f"s{number}": "csv" for number in range(4)}
    tables = [scores(PAIR | {"random": 0.9}, labels=name, score=score) for name in sets for score in (ARI, KNN)]
    health = health_of(dae=6, steps=500)
    found = sentences(*tables, sources=sets, health=health)
    assert len(found) == 5  # and the headline
    assert has(found[4], "worse than random")


# The headline and what is lost


def test_the_headline_says_what_is_first_and_whether_that_is_shown():
    shown = headline(scores({"dae": 0.5, "vae": 0.3, "pca": 0.6, "random": 0.0}))
    assert has(shown, "pca is first by ARI", "0.600); the best model, dae, is 0.100 behind (adjusted 95 % CI 0.0")
    assert "Caution" not in shown
    ahead = headline(scores({"dae": 0.7, "pca": 0.6}))
    assert has(ahead, "dae is first", "the best PCA, pca, is 0.100 behind (adjusted 95 % CI 0.0")
    noisy = headline(scores({"dae": 0.58, "pca": 0.6}, sd=0.05, n_seeds=3))
    assert has(noisy, "pca is first", "that the best model, dae, is 0.020 behind is not shown (about", "seeds would")


def test_the_headline_names_what_undoes_it():
    text = headline(scores(PAIR, n_seeds=1, labels="study"), sources=CLUSTERS, health=health_of(dae=6, steps=600))
    assert has(text, "Caution: 1 seed, short training (600 gradient steps) and labels that favour PCA.")


def test_types_that_no_representation_keeps_are_named_with_their_cells():
    recalls = recalls_of(
        {"B": 90, "DC": 12, "NK": 40},
        dae={"B": 0.9, "DC": 0.1, "NK": 0.2},
        pca={"B": 0.95, "DC": 0.4, "NK": 0.7},
        random={"B": 0.9, "DC": 0.9, "NK": 0.9},
    )
    found = sentences(scores(PAIR | {"random": 0.0}), recalls=recalls)
    assert any(has(one, "No representation keeps DC (12 cells): ") for one in found)
    many = recalls_of(dict.fromkeys("ABCDEF", 5), dae=dict.fromkeys("ABCDEF", 0.1))
    assert any("D (5 cells) and 2 more" in one for one in sentences(scores(PAIR), recalls=many))


# Held-out molecules

HELD_OUT = ("latent", "held_out")


def test_held_out_molecules_answer_first_where_there_are_no_labels():
    means = {"dae": 90.0, "vae": 110.0, "pca": 100.0, "pca10": 109.5, "random": 1.0}
    unseen = scores(means, sd=0.5, labels="none", score=HELD_OUT)
    answer, compared, *rest = sentences(unseen, sources={"none": "none"}, cell_sd=1.0)
    assert rest == []
    assert has(answer, "vae predicts best (110.0 nats", "not shown to be worse: pca10")
    assert "pca," not in answer
    assert has(compared, "held-out molecules", "behind: dae vs pca by 10.000", "vae vs pca by 10.000")


@pytest.mark.parametrize(
    ("accuracy", "said"),
    [
        ({"dae": 0.9, "vae": 0.5, "pca": 0.4}, "kNN accuracy by labels has dae first"),
        ({"dae": 0.4, "vae": 0.9, "pca": 0.5}, "kNN accuracy by labels agrees: vae is first there as well"),
    ],
)
def test_the_answer_of_the_labels_is_held_against_it(accuracy, said):
    unseen = scores({"dae": 90.0, "vae": 110.0, "pca": 100.0}, sd=0.5, score=HELD_OUT)
    by_clusters = scores(accuracy)
    tables = by_clusters, scores(accuracy, score=KNN), unseen
    found, first = sentences(*tables), max(accuracy, key=accuracy.get)
    assert f"By kNN accuracy, {first} is first; by held-out molecules, vae is first." in headline(*tables)
    assert any(has(one, "vae predicts best", said) for one in found)


def test_one_representation_is_not_ranked_by_held_out_molecules():
    assert sentences(scores({"vae": 110.0}, labels="none", score=HELD_OUT), sources={"none": "none"}) == [
        "PCA was not run, so the models cannot be compared with it."
    ]


# Baselines


def test_what_is_not_better_than_chance_is_named_with_its_score_pca_too():
    means = {"dae": 0.05, "vae": 0.6, "pca": 0.01, "random": 0.05}
    found = sentences(scores(means, sd=0.02))[1]
    assert has(found, "pca is worse than random by ARI", "dae is not shown to be better than random by ARI")
    assert "vae" not in found
    assert len(sentences(scores({"dae": 0.6, "pca": 0.6, "random": 0.05}))) == 1


def test_the_agreement_of_a_clustering_with_itself_is_stated():
    means = {"other_seed": 0.98, "lower_resolution": 0.8, "higher_resolution": 0.75, "shuffled": 0.0}
    baselines = [scores(means, labels="study", score=("labels", "ari"), sd=0)]
    _, sentence = sentences(scores(PAIR, labels="study"), sources=CLUSTERS, baselines=baselines)
    assert has(sentence, "0.980 (other seeds)", "0.800 (lower resolution)", "0.750 (higher resolution)")
    only_shuffled = [scores({"shuffled": 0.0}, score=("labels", "ari"))]
    assert not any("scale" in one for one in sentences(scores(PAIR), baselines=only_shuffled))


# Models


def about_models(health=None):
    return sentences(scores(PAIR), health=health)[1:]


@pytest.mark.parametrize(
    ("changes", "fragments"),
    [
        ({"steps": 600}, ["600 gradient steps for dae;"]),
        ({"still_falling": 0.1}, ["still falling", "1 of 1 trainings"]),
    ],
)
def test_short_trainings(changes, fragments):
    assert has(about_models(health_of(dae=6, **changes))[0], *fragments)


def test_a_training_is_short_by_what_its_model_needs():
    assert about_models(health_of(dae=6, steps=1_000, still_falling=0.02)) == []
    assert about_models(health_of({("dae", "all", "steps_needed"): 400}, dae=6, steps=600)) == []


def test_batch_mixing_is_stated_for_data_with_batches():
    tables = [scores(PAIR | {"pca": pca}, score=("latent", name)) for name, pca in (("ilisi", 0.2), ("clisi", 0.9))]
    assert has(sentences(scores(PAIR), *tables)[-1], "iLISI, 1 = best): dae 0.50 and pca 0.20", "dae 0.50 and pca 0.90")
    undefined = [table.assign(value=np.nan) for table in tables]
    assert not any("iLISI" in sentence for sentence in sentences(scores(PAIR), *undefined))


def test_the_text_has_a_line_for_each_sentence():
    assert verdict.text({"toy": ["One.", "Two."], "other": ["Three."]}) == "toy: One.\ntoy: Two.\nother: Three.\n"
