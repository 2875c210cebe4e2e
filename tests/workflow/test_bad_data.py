"""Wrong data stop a job with one clear line, leave no half-written output, and cost nothing of an earlier run."""

import pickle

import numpy as np
import pytest
from workflow_project import toy_cells


def failure(project, rule, output):
    """The line on the terminal by which the job of a rule that makes ``output`` failed.

    Also checks what holds for any such failure: no traceback, no half-written output, and every file of an earlier run
    as it was but for the output, log and benchmark of the job that failed (Snakemake removes the output first).
    """
    before = project.files()
    done = project.run(output, check=False)
    after = project.files()
    assert done.returncode != 0
    assert "Traceback" not in done.stdout
    lines = [line for line in done.stdout.splitlines() if line.startswith(f"{rule} dataset=toy")]
    assert lines, done.stdout
    own = (f"results/logs/{rule}/", f"results/benchmarks/{rule}/")
    changed = {path for path in before | after if before.get(path) != after.get(path) and not path.startswith(own)}
    assert changed <= {output}
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


def test_value_that_is_no_number_is_named_by_cell_and_gene(either):
    write_nan(either)
    line = failure(either, "fetch_counts", "results/toy/counts.h5ad")
    assert "toy.h5ad" in line
    assert "cell CELL003-1, gene GENE4" in line


def test_archive_that_is_garbage_is_named(either):
    either.path("cells.tar.gz").write_bytes(b"garbage" * 1000)
    either.set("datasets.toy.source", "cells.tar.gz")
    assert "cells.tar.gz: is damaged or not what its name says" in failure(
        either, "fetch_counts", "results/toy/counts.h5ad"
    )


def test_cell_without_label_is_named(project):
    rows = project.path("results/toy/labels.csv").read_text().splitlines(keepends=True)
    project.path("types.csv").write_text("".join(row for row in rows if not row.startswith("CELL007-1,")))
    project.set("datasets.toy.labels", {"from": "csv", "path": "types.csv"})
    assert "cell CELL007-1 has no label" in failure(project, "label_cells", "results/toy/labels.csv")


def test_label_column_that_is_missing_is_named(project):
    project.set("datasets.toy.labels.column", "celltype")
    line = failure(project, "label_cells", "results/toy/labels.csv")
    assert 'labels.column: the data has no column "celltype"' in line
    assert "cell_type" in line


def test_perplexity_too_high_for_the_cells_is_named_with_the_highest_that_works(project):
    project.set("tsne.perplexity", 40)
    line = failure(project, "project_tsne", "results/toy/dae/seed0/tsne2d.csv")
    assert "tsne.perplexity: 40 needs 121 cells, but there are 90; set it to 29 or less" in line
    project.set("tsne.perplexity", 29)
    project.run("results/toy/dae/seed0/tsne2d.csv")


def test_decimals_that_are_called_counts_are_refused_with_the_key_to_set(empty):
    cells = toy_cells()
    cells.X = cells.X * np.float32(0.9)
    cells.write_h5ad(empty.path("toy.h5ad"))
    empty.set("datasets.toy.values", "counts")
    line = failure(empty, "fetch_counts", "results/toy/counts.h5ad")
    assert "values: counts is not true of its matrix: X holds decimals" in line
    assert "Write matrix: X and values: corrected_counts" in line


def failure_after_fetching(project):
    project.run("results/toy/counts.h5ad")
    return failure(project, "preprocess_cells", "results/toy/expression.h5ad")


def test_limits_that_no_cell_passes_are_named(empty):
    empty.set("datasets.toy.qc.min_genes", 59)
    line = failure_after_fetching(empty)
    assert "no cell of 90 passes quality control" in line
    assert "qc" in line


def test_mended_data_run_through_and_give_what_they_gave_before(project):
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
    ("file", "content", "rule", "output", "problem"),
    [
        ("model.pt", pickle.dumps(Payload()), "embed_cells", "latent.csv", "is damaged (truncated)"),
        ("latent.csv", lambda found: found[: len(found) // 2], "project_tsne", "tsne2d.csv", "is damaged (truncated)"),
        (
            "history.csv",
            lambda found: found.replace(b",", b"\xff", 1),
            "plot_losses",
            "losses.png",
            "is damaged, or was",
        ),
    ],
)
def test_a_damaged_result_is_named_by_the_job_that_reads_it(file, content, rule, output, problem, project):
    run = "results/toy/dae/seed0"
    path = project.path(f"{run}/{file}")
    path.write_bytes(content(path.read_bytes()) if callable(content) else content)
    project.path(f"{run}/{output}").unlink()
    line = failure(project, rule, f"{run}/{output}")
    assert f"{run}/{file}: {problem}" in line
    assert line.endswith("; delete it and run again")
    assert not project.path("opened").exists()
