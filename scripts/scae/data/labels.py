"""Cell types: given with the data, or found by the clustering of the original study."""

import json
import logging
import random

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.optimize import linear_sum_assignment

from scae import tables
from scae.data import cell_names, gates, label_tables, row_blocks
from scae.data import genes as gene_names
from scae.errors import UserError, control_character
from scae.jobs.notes import NOTE
from scae.sources import annotation

log = logging.getLogger(__name__)

MANY_NUMBERS = 20  # different numbers, more of which are no clusters if they are not whole or each of few cells
MANY_CLUSTERS = 100
FEW_CELLS = 10
MANY_SINGLE = 10


def find(settings, expression, obs):
    """The labels of all cells by one entry of the config, whatever they come from.

    Args:
        settings: a set of labels: ``from`` and what goes with it.
        expression: AnnData with log-normalised X after quality control; its matrices may stay in a file.
        obs: function without arguments to the annotation of the cells as read, which not every origin needs.

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


def given(settings, obs):
    """The labels that come with the data: from its annotation or from a file.

    Args:
        settings: the dataset's ``labels`` section, ``from`` obs or csv.
        obs: annotation of the cells as read, index their names.

    Returns:
        pandas.Series: text by cell name; missing where the source has no label, or a word that stands for none.
    """
    if settings["from"] == "obs":
        found = from_annotation(obs, settings["column"])
    else:
        found = from_csv(settings["path"], settings["cell_column"], settings["column"])
        found.index = cell_names.rename(found.index, settings["cell_names"])
        _refuse_other_cells(found, obs.index, settings)
    found = without_words(found, settings["ignore"])
    refuse_numbers(found[found.index.isin(obs.index)])
    return found


def from_annotation(obs, column):
    """Labels from a column of the cells' annotation, by cell name."""
    annotation.check_column(obs, column)
    return obs[column]


def from_csv(path, cell_column="cell", label_column="label"):
    """Labels from a table with a column of cell names and one of labels, by cell name; missing where it is empty."""
    return label_tables.read(path, cell_column, label_column).replace("", pd.NA)


def without_words(labels, ignore=()):
    """Labels as text without blanks around them; missing where they are empty or a word that stands for no label.

    Args:
        labels: Series of anything.
        ignore: such words; upper and lower case are the same.
    """
    if pd.api.types.is_float_dtype(labels) and (labels.dropna() % 1 == 0).all():
        labels = labels.astype("Int64")  # cluster 3 among missing values is 3, not 3.0
    present = labels.notna()
    text = labels.astype(object).where(present, "").astype(str).str.strip()
    ignored = text.str.casefold().isin({str(word).strip().casefold() for word in ignore}) & (text != "")
    if ignored.any():
        words = ", ".join(f'"{word}" ({number})' for word, number in text[ignored].value_counts().items())
        log.log(NOTE, "labels that stand for none (labels.ignore): %s", words)
    return text.where((text != "") & ~ignored, pd.NA)


def refuse_numbers(labels, key="labels", wanted="cell types"):
    """Refuse labels that are measurements or names of cells, not types (or batches).

    Args:
        labels: Series of text, missing where there is none.
        key, wanted: of the config, and what it should name.

    Raises:
        UserError: showing what was seen.
    """
    labels = labels.dropna()
    sizes = labels.value_counts()
    if len(sizes) < 2:
        return
    example = ", ".join(str(label) for label in sizes.index[:3])
    seen = f"{len(sizes)} different labels of {len(labels)} cells ({example}, …)"
    numbers = pd.to_numeric(pd.Series(sizes.index, dtype=object), errors="coerce")
    few_each = len(labels) < FEW_CELLS * len(sizes)
    whole = (numbers % 1 == 0).all()
    many = len(sizes) > (MANY_CLUSTERS if whole and not few_each else MANY_NUMBERS)
    if numbers.notna().all() and many:
        raise UserError(f"{key}: {seen} are numbers, which look measured; name a column with {wanted}")
    if len(sizes) >= MANY_SINGLE and (sizes == 1).mean() > 0.5:
        raise UserError(f"{key}: {seen}, most of one cell each, are no {wanted}; name another column")


def _refuse_other_cells(labels, cells, settings):
    if labels.index.isin(cells).any() or not len(labels):
        return
    raise UserError(
        f'{settings["path"]}: has no cell of the data; it names "{labels.index[0]}", the data "{cells[0]}"'
        + (_offer(labels.index, cells) or "; name the cells as the data do, or see labels.cell_names")
    )


def _offer(names, cells):
    changes, n_cells = cell_names.suggest(names, cells)
    if not changes:
        return ""
    written = ", ".join(f"{name}: {json.dumps(value)}" for name, value in changes.items())
    return f"; labels.cell_names: {{{written}}} would match {n_cells} of {len(names)} names"


def match(labels, cells, missing="error"):
    """Labels in the order of ``cells``.

    Args:
        labels: Series by cell name, missing where a cell has none.
        cells: names.
        missing: what a cell without label is: an ``error``, or ``unscored``. (``drop`` has dropped it before.)

    Returns:
        pandas.Series: name ``label``, index ``cell``, text; `tables.UNSCORED` where there is none.

    Raises:
        UserError: if a cell has none and should, none has any, or one holds what no table or picture can show.
    """
    found = labels.reindex(cells)
    for label in found.dropna().unique():
        if control := control_character(str(label)):
            cell = cells[(found == label).to_numpy(dtype=bool, na_value=False).argmax()]
            raise UserError(
                f"labels: cell {cell}: its label {str(label)[:80]!r} holds the control character {control}; rename it"
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
            f"labels: none of {len(cells)} cells has a label; set labels.from to none, or name another column"
        )
    if without.any():
        log.log(NOTE, "%d of %d cells have no label: trained and drawn, not scored", without.sum(), len(cells))
    found = found.astype(object).where(~without, tables.UNSCORED)
    return found.astype(str).rename("label").rename_axis("cell")


def _offer_where_better(names, cells, without):
    changes, n_cells = cell_names.suggest(names, cells)
    return _offer(names, cells) if changes and n_cells > 2 * (~without).sum() else ""


def labelled(labels, cells):
    """(cells,) bool: which have a label; said if some have not. For ``labels.missing: drop``."""
    found = labels.reindex(cells).notna().to_numpy()
    if not found.any():
        raise UserError(f"labels: none of {len(cells)} cells has a label, and labels.missing would drop them all")
    if not found.all():
        log.log(NOTE, "%d of %d cells have no label: dropped", (~found).sum(), len(cells))
    return found


def unscored(cells):
    """The labels of data without any."""
    return pd.Series(tables.UNSCORED, index=pd.Index(cells, name="cell"), name="label")


def warn_of_sizes(labels):
    """Warn of what makes scores mean little: a single type, types of one or two cells, names nearly alike."""
    sizes = tables.scored(labels).value_counts()
    if len(sizes) == 1:
        log.warning('all cells are of one type, "%s": scores of clusters against types are undefined', sizes.index[0])
    if len(small := sizes[sizes <= 2]):
        shown = ", ".join(f'"{name}" ({number})' for name, number in small.head(5).items())
        log.warning("types of one or two cells, too few to be found: %d, such as %s", len(small), shown)
    alike = {}
    for name in sorted(sizes.index):
        alike.setdefault("".join(name.casefold().split()), []).append(f'"{name}"')
    for names in alike.values():
        if len(names) > 1:
            log.warning("types that differ only in case or blanks: %s", ", ".join(names))


def from_clusters(data, settings):
    """Cell types by the pipeline of Seurat's PBMC3k tutorial.

    2,000 variable genes (vst on counts), scaled and clipped at 10, principal components, shared-nearest-neighbour
    graph, modularity clustering, and the name whose markers stand out in the cluster.

    Args:
        data: AnnData with log-normalised X and ``layers["counts"]``, which may stay in a file.
        settings: the dataset's ``labels`` section.

    Returns:
        pandas.Series: label of each cell, by cell name.
    """
    clusters = modularity_clusters(graph_of(data, settings), settings["resolution"], settings["n_starts"])
    names = name_clusters(data, clusters, settings["markers"])
    log.info("clusters: %s", {names[c]: int(n) for c, n in enumerate(np.bincount(clusters))})
    return pd.Series([names[cluster] for cluster in clusters], index=data.obs_names)


def graph_of(data, settings):
    """The graph that the cells are clustered on: sparse symmetric (cells, cells) of edge weights.

    Args:
        data, settings: as those of `from_clusters`.

    Raises:
        UserError: where the data are not enough for it.
    """
    if "counts" not in data.layers:
        raise UserError("labels: from: clusters needs counts, but this data set is log_normalized; use obs or csv")
    if data.n_obs <= max(settings["n_neighbors"], settings["n_pcs"]):
        raise UserError(f"labels: {data.n_obs} cells are too few for {settings['n_neighbors']} neighbours")
    import anndata

    counts = {"counts": row_blocks.in_memory(data.layers["counts"])}
    genes = gene_names.variable(
        anndata.AnnData(obs=data.obs, var=data.var, layers=counts), settings["n_variable_genes"]
    )
    del counts
    if len(genes) <= settings["n_pcs"]:
        raise UserError(f"labels.n_pcs: {settings['n_pcs']} components need more than {len(genes)} variable genes")
    expression = row_blocks.columns(data.X, data.var_names.get_indexer(genes))
    components = principal_components(expression, settings["n_pcs"])
    weights = shared_neighbor_graph(components, settings["n_neighbors"], settings["prune"])
    if not weights.nnz:
        raise UserError(f"labels.prune: {settings['prune']:g} drops every edge between cells; lower it")
    return weights


def cluster_again(graph, settings, times, seed):
    """The clustering of the labels with other starts, and at a resolution so many times theirs; (cells,) int.

    No seed shares a start with another or with the labels, whose starts are seeded from 0.
    """
    n_starts = settings["n_starts"]
    return modularity_clusters(graph, times * settings["resolution"], n_starts, first=(seed + 1) * n_starts)


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


def modularity_clusters(weights, resolution, n_starts, first=0):
    """Louvain clustering (Blondel et al. 2008), the partition of highest modularity among several seeded starts.

    Args:
        weights: symmetric sparse (cells, cells) of edge weights.
        resolution: above 1 more clusters, below 1 fewer.
        n_starts: number of starts, seeded with ``first`` and the numbers after it.
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
        partition = graph.community_multilevel(weights=upper.data, resolution=resolution)
        modularity = graph.modularity(partition.membership, weights=upper.data, resolution=resolution)
        if modularity > best_modularity:
            best, best_modularity = np.array(partition.membership), modularity
    sizes = np.bincount(best)
    rank = np.empty(len(sizes), int)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank[best]


def known_markers(markers, genes):
    """{type: [those of its markers that are among the genes]} of the types that have some.

    Raises:
        UserError: if there are markers and none is among the genes.
    """
    there = set(genes)
    known = {name: found for name, of_type in markers.items() if (found := [gene for gene in of_type if gene in there])}
    if lost := sorted(set(markers) - set(known)):
        if not known:
            raise UserError(
                f"labels.markers: none of the {sum(map(len, markers.values()))} genes is in the data, whose genes are "
                f"named {', '.join(genes[:3])}, …; write the markers so, or see genes.names"
            )
        log.warning("the data have no marker of %d of %d types: %s", len(lost), len(markers), ", ".join(lost))
    elif missing := sorted({gene for of_type in markers.values() for gene in of_type} - there):
        log.log(NOTE, "markers that the data lack: %s", ", ".join(missing))
    return known


def name_clusters(data, clusters, markers):
    """Give each cluster the cell type whose markers stand out in it.

    The score of a cluster for a type is the mean over the type's markers of the cluster's mean expression, in standard
    deviations over the clusters; the names are dealt out so that their total score is highest, each once.

    Args:
        data: AnnData with log-normalised X, which may stay in a file.
        clusters: (cells,) cluster ids from 0.
        markers: {cell type: [marker genes]}; markers that the data lacks are passed over.

    Returns:
        list[str]: the name of each cluster; "Cluster <id>" where types or markers run out.
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
