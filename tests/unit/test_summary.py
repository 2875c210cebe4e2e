"""Means over seeds, published scores beside them, and who owns a cluster."""

import numpy as np
import pandas as pd
import pytest

from scae.evaluation import summary
from scae.evaluation.metrics import described


def metrics_of(values, dataset="toy", model="dae", space="tsne2d", metric="nmi", labels="hand"):
    return pd.DataFrame(
        {
            "dataset": dataset,
            "model": model,
            "seed": range(len(values)),
            "labels": labels,
            "space": space,
            "metric": metric,
            "value": values,
        }
    )


def test_a_row_holds_mean_and_sample_deviation_over_the_seeds():
    rows = summary.score_rows(metrics_of([0.5, 0.6, 0.9]), {})
    assert rows.index.tolist() == [("toy", "dae", "", "hand")]
    assert rows.loc[("toy", "dae", "", "hand"), ("tsne2d", "nmi", "mean")] == pytest.approx(2 / 3)
    expected = np.sqrt(((0.5 - 2 / 3) ** 2 + (0.6 - 2 / 3) ** 2 + (0.9 - 2 / 3) ** 2) / 2)
    assert rows.loc[("toy", "dae", "", "hand"), ("tsne2d", "nmi", "sd")] == pytest.approx(expected)


def test_one_seed_has_no_deviation():
    row = summary.score_rows(metrics_of([0.5]), {}).iloc[0]
    assert row["tsne2d", "nmi", "mean"] == 0.5
    assert np.isnan(row["tsne2d", "nmi", "sd"])


@pytest.fixture
def table():
    return pd.concat(
        [
            metrics_of([0.5], model="vsc"),
            metrics_of([0.4], model="vsc", metric="detected_types"),
            metrics_of([0.3], model="vsc", space="latent"),
            metrics_of([0.9], model="dae"),
            metrics_of([0.1], dataset="another"),
        ],
        ignore_index=True,
    )


PUBLISHED = {"toy": {"citation": "study", "scores": {"dae": {"nmi": 0.72}, "vae": {"nmi": 0.61, "ari": 0.44}}}}


def test_rows_and_columns_keep_the_order_of_the_run(table):
    rows = summary.score_rows(table, {})
    assert rows.index.tolist() == [
        ("toy", "vsc", "", "hand"),
        ("toy", "dae", "", "hand"),
        ("another", "dae", "", "hand"),
    ]
    assert rows.columns.names == ["space", "metric", "statistic"]
    scores = [("tsne2d", "nmi"), ("tsne2d", "detected_types"), ("latent", "nmi")]
    assert rows.columns.tolist() == [(*score, statistic) for score in scores for statistic in ("mean", "sd")]
    assert np.isnan(rows.loc[("toy", "dae", "", "hand"), ("latent", "nmi", "mean")])


def test_published_scores_stand_below_the_measured_ones_of_their_data_set(table):
    rows = summary.score_rows(table, PUBLISHED)
    assert rows.index.tolist() == [
        ("toy", "vsc", "", "hand"),
        ("toy", "dae", "", "hand"),
        ("toy", "dae", "study", "hand"),
        ("toy", "vae", "study", "hand"),
        ("another", "dae", "", "hand"),
    ]
    assert rows.loc[("toy", "dae", "study", "hand"), ("tsne2d", "nmi", "mean")] == 0.72
    assert rows.loc[("toy", "dae", "", "hand"), ("tsne2d", "nmi", "mean")] == 0.9
    assert np.isnan(rows.loc[("toy", "dae", "study", "hand"), ("latent", "nmi", "mean")])
    assert np.isnan(rows.loc[("toy", "dae", "study", "hand"), ("tsne2d", "nmi", "sd")])


def test_published_scores_of_metrics_that_were_not_measured_are_left_out(table):
    assert ("tsne2d", "ari", "mean") not in summary.score_rows(table, PUBLISHED).columns


def test_published_scores_of_data_sets_outside_the_run_are_left_out(table):
    rows = summary.score_rows(table[table["dataset"] == "another"], PUBLISHED)
    assert rows.index.tolist() == [("another", "dae", "", "hand")]


def test_score_columns_are_the_scores_up_to_one(table):
    assert summary.score_columns(summary.score_rows(table, {}), described()) == [("tsne2d", "nmi"), ("latent", "nmi")]


def test_rows_are_named_by_model_and_data_set_or_citation(table):
    names = ["vsc · toy", "dae · toy", "dae · study", "vae · study", "dae · another"]
    assert summary.row_names(summary.score_rows(table, PUBLISHED)) == names


def test_each_set_of_labels_has_its_rows_and_only_the_first_published_ones(table):
    second = metrics_of([0.2, 0.4], model="dae", labels="gates")
    rows = summary.score_rows(pd.concat([table, second], ignore_index=True), PUBLISHED)
    assert rows.index.tolist() == [
        ("toy", "vsc", "", "hand"),
        ("toy", "dae", "", "hand"),
        ("toy", "dae", "study", "hand"),
        ("toy", "vae", "study", "hand"),
        ("toy", "dae", "", "gates"),
        ("another", "dae", "", "hand"),
    ]
    assert rows.loc[("toy", "dae", "", "gates"), ("tsne2d", "nmi", "mean")] == pytest.approx(0.3)
    assert rows.loc[("toy", "dae", "", "hand"), ("tsne2d", "nmi", "mean")] == 0.9
    shown = summary.row_names(rows)
    assert shown[1] == "dae · toy, hand"
    assert shown[4:] == ["dae · toy, gates", "dae · another"]


def test_a_cluster_belongs_to_its_most_frequent_type():
    labels = ["B", "B", "NK", "NK", "NK", "T"]
    found = summary.cluster_owners(labels, [0, 0, 0, 5, 5, 5])
    assert found.index.tolist() == [0, 5]
    assert found["label"].tolist() == ["B", "NK"]
    assert found["owned_cells"].tolist() == [2, 2]
    assert found["share"].tolist() == pytest.approx([2 / 3, 2 / 3])


def test_equals_go_to_the_first_in_the_alphabet():
    assert summary.cluster_owners(["NK", "B", "T", "B", "NK"], [0] * 5).loc[0, "label"] == "B"


def test_cells_are_paired_by_position_not_by_index():
    labels = pd.Series(["B", "NK"], index=["c1", "c2"])
    clusters = pd.Series([0, 1], index=["c2", "c1"])
    assert summary.cluster_owners(labels, clusters)["label"].tolist() == ["B", "NK"]
