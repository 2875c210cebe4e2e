"""Cell types: given with the data, by gates on markers, or by the clustering of the original study."""

import json
import logging
import random
import re
from contextlib import contextmanager, nullcontext

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from scae import tables
from scae.data import cell_names, gates, label_tables, row_blocks
from scae.data import genes as gene_names
from scae.errors import UserError, control_character
from scae.jobs import notes
from scae.jobs.notes import NOTE
from scae.sources import annotation

log = logging.getLogger(__name__)

MANY_NUMBERS = 20  # more different numbers are not clusters if they are decimals or have few cells each
MANY_CLUSTERS = 100
FEW_CELLS = 10
MANY_SINGLE = 10


def find(settings, expression, obs):
    """The labels of all cells by one label set of the config.

    Args:
        settings: the label set: ``from`` and its other keys.
        expression: AnnData with log-normalised X after quality control; its matrices may stay in a file.
        obs: function that returns the annotation of the cells as read; called only if needed.

    Returns:
        pandas.Series: as from `match`.
    """
    cells = expression.obs_names
    if settings["from"] == "none":
        return unscored(cells)
    if settings["from"] == "clusters":
        return match(from_clusters(expression, settings), cells)
    if settings["from"] == "markers":
        return match(gates.from_markers(expression, settings), cells, "unscored")
    return match(given(settings, obs()), cells, settings["missing"])


@contextmanager
def about(name):
    """Name the label set, unless it is the only one (empty), in every note and error inside."""
    try:
        with notes.about(f"labels {name}") if name else nullcontext():
            yield
    except UserError as error:
        raise UserError(re.sub(r"\blabels(?=[.:])", f"labels.{name}", str(error)) if name else str(error)) from error


def given(settings, obs):
    """The labels from the annotation of the data or from a file.

    Args:
        settings: a label set with ``from`` obs or csv.
        obs: annotation of the cells as read, index: their names.

    Returns:
        pandas.Series: text by cell name; missing for cells without a label or with an ignored one.
    """
    if settings["from"] == "obs":
        annotation.check_column(obs, settings["column"])
        found = obs[settings["column"]]
    else:
        columns = settings["cell_column"], settings["column"], settings.get("sample_column")
        found = label_tables.read(settings["path"], *columns)
        found.index = cell_names.rename(found.index, settings["cell_names"])
        _refuse_other_cells(found, obs.index, settings)
    found = without_words(found, settings["ignore"])
    refuse_numbers(found[found.index.isin(obs.index)])
    return found


def without_words(labels, ignore=()):
    """Labels as stripped text; missing if they are empty or ignored.

    Args:
        labels: Series of any type.
        ignore: words that mean no label, in any case.
    """
    if pd.api.types.is_float_dtype(labels) and (labels.dropna() % 1 == 0).all():
        labels = labels.astype("Int64")  # cluster 3 among missing values is 3, not 3.0
    present = labels.notna()
    text = labels.astype(object).where(present, "").astype(str).str.strip()
    ignored = text.str.casefold().isin({str(word).strip().casefold() for word in ignore}) & (text != "")
    if ignored.any():
        words = ", ".join(f'"{word}" ({number})' for word, number in text[ignored].value_counts().items())
        log.log(NOTE, "labels ignored (labels.ignore): %s", words)
    return text.where((text != "") & ~ignored, pd.NA)


def refuse_numbers(labels, key="labels", wanted="cell types"):
    """Reject labels that look like measurements or IDs, not types (or batches).

    Args:
        labels: Series of text, with missing ones.
        key: of the config.
        wanted: what its values should be.

    Raises:
        UserError: with examples of the labels.
    """
    labels = labels.dropna()
    sizes = labels.value_counts()
    if len(sizes) < 2:
        return
    example = ", ".join(str(label) for label in sizes.index[:3])
    seen = f"{len(sizes)} different values for {len(labels)} cells ({example}, …)"
    numbers = pd.to_numeric(pd.Series(sizes.index, dtype=object), errors="coerce")
    few_each = len(labels) < FEW_CELLS * len(sizes)
    whole = (numbers % 1 == 0).all()
    many = len(sizes) > (MANY_CLUSTERS if whole and not few_each else MANY_NUMBERS)
    if numbers.notna().all() and many:
        raise UserError(f"{key}: {seen} look like measurements, not {wanted}; choose another column")
    if len(sizes) >= MANY_SINGLE and (sizes == 1).mean() > 0.5:
        raise UserError(f"{key}: {seen}, most with one cell each, look like IDs, not {wanted}; choose another column")


def _refuse_other_cells(labels, cells, settings):
    if labels.index.isin(cells).any() or not len(labels):
        return
    raise UserError(
        f'{settings["path"]}: none of its cells is in the data; cells are named "{labels.index[0]}" here, but '
        f'"{cells[0]}" in the data'
        + (
            _offer(labels.index, cells)
            or _offer_column(settings, cells)
            or '; set labels.cell_names, such as {drop_suffix: "-1", add_prefix: "s1_"} (or {sample: {…}} for each '
            "sample), or labels.cell_column to another column"
        )
    )


def _offer_column(settings, cells):
    """The column of the file that has the sample of each cell, if it makes the names those of the data."""
    if settings.get("sample_column") is not None:
        return ""
    offered = ""
    for column in label_tables.columns_of(settings["path"]):
        if not column or column in (settings["cell_column"], *np.atleast_1d(settings["column"])):
            continue
        table = label_tables.read(settings["path"], settings["cell_column"], settings["column"], column, twice=True)
        names = cell_names.rename(table.index, settings["cell_names"])
        line = f"; labels.sample_column: {json.dumps(column)}"
        if (n_cells := int(names.isin(cells).sum())) > len(names) / 2:
            return f"{line} would match {n_cells} of {len(names)} names"
        if not offered and (more := _offer(names, cells)):
            offered = line + " and" + more.removeprefix(";")
    return offered


def _offer(names, cells):
    changes, n_cells = cell_names.suggest(names, cells)
    if not changes:
        return ""
    return f"; labels.cell_names: {cell_names.written(changes)} would match {n_cells} of {len(names)} names"


def match(labels, cells, missing="error"):
    """Labels in the order of ``cells``.

    Args:
        labels: Series by cell name, with missing ones.
        cells: names.
        missing: an ``error``, or ``unscored``. (With ``drop``, cells without a label were dropped before.)

    Returns:
        pandas.Series: name ``label``, index ``cell``, text; `tables.UNSCORED` for cells without a label.

    Raises:
        UserError: if a label is missing and must not be, all are missing, or one contains a control character.
    """
    found = labels.reindex(cells)
    for label in found.dropna().unique():
        if control := control_character(str(label)):
            cell = cells[(found == label).to_numpy(dtype=bool, na_value=False).argmax()]
            raise UserError(
                f"labels: cell {cell}: its label {str(label)[:80]!r} contains {control}, a control character; rename it"
            )
    without = found.isna()
    if without.any() and missing != "unscored":
        raise UserError(
            f"labels: cell {cells[without.argmax()]} has no label ({without.sum()} of {len(cells)} cells lack one); "
            "label it, or set labels.missing to unscored (trained, not scored) or drop"
            + _offer_where_better(labels.index, cells, without)
        )
    if without.all():
        raise UserError(
            f"labels: none of {len(cells)} cells has a label; set labels.from to none, or choose another column"
        )
    if without.any():
        log.log(NOTE, "%d of %d cells have no label: trained and drawn, not scored", without.sum(), len(cells))
    found = found.astype(object).where(~without, tables.UNSCORED)
    return found.astype(str).rename("label").rename_axis("cell")


def _offer_where_better(names, cells, without):
    changes, n_cells = cell_names.suggest(names, cells)
    return _offer(names, cells) if changes and n_cells > 2 * (~without).sum() else ""


def labelled(labels, cells):
    """Which cells have a label, for ``labels.missing: drop``; (cells,) bool."""
    found = labels.reindex(cells).notna().to_numpy()
    if not found.any():
        raise UserError(
            f"labels: none of {len(cells)} cells has a label; set labels.missing to unscored, or labels.from to none"
        )
    if not found.all():
        log.log(NOTE, "%d of %d cells have no label: dropped", (~found).sum(), len(cells))
    return found


def unscored(cells):
    """The labels of a data set without labels."""
    return pd.Series(tables.UNSCORED, index=pd.Index(cells, name="cell"), name="label")


def warn_of_sizes(labels):
    """Warn of types that distort scores: a single type, types of one or two cells, names that differ only in case."""
    sizes = tables.scored(labels).value_counts()
    if len(sizes) == 1:
        log.warning('all cells are of one type, "%s": scores of clusters against types are undefined', sizes.index[0])
    if len(small := sizes[sizes <= 2]):
        shown = ", ".join(f'"{name}" ({number})' for name, number in small.head(5).items())
        what = "1 type has" if len(small) == 1 else f"{len(small)} types have"
        log.warning("%s only one or two cells, too few to be detected: %s%s", what, shown, ", …" * (len(small) > 5))
    alike = {}
    for name in sorted(sizes.index):
        alike.setdefault("".join(name.casefold().split()), []).append(f'"{name}"')
    for names in alike.values():
        if len(names) > 1:
            log.warning("types that differ only in case or spaces: %s", ", ".join(names))


def from_clusters(data, settings):
    """Cell types by the pipeline of Seurat's PBMC3k tutorial.

    2,000 variable genes (vst on counts), scaled and clipped at 10, principal components, shared-nearest-neighbour
    graph, modularity clustering, and cluster names by markers.

    Args:
        data: AnnData with log-normalised X and ``layers["counts"]``, which may stay in a file.
        settings: a label set with ``from: clusters``.

    Returns:
        pandas.Series: label of each cell, by cell name.
    """
    clusters = modularity_clusters(graph_of(data, settings), settings["resolution"], settings["n_starts"])
    names = name_clusters(data, clusters, settings["markers"])
    log.info("clusters: %s", {names[c]: int(n) for c, n in enumerate(np.bincount(clusters))})
    return pd.Series([names[cluster] for cluster in clusters], index=data.obs_names)


def graph_of(data, settings):
    """The graph for clustering: symmetric sparse (cells, cells) of edge weights.

    Args:
        data, settings: as for `from_clusters`.

    Raises:
        UserError: if there are no counts, or too few cells, genes or edges.
    """
    if "counts" not in data.layers:
        raise UserError("labels.from: clusters needs counts, but this data set is log_normalized; use obs or csv")
    if data.n_obs <= max(settings["n_neighbors"], settings["n_pcs"]):
        raise UserError(
            f"labels: {data.n_obs} cells are too few for {settings['n_neighbors']} neighbours and {settings['n_pcs']} "
            "components; lower labels.n_neighbors or labels.n_pcs"
        )
    import anndata

    counts = {"counts": row_blocks.in_memory(data.layers["counts"])}
    genes = gene_names.variable(
        anndata.AnnData(obs=data.obs, var=data.var, layers=counts), settings["n_variable_genes"]
    )
    del counts
    if len(genes) <= settings["n_pcs"]:
        raise UserError(
            f"labels.n_pcs: {settings['n_pcs']} components need more than {len(genes)} variable genes; lower it"
        )
    expression = row_blocks.columns(data.X, data.var_names.get_indexer(genes))
    components = principal_components(expression, settings["n_pcs"])
    weights = shared_neighbor_graph(components, settings["n_neighbors"], settings["prune"])
    if not weights.nnz:
        raise UserError(f"labels.prune: {settings['prune']:g} drops all edges between cells; lower it")
    return weights


def cluster_again(graph, settings, times, seed):
    """The clustering behind the labels with other starts, at ``times`` their resolution; (cells,) int.

    No two seeds share a start, and none is a start of the labels, which are seeded from 0.
    """
    n_starts = settings["n_starts"]
    return modularity_clusters(graph, times * settings["resolution"], n_starts, first=(seed + 1) * n_starts)


def principal_components(expression, n_components):
    """Principal components of standardised expression, clipped at 10 standard deviations; (cells, n_components)."""
    import scanpy

    scaled = scanpy.pp.scale(expression.toarray(), max_value=10)
    if not np.any(scaled):
        raise UserError("labels.from: clusters is impossible, since all cells have the same expression; use csv")
    return scanpy.pp.pca(scaled, n_comps=n_components, svd_solver="arpack", random_state=0)


def shared_neighbor_graph(points, n_neighbors, prune):
    """Jaccard overlap of the neighbourhoods of two cells (Seurat's FindNeighbors).

    Args:
        points: (cells, dimensions).
        n_neighbors: size of a neighbourhood, including the cell itself.
        prune: lower weights are dropped.

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


def modularity_clusters(weights, resolution, n_starts, first=0):
    """Leiden clustering (Traag et al. 2019): the partition of highest modularity among several seeded starts.

    Each start is iterated until nothing changes. The best of a few Louvain starts, as in Seurat, is further from the
    optimum, so that rounding decides which one is found.

    Args:
        weights: symmetric sparse (cells, cells) of edge weights.
        resolution: above 1 more clusters, below 1 fewer.
        n_starts: number of starts, seeded with ``first``, ``first`` + 1, …
        first: seed of the first start.

    Returns:
        numpy.ndarray: cluster of each cell, 0 = the largest.
    """
    import igraph

    upper = sparse.triu(weights).tocoo()
    graph = igraph.Graph(n=weights.shape[0], edges=np.column_stack([upper.row, upper.col]))
    best, best_modularity = None, -np.inf
    for seed in range(first, first + n_starts):
        igraph.set_random_number_generator(random.Random(seed))
        partition = graph.community_leiden("modularity", weights=upper.data, resolution=resolution, n_iterations=-1)
        modularity = graph.modularity(partition.membership, weights=upper.data, resolution=resolution)
        if modularity > best_modularity:
            best, best_modularity = np.array(partition.membership), modularity
    sizes = np.bincount(best)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[best]


def known_markers(markers, genes):
    """{type: [its markers in the data]}, without types that have none.

    Raises:
        UserError: if there are markers and the data have none of them.
    """
    there = set(genes)
    known = {name: found for name, of_type in markers.items() if (found := [gene for gene in of_type if gene in there])}
    if lost := sorted(set(markers) - set(known)):
        if not known:
            raise UserError(
                f"labels.markers: none of the {sum(map(len, markers.values()))} genes is in the data; name them as in "
                f"the data ({', '.join(genes[:3])}, …), or set genes.names"
            )
        log.warning("the data lack all markers of %d of %d types: %s", len(lost), len(markers), ", ".join(lost))
    elif missing := sorted({gene for of_type in markers.values() for gene in of_type} - there):
        log.log(NOTE, "markers missing from the data: %s", ", ".join(missing))
    return known


def name_clusters(data, clusters, markers):
    """Name each cluster by the cell type whose markers it expresses most.

    The score of a cluster for a type is the mean over the type's markers of the cluster's mean expression, in standard
    deviations over the clusters. Each name is used once, and the total score is maximal.

    Args:
        data: AnnData with log-normalised X, which may stay in a file.
        clusters: (cells,) cluster ids from 0.
        markers: {cell type: [marker genes]}; markers missing from the data are skipped.

    Returns:
        list[str]: the name of each cluster; "Cluster <id>" for clusters without a type.
    """
    n_clusters = clusters.max() + 1
    names = [f"Cluster {cluster}" for cluster in range(n_clusters)]
    known = known_markers(markers, data.var_names)
    if known:
        member = sparse.csr_matrix((np.ones(len(clusters)), (clusters, np.arange(len(clusters)))))
        score = np.empty((n_clusters, len(known)))
        genes = list(dict.fromkeys(gene for of_type in known.values() for gene in of_type))
        expression = row_blocks.columns(data.X, data.var_names.get_indexer(genes))
        for column, of_type in enumerate(known.values()):
            of_markers = expression[:, [genes.index(gene) for gene in of_type]]
            mean = (member @ of_markers).toarray() / np.bincount(clusters)[:, None]
            score[:, column] = ((mean - mean.mean(axis=0)) / (mean.std(axis=0) + 1e-12)).mean(axis=1)
        for cluster, column in zip(*linear_sum_assignment(-score), strict=True):
            names[cluster] = list(known)[column]
    return names
