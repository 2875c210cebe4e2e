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
from small_data import counts_of, line_of, preprocess

from scae import tables
from scae.data import gates, genes, labels
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


def test_a_higher_resolution_gives_more_clusters_at_each_call():
    graph = cliques(5, 5, 5, 5, bridge=3.0)
    for resolution, n_clusters in ((0.01, 1), (1.0, 4), (0.01, 1), (1.0, 4)):
        assert labels.modularity_clusters(graph, resolution, 3).max() + 1 == n_clusters


def modularity(weights, clusters, resolution):
    """Reichardt & Bornholdt (2006) with the configuration null model, from its definition."""
    weights, total = weights.toarray(), weights.sum()
    strength = weights.sum(axis=0)
    same = clusters[:, None] == clusters[None, :]
    return ((weights - resolution * np.outer(strength, strength) / total) * same).sum() / total


def test_more_starts_never_give_a_worse_partition():
    graph = labels.shared_neighbor_graph(np.random.default_rng(5).normal(size=(120, 4)), 6, 0.0)
    found = [modularity(graph, labels.modularity_clusters(graph, 1.0, n_starts), 1.0) for n_starts in (1, 5, 25)]
    assert found == sorted(found)
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


@pytest.mark.parametrize(
    ("markers", "names"),
    [
        ({"A": ["GA"], "B": ["GB"], "D": ["GD"]}, ["B", "A", "D"]),
        ({"D": ["GD"], "B": ["GB"], "A": ["GA"]}, ["B", "A", "D"]),
        ({"A": ["GA"]}, ["Cluster 0", "A", "Cluster 2"]),
        ({"broad": ["GA", "GD"], "A": ["GA"], "B": ["GB"]}, ["B", "A", "broad"]),  # the best assignment as a whole
        ({"A": ["nope", "GA"], "B": ["GB", "nope"], "lost": ["nope"]}, ["B", "A", "Cluster 2"]),
        ({"C": ["GC"], "A": ["GA"], "B": ["GB"]}, ["B", "A", "C"]),  # GC is the same everywhere
        ({}, ["Cluster 0", "Cluster 1", "Cluster 2"]),
    ],
)
def test_clusters_are_named_by_their_markers(markers, names):
    assert name(markers) == names


def test_a_marker_of_high_expression_does_not_outweigh_the_others():
    data = counts_of([[10, 0, 0], [0, 1, 1], [4, 0, 0]], genes=["high", "low1", "low2"])
    found = labels.name_clusters(data, np.arange(3), {"A": ["high", "low1", "low2"]})
    assert found == ["Cluster 0", "A", "Cluster 2"]


def test_more_types_than_clusters():
    assert name({"A": ["GA"], "B": ["GB"]}, clusters=[0] * 6) in (["A"], ["B"])


def test_missing_markers_are_reported(caplog):
    with pytest.raises(UserError, match=r"labels\.markers: none of the 3 genes .*GA, GB, GC.*genes\.names"):
        name({"A": ["ga", "gb"], "lost": ["nope"]})
    name({"A": ["nope", "GA"], "lost": ["nope"]})
    assert "lack all markers of 1 of 2 types: lost" in caplog.text


def test_match_gives_text_in_the_order_of_the_cells():
    found = labels.match(pd.Series({"c1": "B", "c2": "NK", "c3": "B"}), pd.Index(["c3", "c2"]))
    assert found.to_dict() == {"c3": "B", "c2": "NK"}
    assert (found.index.tolist(), found.name, found.index.name) == (["c3", "c2"], "label", "cell")
    assert labels.match(pd.Series([1, 2], index=["a", "b"]), pd.Index(["a", "b"])).tolist() == ["1", "2"]


SECTION = {"from": "obs", "column": "type", "ignore": ["NA", "nan", "unassigned"], "missing": "error"}
TABLE = {"from": "csv", "cell_column": "cell", "column": "label", "cell_names": {}, "ignore": [], "missing": "error"}


def given(values, **changes):
    obs = pd.DataFrame({"type": values}, index=[f"c{number}" for number in range(len(values))])
    return labels.given(SECTION | changes, obs)


def test_ignored_words_and_spaces_are_not_types(caplog):
    with caplog.at_level(NOTE):
        found = given(["T", " T ", "NA", "Nan", " UNASSIGNED", "", None, "T\u00a0", "nano"])
    assert found.fillna("-").tolist() == ["T", "T", "-", "-", "-", "-", "-", "T", "nano"]
    assert '"NA" (1)' in caplog.text
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
def test_labels_of_any_type_become_text(values, text):
    assert given(values).fillna("-").tolist() == text


RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (RANDOM.normal(size=700), "700 different values for 700 cells"),
        (RANDOM.normal(size=700).round(1), "look like measurements"),
        (RANDOM.integers(0, 300, 700), "look like measurements"),
        ([f"barcode{number}" for number in range(50)], "look like IDs"),
        ([*(f"x{number}" for number in range(50)), *["B"] * 100], "look like IDs"),
        (RANDOM.integers(0, 60, 5000), None),
        (np.repeat(["a", "b", "rare"], [50, 49, 1]), None),
        (np.repeat(np.arange(15) / 10, 40), None),
        (np.repeat(np.arange(25), 10), None),
        (np.repeat(np.arange(25), 9), "look like measurements"),
        ([f"x{number}" for number in range(9)], None),
        (["B"] * 9, None),
    ],
)
def test_measurements_and_ids_are_not_types(values, says):
    if says is None:
        assert given(values).notna().all()
        return
    with pytest.raises(UserError, match=says) as caught:
        given(values)
    assert "choose another column" in line_of(caught)


@pytest.mark.parametrize("found", [pd.Series({"c1": "B"}), pd.Series({"c1": "B", "c2": None, "c3": np.nan})])
def test_a_missing_label_is_an_error_or_unscored(found, caplog):
    cells = pd.Index(["c1", "c2", "c3"])
    with pytest.raises(UserError, match=r"cell c2 has no label \(2 of 3"):
        labels.match(found, cells)
    with caplog.at_level(NOTE):
        matched = labels.match(found, cells[::-1], "unscored")
        assert labels.labelled(found, cells[::-1]).tolist() == [False, False, True]
    assert matched.tolist() == ["", "", "B"]
    assert tables.scored(matched).to_dict() == {"c1": "B"}
    assert "2 of 3 cells have no label: trained and drawn, not scored" in caplog.text
    assert "2 of 3 cells have no label: dropped" in caplog.text


def test_labels_that_are_all_missing_are_rejected():
    nothing, cells = pd.Series({"c1": None}), pd.Index(["c1"])
    with pytest.raises(UserError, match=r"labels\.missing"):
        labels.match(nothing, cells)
    with pytest.raises(UserError, match=r"labels\.from"):
        labels.match(nothing, cells, "unscored")
    with pytest.raises(UserError, match="none of 1 cells"):
        labels.labelled(nothing, cells)


def test_a_control_character_in_a_label_is_named():
    for label, says in (("\x1b[2JB", "U\\+001B"), ("B\rT", "U\\+000D")):
        with pytest.raises(UserError, match=f"cell c2: its label .*{says}"):
            labels.match(pd.Series({"c1": "B", "c2": label}), pd.Index(["c1", "c2"]))


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ({"B": 9}, "one type"),
        ({"B": 9, "pDC": 2, "T": 5}, '"pDC" (2)'),
        ({"T cell": 9, "t  Cell": 9, "B": 9}, '"T cell", "t  Cell"'),
        ({"B": 9, "T": 9, "pDC": 3, "": 1}, ""),
    ],
)
def test_types_that_distort_scores_give_a_warning(sizes, says, caplog):
    labels.warn_of_sizes(pd.Series([name for name, size in sizes.items() for _ in range(size)]))
    assert says in caplog.text
    assert bool(caplog.records) == bool(says)


def test_a_label_file_with_other_cell_names_gets_a_suggestion(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("cell,label\nAAAC,B\nAAAG,\n")
    obs, table = pd.DataFrame(index=["AAAC-1", "AAAG-1"]), TABLE | {"path": str(path)}
    with pytest.raises(UserError) as caught:
        labels.given(table, obs)
    assert '"AAAC" here, but "AAAC-1" in the data' in line_of(caught)
    assert 'labels.cell_names: {add_suffix: "-1"} would match 2 of 2' in line_of(caught)
    found = labels.given(table | {"cell_names": {"add_suffix": "-1"}}, obs)
    assert found.fillna("-").to_dict() == {"AAAC-1": "B", "AAAG-1": "-"}


def test_a_missing_label_gets_a_suggestion_if_few_names_match():
    cells = pd.Index([f"c{number}-1" for number in range(9)])
    found = pd.Series("B", index=["c0-1", *(f"c{number}" for number in range(1, 9))])
    says = r'cell c1-1 .* \(8 of 9 .* labels\.cell_names: {add_suffix: "-1"} would match 8'
    with pytest.raises(UserError, match=says):
        labels.match(found, cells)


@pytest.mark.parametrize(("columns", "says"), [({"other": ["x"]}, '"other"'), ({}, "none")])
def test_a_missing_column_is_named_with_those_that_exist(columns, says):
    with pytest.raises(UserError, match=rf'labels.column: .*"type"; columns of obs: {says}'):
        labels.given(SECTION, pd.DataFrame(columns, index=["a"]))


@pytest.mark.parametrize("kind", ["none", "obs", "csv", "markers", "clusters"])
def test_every_source_of_labels(kind, tmp_path):
    data = two_populations()
    types, markers = ["even", "odd"] * 30, {"even": ["g0", "g1"], "odd": ["g10", "g11"]}
    (tmp_path / "t.csv").write_text("\n".join(["cell,label", *map(",".join, zip(data.obs_names, types, strict=True))]))
    settings = {
        "none": {},
        "obs": SECTION,
        "csv": TABLE | {"path": str(tmp_path / "t.csv")},
        "markers": {"markers": markers, "threshold": 0.8},
        "clusters": SETTINGS | {"markers": markers},
    }[kind]
    obs = pd.DataFrame({"type": types}, data.obs_names)
    found = labels.find({"from": kind} | settings, data, obs=lambda: obs)
    if kind == "markers":
        types = [name if label else "" for name, label in zip(types, found, strict=True)]
        assert types.count("") < 20
    assert found.tolist() == ([""] * 60 if kind == "none" else types)
    assert found.index.equals(data.obs_names)


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
    means = np.full((2, n_genes), 2.0)
    means[0, :10] = means[1, 10:20] = 15.0
    return preprocess(counts_of(np.random.default_rng(0).poisson(means[np.arange(n_cells) % 2])))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_neighbors": 60}, "60 cells are too few"),
        ({"n_pcs": 60}, "60 cells are too few"),
        ({"n_variable_genes": 2}, "more than 2 variable genes"),
        ({"n_pcs": 45}, "more than"),
    ],
)
def test_clusters_need_enough_cells_and_genes(changes, says):
    with pytest.raises(UserError, match=says):
        labels.from_clusters(two_populations(), SETTINGS | changes)


def test_clusters_need_counts():
    data = two_populations()
    del data.layers["counts"]
    with pytest.raises(UserError, match=r"labels.from: clusters needs counts"):
        labels.from_clusters(data, SETTINGS)


@pytest.fixture(scope="module")
def study(pbmc3k):
    """PBMC3k through the study's preprocessing, with the settings of config/config.yaml and schema defaults."""
    settings = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]["pbmc3k"]
    data = reader.read(pbmc3k / "pbmc3k_filtered_gene_bc_matrices.tar.gz")
    expression = preprocess(data, **settings["qc"])
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
    defaults = {"n_variable_genes": 2000, "n_pcs": 10, "n_neighbors": 20, "prune": 1 / 15, "n_starts": 30}
    found = labels.from_clusters(study.expression, defaults | settings)
    assert set(found) == set(markers)
    assert len(markers) == 9
    expected = pd.read_csv(seurat / "clusters.csv", index_col="barcode")["cluster"].loc[found.index]
    assert adjusted_rand_score(expected, found) >= 0.95
    names = ["Naive CD4 T", "CD14+ Mono", "Memory CD4 T", "B", "CD8 T", "FCGR3A+ Mono", "NK", "DC", "Platelet"]
    majority = pd.crosstab(expected, found).idxmax(axis=1)
    assert majority.tolist() == names


def test_the_clusters_of_pbmc3k_depend_neither_on_the_starts_nor_on_rounding(study):
    components = labels.principal_components(study.expression[:, study.genes].X, 10)
    noise = 1 + 1e-6 * np.random.default_rng(0).normal(size=components.shape)
    graphs = [labels.shared_neighbor_graph(points, 20, 1 / 15) for points in (components, components * noise)]
    runs = ((graphs[0], 0), (graphs[0], 30), (graphs[1], 0))
    first, *others = [labels.modularity_clusters(graph, 0.5, 30, start) for graph, start in runs]
    assert all(adjusted_rand_score(first, other) >= 0.97 for other in others)


def test_gates_on_the_markers_of_pbmc3k_label_half_of_its_cells_as_its_clusters_mostly_do(study, seurat):
    settings = study.settings["labels"]["markers"]
    markers = settings["markers"]
    found = gates.from_markers(study.expression, {"threshold": 0.5} | settings).dropna()
    assert len(found) == 1313
    assert set(found) == set(markers)
    clusters = pd.read_csv(seurat / "clusters.csv", index_col="barcode")["cluster"].loc[found.index]
    assert 0.6 < adjusted_rand_score(clusters, found) < 0.8  # another answer to the same question, not the same one


CLUSTERING = SETTINGS | {"n_variable_genes": 2000, "n_pcs": 10, "n_neighbors": 20}


@pytest.mark.parametrize("n_cells", [30, 120])
@pytest.mark.parametrize("depth", [20, 300])
@pytest.mark.parametrize("top", [None, 1])
def test_few_cells_and_sparse_counts_can_be_clustered(n_cells, depth, top):
    random = np.random.default_rng(n_cells + depth)
    rate = random.gamma(0.5, 1.0, 300)
    rate = np.tile(rate / rate.sum() * depth, (n_cells, 1))
    for number in range(3):
        rate[number::3, 15 * number : 15 * number + 15] *= 8
    data = preprocess(counts_of(np.minimum(random.poisson(rate), top or np.inf)), min_cells=1, min_genes=1)
    assert labels.from_clusters(data, CLUSTERING).notna().all()


@pytest.mark.parametrize("counts", [np.ones((60, 40)), np.tile([1, 2, 3, 0], (60, 10)), np.eye(60)])
def test_constant_counts_cannot_be_clustered(counts):
    data = counts_of(counts)
    data.layers["counts"] = data.X
    with pytest.raises(UserError, match=r"^no variable genes are found.*labels from obs or csv"):
        labels.from_clusters(data, CLUSTERING)


def test_identical_cells_and_pruning_without_rest_are_rejected():
    with pytest.raises(UserError, match="all cells have the same expression"):
        labels.principal_components(sparse.csr_matrix(np.ones((30, 20), np.float32)), 5)
    with pytest.raises(UserError, match=r"^labels.prune: 1.1 drops all edges"):
        labels.from_clusters(two_populations(), SETTINGS | {"prune": 1.1})


def test_repeated_clusterings_share_no_start():
    graph = labels.shared_neighbor_graph(np.random.default_rng(5).normal(size=(120, 4)), 6, 0.0)
    settings = {"n_starts": 3, "resolution": 0.5}
    for seed in (0, 2):
        expected = labels.modularity_clusters(graph, 1.0, 3, first=3 * (seed + 1))
        np.testing.assert_array_equal(labels.cluster_again(graph, settings, 2.0, seed), expected)
