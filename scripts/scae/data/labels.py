"""Cell types: given with the data, or found by the clustering of the original study."""

import logging
import random

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from scae import tables
from scae.errors import UserError

log = logging.getLogger(__name__)

# Share of the genes in each local fit of variance to mean: Seurat's, and wider ones that stand few different means
SPANS = (0.3, 0.4, 0.5, 0.6, 0.75, 0.9, 1.0)
FEWEST_MEANS = 5  # with fewer different ones the fit fails, without any it ends the process


def from_annotation(obs, column):
    """Labels from a column of the cells' annotation, by cell name."""
    if column not in obs:
        raise UserError(f'labels.column: the data has no column "{column}"; it has {sorted(obs.columns) or "none"}')
    return obs[column]


def from_csv(path):
    """Labels from a CSV with the columns cell and label, by cell name."""
    try:
        table = tables.read(path)
    except ValueError as error:  # pandas' own kinds, and text that is not UTF-8
        raise UserError(f"{path}: is no CSV table with the columns cell,label") from error
    missing = {"cell", "label"} - set(table.columns)
    if missing:
        raise UserError(f'{path}: has no column "{sorted(missing)[0]}"; a label file has the columns cell,label')
    if table["cell"].duplicated().any():
        raise UserError(f"{path}: cell {table['cell'][table['cell'].duplicated()].iloc[0]} has two labels")
    return table.set_index("cell")["label"].replace("", pd.NA)


def match(labels, cells):
    """Labels in the order of ``cells``; every cell needs one.

    Returns:
        pandas.Series: name ``label``, index ``cell``, text.
    """
    found = labels.reindex(cells)
    if (missing := found.isna()).any():
        raise UserError(
            f"labels: cell {cells[missing.argmax()]} has no label ({missing.sum()} of {len(cells)} cells lack one); "
            "label it, or drop it from the data"
        )
    return found.astype(str).rename("label").rename_axis("cell")


def from_clusters(data, settings):
    """Cell types by the pipeline of Seurat's PBMC3k tutorial.

    2,000 variable genes (vst on counts), scaled and clipped at 10, principal components, shared-nearest-neighbour
    graph, modularity clustering, and the name whose markers stand out in the cluster.

    Args:
        data: AnnData with log-normalised X and ``layers["counts"]``.
        settings: the dataset's ``labels`` section.

    Returns:
        pandas.Series: label of each cell, by cell name.
    """
    if "counts" not in data.layers:
        raise UserError("labels: from: clusters needs counts, but this data set is log_normalized; use obs or csv")
    if data.n_obs <= max(settings["n_neighbors"], settings["n_pcs"]):
        raise UserError(f"labels: {data.n_obs} cells are too few for {settings['n_neighbors']} neighbours")
    genes = variable_genes(data, settings["n_variable_genes"])
    if len(genes) <= settings["n_pcs"]:
        raise UserError(f"labels.n_pcs: {settings['n_pcs']} components need more than {len(genes)} variable genes")
    components = principal_components(data[:, genes].X, settings["n_pcs"])
    weights = shared_neighbor_graph(components, settings["n_neighbors"], settings["prune"])
    if not weights.nnz:
        raise UserError(f"labels.prune: {settings['prune']:g} drops every edge between cells; lower it")
    clusters = modularity_clusters(weights, settings["resolution"], settings["n_starts"])
    names = name_clusters(data, clusters, settings["markers"])
    log.info("clusters: %s", {names[c]: int(n) for c, n in enumerate(np.bincount(clusters))})
    return pd.Series([names[cluster] for cluster in clusters], index=data.obs_names)


def variable_genes(data, n_genes):
    """Names of the most variable genes: variance of standardised counts (vst; Stuart et al. 2019).

    Raises:
        UserError: if the counts vary too little for the fit of the variance to the mean.
    """
    import scanpy

    counts = data.layers["counts"]
    varies = (counts.max(axis=0) != counts.min(axis=0)).toarray().ravel()
    means = np.unique(np.asarray(counts.mean(axis=0)).ravel()[varies])
    if len(means) >= FEWEST_MEANS:
        for span in SPANS:
            try:
                table = scanpy.pp.highly_variable_genes(
                    data,
                    flavor="seurat_v3",
                    layer="counts",
                    n_top_genes=min(n_genes, data.n_vars),
                    span=span,
                    inplace=False,
                )
            except ValueError:  # of the fit, for want of different means nearby
                continue
            if span != SPANS[0]:
                log.warning("few cells or counts: the variance of genes is fitted over %.0f %% of them", 100 * span)
            return table.index[table["highly_variable"]]
    raise UserError(
        f"labels.from: clusters finds no variable genes, since the counts vary too little ({data.n_obs} cells; "
        f"{varies.sum()} of {data.n_vars} genes vary, with {len(means)} different means); use obs or csv"
    )


def principal_components(expression, n_components):
    """First components of the standardised expression, clipped at 10 standard deviations; (cells, n_components)."""
    import scanpy

    scaled = scanpy.pp.scale(expression.toarray(), max_value=10)
    if not np.any(scaled):
        raise UserError("labels.from: clusters has nothing to go by, since all cells have the same expression; use csv")
    return scanpy.pp.pca(scaled, n_comps=n_components, svd_solver="arpack", random_state=0)


def shared_neighbor_graph(points, n_neighbors, prune):
    """Jaccard overlap of the neighbourhoods of each pair of cells (Seurat's FindNeighbors).

    Args:
        points: (cells, dimensions).
        n_neighbors: size of a neighbourhood, the cell itself included.
        prune: weights below this are dropped.

    Returns:
        scipy.sparse.csr_matrix: symmetric (cells, cells), zero diagonal.
    """
    from sklearn.neighbors import NearestNeighbors

    indices = NearestNeighbors(n_neighbors=n_neighbors).fit(points).kneighbors(points, return_distance=False)
    n_cells = len(points)
    rows = np.repeat(np.arange(n_cells), n_neighbors)
    neighbors = sparse.csr_matrix((np.ones(rows.size, np.int32), (rows, indices.ravel())), shape=(n_cells, n_cells))
    shared = (neighbors @ neighbors.T).tocoo()
    weight = shared.data / (2 * n_neighbors - shared.data)
    keep = (weight >= prune) & (shared.row != shared.col)
    return sparse.csr_matrix((weight[keep], (shared.row[keep], shared.col[keep])), shape=(n_cells, n_cells))


def modularity_clusters(weights, resolution, n_starts):
    """Louvain clustering (Blondel et al. 2008), the partition of highest modularity among several seeded starts.

    Args:
        weights: symmetric sparse (cells, cells) of edge weights.
        resolution: above 1 more clusters, below 1 fewer.
        n_starts: number of starts, seeded 0, 1, 2, …

    Returns:
        numpy.ndarray: cluster of each cell, 0 = the largest.
    """
    import igraph

    upper = sparse.triu(weights).tocoo()
    graph = igraph.Graph(n=weights.shape[0], edges=np.column_stack([upper.row, upper.col]))
    best, best_modularity = None, -np.inf
    for seed in range(n_starts):
        igraph.set_random_number_generator(random.Random(seed))
        partition = graph.community_multilevel(weights=upper.data, resolution=resolution)
        modularity = graph.modularity(partition.membership, weights=upper.data, resolution=resolution)
        if modularity > best_modularity:
            best, best_modularity = np.array(partition.membership), modularity
    sizes = np.bincount(best)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[best]


def name_clusters(data, clusters, markers):
    """Give each cluster the cell type whose markers stand out in it.

    The score of a cluster for a type is the mean over the type's markers of the cluster's mean expression, in standard
    deviations over the clusters; the names are dealt out so that their total score is highest, each once.

    Args:
        data: AnnData with log-normalised X.
        clusters: (cells,) cluster ids from 0.
        markers: {cell type: [marker genes]}; markers that the data lacks are passed over.

    Returns:
        list[str]: the name of each cluster; "Cluster <id>" where types or markers run out.
    """
    n_clusters = clusters.max() + 1
    names = [f"Cluster {cluster}" for cluster in range(n_clusters)]
    known = {
        name: found for name, genes in markers.items() if (found := [gene for gene in genes if gene in data.var_names])
    }
    for name in sorted(set(markers) - set(known)):
        log.warning("none of the markers of %s is in the data", name)
    if known:
        member = sparse.csr_matrix((np.ones(len(clusters)), (clusters, np.arange(len(clusters)))))
        score = np.empty((n_clusters, len(known)))
        for column, genes in enumerate(known.values()):
            mean = (member @ data[:, genes].X).toarray() / np.bincount(clusters)[:, None]
            score[:, column] = ((mean - mean.mean(axis=0)) / (mean.std(axis=0) + 1e-12)).mean(axis=1)
        for cluster, column in zip(*linear_sum_assignment(-score), strict=True):
            names[cluster] = list(known)[column]
    return names
