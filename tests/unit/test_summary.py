"""Means over seeds, published scores, baselines, and the majority type of a cluster."""

import numpy as np
import pandas as pd
import pytest

from scae.evaluation import summary
from scae.evaluation.metrics import metric_info


def metrics_of(values, dataset="toy", model="dae", space="tsne2d", metric="nmi", labels="hand"):
    columns = {"dataset": dataset, "model": model, "seed": range(len(values)), "labels": labels}
    return pd.DataFrame(columns | {"space": space, "metric": metric, "value": values})


@pytest.fixture
def table():
    found = [
        metrics_of([0.5], model="vsc"),
        metrics_of([0.4], model="vsc", metric="detected_types"),
        metrics_of([0.3], model="vsc", space="latent"),
        metrics_of([0.5, 0.6, 0.9], model="dae"),
        metrics_of([0.1], dataset="another"),
    ]
    return pd.concat(found, ignore_index=True)


PUBLISHED = {"toy": {"citation": "study", "scores": {"dae": {"nmi": 0.72}, "vae": {"nmi": 0.61, "ari": 0.44}}}}
VSC, DAE, ANOTHER = ("toy", "vsc", "", "hand"), ("toy", "dae", "", "hand"), ("another", "dae", "", "hand")
STUDY = [("toy", "dae", "study", "hand"), ("toy", "vae", "study", "hand")]


def test_rows_have_mean_and_sd_in_the_order_of_the_run(table):
    rows = summary.score_rows(table, {})
    assert rows.index.tolist() == [VSC, DAE, ANOTHER]
    scores = [("tsne2d", "nmi"), ("tsne2d", "detected_types"), ("latent", "nmi")]
    assert rows.columns.tolist() == [(*score, statistic) for score in scores for statistic in ("mean", "sd")]
    assert rows.loc[DAE, ("tsne2d", "nmi", "mean")] == pytest.approx(2 / 3)
    sd = np.sqrt(((0.5 - 2 / 3) ** 2 + (0.6 - 2 / 3) ** 2 + (0.9 - 2 / 3) ** 2) / 2)
    assert rows.loc[DAE, ("tsne2d", "nmi", "sd")] == pytest.approx(sd)
    assert rows.loc[VSC, ("tsne2d", "nmi", "mean")] == 0.5
    assert np.isnan([rows.loc[VSC, ("tsne2d", "nmi", "sd")], rows.loc[DAE, ("latent", "nmi", "mean")]]).all()
    assert summary.score_columns(rows, metric_info()) == [("tsne2d", "nmi"), ("latent", "nmi")]


def test_published_scores_follow_those_of_the_first_label_set(table):
    table = pd.concat([table, metrics_of([0.2, 0.4], labels="gates")], ignore_index=True)
    rows = summary.score_rows(table, PUBLISHED)
    assert rows.index.tolist() == [VSC, DAE, *STUDY, ("toy", "dae", "", "gates"), ANOTHER]
    assert rows.loc[STUDY[0], ("tsne2d", "nmi", "mean")] == 0.72
    assert np.isnan(rows.loc[STUDY[0], [("latent", "nmi", "mean"), ("tsne2d", "nmi", "sd")]]).all()
    assert rows.loc[DAE, ("tsne2d", "nmi", "mean")] == pytest.approx(2 / 3)
    assert rows.loc[("toy", "dae", "", "gates"), ("tsne2d", "nmi", "mean")] == pytest.approx(0.3)
    assert ("tsne2d", "ari", "mean") not in rows.columns  # not measured


def test_models_come_first_and_baselines_last_in_each_space(table):
    sorted_rows = summary.models_first(table, {"vsc": "pca", "dae": "model"})
    assert list(sorted_rows["model"].drop_duplicates()) == ["dae", "vsc"]
    assert len(sorted_rows) == len(table)
    references = pd.DataFrame([["toy", "shuffled", 0, "hand", "nmi", 0.01]])
    references.columns = ["dataset", "reference", "seed", "labels", "metric", "value"]
    found = summary.with_references(table, references)
    pd.testing.assert_frame_equal(found[: len(table)], table)
    last = found[len(table) :]
    assert last[["model", "space"]].to_numpy().tolist() == [
        ["labels, shuffled", "tsne2d"],
        ["labels, shuffled", "latent"],
    ]
    assert set(last["value"]) == {0.01}
    assert summary.with_references(table, references[:0]) is table
    both = pd.concat([table, summary.baseline_scores(references)])
    assert len(both) == len(table) + 1
    assert len(summary.representation_scores(both)) == len(table)


def test_a_cluster_belongs_to_its_most_frequent_type():
    labels = pd.Series(["B", "B", "NK", "NK", "NK", "T"], index=list("fedcba"))
    found = summary.cluster_owners(labels, pd.Series([0, 0, 0, 5, 5, 5], index=list("abcdef")))  # paired by position
    assert found.index.tolist() == [0, 5]
    assert found["label"].tolist() == ["B", "NK"]
    assert found["owned_cells"].tolist() == [2, 2]
    assert found["share"].tolist() == pytest.approx([2 / 3, 2 / 3])
    assert summary.cluster_owners(["NK", "B", "T", "B", "NK"], [0] * 5).loc[0, "label"] == "B"  # the first of a tie
    assert summary.cluster_owners([], []).empty
