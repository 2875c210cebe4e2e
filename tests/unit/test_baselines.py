"""Chance and upper bound of the scores, from the labels alone."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from scae.data import labels as labelling
from scae.evaluation import baselines, metrics

LABELS = pd.Series(np.random.default_rng(0).choice(["B", "NK", "T"], 2_000, p=[0.6, 0.3, 0.1]))
CLUSTERING = {
    "n_variable_genes": 2000,
    "n_pcs": 10,
    "n_neighbors": 20,
    "prune": 1 / 15,
    "resolution": 0.5,
    "n_starts": 2,
}


def test_shuffled_labels_have_the_same_sizes_and_agree_by_chance():
    shuffled = [baselines.shuffle(LABELS, seed) for seed in range(20)]
    assert all((pd.Series(labels).value_counts() == LABELS.value_counts()).all() for labels in shuffled)
    assert len({tuple(labels) for labels in shuffled}) == 20
    np.testing.assert_array_equal(baselines.shuffle(LABELS, 3), shuffled[3])
    ari = [adjusted_rand_score(LABELS, labels) for labels in shuffled]
    assert abs(np.mean(ari)) < 3 * np.std(ari) / np.sqrt(20)
    assert max(map(abs, ari)) < 0.02


def test_rows_have_the_scores_of_a_representations_clusters():
    clusters = np.random.default_rng(1).integers(0, 4, 2_000)
    found = baselines.table(baselines.rows("toy", "other_seed", 5, "hand", LABELS, clusters))
    value = found.set_index("metric")["value"]
    expected = metrics.score(LABELS, clusters, np.zeros((2_000, 2))).set_index("metric")["value"]
    assert set(value.index) == set(expected.index) - {"silhouette"}  # which needs a representation
    assert dict(value) == pytest.approx(dict(expected[value.index]))
    about = found[["dataset", "reference", "seed", "labels"]].drop_duplicates().to_numpy().tolist()
    assert about == [["toy", "other_seed", 5, "hand"]]
    assert baselines.rows("toy", "shuffled", 0, "hand", ["B"] * 5, ["B"] * 5) == []
    assert list(baselines.table([]).columns) == list(found.columns)


def test_repeated_clusterings_agree_on_plain_types():
    rate = np.random.default_rng(0).gamma(0.5, 1.0, 300)
    rate = np.tile(rate / rate.sum() * 300, (300, 1))
    for number in range(3):
        rate[number::3, 15 * number : 15 * number + 15] *= 8
    counts = sparse.csr_matrix(np.random.default_rng(1).poisson(rate).astype(np.float32))
    data = anndata.AnnData(counts.log1p(), var=pd.DataFrame(index=[f"g{number}" for number in range(300)]))
    data.layers["counts"] = counts
    graph = labelling.graph_of(data, CLUSTERING)
    first = labelling.modularity_clusters(graph, CLUSTERING["resolution"], CLUSTERING["n_starts"])
    for seed in range(2):
        again = labelling.cluster_again(graph, CLUSTERING, 1.0, seed)
        np.testing.assert_array_equal(again, labelling.cluster_again(graph, CLUSTERING, 1.0, seed))
        assert adjusted_rand_score(first, again) > 0.9
    assert len(set(labelling.cluster_again(graph, CLUSTERING, 20.0, 0))) > len(set(first))


def test_repeated_clusterings_share_no_start(monkeypatch):
    starts = []

    def record(graph, resolution, n_starts, first):
        starts.extend(range(first, first + n_starts))

    monkeypatch.setattr(labelling, "modularity_clusters", record)
    for seed in range(3):
        labelling.cluster_again(None, {"n_starts": 10, "resolution": 0.5}, 1.0, seed)
    assert sorted([*range(10), *starts]) == list(range(40))  # the labels start from 0 to 9
