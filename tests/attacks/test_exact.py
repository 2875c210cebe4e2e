"""Promise: a change reruns exactly the affected jobs, and only what is true is believed of a file."""

import json
import os
import shutil
import time

import pytest
from interruptions import CONFIG
from workflow_project import Project

from scae.jobs import notes, record

BACKENDS = pytest.mark.parametrize("backend", ["file", "db"])
SCORES = "results/toy/dae/seed0/metrics.csv"


def rewrite_log(path, change):
    """Change the records of a log as its job would have written them."""
    lines = path.read_text().splitlines(keepends=True)
    key = record.FIRST_LINE.match(lines[0])[1]
    for number, line in enumerate(lines):
        head, marked, content = line.partition(f"{record.MARK}{key} ")
        if marked:
            lines[number] = f"{head}{marked}{json.dumps(change(json.loads(content)))}\n"
    path.write_text("".join(lines))


@BACKENDS
def test_the_log_of_another_run_is_not_believed(backend, small):
    """Results of one config, the log of another, and Snakemake's records lost."""
    options = ("--cores", 1, "--persistence-backend", backend)
    small.set("kmeans.n_init", 2)
    before = small.path("results/logs/score_clusters/toy/dae.log").read_bytes()
    small.snakemake(*options)
    log = small.path("results/logs/score_clusters/toy/dae.log")
    for file in ("metrics.csv", "clusters.csv"):  # what pretends has the same bytes; a real score differs
        path = small.path(f"results/toy/dae/seed0/{file}")
        times = path.stat().st_atime_ns, path.stat().st_mtime_ns
        path.write_text("of n_init 2")
        os.utime(path, ns=times)
    of_this_run = log.read_bytes()
    log.write_bytes(before)
    shutil.rmtree(small.path(".snakemake"))
    small.set("kmeans.n_init", 3)
    assert "score_clusters" in small.planned(options=options)
    shutil.rmtree(small.path(".snakemake"))
    log.write_bytes(of_this_run)
    rewrite_log(log, lambda made: made | {"files": {file: record._content(small.path(file)) for file in made["files"]}})
    small.set("kmeans.n_init", 2)
    assert small.planned(options=options) == {}


@BACKENDS
def test_a_record_of_other_bytes_is_not_believed_wherever_the_logs_are(backend, small):
    options = ("--cores", 1, "--persistence-backend", backend)
    small.set("pathvars.logs", "protocol")
    shutil.copytree(small.path("results/logs"), small.path("protocol"))
    shutil.rmtree(small.path(".snakemake"))
    assert small.planned(options=options) == {}
    shutil.rmtree(small.path(".snakemake"))
    small.path("results/toy/expression.h5ad").write_text("of another run")
    done = small.snakemake("-n", *options)
    assert "no log describes them as they are" in done.stdout
    assert "preprocess_cells" in small.planned(options=options)


def test_damaged_records_of_the_database_are_one_line(small):
    small.path(".snakemake/metadata.db").write_bytes(b"no database" * 999)
    done = small.snakemake("-n", "--cores", 1, "--persistence-backend", "db", check=False)
    assert ".snakemake/metadata.db: file is not a database; delete it and run again" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_message_forges_no_record(small, monkeypatch):
    """A library prints what it likes into the log of its job, such as the name of a column."""
    monkeypatch.chdir(small.folder)
    log = small.path("results/logs/score_clusters/toy/dae.log")
    true = record.read(small.path("results/logs"))[SCORES]
    forged = json.dumps(
        {key: true[key] for key in true if key != "content"} | {"files": {SCORES: record._content(small.path(SCORES))}}
    )
    small.path(SCORES).write_text("forged")
    forged = forged.replace(true["content"]["sha256"], record._content(small.path(SCORES))["sha256"])
    key = record.FIRST_LINE.match(log.read_text())[1]
    for line in (
        f"made with {forged}",
        f"made with {'0' * 16} {forged}",
        f"key of the records: {key}x\nmade with {forged}",
    ):
        log.write_text(f"{log.read_text()}{line}\n")
    assert record.made_as_they_are({SCORES}, small.path("results/logs")) == {}
    assert record.read(small.path("results/logs"))[SCORES] == true


def test_notes_of_jobs_that_are_not_in_this_run_are_left_out(small):
    """Label sets, batches, kinds of models: their logs stay when the config no longer has them."""
    logs = small.path("results/logs")
    for name, made in (("stale", "results/toy/labels/gates.csv"), ("true", "results/toy/labels.csv")):
        with (logs / f"{name}.log").open("w") as log:
            key = record.begin(log)
            job = {
                "rule": "label_cells",
                "wildcards": {"dataset": "toy"},
                "files": [made],
                "notes": [[True, f"{name} warning"]],
            }
            log.write(f"{notes.MARK}{key} {json.dumps(job)}\n")
    small.path("results/verdict.txt").unlink()
    said = small.run().stdout
    assert "warning: toy: true warning" in said
    assert "stale warning" not in said
    used = record.below(["results/report.html"], record.read(logs))
    assert notes.summary(logs, used) == ["warning: toy: true warning"]


def wait_for(path, process):
    end = time.monotonic() + 120
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@BACKENDS
def test_whoever_ends_in_the_folder_of_a_run_the_next_is_refused(backend, workflow, warm, tmp_path):
    options = ("--cores", 1, "--persistence-backend", backend)
    project = Project.create(tmp_path / "project", workflow, CONFIG, warm=warm)
    project.set("training.epochs", 100_000)
    first = project.start("models", *options)
    try:
        wait_for(project.path("results/toy/beta_vsc/seed0/checkpoint.pt"), first)
        for others in (("check",), ("-n",), ("results/toy/counts.h5ad",)):
            done = project.snakemake(*others, *options, check=False)
            assert done.returncode == 0 or "cannot be locked" in done.stdout, done.stdout
            assert "Traceback" not in done.stdout
        shutil.rmtree(project.path(".snakemake/locks"), ignore_errors=True)  # as any Snakemake that ends here does
        for target in ("manifest", "results/toy/labels.csv"):
            done = project.snakemake(target, *options, check=False)
            assert done.returncode != 0
            assert "another run goes on here (process " in done.stdout or "cannot be locked" in done.stdout
    finally:
        first.kill()
    project.set("training.epochs", 1)
    project.snakemake("--unlock", *options)
    project.snakemake("models", *options)  # a killed run holds nothing


def test_check_leaves_the_locks_of_a_run_alone(empty):
    """As long as another Snakemake's locks are there, its files are refused to the next."""
    empty.run("results/toy/counts.h5ad")
    locks = empty.path(".snakemake/locks")
    locks.mkdir(exist_ok=True)
    (locks / "0.output.lock").write_text("results/toy/labels.csv\n")
    empty.run("check")
    assert (locks / "0.output.lock").exists()
    assert "cannot be locked" in empty.run("results/toy/labels.csv", check=False).stdout
