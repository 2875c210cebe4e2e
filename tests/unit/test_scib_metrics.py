"""Scores of mixing and separation against scib-metrics, an independent implementation."""

import numpy as np
import pytest
import scib_metrics
from scib_metrics.nearest_neighbors import NeighborsResults
from sklearn.neighbors import NearestNeighbors

from scae.evaluation import batch_mixing, metrics


def cells(spread, n_cells=400, seed=0):
    """Latent of cells of 4 types in 2 batches, which are shifted by ``spread``."""
    random = np.random.default_rng(seed)
    types, batches = random.integers(4, size=n_cells), random.integers(2, size=n_cells)
    points = random.normal(size=(n_cells, 3)) + 4 * np.eye(4)[types][:, :3]
    points[:, 0] += spread * batches
    return points, types, batches


def neighbors_of(points, k):
    """The k nearest cells of each cell, itself first, as scib-metrics takes them."""
    distances, indices = NearestNeighbors(n_neighbors=k).fit(points).kneighbors(points)
    return NeighborsResults(indices=indices, distances=distances)


@pytest.mark.parametrize("spread", [0, 1, 4])
def test_lisi_and_silhouette_are_those_of_scib_metrics(spread):
    points, types, batches = cells(spread)
    near = neighbors_of(points, 90)
    assert batch_mixing.ilisi(points, batches) == pytest.approx(scib_metrics.ilisi_knn(near, batches), abs=0.01)
    assert batch_mixing.clisi(points, types) == pytest.approx(scib_metrics.clisi_knn(near, types), abs=0.01)
    theirs = scib_metrics.silhouette_label(points, types, rescale=False)
    assert metrics.silhouette(types, points) == pytest.approx(theirs, abs=1e-4)


def test_graph_connectivity_is_that_of_scib_metrics_where_neighbours_are_mutual_and_higher_elsewhere():
    angle = 2 * np.pi * np.arange(60) / 60
    ring, types = np.column_stack([np.cos(angle), np.sin(angle)]), np.arange(60) // 5 % 3
    theirs = scib_metrics.graph_connectivity(neighbors_of(ring, 3), types)
    assert batch_mixing.graph_connectivity(ring, types, k=2) == pytest.approx(theirs)
    assert theirs == pytest.approx(0.25)
    points, types, _ = cells(1)
    theirs = scib_metrics.graph_connectivity(neighbors_of(points, 16), types)
    assert theirs <= batch_mixing.graph_connectivity(points, types) <= 1
