"""Floor and ceiling of scores, from the labels themselves."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sklearn_metrics
from test_labels import CLUSTERING, small_set

from scae import tables
from scae.data import labels as label_origins
from scae.evaluation import baselines, metrics, summary
from scae.plots import drawing


def labels_of(n_cells=2_000):
    return pd.Series(np.random.default_rng(0).choice(["B", "NK", "T"], n_cells, p=[0.6, 0.3, 0.1]))


def table_of(seeds=(0, 1, 2)):
    labels = labels_of()
    rows = [baselines.rows("toy", "shuffled", seed, "hand", labels, baselines.shuffle(labels, seed)) for seed in seeds]
    return baselines.table([row for of_seed in rows for row in of_seed])


def test_shuffled_labels_have_the_same_sizes_and_agree_by_chance_alone():
    labels = labels_of()
    shuffled = [baselines.shuffle(labels, seed) for seed in range(20)]
    assert all((pd.Series(one).value_counts() == labels.value_counts()).all() for one in shuffled)
    assert len({tuple(one) for one in shuffled}) == 20
    np.testing.assert_array_equal(baselines.shuffle(labels, 3), shuffled[3])
    agreement = [sklearn_metrics.adjusted_rand_score(labels, one) for one in shuffled]
    assert abs(np.mean(agreement)) < 3 * np.std(agreement) / np.sqrt(20)
    assert max(map(abs, agreement)) < 0.02


def test_rows_have_the_scores_that_clusters_of_a_representation_get():
    labels, clusters = labels_of(), np.random.default_rng(1).integers(0, 4, 2_000)
    found = baselines.table(baselines.rows("toy", "other_seed", 5, "hand", labels, clusters))
    value = found.set_index("metric")["value"]
    expected = metrics.score(labels, clusters, np.zeros((2_000, 2))).set_index("metric")["value"]
    assert set(value.index) == {"nmi", "ari", "homogeneity", "completeness", "detected_types"}
    assert dict(value) == pytest.approx(dict(expected[value.index]))
    assert found[["dataset", "reference", "seed", "labels"]].drop_duplicates().to_numpy().tolist() == [
        ["toy", "other_seed", 5, "hand"]
    ]


def test_labels_of_one_type_or_none_have_no_reference(tmp_path):
    rows = [
        *baselines.rows("toy", "shuffled", 0, "a", ["B"] * 5, ["B"] * 5),
        *baselines.rows("b", "s", 0, "a", [], []),
    ]
    tables.write(baselines.table(rows), tmp_path / "references.csv")
    found = tables.read(tmp_path / "references.csv")
    assert found.empty
    assert summary.with_references(table_of(), found) is not None


def test_a_clustering_made_again_shares_no_start_and_meets_itself_where_the_types_are_plain():
    data = small_set(300, 300)
    graph = label_origins.graph_of(data, CLUSTERING)
    first = label_origins.modularity_clusters(graph, CLUSTERING["resolution"], CLUSTERING["n_starts"])
    of_labels = label_origins.from_clusters(data, CLUSTERING)
    assert sklearn_metrics.adjusted_rand_score(of_labels, first) == 1.0
    for seed in range(3):
        again = label_origins.cluster_again(graph, CLUSTERING, 1.0, seed)
        np.testing.assert_array_equal(again, label_origins.cluster_again(graph, CLUSTERING, 1.0, seed))
        assert sklearn_metrics.adjusted_rand_score(first, again) > 0.9
    many = label_origins.cluster_again(graph, CLUSTERING, 20.0, 0)
    assert len(set(many)) > len(set(first))


def test_starts_of_seeds_do_not_overlap(monkeypatch):
    asked = []
    monkeypatch.setattr(
        label_origins, "modularity_clusters", lambda graph, resolution, n_starts, first: asked.append((first, n_starts))
    )
    for seed in range(3):
        label_origins.cluster_again(None, {"n_starts": 10, "resolution": 0.5}, 1.0, seed)
    starts = [set(range(first, first + n_starts)) for first, n_starts in [(0, 10), *asked]]
    assert len(set.union(*starts)) == 40


def scores_of(*models):
    rows = [
        ("toy", model, seed, "hand", space, "ari", 0.5)
        for model in models
        for seed in (0, 1)
        for space in ("tsne2d", "latent")
    ]
    return pd.DataFrame(rows, columns=["dataset", "model", "seed", "labels", "space", "metric", "value"])


def test_the_heatmap_has_models_first_then_controls_then_references_in_grey():
    scores = summary.with_references(scores_of("a_control", "dae"), table_of())
    figure = drawing.heatmap(scores, {}, metrics.described(), {"a_control": "pca", "dae": "model"})
    names = figure.axes[0].get_yticklabels()
    assert [name.get_text() for name in names] == ["dae · toy", "a_control · toy", "labels, shuffled · toy"]
    assert [name.get_style() for name in names] == ["normal", "italic", "italic"]
    assert [name.get_color() == drawing.CONTROL_COLOR for name in names] == [False, True, True]
    shown = figure.axes[0].images[0].get_array()
    expected = table_of().query("metric == 'ari'")["value"].mean()
    columns = [text.get_text() for text in figure.axes[0].get_xticklabels()]
    chosen = [number for number, text in enumerate(columns) if text == "ARI"]
    assert len(chosen) == 2
    assert [shown[2, number] for number in chosen] == pytest.approx([expected] * 2)
