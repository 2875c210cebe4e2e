"""The results contract: unique names and paths, and results/README.md."""

import runpy

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


def test_paths_are_made_for_all_values():
    found = results.paths(results.BY_NAME["tsne2d"], {"dataset": ["a"], "model": ["b", "c"], "seed": [0, 1]})
    assert found == [f"a/{model}/seed{seed}/tsne2d.csv" for model in "bc" for seed in (0, 1)]
    assert results.paths(results.BY_NAME["report"], {}) == ["report.html"]
