"""One file with all that is known of the cells: the lab's own annotation comes back, nothing is overwritten."""

import json

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scae.evaluation import h5ad_export

CELLS = ["a", "b", "c", "d"]
IDS = ["ENSG00000198888", "ENSG00000156738", "ENSG00000090382"]


@pytest.fixture
def source():
    obs = pd.DataFrame(
        {
            "donor": pd.Categorical(["x", "y", "x", "gone", "x"]),
            "label": ["theirs"] * 5,
            "age": [1.5, np.nan, 3, 4, 5],
        },
        index=[*CELLS[:3], "dropped", CELLS[3]],
    )
    var = pd.DataFrame({"feature_name": ["ND1", "MS4A1", "LYZ"], "length": [1, 2, 3]}, index=IDS)
    return anndata.AnnData(sparse.csr_matrix(np.ones((5, 3), np.float32)), obs=obs, var=var)


@pytest.fixture
def found(source):
    expression = anndata.AnnData(
        sparse.csr_matrix(np.ones((4, 2), np.float32)),
        obs=pd.DataFrame({"n_genes": [2] * 4}, index=CELLS),
        var=pd.DataFrame(index=["LYZ", "ND1"]),
    )
    cells = pd.Index(CELLS[::-1], name="cell")
    points = pd.DataFrame(np.arange(8.0).reshape(4, 2), columns=["x", "y"], index=cells)
    run = dict.fromkeys(("latent", "tsne2d", "tsne3d"), points)
    run["clusters"] = pd.DataFrame({"tsne2d": [0, 1, 0, 1], "latent": [1, 1, 0, 0]}, index=cells)
    scores = {"labels": ["hand"] * 2 + ["gates"], "metric": ["ari", "nmi", "ari"], "value": [0.5, np.nan, 0.25]}
    run["metrics"] = pd.DataFrame(scores).assign(space="latent")
    run["about"] = {"model": "dae", "seed": 3, "settings": {"n_latent": 2}}
    labels = pd.Series(["B", "", "T", "B"], index=CELLS)
    return h5ad_export.assemble(
        expression,
        source,
        ["ND1", "MS4A1", "LYZ"],
        labels,
        {"gates": pd.Series(["", "", "T", "B cell"], index=CELLS)},
        {"dae_seed3": run},
        {"B": "#332288", "T": "#88CCEE"},
    )


def test_the_labs_annotation_of_the_cells_is_kept_beside_ours(found):
    assert found.obs["donor"].tolist() == ["x", "y", "x", "x"]
    assert list(found.obs["donor"].cat.categories) == ["x", "y"]
    assert found.obs["source_label"].tolist() == ["theirs"] * 4
    np.testing.assert_array_equal(found.obs["age"], [1.5, np.nan, 3, 5])
    assert found.obs["label"].tolist()[::2] == ["B", "T"]
    assert found.obs["label"].isna().tolist() == [False, True, False, False]


def test_further_sets_of_labels_stand_beside_the_first(found):
    assert found.obs["label_gates"].tolist()[2:] == ["T", "B cell"]
    assert found.obs["label_gates"].isna().tolist() == [True, True, False, False]
    assert json.loads(found.uns["scae"]["X_dae_seed3"])["scores_of"] == {"gates": {"latent": {"ari": 0.25}}}


def test_genes_are_rejoined_by_what_they_were_called(found):
    assert list(found.var_names) == ["LYZ", "ND1"]
    assert found.var["source_name"].tolist() == [IDS[2], IDS[0]]
    assert found.var["length"].tolist() == [3, 1]


def test_latents_are_float32_in_the_order_of_the_cells(found):
    assert set(found.obsm) == {"X_dae_seed3", "X_dae_seed3_tsne2d", "X_dae_seed3_tsne3d"}
    assert all(points.dtype == np.float32 for points in found.obsm.values())
    np.testing.assert_array_equal(found.obsm["X_dae_seed3"], np.arange(8.0).reshape(4, 2)[::-1])
    assert found.obs["dae_seed3_latent"].tolist() == [0, 0, 1, 1]


def test_uns_has_colours_in_the_order_of_the_types_and_what_each_latent_is(found):
    assert list(found.uns["label_colors"]) == ["#332288", "#88CCEE"]
    about = json.loads(found.uns["scae"]["X_dae_seed3"])
    assert about["scores"] == {"latent": {"ari": 0.5, "nmi": None}}
    assert (about["model"], about["seed"], about["settings"]) == ("dae", 3, {"n_latent": 2})


def test_it_is_written_without_what_old_readers_do_not_know(found, tmp_path):
    import h5py

    found.write_h5ad(tmp_path / "out.h5ad")
    kinds = set()
    with h5py.File(tmp_path / "out.h5ad") as file:
        file.visititems(lambda name, entry: kinds.add(entry.attrs.get("encoding-type")))
    assert not any("nullable" in (kind or "") for kind in kinds)
    back = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert back.obs["donor"].tolist() == ["x", "y", "x", "x"]
