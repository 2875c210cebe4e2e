"""Wrong data stop a job with one clear line, leave no half-written output, and cost nothing of an earlier run."""

import pickle
import re

import numpy as np
import pytest
from workflow_project import toy_cells


def failure(project, output):
    """The line on the terminal by which the job that makes ``output`` failed.

    Also checks what holds for any such failure: no traceback, no half-written output, and no file of an earlier run
    changed, except for the log, benchmark and removed outputs of the job.
    """
    before = project.files()
    done = project.run(output, check=False)
    after = project.files()
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    lines = re.findall(r"^\w+ dataset=toy[^:]*: .*$", done.stdout, re.MULTILINE)
    assert lines, done.stdout
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    changed = {path for path in changed if not path.startswith(("results/logs/", "results/benchmarks/"))}
    assert changed <= set(before) - set(after)
    assert output not in after
    return lines[0]


@pytest.fixture(params=["first run", "after a good run"])
def either(request):
    """A project in which nothing has been made, and one whose run is complete: both must fail the same way."""
    return request.getfixturevalue("empty" if request.param == "first run" else "project")


def write_nan(project):
    cells = toy_cells()
    cells.X = cells.X.toarray()
    cells.X[3, 4] = np.nan
    cells.write_h5ad(project.path("toy.h5ad"))


def test_a_bad_value_is_named_by_file_cell_and_gene(either):
    write_nan(either)
    line = failure(either, "results/toy/counts.h5ad")
    assert "toy.h5ad: cell CELL003-1, gene GENE4" in line


def test_a_cell_without_label_is_named(project):
    rows = project.path("results/toy/labels.csv").read_text().splitlines(keepends=True)
    project.path("types.csv").write_text("".join(row for row in rows if not row.startswith("CELL007-1,")))
    project.set("datasets.toy.labels", {"from": "csv", "path": "types.csv"})
    assert "cell CELL007-1 has no label" in failure(project, "results/toy/labels.csv")


def test_limits_that_no_cell_passes_are_named(empty):
    empty.set("datasets.toy.qc.min_genes", 59)
    empty.run("results/toy/counts.h5ad")
    assert "qc.min_genes: 59 removes all 90 cells" in failure(empty, "results/toy/expression.h5ad")


def test_a_perplexity_too_high_for_the_cells_is_named_with_the_highest_that_works(project):
    project.set("tsne.perplexity", 40)
    line = failure(project, "results/toy/dae/seed0/tsne2d.csv")
    assert "tsne.perplexity" in line
    assert "29 or less" in line
    project.set("tsne.perplexity", 29)
    project.run("results/toy/dae/seed0/tsne2d.csv")


def test_repaired_data_give_the_same_results_as_before(project):
    good = project.path("toy.h5ad").read_bytes()
    before = project.files()
    write_nan(project)
    project.run(check=False)
    project.path("toy.h5ad").write_bytes(good)
    project.run("results/toy/counts.h5ad")
    assert project.files()["results/toy/counts.h5ad"][0] == before["results/toy/counts.h5ad"][0]
    assert project.planned() == {}


class Payload:
    """What a pickle would do to whoever opens it."""

    def __reduce__(self):
        return (open, ("opened", "w"))


@pytest.mark.parametrize(
    ("file", "damage", "output"),
    [
        ("model.pt", lambda _: pickle.dumps(Payload()), "seed0/latent.csv"),
        ("latent.csv", lambda content: content[: len(content) // 2], "seed0/tsne2d.csv"),
        ("history.csv", lambda content: content.replace(b",", b"\xff", 1), "losses.png"),
    ],
)
def test_a_damaged_result_is_named_by_the_job_that_reads_it(file, damage, output, project):
    run = "results/toy/dae/seed0"
    path = project.path(f"{run}/{file}")
    path.write_bytes(damage(path.read_bytes()))
    project.path(f"results/toy/dae/{output}").unlink()
    line = failure(project, f"results/toy/dae/{output}")
    assert f"{run}/{file}: is damaged" in line
    assert not project.path("opened").exists()
