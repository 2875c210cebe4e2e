"""The results contract: unique names and paths, files of a job by name, and results/README.md."""

import runpy

import pytest
from places import ROOT

from scae import results


def test_names_paths_and_columns_are_unique():
    for values in ([result.name for result in results.CONTRACT], [result.path for result in results.CONTRACT]):
        assert len(set(values)) == len(values)
    for result in results.CONTRACT:
        columns = result.column_names
        assert len(set(columns)) == len(columns), result.name
        assert set(result.text_columns) <= set(columns)
        assert bool(columns) <= result.path.endswith(".csv")
        assert result.part in ("data", "models", "evaluation", "report")


def test_the_readme_of_the_results_is_up_to_date():
    tool = runpy.run_path(str(ROOT / "tools/results_table.py"))
    assert tool["page"]() == (ROOT / "results/README.md").read_text(encoding="utf-8"), "run `make docs`"


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
    return results.Files([*map(str, paths), str(tmp_path / "notes.txt")])


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
    assert results.Files([]).collect("metrics").empty


def test_one_file_is_found_by_its_wildcards(files, tmp_path):
    assert files.path("metrics", model="dae", seed=10) == str(tmp_path / "toy/dae/seed10/metrics.csv")
    assert files.read("references")["reference"].tolist() == ["shuffled"]
    for name, wildcards in (("metrics", {"model": "dae"}), ("health", {}), ("metrics", {"seed": 2})):
        with pytest.raises(KeyError, match=name):
            files.path(name, **wildcards)
    assert [wildcards["seed"] for wildcards, _ in files.all("metrics", dataset="toy")] == ["0", "10"]


def test_paths_are_made_for_all_values():
    found = results.paths(results.BY_NAME["tsne2d"], {"dataset": ["a"], "model": ["b", "c"], "seed": [0, 1]})
    assert found == [f"a/{model}/seed{seed}/tsne2d.csv" for model in "bc" for seed in (0, 1)]
    assert results.paths(results.BY_NAME["report"], {}) == ["report.html"]
