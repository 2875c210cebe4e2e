"""Every sentence of the verdict, from made-up tables."""

import numpy as np
import pandas as pd
import pytest

from scae.evaluation import comparison, verdict

ROLES = {"dae": "model", "vae": "model", "pca": "pca", "random": "floor"}
MARKERS, CLUSTERS = {"toy": {"hand": "markers"}}, {"toy": {"study": "clusters"}}
ARI, VOTE = ("latent", "ari"), ("latent", "knn_accuracy")
BY_ARI, BY_VOTE = "By the ARI of k-means on the latent", "By the vote of the 15 nearest neighbours in the latent"
ON_MARKERS = "on labels from marker genes"
ON_CLUSTERS = "on labels from a clustering of principal components, which favours PCA"


def scores(means, n_seeds=5, sd=0.01, labels="hand", score=ARI):
    """A long table: each model's mean, and noise of its own that adds up to nothing over the seeds."""
    rows = []
    for number, (model, mean) in enumerate(means.items()):
        noise = np.random.default_rng(number).normal(size=n_seeds)
        noise = (noise - noise.mean()) / (noise.std() or 1) * sd
        rows += [("toy", model, seed, labels, *score, mean + noise[seed]) for seed in range(n_seeds)]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


def health_of(n_seeds=1, steps=5_000, still_falling=0.0, **models):
    """A table of health: for each model the number of its live latents (of 6), the same for each seed or a list."""
    rows = []
    for model, live in models.items():
        for seed in range(n_seeds):
            of_seed = {"latents": 6, "live": live[seed] if isinstance(live, list) else live}
            if ROLES[model] == "model":
                of_seed |= {"steps": steps, "still_falling": still_falling}
            rows += [("toy", model, seed, "all", measure, float(value)) for measure, value in of_seed.items()]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "latent", "measure", "value"])


def stability_of(pairs=3, **models):
    """A table of stability: for each model its ARI and canonical correlation between seeds."""
    rows = []
    for model, (ari, shared) in models.items():
        rows += [("toy", model, "tsne2d", "ari", pairs, 0.1), ("toy", model, "latent", "ari", pairs, ari)]
        rows.append(("toy", model, "latent", "canonical_correlation", pairs, shared))
    return pd.DataFrame(rows, columns=["dataset", "model", "space", "measure", "pairs", "value"])


NO_HEALTH, NO_STABILITY = health_of(), stability_of()


def sentences(*tables, roles=ROLES, origins=MARKERS, health=NO_HEALTH, stability=NO_STABILITY):
    metrics = pd.concat(tables)
    compared = comparison.pairs({model: roles[model] for model in dict.fromkeys(metrics["model"])})
    differences = comparison.differences(metrics, compared)
    return verdict.write(comparison.over_seeds(metrics), differences, health, roles, origins, stability)["toy"]


def test_agreement_of_the_seeds_is_told_of_models_alone():
    found = sentences(scores({"dae": 0.5, "vae": 0.5}), stability=stability_of(dae=(0.62, 0.914), pca=(1.0, 1.0)))
    assert found[-1] == (
        "Between seeds, clusters of the latent and the space that it spans agree for dae by an ARI of 0.62 and a mean "
        "canonical correlation of 0.91."
    )


def test_one_seed_says_nothing_of_stability():
    nan = float("nan")
    found = sentences(scores({"dae": 0.5}, n_seeds=1), stability=stability_of(pairs=0, dae=(nan, nan)))
    assert "With one seed nothing is known of whether another would find the same clusters and latents." in found


def test_by_default_no_difference_is_shown():
    found = sentences(scores({"dae": 0.5, "vae": 0.501, "pca": 0.5}, sd=0.05))
    assert found == [
        f"{BY_ARI}, {ON_MARKERS}, no model is shown to beat PCA.",
        f"{BY_ARI}, {ON_MARKERS}, no difference is shown among the models.",
    ]


def test_a_large_difference_is_not_shown_where_the_seeds_scatter():
    found = sentences(scores({"dae": 0.7, "vae": 0.4, "pca": 0.5}, sd=0.4))
    assert not any("ahead" in sentence for sentence in found)


def test_pca_that_leads_is_said_to_lead_with_the_interval():
    first, second, *_ = sentences(scores({"dae": 0.5, "vae": 0.5, "pca": 0.6}))
    assert first.startswith(f"{BY_ARI}, {ON_MARKERS}, pca is ahead of dae by 0.100 (95 % interval over seeds 0.0")
    assert "and pca is ahead of vae by 0.100" in first
    assert second == f"{BY_ARI}, {ON_MARKERS}, no model is shown to beat PCA."


def test_the_interval_that_is_told_is_that_of_the_difference():
    metrics = scores({"dae": 0.5, "pca": 0.6})
    [difference] = comparison.differences(metrics, [("dae", "pca")]).to_dict("records")
    [first, _] = sentences(metrics)
    assert f"by 0.100 (95 % interval over seeds {-difference['high']:.3f} to {-difference['low']:.3f})" in first


def test_a_model_that_leads_is_named_and_the_rest_is_left_open():
    found = sentences(scores({"dae": 0.7, "vae": 0.501, "pca": 0.5}))
    assert found[0].startswith(f"{BY_ARI}, {ON_MARKERS}, dae is ahead of pca by 0.200 ")
    assert found[1] == f"{BY_ARI}, {ON_MARKERS}, no difference is shown between vae and pca."
    assert found[2].startswith(f"{BY_ARI}, {ON_MARKERS}, dae is ahead of vae by 0.199 ")
    assert not any("no model" in sentence for sentence in found)


def test_labels_from_clusters_are_said_to_favour_pca():
    metrics = scores({"dae": 0.5, "pca": 0.5}, sd=0.05, labels="study")
    assert sentences(metrics, origins=CLUSTERS) == [f"{BY_ARI}, {ON_CLUSTERS}, no model is shown to beat PCA."]


@pytest.mark.parametrize(("n_seeds", "words"), [(1, "1 seed"), (2, "2 seeds")])
def test_below_three_seeds_nothing_is_said(n_seeds, words):
    found = sentences(scores({"dae": 0.9, "vae": 0.1, "pca": 0.5}, n_seeds))
    assert found == [
        f"{BY_ARI}, {ON_MARKERS}, nothing can be shown with {words}: an interval takes 3 or more (run.seeds)."
    ]


def test_without_spread_nothing_is_said():
    found = sentences(scores({"dae": 0.9, "pca": 0.5}, sd=0))
    assert found == [f"{BY_ARI}, {ON_MARKERS}, nothing can be shown: the scores do not vary with the seed."]


def test_without_pca_it_is_not_known_who_beats_it():
    found = sentences(scores({"dae": 0.9, "vae": 0.5}), roles={"dae": "model", "vae": "model"})
    assert found[0] == "No PCA was run beside the models: whether they beat it is not known."
    assert found[1].startswith(f"{BY_ARI}, {ON_MARKERS}, dae is ahead of vae by 0.400 ")


def test_controls_alone_need_no_comparison():
    assert sentences(scores({"pca": 0.6, "random": 0.1}), roles={"pca": "pca", "random": "floor"}) == []


PAIR = {"dae": 0.5, "pca": 0.6}


def test_scores_that_agree_are_said_to():
    found = sentences(scores(PAIR), scores(PAIR, score=VOTE))
    assert found[-1] == "The scores agree on every pair."
    assert found[2].startswith(f"{BY_VOTE}, {ON_MARKERS}, pca is ahead of dae by")


def test_scores_that_contradict_each_other_are_said_to():
    found = sentences(scores(PAIR), scores({"dae": 0.6, "pca": 0.5}, score=VOTE))
    assert found[-1] == "The scores contradict each other on dae and pca."


def test_scores_of_which_one_shows_nothing_do_not_agree():
    found = sentences(scores(PAIR), scores({"dae": 0.5, "pca": 0.5}, score=VOTE))
    assert found[-1] == "The scores do not agree: what one shows of dae and pca another does not."


def test_where_nothing_is_shown_there_is_nothing_to_agree_on():
    found = sentences(scores(PAIR, sd=0.5), scores(PAIR, sd=0.5, score=VOTE))
    assert not any("agree" in sentence for sentence in found)


def test_each_label_set_has_its_sentence():
    both = {"toy": {"study": "clusters", "hand": "markers"}}
    found = sentences(scores(PAIR, labels="study"), scores(PAIR, labels="hand"), origins=both)
    assert [ON_CLUSTERS in sentence for sentence in found[:2]] == [True, True]
    assert [ON_MARKERS in sentence for sentence in found[2:4]] == [True, True]


def test_the_agreement_of_a_clustering_with_itself_is_told_for_the_labels_that_are_one():
    table = scores({"dae": 0.5, "pca": 0.6}, labels="study")
    again = {"other_seed": 0.98, "lower_resolution": 0.8, "higher_resolution": 0.75, "shuffled": 0.0}
    told = [scores(again, labels="study", score=("labels", "ari")), scores({"shuffled": 0.0}, score=("labels", "ari"))]
    both = {"toy": {"study": "clusters", "hand": "markers"}}
    found = verdict.write(
        comparison.over_seeds(pd.concat([table, *told])),
        comparison.differences(table, [("dae", "pca")]),
        NO_HEALTH,
        ROLES,
        both,
        NO_STABILITY,
    )
    [sentence] = [one for one in found["toy"] if one.startswith("To judge")]
    assert sentence == (
        "To judge an ARI on labels from a clustering of principal components, which favours PCA: made again, that "
        "clustering agrees with itself by 0.980 with other seeds, and by 0.800 and 0.750 at a lower and a higher "
        "resolution."
    )


def test_two_label_sets_of_one_origin_are_named():
    table = pd.concat([scores({"dae": 0.5, "pca": 0.6}, labels=name) for name in ("ours", "theirs", "hand")])
    both = {"toy": {"ours": "obs", "theirs": "obs", "hand": "markers"}}
    found = " ".join(sentences(table, origins=both))
    assert "on labels from the data's own annotation (ours)," in found
    assert "on labels from the data's own annotation (theirs)," in found
    assert "on labels from marker genes," in found


def test_a_model_near_the_floor_is_named():
    means = {"dae": 0.05, "vae": 0.6, "pca": 0.6, "random": 0.04}
    found = sentences(scores(means, sd=0.02))
    assert found[-1] == f"dae cannot be told from random {ON_MARKERS}: the intervals overlap."
    assert not any("told from" in sentence for sentence in sentences(scores(means | {"dae": 0.6}, sd=0.02)))
    assert not any("told from" in sentence for sentence in sentences(scores(means, n_seeds=1)))


QUIET = scores({"dae": 0.5, "vae": 0.5, "pca": 0.5}, sd=0.05)
LEVEL = "Training was long enough by its loss, which had levelled off in all {} trainings."


def about_health(table):
    return sentences(QUIET, health=table)[2:]


def test_live_latents_are_counted_over_the_seeds():
    table = health_of(n_seeds=3, dae=6, vae=[3, 5, 4])
    kl = [("toy", "vae", seed, "z1", "kl", 2.0) for seed in range(3)]
    table = pd.concat([table, pd.DataFrame(kl, columns=table.columns)])
    assert about_health(table) == [
        "dae has 6 of 6 latents not constant over 3 seeds.",
        "vae has 3 to 5 of 6 latents live over 3 seeds.",
        LEVEL.format(6),
    ]


def test_gates_that_do_not_move_are_told():
    table = health_of(n_seeds=2, vae=1)
    moving = {
        0: {"gate_one": 0.0, "gate_between": 0.9, "kl": 1.0, "sd": 0.5},
        1: {"gate_one": 0.2, "gate_between": 0.8, "kl": 0.01, "sd": 0.5},
    }
    fixed = {"gate_one": 0.8, "gate_between": 0.2, "kl": 3.0, "sd": 0.5}
    rows = [
        ("toy", "vae", seed, latent, measure, value)
        for seed in (0, 1)
        for latent, measures in (("z1", fixed), ("z2", moving[seed]))
        for measure, value in measures.items()
    ]
    table = pd.concat([table, pd.DataFrame(rows, columns=table.columns)])
    assert about_health(table)[0] == (
        "vae has 1 of 6 latents live over 2 seeds; its gates are at exactly 1 or rest at the prior in 1 of 2 seeds."
    )


def test_short_training_is_said():
    found = about_health(health_of(dae=6, vae=6, steps=600))
    assert found[-1] == (
        "Training was short: 600 gradient steps for dae and vae; below 1,000 a model may have learned little, so its "
        "scores say little about it."
    )


def test_a_loss_that_still_falls_is_said():
    found = about_health(health_of(n_seeds=2, dae=6, still_falling=0.1))
    assert found[-1] == "The loss was still falling at the end in 2 of 2 trainings: more epochs may change the scores."


def test_what_is_left_of_the_expression_stands_beside_pca():
    table = health_of(n_seeds=2, dae=6, pca=6)
    rows = [("toy", "dae", seed, "all", "reconstruction", 1_770.0 + seed) for seed in (0, 1)]
    rows += [("toy", "pca", seed, "all", "unexplained", 1_776.7) for seed in (0, 1)]
    table = pd.concat([table, pd.DataFrame(rows, columns=table.columns)])
    assert about_health(table)[-1] == "Squared error left per cell: dae 1,770.5; pca 1,776.7, which is linear."


def held_out(of_model):
    """The error of the cells held out and of the others, which is 100, for each seed: {model: errors held out}."""
    rows = [
        ("toy", model, seed, "all", f"reconstruction_{part}", value)
        for model, values in of_model.items()
        for seed, error in enumerate(values)
        for part, value in (("held_out", error), ("trained", 100.0))
    ]
    n_seeds = len(next(iter(of_model.values())))
    table = health_of(n_seeds=n_seeds, **dict.fromkeys(of_model, 6))
    return pd.concat([table, pd.DataFrame(rows, columns=table.columns)])


def test_cells_held_out_are_held_against_those_trained_on():
    # Means 4 and 1, sd 1 and 2 over 3 seeds: 4.303 sd / sqrt(3) is 2.48 and 4.97
    found = about_health(held_out({"dae": [103.0, 104, 105], "vae": [99.0, 101, 103]}))
    assert found[-1] == (
        "Squared error left of a cell held out of training, against one that was trained on: dae +4.0 (95 % interval "
        "+1.5 to +6.5) and vae +1.0 (95 % interval -4.0 to +6.0: no difference is shown)."
    )


def test_without_enough_seeds_cells_held_out_have_no_interval():
    found = about_health(held_out({"dae": [103.0, 105]}))
    assert found[-1] == (
        "Squared error left of a cell held out of training, against one that was trained on: dae +4.0 (no interval)."
    )


def test_controls_have_no_health_to_speak_of():
    assert about_health(health_of(pca=6, random=6)) == []


def test_the_text_has_a_line_for_each_sentence():
    assert verdict.text({"toy": ["One.", "Two."], "other": ["Three."]}) == "toy: One.\ntoy: Two.\nother: Three.\n"


def test_mixing_of_batches_is_told_where_there_are_batches():
    of_batches = [
        scores({"dae": 0.5, "pca": value}, score=("latent", name)) for name, value in (("ilisi", 0.2), ("clisi", 0.9))
    ]
    *_, last = sentences(scores({"dae": 0.5, "pca": 0.5}), *of_batches)
    assert last == (
        "Batches, which nothing corrects but models that are told them, mix in the latent by iLISI (1 is best): "
        "dae 0.50 and pca 0.20; types stay apart there by cLISI: dae 0.50 and pca 0.90."
    )
    undefined = [table.assign(value=np.nan) for table in of_batches]
    assert not any("iLISI" in sentence for sentence in sentences(scores({"dae": 0.5, "pca": 0.5}), *undefined))
