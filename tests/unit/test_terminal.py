"""What a run shows: progress while it runs, and the reason as the last lines where it fails."""

import io
import logging
import os

import pytest

from scae.jobs import terminal
from scae.jobs.terminal import Terminal

PER_RULE = {"fetch_counts": 1, "train_model": 98, "all": 1}


class Run:
    """A run of Snakemake as its log records, with a clock that the test sets."""

    def __init__(self):
        self.now, self.stream = 0.0, io.StringIO()
        self.terminal = Terminal(self.stream, lambda: self.now)

    def __call__(self, event, message="", level=logging.INFO, **fields):
        record = logging.LogRecord("snakemake", level, "", 0, message, (), None)
        record.__dict__ |= {"event": event} | fields if event else fields
        self.terminal.handle(record)

    def start(self, job, rule="train_model", **wildcards):
        self("job_info", jobid=job, rule_name=rule, wildcards=wildcards)

    def finish(self, job, done, total=100):
        self("job_finished", job_id=job)
        self("progress", done=done, total=total)

    def fail(self, job, log):
        self("job_error", level=logging.ERROR, jobid=job, rule_name="train_model", log=[str(log)], rule_msg=None)

    @property
    def lines(self):
        return self.stream.getvalue().splitlines()


@pytest.fixture
def run():
    return Run()


def logged(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(f"2026-01-01 10:00:00 INFO start\n{text}\n")
    return path


def test_a_long_run_is_a_screenful_that_says_what_is_running_and_how_long_it_takes(run):
    run(None, "Building DAG of jobs...")
    run("resources_info", cores=2)
    run("run_info", stats=PER_RULE | {"total": 100})
    for job in range(100):
        run.start(job, dataset="toy", model="dae", seed=job)
        run(None, "Select jobs to execute...")
        run.now += 1
        run.finish(job, job + 1)
    assert 15 <= len(run.lines) <= 25
    assert run.lines[0].startswith("100 jobs on 2 cores")
    assert "50 of 100 jobs, about 50 s left; running: train_model toy dae seed=50" in run.stream.getvalue()
    assert run.lines[-1] == "  100 of 100 jobs, in 2 min"


def test_a_slow_job_is_shown_when_the_next_one_starts(run):
    run("run_info", stats=PER_RULE | {"total": 100})
    run.start(1)
    run.now += 61
    run.start(2)
    assert len(run.lines) == 2


def test_a_failed_run_ends_with_job_reason_log_and_what_to_do(run, tmp_path):
    log = logged(tmp_path, "a.log", "2026-01-01 10:00:01 ERROR model.alpha: is 2; set it below 1")
    run("run_info", stats=PER_RULE | {"total": 100})
    for job in (1, 2):
        run.start(job, dataset="toy")
    run("error", "RuleException:\nCalledProcessError in file x, line 1:\nCommand returned 1", logging.ERROR)
    run.fail(1, log)
    run.fail(2, log)
    run(None, "Exiting because a job execution failed. Look above for error messages", logging.ERROR)
    run.terminal.show_end()
    run("error", "WorkflowError:\nAt least one job did not complete successfully.", logging.ERROR)
    job, path, todo = run.lines[-3:]
    assert job == "train_model dataset=toy (and 1 other job): model.alpha: is 2; set it below 1"
    assert str(log) in path
    assert "run the same command again" in todo
    assert "CalledProcessError" not in run.stream.getvalue()


def test_a_job_that_succeeds_in_another_attempt_has_not_failed(run, tmp_path):
    run.start(1)
    run.fail(1, tmp_path / "gone.log")
    run.start(1)
    run.finish(1, 1)
    run.terminal.show_end()
    assert "train_model" not in run.lines[-1]


@pytest.mark.parametrize(
    ("message", "fragment"),
    [("Command 'x' died with <Signals.SIGKILL: 9>.", "memory"), ("Command 'x' returned 1", "without a message")],
)
def test_a_job_that_says_nothing_was_ended_by_something(message, fragment, run, tmp_path):
    run.start(1)
    run("error", f"RuleException:\nCalledProcessError in file x, line 1:\n{message}", logging.ERROR)
    run.fail(1, tmp_path / "gone.log")
    run.terminal.show_end()
    assert fragment in run.stream.getvalue()


def test_an_interrupted_run_says_that_the_same_command_continues(run, tmp_path):
    run.start(1)
    run(None, "Terminating processes on user request, this might take some time.")
    run.fail(1, tmp_path / "gone.log")
    run.terminal.show_end()
    assert run.lines[-1] == terminal.STOPPED
    assert len(run.lines) == 2


def test_an_error_of_a_rule_file_is_shown_without_places_in_it(run):
    text = 'WorkflowError in file "a.smk", line 5:\nconfig: a: wrong\n  File "a.smk", line 5, in <module>'
    run("error", text, logging.ERROR, exception="WorkflowError")
    assert run.lines == ["config: a: wrong"]


def test_what_snakemake_says_outside_a_run_is_shown(run):
    run(None, "Nothing to be done (all requested files are present and up to date).")
    run(None, "a warning", logging.WARNING)
    run("error", "MissingInputException:\nMissing input files", logging.ERROR, exception="MissingInputException")
    assert len(run.lines) == 4


def test_an_unknown_target_is_answered_with_the_nearest_one(run):
    run.terminal.targets = ["all", "check", "data"]
    for name in ("chekc", "zzz"):
        run("error", f"MissingRuleException:\nNo rule to produce {name} (if you use …)", logging.ERROR)
    assert run.lines[0] == 'chekc: no such target; did you mean "check"?'
    assert run.lines[1].endswith("targets are all, check, data, and any result")


def test_a_plan_counts_the_jobs_of_each_rule_once(run):
    run.terminal.is_plan = True
    for _ in range(2):
        run("run_info", stats=PER_RULE | {"total": 100})
        run(None, "This was a dry-run")
    assert run.lines == ["    1 fetch_counts", "   98 train_model", "    1 all", "  100 total"]


class Settings:
    dryrun = printshellcmds = verbose = show_failed_logs = debug_dag = False
    quiet = frozenset()


@pytest.mark.parametrize("asked", [None, "dryrun", "printshellcmds", "verbose", "quiet"])
def test_an_option_keeps_the_output_of_snakemake(asked, monkeypatch):
    monkeypatch.setattr("sys.excepthook", None)
    monkeypatch.delenv(terminal.ENDS, raising=False)
    logger, theirs, settings = logging.Logger("snakemake"), logging.NullHandler(), Settings()
    theirs.name = "DefaultStreamHandler"
    logger.addHandler(theirs)
    if asked:
        setattr(settings, asked, True)
    taken = terminal.take_over(logger, settings)
    assert (taken is None) == (asked is not None)
    assert (theirs in logger.handlers) == terminal.is_reported_at_end() ^ True
    os.environ.pop(terminal.ENDS, None)
