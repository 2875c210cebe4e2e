"""Clustering and scoring of one run: which cells, labels, spaces and references each score is of."""

import numpy as np
import pandas as pd
import pytest
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_rand_score

from scae import results, tables
from scae.evaluation import batch_mixing, intervals, neighbors, scoring
from scae.evaluation.kmeans import kmeans
from scae.evaluation.metrics import METRICS

CELLS = pd.Index([f"c{number}" for number in range(120)], name="cell")
LABELS = pd.Series(np.array(["B", "NK", "T", ""])[np.arange(120) % 4], CELLS)
SETTINGS = {"k": None, "n_init": 3}
BATCHED = ["ilisi", "clisi", "graph_connectivity"]


def points(seed, dimensions):
    noise = np.random.default_rng(seed).normal(size=(120, dimensions))
    return pd.DataFrame(noise + (np.arange(120) % 4)[:, None], CELLS)


SPACES = {"tsne2d": points(0, 2), "latent": points(1, 4)}
INPUT = points(2, 6)
RANKED = CELLS[::-1][:70]  # in an order of its own
DISTANCES = {"cells": RANKED, "squared": neighbors.squared_distances(INPUT.loc[RANKED])}


@pytest.fixture(scope="module")
def scores():
    other = LABELS.replace("NK", "B").where(np.arange(120) < 80, "")
    return scoring.score(SPACES, {"hand": LABELS, "gates": other}, DISTANCES, SETTINGS, 5), other


def test_tables_have_the_columns_of_the_contract(scores):
    for name in scores[0]._fields:
        assert list(getattr(scores[0], name).columns) == results.BY_NAME[name].column_names


def test_clusters_are_of_labelled_cells_and_as_many_as_types(scores):
    clusters = scores[0].clusters.set_index("cell")
    chosen = (LABELS != "").to_numpy()
    for space, table in SPACES.items():
        np.testing.assert_array_equal(clusters[space], kmeans(table.to_numpy(), 3, SETTINGS, 5, chosen))
    assert scoring.cluster(SPACES, LABELS, SETTINGS | {"k": 7}, 5)["latent"].nunique() == 7


def test_scores_are_of_the_labelled_cells_in_each_space(scores):
    found, other = scores
    value = found.metrics.set_index(["labels", "space", "metric"])["value"]
    clusters = found.clusters.set_index("cell")
    for name, labels in (("hand", LABELS), ("gates", other)):
        labels = tables.scored(labels)
        for space, table in SPACES.items():
            predicted = neighbors.knn_predict(table.loc[labels.index], labels)
            assert value[name, space, "ari"] == adjusted_rand_score(labels, clusters.loc[labels.index, space])
            assert value[name, space, "knn_accuracy"] == neighbors.balanced_accuracy(labels, predicted)
            recalls = found.recalls[(found.recalls["labels"] == name) & (found.recalls["space"] == space)]
            assert recalls["recall"].tolist() == neighbors.recalls(labels, predicted)["recall"].tolist()
            spreads = found.spreads[(found.spreads["labels"] == name) & (found.spreads["space"] == space)]
            expected, draws = intervals.cell_spreads(labels, clusters.loc[labels.index, space], labels, predicted)
            assert spreads["sd"].tolist() == expected["sd"].tolist()
            resamples = found.resamples[(found.resamples["labels"] == name) & (found.resamples["space"] == space)]
            assert resamples["ari"].tolist() == draws["ari"].tolist()


def test_scores_against_the_input_are_of_the_ranked_cells(scores):
    value = scores[0].metrics.set_index(["labels", "space", "metric"])["value"]
    space, given = SPACES["latent"].loc[RANKED], INPUT.loc[RANKED]
    distances = neighbors.squared_distances(space)
    expected = {
        "trustworthiness": trustworthiness(given, space, n_neighbors=15),
        "continuity": trustworthiness(space, given, n_neighbors=15),
        "knn_recall_15": neighbors.neighbor_recall(DISTANCES["squared"], distances, 15),
        "knn_recall_50": neighbors.neighbor_recall(DISTANCES["squared"], distances, 50),
        "type_distances": neighbors.distance_agreement(DISTANCES["squared"], distances, LABELS[RANKED]),
    }
    assert dict(value["hand", "latent"][[*expected]]) == pytest.approx(expected)
    leiden = neighbors.leiden_ari(SPACES["latent"][LABELS != ""], tables.scored(LABELS))
    assert value["hand", "latent", "leiden_best"] == max(leiden)
    assert value["hand", "latent", "leiden_median"] == np.median(leiden)


def test_each_label_set_has_the_metrics_that_use_labels(scores):
    names = scores[0].metrics.groupby(["labels", "space"])["metric"].agg(list)
    unbatched = [metric.name for metric in METRICS if metric.against not in ("batches", "molecules")]
    assert names["hand", "latent"] == unbatched
    assert names["gates", "tsne2d"] == [m.name for m in METRICS if m.uses_labels and m.name in unbatched]


def test_mixing_is_scored_with_batches_and_without_labels():
    batches = pd.Series(np.array(["x", "y", ""])[np.arange(120) % 3], CELLS)
    typed = scoring.score(SPACES, {"hand": LABELS}, DISTANCES, SETTINGS, 0, batches).metrics
    typed = typed[typed["space"] == "latent"].set_index("metric")["value"]
    both = (LABELS != "") & (batches != "")
    assert typed["ilisi"] == batch_mixing.ilisi(SPACES["latent"][both].to_numpy(), batches[both])
    assert typed[BATCHED].notna().all()
    one_batch = scoring.score(SPACES, {"hand": LABELS}, DISTANCES, SETTINGS, 0, batches.replace("y", "x")).metrics
    assert one_batch["value"][one_batch["metric"] == "ilisi"].isna().all()
    unlabelled = {"none": LABELS.where(LABELS == "x", "")}
    found = scoring.score(SPACES, unlabelled, DISTANCES, SETTINGS | {"k": 3}, 0, batches)
    value = found.metrics[found.metrics["space"] == "latent"].set_index("metric")["value"]
    assert value[["ilisi", "trustworthiness"]].notna().all()
    assert value[["ari", "knn_accuracy", "leiden_best", "clisi", "type_distances"]].isna().all()
    assert found.recalls.empty
    assert found.spreads.empty
    assert found.resamples.empty
