"""The AnnData of all results: the source's annotation is kept, and nothing is overwritten."""

import json

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.evaluation import h5ad_export

CELLS = ["a", "b", "c", "d"]
IDS = ["ENSG00000198888", "ENSG00000156738", "ENSG00000090382"]


@pytest.fixture
def found():
    donors = pd.Categorical(["x", "y", "x", "gone", "x"])
    obs = pd.DataFrame({"donor": donors, "label": ["theirs"] * 5, "age": [1.5, np.nan, 3, 4, 5], "source_label": 1})
    var = pd.DataFrame({"feature_name": ["ND1", "MS4A1", "LYZ"], "length": [1, 2, 3]}, index=IDS)
    source = anndata.AnnData(
        sparse.csr_matrix(np.ones((5, 3), np.float32)), obs=obs.set_axis([*CELLS[:3], "dropped", CELLS[3]]), var=var
    )
    expression = anndata.AnnData(
        sparse.csr_matrix(np.ones((4, 2), np.float32)),
        obs=pd.DataFrame({"n_genes": [2] * 4}, index=CELLS),
        var=pd.DataFrame(index=["LYZ", "ND1"]),
    )
    cells = pd.Index(CELLS[::-1], name="cell")
    points = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=["x", "y"], index=cells)
    scores = {"labels": ["hand"] * 2 + ["gates"], "metric": ["ari", "nmi", "ari"], "value": [0.5, np.nan, 0.25]}
    run = {
        "latent": points,
        "tsne2d": -points,
        "clusters": pd.DataFrame({"tsne2d": [0, 1, 0, 1], "latent": [1, 1, 0, 0]}, index=cells),
        "metrics": pd.DataFrame(scores).assign(space="latent"),
        "about": {"model": "dae", "seed": 3, "settings": {"n_latent": 2}},
    }
    source.obsm["X_dae"], source.obsm["X_source_dae"] = np.ones((5, 2)), np.zeros((5, 3))
    source.obsm["spatial"] = np.arange(10.0).reshape(5, 2)
    return h5ad_export.assemble(
        expression,
        source,
        ["ND1", "MS4A1", "LYZ"],
        pd.Series(["B", "", "T", "B"], index=CELLS),
        {"gates": pd.Series(["", "", "T", "B cell"], index=CELLS)},
        {"dae": run | {"tsne3d": points}, "dae_tsne": run},
        {"B": "#332288", "T": "#88CCEE"},
        umap=lambda latent: latent + 1,
    )


def test_annotation_of_cells(found):
    assert found.obs["donor"].tolist() == ["x", "y", "x", "x"]
    assert list(found.obs["donor"].cat.categories) == ["x", "y"]
    assert found.obs["source_label_"].tolist() == ["theirs"] * 4
    assert found.obs["source_label"].tolist() == [1, 1, 1, 1]
    np.testing.assert_array_equal(found.obs["age"], [1.5, np.nan, 3, 5])
    assert found.obs["label"].tolist()[::2] == ["B", "T"]
    assert found.obs["label"].isna().tolist() == [False, True, False, False]
    assert found.obs["label_gates"].isna().tolist() == [True, True, False, False]
    assert found.obs["clusters_dae"].tolist() == [0, 0, 1, 1]
    assert found.obs.columns.is_unique


def test_two_models_never_share_a_name(found):
    """The t-SNE of dae and the latent of dae_tsne would."""
    np.testing.assert_array_equal(found.obsm["X_dae_tsne"], found.obsm["X_dae"])
    np.testing.assert_array_equal(found.obsm["X_dae_tsne_"], -found.obsm["X_dae"])
    assert found.obs["clusters_dae_tsne"].tolist() == [0, 0, 1, 1]
    assert found.obs["clusters_dae_tsne_"].tolist() == [1, 0, 1, 0]


def test_scanpy_finds_its_names_and_the_source_keeps_its_own(found):
    np.testing.assert_array_equal(found.obsm["X_tsne"], -found.obsm["X_dae"])
    np.testing.assert_array_equal(found.obsm["X_umap"], found.obsm["X_dae"] + 1)
    assert json.loads(found.uns["scae"]["X_tsne"]) == {"of": "X_dae"}
    np.testing.assert_array_equal(found.obsm["spatial"], [[0, 1], [2, 3], [4, 5], [8, 9]])
    assert (found.obsm["X_source_dae"] == 0).all()
    assert (found.obsm["X_source_dae_"] == 1).all()


def test_other_seeds_are_in_a_file_of_their_own():
    cells = pd.Index(CELLS)
    points = pd.DataFrame(np.arange(8.0).reshape(4, 2), index=CELLS)
    run = {
        "latent": points,
        "tsne2d": -points,
        "clusters": pd.DataFrame({"tsne2d": 0, "latent": 1}, index=CELLS),
        "metrics": pd.DataFrame({"labels": ["obs"], "space": ["latent"], "metric": ["ari"], "value": [0.5]}),
        "about": {"model": "dae", "seed": 1},
    }
    data = h5ad_export.assemble_seeds(cells, pd.Series("B", CELLS), {}, {"dae_seed1": run})
    assert set(data.obsm) == {"X_dae_seed1", "X_dae_seed1_tsne"}
    assert set(data.obs) == {"label", "clusters_dae_seed1", "clusters_dae_seed1_tsne"}
    assert data.shape == (4, 0)


def test_annotation_of_genes_follows_their_names(found):
    assert list(found.var_names) == ["LYZ", "ND1"]
    assert found.var["source_name"].tolist() == [IDS[2], IDS[0]]
    assert found.var["length"].tolist() == [3, 1]


def test_points_are_float32_in_the_order_of_the_cells(found):
    assert all(points.dtype == np.float32 for points in found.obsm.values())
    np.testing.assert_array_equal(found.obsm["X_dae"], np.arange(8.0).reshape(4, 2)[::-1])
    np.testing.assert_array_equal(found.obsm["X_dae_tsne3d"], found.obsm["X_dae"])


def test_uns_has_the_colours_of_the_types_and_the_settings_and_scores_of_runs(found):
    assert list(found.uns["label_colors"]) == ["#332288", "#88CCEE"]
    assert json.loads(found.uns["scae"]["X_dae"]) == {
        "model": "dae",
        "seed": 3,
        "settings": {"n_latent": 2},
        "scores": {"latent": {"ari": 0.5, "nmi": None}},
        "scores_of": {"gates": {"latent": {"ari": 0.25}}},
    }


def test_old_versions_of_anndata_can_read_the_file(found, tmp_path):
    found.write_h5ad(tmp_path / "out.h5ad")
    kinds = set()
    with h5py.File(tmp_path / "out.h5ad") as file:
        file.visititems(lambda name, entry: kinds.add(entry.attrs.get("encoding-type")))
    assert not any("nullable" in (kind or "") for kind in kinds)
    assert anndata.read_h5ad(tmp_path / "out.h5ad").obs["donor"].tolist() == ["x", "y", "x", "x"]
