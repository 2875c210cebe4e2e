"""Cell types: the clustering of the study by hand, the names of clusters, and Seurat's own run on PBMC3k."""

from types import SimpleNamespace

import anndata
import numpy as np
import pandas as pd
import pytest
import yaml
from places import ROOT
from scipy import sparse
from sklearn.metrics import adjusted_rand_score

from scae import tables
from scae.data import gates, genes, labels, preprocessing
from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import reader


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(0).normal(size=(30, 3))


def neighborhoods(points, size):
    """The nearest points of each point, itself included, as sets."""
    distances = [[sum((one - other) ** 2) for other in points] for one in points]
    return [set(sorted(range(len(points)), key=row.__getitem__)[:size]) for row in distances]


@pytest.mark.parametrize("n_neighbors", [2, 5, 12])
def test_shared_neighbor_graph_is_the_jaccard_overlap_of_the_neighborhoods(points, n_neighbors):
    sets = neighborhoods(points, n_neighbors)
    expected = np.array([[len(one & other) / len(one | other) for other in sets] for one in sets])
    np.fill_diagonal(expected, 0)
    found = labels.shared_neighbor_graph(points, n_neighbors, prune=0.0)
    np.testing.assert_allclose(found.toarray(), expected, rtol=1e-12)
    assert all(point in near for point, near in enumerate(sets))


def test_shared_neighbor_graph_is_symmetric_without_loops(points):
    graph = labels.shared_neighbor_graph(points, 6, 1 / 15).toarray()
    np.testing.assert_array_equal(graph, graph.T)
    assert not graph.diagonal().any()


def test_edges_below_prune_are_dropped_and_equal_ones_kept(points):
    n_neighbors = 8
    full = labels.shared_neighbor_graph(points, n_neighbors, 0.0).toarray()
    limit = 3 / (2 * n_neighbors - 3)
    assert (full == limit).any()
    pruned = labels.shared_neighbor_graph(points, n_neighbors, limit).toarray()
    np.testing.assert_array_equal(pruned, np.where(full >= limit, full, 0))
    assert (pruned != 0).sum() < (full != 0).sum()


def cliques(*sizes, bridge=0.01):
    n_cells = sum(sizes)
    weights = np.zeros((n_cells, n_cells))
    start = 0
    for size in sizes:
        weights[start : start + size, start : start + size] = 1
        if start:
            weights[start - 1, start] = weights[start, start - 1] = bridge
        start += size
    np.fill_diagonal(weights, 0)
    return sparse.csr_matrix(weights)


@pytest.mark.parametrize("sizes", [(4, 7), (7, 4), (5, 9, 3)])
def test_cliques_are_clusters_and_the_largest_is_the_first(sizes):
    found = labels.modularity_clusters(cliques(*sizes), resolution=1.0, n_starts=3)
    ranks = np.argsort(np.argsort([-size for size in sizes]))
    assert found.tolist() == np.repeat(ranks, sizes).tolist()


def test_resolution_decides_how_fine_the_clusters_are():
    graph = cliques(5, 5, 5, 5, bridge=3.0)
    coarse = labels.modularity_clusters(graph, resolution=0.01, n_starts=3)
    fine = labels.modularity_clusters(graph, resolution=1.0, n_starts=3)
    assert coarse.max() + 1 == 1
    assert fine.max() + 1 == 4


def test_modularity_clusters_do_not_depend_on_what_ran_before(points):
    graph = labels.shared_neighbor_graph(points, 5, 0.0)
    first = labels.modularity_clusters(graph, 1.0, 4)
    labels.modularity_clusters(graph, 2.0, 1)
    np.testing.assert_array_equal(labels.modularity_clusters(graph, 1.0, 4), first)


def modularity(weights, clusters, resolution):
    """Reichardt & Bornholdt (2006) with the configuration null model, from its definition."""
    weights, total = weights.toarray(), weights.sum()
    strength = weights.sum(axis=0)
    same = clusters[:, None] == clusters[None, :]
    return ((weights - resolution * np.outer(strength, strength) / total) * same).sum() / total


def test_more_starts_never_give_a_worse_partition():
    graph = labels.shared_neighbor_graph(np.random.default_rng(5).normal(size=(120, 4)), 6, 0.0)
    found = [modularity(graph, labels.modularity_clusters(graph, 1.0, n_starts), 1.0) for n_starts in (1, 5, 25)]
    assert found[0] <= found[1] + 1e-12
    assert found[1] <= found[2] + 1e-12
    assert found[0] < found[2]


GENES = ["GA", "GB", "GC", "GD"]
CLUSTERS = np.array([0, 0, 1, 1, 2, 2])
EXPRESSION = [
    [0, 5, 1, 0],
    [0, 5, 1, 0],
    [5, 0, 1, 0],
    [5, 1, 1, 0],
    [0, 0, 1, 4],
    [1, 0, 1, 4],
]


def name(markers, clusters=CLUSTERS):
    data = anndata.AnnData(sparse.csr_matrix(EXPRESSION, dtype=np.float32), var=pd.DataFrame(index=GENES))
    return labels.name_clusters(data, np.asarray(clusters), markers)


def test_clusters_get_the_type_whose_markers_stand_out():
    assert name({"A": ["GA"], "B": ["GB"], "D": ["GD"]}) == ["B", "A", "D"]


def test_the_order_of_the_types_does_not_matter():
    assert name({"D": ["GD"], "B": ["GB"], "A": ["GA"]}) == ["B", "A", "D"]


def test_clusters_beyond_the_types_keep_their_number():
    assert name({"A": ["GA"]}) == ["Cluster 0", "A", "Cluster 2"]


def test_every_type_is_given_once_so_that_the_whole_fits_best():
    found = name({"broad": ["GA", "GD"], "A": ["GA"], "B": ["GB"]})
    assert found == ["B", "A", "broad"]


def test_types_beyond_the_clusters_are_left_out():
    found = name({"A": ["GA"], "B": ["GB"]}, clusters=[0, 0, 0, 0, 0, 0])
    assert len(found) == 1
    assert found[0] in ("A", "B")


def test_markers_that_the_data_lacks_are_passed_over():
    assert name({"A": ["nope", "GA"], "B": ["GB", "nope"], "lost": ["nope"]}) == ["B", "A", "Cluster 2"]


def test_without_markers_clusters_are_numbered():
    assert name({}) == ["Cluster 0", "Cluster 1", "Cluster 2"]


def test_markers_of_which_the_data_have_none_stop_and_show_the_names_of_genes():
    with pytest.raises(UserError, match=r"labels\.markers: none of the 3 genes .* GA, GB, GC") as caught:
        name({"A": ["ga", "gb"], "lost": ["nope"]})
    assert "genes.names" in str(caught.value)


def test_types_whose_markers_the_data_lack_are_warned_of(caplog):
    name({"A": ["nope", "GA"], "lost": ["nope"]})
    assert "no marker of 1 of 2 types: lost" in caplog.text


def test_a_marker_that_is_the_same_everywhere_names_nothing_wrongly():
    assert name({"C": ["GC"], "A": ["GA"], "B": ["GB"]}) == ["B", "A", "C"]


def test_match_puts_labels_in_the_order_of_the_cells():
    found = labels.match(pd.Series({"c1": "B", "c2": "NK", "c3": "B"}), pd.Index(["c3", "c2"]))
    assert found.tolist() == ["B", "NK"]
    assert found.index.tolist() == ["c3", "c2"]
    assert (found.name, found.index.name) == ("label", "cell")


def test_match_makes_text_of_categories_and_numbers():
    cells = pd.Index(["a", "b"])
    assert labels.match(pd.Series(pd.Categorical(["x", "y"]), index=cells), cells).tolist() == ["x", "y"]
    assert labels.match(pd.Series([1, 2], index=cells), cells).tolist() == ["1", "2"]


SECTION = {"from": "obs", "column": "type", "ignore": ["NA", "nan", "unassigned"], "missing": "error"}
TABLE = {"from": "csv", "cell_column": "cell", "column": "label", "cell_names": {}, "ignore": [], "missing": "error"}


def given(values, **changes):
    obs = pd.DataFrame({"type": values}, index=[f"c{number}" for number in range(len(values))])
    return labels.given(SECTION | changes, obs)


def test_words_for_no_label_and_blanks_are_no_types(caplog):
    with caplog.at_level(NOTE):
        found = given(["T", " T ", "NA", "Nan", " UNASSIGNED", "", None, "T\u00a0", "nano"])
    assert found.fillna("-").tolist() == ["T", "T", "-", "-", "-", "-", "-", "T", "nano"]
    assert '"NA" (1)' in caplog.text


def test_a_word_that_is_not_to_be_ignored_is_a_type():
    assert given(["NA", "B"], ignore=[]).tolist() == ["NA", "B"]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (pd.Categorical(["x", None, "y"]), ["x", "-", "y"]),
        ([1.0, np.nan, 2.0], ["1", "-", "2"]),
        ([1.5, np.nan, 2.0], ["1.5", "-", "2.0"]),
        (pd.array(["x", pd.NA, "y"], dtype="string"), ["x", "-", "y"]),
        (pd.array([1, pd.NA, 2], dtype="Int64"), ["1", "-", "2"]),
        ([True, None, False], ["True", "-", "False"]),
    ],
)
def test_labels_of_any_type_are_text(values, text):
    assert given(values).fillna("-").tolist() == text


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (RANDOM.normal(size=700), "700 different labels of 700 cells"),
        (RANDOM.normal(size=700).round(1), "look measured"),
        (RANDOM.integers(0, 300, 700), "look measured"),
        ([f"barcode{number}" for number in range(50)], "50 different labels of 50 cells"),
        ([*(f"x{number}" for number in range(50)), *["B"] * 100], "most of one cell each"),
    ],
)
def test_measurements_and_names_of_cells_are_refused_with_what_was_seen(values, says):
    with pytest.raises(UserError, match=says) as caught:
        given(values)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        RANDOM.integers(0, 60, 5000),
        np.repeat(["a", "b", "rare"], [50, 49, 1]),
        np.repeat(np.arange(15) / 10, 40),
        ["B"] * 9,
    ],
)
def test_numbers_of_clusters_and_few_rare_types_are_labels(values):
    assert given(values).notna().all()


@pytest.mark.parametrize("found", [pd.Series({"c1": "B"}), pd.Series({"c1": "B", "c2": None, "c3": np.nan})])
def test_match_names_the_first_cell_without_a_label(found):
    with pytest.raises(UserError, match=r"cell c2 has no label \(2 of 3") as caught:
        labels.match(found, pd.Index(["c1", "c2", "c3"]))
    assert "\n" not in str(caught.value)


def test_cells_without_label_can_go_unscored(caplog):
    with caplog.at_level(NOTE):
        found = labels.match(pd.Series({"c1": "B", "c2": None}), pd.Index(["c3", "c1", "c2"]), "unscored")
    assert found.tolist() == ["", "B", ""]
    assert tables.scored(found).to_dict() == {"c1": "B"}
    assert "2 of 3 cells have no label" in caplog.text


@pytest.mark.parametrize("missing", ["error", "unscored"])
def test_labels_that_are_all_missing_stop(missing):
    with pytest.raises(UserError, match=r"labels\.(from|missing)"):
        labels.match(pd.Series({"c1": None}), pd.Index(["c1"]), missing)


def test_which_cells_have_a_label(caplog):
    with caplog.at_level(NOTE):
        found = labels.labelled(pd.Series({"c1": "B", "c2": None}), pd.Index(["c3", "c1", "c2"]))
    assert found.tolist() == [False, True, False]
    assert "2 of 3 cells have no label: dropped" in caplog.text
    with pytest.raises(UserError, match="none of 1 cells"):
        labels.labelled(pd.Series({"c1": "B"}), pd.Index(["other"]))


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"B": 9}, "one type"),
        ({"B": 9, "pDC": 2, "T": 5}, '"pDC" (2)'),
        ({"T cell": 9, "t  Cell": 9, "B": 9}, '"T cell", "t  Cell"'),
        ({"B": 9, "T": 9, "": 1}, ""),
    ],
)
def test_types_that_make_scores_mean_little_are_warned_of(sizes, says, caplog):
    labels.warn_of_sizes(pd.Series([name for name, size in sizes.items() for _ in range(size)]))
    assert says in caplog.text
    assert bool(caplog.records) == bool(says)


def test_labels_of_a_file_with_other_names_of_cells_say_what_would_match(tmp_path):
    path = csv_of(tmp_path, "cell,label\nAAAC,B\nAAAG,T\n")
    obs = pd.DataFrame(index=["AAAC-1", "AAAG-1"])
    with pytest.raises(UserError) as caught:
        labels.given(TABLE | {"path": str(path)}, obs)
    message = str(caught.value)
    assert '"AAAC", the data "AAAC-1"' in message
    assert 'labels.cell_names: {add_suffix: "-1"} would match 2 of 2' in message
    found = labels.given(TABLE | {"path": str(path), "cell_names": {"add_suffix": "-1"}}, obs)
    assert found.to_dict() == {"AAAC-1": "B", "AAAG-1": "T"}


def test_a_cell_without_label_says_so_too_where_few_names_match():
    cells = pd.Index([f"c{number}-1" for number in range(9)])
    found = pd.Series("B", index=["c0-1", *(f"c{number}" for number in range(1, 9))])
    with pytest.raises(
        UserError, match=r'cell c1-1 .* \(8 of 9 .* labels\.cell_names: {add_suffix: "-1"} would match 8'
    ):
        labels.match(found, cells)


def csv_of(folder, text):
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_of_a_csv_are_text_whatever_they_look_like(tmp_path):
    found = labels.from_csv(csv_of(tmp_path, 'cell,label\n001,NA\n002,7\n003,"T, CD4"\n'))
    assert found.to_dict() == {"001": "NA", "002": "7", "003": "T, CD4"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cell,type\na,B\n", "label"),
        ("barcode,label\na,B\n", "cell"),
        ("cell,label\na,B\na,NK\n", "cell a"),
    ],
)
def test_a_label_file_that_cannot_be_used_is_named(text, says, tmp_path):
    path = csv_of(tmp_path, text)
    with pytest.raises(UserError) as caught:
        labels.from_csv(path)
    assert says in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00\x01not text", b'cell,label\na,"B\n'])
def test_a_label_file_that_is_no_csv_is_the_users_to_mend(content, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        labels.from_csv(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_label_is_a_missing_label(tmp_path):
    found = labels.from_csv(csv_of(tmp_path, "cell,label\na,B\nb,\n"))
    with pytest.raises(UserError, match="cell b has no label"):
        labels.match(found, pd.Index(["a", "b"]))


def test_labels_of_an_annotation_are_its_column():
    obs = pd.DataFrame({"type": ["B", "NK"]}, index=["a", "b"])
    assert labels.from_annotation(obs, "type").to_dict() == {"a": "B", "b": "NK"}


@pytest.mark.parametrize(("columns", "says"), [({"other": ["x"]}, "other"), ({}, "none")])
def test_a_missing_annotation_names_what_there_is(columns, says):
    with pytest.raises(UserError, match=r'labels.column.*"type"') as caught:
        labels.from_annotation(pd.DataFrame(columns, index=["a"]), "type")
    assert says in str(caught.value)


BY_NAME = {"mito_prefix": "auto", "mito_genes": None, "mad": {}}
SETTINGS = {
    "n_variable_genes": 20,
    "n_pcs": 3,
    "n_neighbors": 10,
    "prune": 1 / 15,
    "resolution": 0.5,
    "n_starts": 3,
    "markers": {},
}


def two_populations(n_cells=60, n_genes=40):
    random = np.random.default_rng(0)
    means = np.full((2, n_genes), 2.0)
    means[0, :10] = means[1, 10:20] = 15.0
    table = random.poisson(means[np.arange(n_cells) % 2]).astype(np.float32)
    data = anndata.AnnData(sparse.csr_matrix(table), var=pd.DataFrame(index=[f"g{n}" for n in range(n_genes)]))
    qc = {"min_cells": 0, "min_genes": 0, "max_genes": None, "max_pct_mito": None} | BY_NAME
    data.uns["values"] = "counts"
    return preprocessing.preprocess(data, qc, 10_000.0)


def test_two_populations_are_told_apart_and_named():
    data = two_populations()
    found = labels.from_clusters(data, SETTINGS | {"markers": {"even": ["g0", "g1"], "odd": ["g10", "g11"]}})
    assert found.tolist() == ["even", "odd"] * 30
    assert found.index.equals(data.obs_names)


def test_clusters_need_counts():
    data = two_populations()
    del data.layers["counts"]
    with pytest.raises(UserError, match=r"needs counts"):
        labels.from_clusters(data, SETTINGS)


@pytest.mark.parametrize("changes", [{"n_neighbors": 60}, {"n_pcs": 60}])
def test_clusters_need_more_cells_than_neighbors_and_components(changes):
    with pytest.raises(UserError, match="60 cells are too few"):
        labels.from_clusters(two_populations(), SETTINGS | changes)


@pytest.mark.parametrize("changes", [{"n_variable_genes": 2, "n_pcs": 3}, {"n_pcs": 45}])
def test_clusters_need_more_genes_than_components(changes):
    with pytest.raises(UserError, match="genes"):
        labels.from_clusters(two_populations(), SETTINGS | changes)


@pytest.fixture(scope="module")
def study(pbmc3k):
    """PBMC3k through the study's preprocessing, with the settings of config/config.yaml and schema defaults."""
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]["pbmc3k"]
    qc = settings["qc"] | BY_NAME
    data = reader.read(pbmc3k / "pbmc3k_filtered_gene_bc_matrices.tar.gz")
    expression = preprocessing.preprocess(data, qc, 10_000.0)
    variable = genes.variable(expression, 2000)
    return SimpleNamespace(settings=settings, data=data, expression=expression, genes=variable)


@pytest.fixture(scope="module")
def seurat(pbmc3k):
    return pbmc3k / "seurat_4.3"


def test_pbmc3k_is_read_whole(study):
    assert study.data.shape == (2700, 32738)
    assert study.data.X.nnz == 2_286_884
    assert study.data.var_names.is_unique


def test_pbmc3k_passes_quality_control_as_in_the_tutorial(study, seurat):
    expression = study.expression
    assert expression.shape == (2638, 13714)
    assert expression.X.sum(dtype=np.float64) == pytest.approx(4_535_670, abs=1)
    table = pd.read_csv(seurat / "clusters.csv", index_col="barcode")
    assert set(table.index) == set(expression.obs_names)
    obs = expression.obs.loc[table.index]
    np.testing.assert_array_equal(obs["n_genes"], table["nFeature"])
    np.testing.assert_allclose(obs["pct_mito"], table["percent_mt"], rtol=1e-5)


def test_pbmc3k_has_the_variable_genes_of_seurat(study, seurat):
    known = set((seurat / "variable_features.txt").read_text().split())
    assert len(known) == len(study.genes) == 2000
    assert len(known & set(study.genes)) >= 1995


def test_pbmc3k_has_the_principal_components_of_seurat(study, seurat):
    expected = pd.read_csv(seurat / "pca.csv", index_col=0).loc[study.expression.obs_names].to_numpy()
    found = labels.principal_components(study.expression[:, study.genes].X, 10)
    assert found.shape == expected.shape == (2638, 10)
    correlations = [abs(np.corrcoef(found[:, column], expected[:, column])[0, 1]) for column in range(10)]
    assert min(correlations) >= 0.99


def test_pbmc3k_has_the_clusters_of_seurat_and_their_nine_names(study, seurat):
    settings = study.settings["labels"]["clusters"]
    markers = settings["markers"]
    defaults = {"n_variable_genes": 2000, "n_pcs": 10, "n_neighbors": 20, "prune": 1 / 15, "n_starts": 10}
    found = labels.from_clusters(study.expression, defaults | settings)
    assert set(found) == set(markers)
    assert len(markers) == 9
    expected = pd.read_csv(seurat / "clusters.csv", index_col="barcode")["cluster"].loc[found.index]
    assert adjusted_rand_score(expected, found) >= 0.95
    names = ["Naive CD4 T", "CD14+ Mono", "Memory CD4 T", "B", "CD8 T", "FCGR3A+ Mono", "NK", "DC", "Platelet"]
    majority = pd.crosstab(expected, found).idxmax(axis=1)
    assert majority.tolist() == names


def test_gates_on_the_markers_of_pbmc3k_label_half_of_its_cells_as_its_clusters_mostly_do(study, seurat):
    settings = study.settings["labels"]["markers"]
    markers = settings["markers"]
    found = gates.from_markers(study.expression, {"threshold": 0.5} | settings).dropna()
    assert len(found) == 1313
    assert set(found) == set(markers)
    clusters = pd.read_csv(seurat / "clusters.csv", index_col="barcode")["cluster"].loc[found.index]
    assert 0.6 < adjusted_rand_score(clusters, found) < 0.8  # another answer to the same question, not the same one


CLUSTERING = {
    **{"n_variable_genes": 2000, "n_pcs": 10, "n_neighbors": 20, "prune": 1 / 15, "resolution": 0.5},
    **{"n_starts": 2, "markers": {}},
}


def small_set(n_cells, depth, top=None):
    """Simulated counts of three types, log-normalised; depth: counts per cell."""
    random = np.random.default_rng(n_cells + depth)
    rate = random.gamma(0.5, 1.0, 300)
    rate = np.tile(rate / rate.sum() * depth, (n_cells, 1))
    for number in range(3):
        rate[number::3, 15 * number : 15 * number + 15] *= 8
    counts = sparse.csr_matrix(np.minimum(random.poisson(rate), top or np.inf).astype(np.float32))
    data = anndata.AnnData(counts, var=pd.DataFrame(index=[f"g{number}" for number in range(300)]))
    data.uns["values"] = "counts"
    qc = {"min_cells": 1, "min_genes": 1, "max_genes": None, "max_pct_mito": None} | BY_NAME
    return preprocessing.preprocess(data, qc, 10_000)


@pytest.mark.parametrize("n_cells", [30, 60, 120, 300])
@pytest.mark.parametrize("depth", [20, 60, 300])
@pytest.mark.parametrize("top", [None, 1])
def test_few_cells_and_sparse_counts_can_be_clustered(n_cells, depth, top):
    data = small_set(n_cells, depth, top)
    assert labels.from_clusters(data, CLUSTERING).notna().all()


@pytest.mark.parametrize("counts", [np.ones((60, 40)), np.tile([1, 2, 3, 0], (60, 10)), np.eye(60)])
def test_counts_that_do_not_vary_are_said_to(counts):
    data = anndata.AnnData(sparse.csr_matrix(counts, dtype=np.float32))
    data.layers["counts"] = data.X
    with pytest.raises(UserError, match=r"^no variable genes are found.*labels from obs or csv"):
        labels.from_clusters(data, CLUSTERING)


def test_cells_that_are_all_alike_are_said_to_be():
    with pytest.raises(UserError, match="all cells have the same expression"):
        labels.principal_components(sparse.csr_matrix(np.ones((30, 20), np.float32)), 5)


def test_pruning_that_leaves_nothing_is_said():
    data = small_set(60, 300)
    with pytest.raises(UserError, match=r"^labels.prune: 1 drops every edge"):
        labels.from_clusters(data, CLUSTERING | {"prune": 1.0})
