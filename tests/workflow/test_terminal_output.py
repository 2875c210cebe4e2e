"""What a user reads of a run: a screenful that ends with the reason, if there is one."""

import re

import pytest


def last(done, number=1):
    return [line for line in done.stdout.splitlines() if line.strip()][-number:]


def test_a_failed_run_ends_with_job_reason_log_and_what_to_do(project):
    project.set("tsne.perplexity", 30)
    done = project.run(check=False)
    job, log, todo = last(done, 3)
    assert re.match(r"project_tsne dataset=toy model=\w+ seed=0( \(and \d other jobs?\))?: tsne.perplexity", job)
    assert "results/logs/project_tsne/toy/" in log
    assert "run the same command again" in todo
    assert done.stdout.count("29 or less") == 1
    assert "results/toy/expression.h5ad" not in done.stdout


@pytest.mark.parametrize(("option", "is_listed"), [((), False), (("-p",), True)])
def test_an_option_shows_every_job(option, is_listed, project):
    project.set("tsne.perplexity", 30)
    done = project.snakemake("results/toy/dae/seed0/tsne2d.csv", "--cores", 2, *option, check=False)
    assert ("jobid: " in done.stdout) == is_listed
    assert "tsne.perplexity" in done.stdout


def test_a_run_ends_with_its_notes_the_verdict_once_and_the_report(project):
    project.path("results/verdict.txt").unlink()
    done = project.run()
    said = done.stdout
    verdict = project.path("results/verdict.txt").read_text()
    assert said.count(verdict.splitlines()[0]) == 1
    assert "results/report.html (open it" in last(done)[0]
    assert said.index("genes kept") < said.index(verdict.splitlines()[0])
    assert len(said.splitlines()) <= 60


def test_a_part_of_the_workflow_does_not_end_with_an_old_verdict(project):
    project.path("results/toy/labels.csv").unlink()
    verdict = project.path("results/verdict.txt").read_text()
    assert verdict.splitlines()[0] not in project.run("data").stdout


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tsne.perplexty", 5, 'did you mean "perplexity"?'),
        ("run.models", ["dea"], 'did you mean "dae"?'),
        ("run.seeds", 3, "write [0, 1, 2]"),
        ("datasets.toy.source", "gone.h5ad", "Give a path relative to the working directory, or a URL"),
        ("training.threads", 1024, "or less"),
    ],
)
def test_a_refused_config_ends_with_what_to_do(key, value, words, empty):
    empty.set(key, value)
    [line] = last(empty.run(check=False))
    assert line.startswith(f"config: {key.partition('.')[0]}")
    assert words in line


def test_without_cores_all_are_used(empty):
    assert "results/toy/counts.h5ad" in empty.snakemake("results/toy/counts.h5ad", "-p").stdout


def test_a_target_behind_configfile_is_told_where_to_go(empty):
    empty.configfiles = [empty.path("overlay.yaml")]
    command = empty.command("--cores", 1)
    empty.command = lambda *_: [*command, "check"]
    [line] = last(empty.run(check=False))
    assert "check is a target, not a config file; put it first: snakemake check --configfile " in line
