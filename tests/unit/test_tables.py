"""The CSV tables keep names as text and numbers to the last digit; results of many runs are read by name."""

import numpy as np
import pandas as pd
import pytest

from scae import tables
from scae.errors import UserError


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_points_read_back_to_the_last_digit(dtype, tmp_path):
    points = (np.random.default_rng(0).normal(size=(30, 3)) * 10.0 ** np.arange(-10, 20)[:, None]).astype(dtype)
    cells = [f"c{number}" for number in range(30)]
    tables.write_points(points, "xyz", cells, tmp_path / "points.csv")
    assert (tmp_path / "points.csv").read_text().startswith("cell,x,y,z\n")
    found = tables.read_points(tmp_path / "points.csv")
    assert found.to_numpy(dtype).tobytes() == points.tobytes()
    assert found.index.tolist() == cells


@pytest.mark.parametrize(
    "names", [["NA", "nan", "null", ""], ["007", "7", "1e3", "TRUE"], ['a "b"', "a,b", "ä\tö", "'"]]
)
def test_names_stay_text(names, tmp_path):
    table = pd.DataFrame({"cell": [f"{name}!" for name in names], "label": names})
    tables.write(table, tmp_path / "labels.csv")
    found = tables.read_labels(tmp_path / "labels.csv")
    assert found.tolist() == names
    assert found.index.tolist() == [f"{name}!" for name in names]
    assert tables.scored(found).tolist() == [name for name in names if name]


def test_an_undefined_number_is_nan_and_an_empty_text_is_empty(tmp_path):
    table = pd.DataFrame({"labels": ["", "obs"], "space": "latent", "metric": ["silhouette", "ari"]})
    table["value"] = [np.nan, 0.5]
    tables.write(table, tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_bytes() == (
        b"labels,space,metric,value\n,latent,silhouette,\nobs,latent,ari,0.5\n"
    )
    pd.testing.assert_frame_equal(tables.read("metrics", tmp_path / "metrics.csv"), table)


def test_points_come_in_the_order_of_the_cells(tmp_path):
    tables.write_points([[1.0], [2.0], [3.0]], ["x"], ["a", "b", "c"], tmp_path / "points.csv")
    assert tables.read_points(tmp_path / "points.csv", cells=pd.Index(["c", "a", "b"]))["x"].tolist() == [3, 1, 2]
    for cells in (["a", "b"], ["a", "b", "d"], ["a", "b", "c", "d"]):
        with pytest.raises(UserError, match=r"points\.csv: has other cells"):
            tables.read_points(tmp_path / "points.csv", cells=pd.Index(cells))


@pytest.fixture
def files(tmp_path):
    """Inputs of a job: metrics of three runs, and a table that is made once."""
    paths = []
    for dataset, model, seed in [("toy", "dae", 0), ("toy", "dae", 10), ("other", "007", 1)]:
        paths.append(tmp_path / dataset / model / f"seed{seed}" / "metrics.csv")
        paths[-1].parent.mkdir(parents=True)
        paths[-1].write_text(f"labels,space,metric,value\nNA,latent,ari,0.{seed}\n")
    paths.append(tmp_path / "references.csv")
    paths[-1].write_text("dataset,reference,seed,labels,metric,value\ntoy,shuffled,0,obs,ari,0\n")
    return tables.Files([*map(str, paths), str(tmp_path / "notes.txt")])


def test_tables_of_many_runs_are_stacked_with_their_wildcards(files):
    found = files.collect("metrics")
    assert list(found.columns) == ["dataset", "model", "seed", "labels", "space", "metric", "value"]
    assert found["dataset"].tolist() == ["toy", "toy", "other"]
    assert found["model"].tolist() == ["dae", "dae", "007"]
    assert found["seed"].tolist() == [0, 10, 1]
    assert found["value"].tolist() == [0.0, 0.1, 0.1]
    assert found["labels"].tolist() == ["NA"] * 3
    assert files.collect("metrics", dataset="other")["seed"].tolist() == [1]
    assert files.collect("health").empty
    assert tables.Files([]).collect("metrics").empty


def test_one_file_is_found_by_its_wildcards(files, tmp_path):
    assert files.path("metrics", model="dae", seed=10) == str(tmp_path / "toy/dae/seed10/metrics.csv")
    assert files.read("references")["reference"].tolist() == ["shuffled"]
    for name, wildcards in (("metrics", {"model": "dae"}), ("health", {}), ("metrics", {"seed": 2})):
        with pytest.raises(KeyError, match=name):
            files.path(name, **wildcards)
    assert [wildcards["seed"] for wildcards, _ in files.all("metrics", dataset="toy")] == ["0", "10"]
