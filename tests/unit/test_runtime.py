"""The frame of a job: output goes to its log only, and a failure is one line for the user and status 1."""

import contextlib
import errno
import logging
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from types import SimpleNamespace

import pytest
from places import ROOT

from scae.errors import UserError
from scae.jobs import code_digest, record, runtime, terminal

CODE = code_digest.code("export_csv")


class Params(SimpleNamespace):
    """Params as a script sees them: by attribute, and in order."""

    def __iter__(self):
        return iter(vars(self).values())


@pytest.fixture
def snakemake(tmp_path):
    wildcards = {"dataset": "toy", "seed": "0"}
    log = str(tmp_path / "logs" / "train_model" / "toy" / "seed0.log")
    params = Params(code=CODE)
    return SimpleNamespace(input=[], output=[], params=params, rule="train_model", log=[log], wildcards=wildcards)


@pytest.fixture(autouse=True)
def logging_as_before():
    yield
    logging.captureWarnings(False)


def log_of(snakemake):
    return Path(snakemake.log[0]).read_text(encoding="utf-8")


def run(snakemake, error):
    with runtime.job(snakemake):
        os.write(1, b"from C\n")
        if error:
            raise error


def line_of(snakemake, error, capfd):
    """The one line that a failing job shows, without the name of the job."""
    with pytest.raises(SystemExit) as caught:
        run(snakemake, error)
    out, err = capfd.readouterr()
    assert (caught.value.code, out, err.count("\n")) == (1, "", 1)
    name = "train_model dataset=toy seed=0: "
    assert err.startswith(name)
    return err.removeprefix(name).rstrip("\n")


def test_a_user_error_is_one_line_without_a_traceback(snakemake, capfd):
    assert line_of(snakemake, UserError("counts.h5ad: \x1b[2J does not exist"), capfd) == (
        r"counts.h5ad: \x1b[2J does not exist"
    )
    assert r"ERROR counts.h5ad: \x1b[2J does not exist" in log_of(snakemake)
    assert "Traceback" not in log_of(snakemake)


@pytest.mark.parametrize("message", ["broken", "first line\nsecond line\n  third"])
def test_a_bug_is_one_line_and_its_traceback_is_in_the_log(message, snakemake, capfd):
    line = line_of(snakemake, ValueError(message), capfd)
    assert line == f"unexpected ValueError: {' '.join(message.split())} (traceback in {snakemake.log[0]})"
    assert "Traceback" in log_of(snakemake)
    assert "raise error" in log_of(snakemake)
    assert record.read(os.path.dirname(snakemake.log[0])) == {}


def test_an_interrupt_is_one_line(snakemake, capfd):
    assert line_of(snakemake, KeyboardInterrupt(), capfd) == "interrupted"


@pytest.mark.parametrize("error", [UserError("model.alpha: is 2"), ValueError("broken"), KeyboardInterrupt()])
def test_a_run_that_is_reported_at_its_end_finds_the_line_in_the_log(error, snakemake, capfd, monkeypatch):
    line = line_of(snakemake, error, capfd)
    monkeypatch.setenv(terminal.ENDS, "1")
    with pytest.raises(SystemExit):
        run(snakemake, error)
    assert capfd.readouterr() == ("", "")
    assert terminal.reason(snakemake.log, None, None) == line


def test_such_a_run_shows_marked_messages_but_no_warnings(snakemake, capfd, monkeypatch):
    monkeypatch.setenv(terminal.ENDS, "1")
    with runtime.job(snakemake):
        logging.getLogger("scae.training").warning("collapsed")
        logging.getLogger("scae.training").info("epoch 7 of 200", extra={"terminal": True})
    assert capfd.readouterr() == ("", "train_model dataset=toy seed=0: epoch 7 of 200\n")


def test_a_rule_without_wildcards_is_named_alone(snakemake, capfd):
    snakemake.wildcards = {}
    with pytest.raises(SystemExit):
        run(snakemake, UserError("no"))
    assert capfd.readouterr().err == "train_model: no\n"


def test_the_terminal_shows_warnings_of_ours_and_marked_messages_only(snakemake, capfd):
    with runtime.job(snakemake) as noted:
        logging.getLogger("scae.training").info("epoch %d of 200", 7, extra={"terminal": True})
        logging.getLogger("scae.training").warning("collapsed")
        logging.getLogger("scae.training").info("for the log")
        logging.getLogger("other").warning("careful")
        warnings.warn("deprecated thing", UserWarning, stacklevel=1)
        noted.print("a table")
    name = "train_model dataset=toy seed=0: "
    assert capfd.readouterr() == ("", f"{name}epoch 7 of 200\n{name}collapsed\na table\n")
    for text in ("INFO epoch 7", "WARNING collapsed", "INFO for the log", "WARNING careful", "deprecated"):
        assert text in log_of(snakemake)
    assert '"notes": [[true, "collapsed"]]' in log_of(snakemake)


@pytest.mark.parametrize("error", [None, UserError("no"), ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_output_is_restored_when_the_job_is_over(error, snakemake, capfd):
    identity = [os.fstat(descriptor).st_ino for descriptor in (1, 2)]
    n_open = len(os.listdir("/proc/self/fd"))
    with contextlib.suppress(SystemExit, KeyboardInterrupt):
        run(snakemake, error)
    assert [os.fstat(descriptor).st_ino for descriptor in (1, 2)] == identity
    assert len(os.listdir("/proc/self/fd")) == n_open
    capfd.readouterr()
    os.write(1, b"again\n")
    logging.getLogger().warning("outside")
    out, err = capfd.readouterr()
    assert out == "again\n"
    assert "Logging error" not in err
    assert "from C" in log_of(snakemake)
    assert "again" not in log_of(snakemake)
    assert "outside" not in log_of(snakemake)


def test_a_second_run_replaces_the_log(snakemake):
    for text in ("first", "second"):
        with runtime.job(snakemake):
            logging.getLogger().info(text)
    assert "second" in log_of(snakemake)
    assert "first" not in log_of(snakemake)


PROGRAM = """
import sys
from types import SimpleNamespace
from scae.jobs import code_digest, runtime

class Params(list):
    code = code_digest.code("export_csv")

snakemake = SimpleNamespace(input=[], output=[], params=Params(), rule="a_rule", log=["job.log"], wildcards={})
print("before")
with runtime.job(snakemake):
    print("printed")
    print("printed too", file=sys.stderr)
    1 / 0
print("after")
"""


def test_a_process_ends_with_status_1_and_one_line(tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    line = "a_rule: unexpected ZeroDivisionError: division by zero (traceback in job.log)\n"
    assert (run.returncode, run.stdout, run.stderr) == (1, "before\n", line)
    assert {"printed", "printed too"} <= set((tmp_path / "job.log").read_text().splitlines())


FULL, READ_ONLY = OSError(errno.ENOSPC, "Full"), OSError(errno.EROFS, "Read-only", "results/a.csv")
HDF5 = RuntimeError("flush failed (file write failed: file descriptor = 16, errno = 28, error message = 'No'")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FULL, "results: no space left on device; make room and run again"),
        (HDF5, "results: no space left on device; make room and run again"),
        (READ_ONLY, "results/a.csv: read-only file system; make it writable and run again"),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_disk_problem_says_what_to_do(error, message, hidden, snakemake, capfd):
    snakemake.output = ["results/model.pt"]
    if hidden:  # by torch.save
        other = RuntimeError("unexpected pos 117952")
        other.__context__ = error
        error = other
    assert line_of(snakemake, error, capfd) == message


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_log_that_cannot_be_written_is_one_line(snakemake, capfd):
    snakemake.log, snakemake.output = ["/dev/full"], ["results/model.pt"]
    with pytest.raises(SystemExit), runtime.job(snakemake):
        os.write(1, b"too much")
    assert capfd.readouterr().err.endswith("results: no space left on device; make room and run again\n")


def test_an_input_is_checked_against_the_record_of_the_job_that_made_it(snakemake, tmp_path, capfd):
    made = tmp_path / "toy" / "seed0" / "model.pt"
    made.parent.mkdir(parents=True)
    made.write_text("weights")
    snakemake.output = [str(made)]
    run(snakemake, None)
    snakemake.input, snakemake.output = [str(made)], []
    snakemake.log = [str(tmp_path / "logs" / "embed_cells" / "toy" / "seed0.log")]
    run(snakemake, None)
    made.write_text("wei")
    with pytest.raises(SystemExit), runtime.job(snakemake):
        pytest.fail("the job has started")
    assert re.search(rf"{made}: is damaged \(truncated\); delete it and run again\n$", capfd.readouterr().err)


def test_a_job_does_not_start_if_its_code_was_edited_since_the_plan(snakemake, capfd):
    snakemake.params.code = CODE | {"digest": "of other code"}
    with pytest.raises(SystemExit), runtime.job(snakemake):
        pytest.fail("the job has started")
    assert "scripts/export_csv.py" in capfd.readouterr().err
