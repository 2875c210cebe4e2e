"""The CSV tables keep names as text and numbers to the last digit."""

import numpy as np
import pandas as pd
import pytest

from scae import tables
from scae.errors import UserError


def test_points_read_back_to_the_last_digit(tmp_path):
    points = np.random.default_rng(0).normal(size=(50, 3)) * 10.0 ** np.arange(-10, 40)[:, None]
    cells = [f"c{number}" for number in range(50)]
    tables.write_points(points, "xyz", cells, tmp_path / "points.csv")
    assert (tmp_path / "points.csv").read_text().startswith("cell,x,y,z\n")
    found = tables.read_points(tmp_path / "points.csv")
    assert found.to_numpy().tobytes() == points.tobytes()
    assert found.index.tolist() == cells


def test_float32_points_read_back_as_the_same_float32(tmp_path):
    points = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    tables.write_points(points, ["z1", "z2"], map(str, range(50)), tmp_path / "points.csv")
    assert tables.read_points(tmp_path / "points.csv").to_numpy(np.float32).tobytes() == points.tobytes()


@pytest.mark.parametrize(
    "names", [["NA", "nan", "null", ""], ["007", "7", "1e3", "TRUE"], ['a "b"', "a,b", "ä\tö", "'"]]
)
def test_names_stay_text_whatever_they_look_like(names, tmp_path):
    table = pd.DataFrame({"cell": [f"{name}!" for name in names], "label": names})
    tables.write(table, tmp_path / "labels.csv")
    found = tables.read_labels(tmp_path / "labels.csv")
    assert found.tolist() == names
    assert found.index.tolist() == [f"{name}!" for name in names]


def test_a_value_that_is_undefined_reads_back_as_nan(tmp_path):
    table = pd.DataFrame({"space": ["latent"] * 2, "metric": ["silhouette", "ari"], "value": [np.nan, 0.5]})
    tables.write(table, tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_text() == "space,metric,value\nlatent,silhouette,\nlatent,ari,0.5\n"
    pd.testing.assert_frame_equal(tables.read(tmp_path / "metrics.csv"), table)


def test_points_come_in_the_order_of_the_cells(tmp_path):
    tables.write_points([[1.0], [2.0], [3.0]], ["x"], ["a", "b", "c"], tmp_path / "points.csv")
    assert tables.read_points(tmp_path / "points.csv", cells=pd.Index(["c", "a", "b"]))["x"].tolist() == [3, 1, 2]


@pytest.mark.parametrize("cells", [["a", "b"], ["a", "b", "d"], ["a", "b", "c", "d"]])
def test_points_of_other_cells_are_refused(cells, tmp_path):
    tables.write_points([[1.0], [2.0], [3.0]], ["x"], ["a", "b", "c"], tmp_path / "points.csv")
    with pytest.raises(UserError, match="other cells") as caught:
        tables.read_points(tmp_path / "points.csv", cells=pd.Index(cells))
    assert "points.csv" in str(caught.value)


def test_tables_of_runs_are_stacked_with_their_names(tmp_path):
    paths = []
    for dataset, model, seed in [("toy", "dae", 0), ("toy", "dae", 10), ("other", "007", 1)]:
        paths.append(tmp_path / dataset / model / f"seed{seed}" / "metrics.csv")
        paths[-1].parent.mkdir(parents=True)
        paths[-1].write_text(f"metric,value\nari,0.{seed}\n")
    found = tables.collect(map(str, paths))
    assert list(found.columns) == ["dataset", "model", "seed", "metric", "value"]
    assert found["dataset"].tolist() == ["toy", "toy", "other"]
    assert found["model"].tolist() == ["dae", "dae", "007"]
    assert found["seed"].tolist() == [0, 10, 1]
    assert found["value"].tolist() == [0.0, 0.10, 0.1]


def test_the_same_table_is_the_same_bytes(tmp_path):
    table = pd.DataFrame({"a": [1.5, 2.0], "b": ["x", "y,z"]})
    for name in ("one.csv", "two.csv"):
        tables.write(table, tmp_path / name)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes() == b'a,b\n1.5,x\n2.0,"y,z"\n'
