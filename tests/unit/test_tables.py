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
