"""A job writes to its log alone, and fails with one line for the user and status 1."""

import contextlib
import errno
import logging
import os
import subprocess
import sys
import warnings
from types import SimpleNamespace

import pytest
from places import ROOT

from scae.errors import UserError
from scae.jobs import code_digest, record, runtime

CODE = code_digest.code("collect_metrics")


class Params(SimpleNamespace):
    """Params as a script sees them: by attribute, and in order."""

    def __iter__(self):
        return iter(vars(self).values())


@pytest.fixture
def snakemake(tmp_path):
    wildcards = {"dataset": "toy", "seed": "0"}
    log = str(tmp_path / "logs" / "train_model" / "toy.log")
    params = Params(code=CODE)
    return SimpleNamespace(input=[], output=[], params=params, rule="train_model", log=[log], wildcards=wildcards)


@pytest.fixture(autouse=True)
def logging_as_before():
    yield
    logging.captureWarnings(False)


def log_of(snakemake):
    with open(snakemake.log[0], encoding="utf-8") as file:
        return file.read()


def run(snakemake, error):
    with runtime.job(snakemake):
        os.write(1, b"from C\n")
        if error:
            raise error


def fail(snakemake, error):
    with pytest.raises(SystemExit) as caught:
        run(snakemake, error)
    return caught.value.code


def test_a_mistake_of_the_user_is_one_line_without_a_traceback(snakemake, capfd):
    assert fail(snakemake, UserError("counts.h5ad: does not exist")) == 1
    out, err = capfd.readouterr()
    assert err == "train_model dataset=toy seed=0: counts.h5ad: does not exist\n"
    assert out == ""
    assert "counts.h5ad: does not exist" in log_of(snakemake)
    assert "Traceback" not in log_of(snakemake)


def test_a_message_for_the_terminal_is_shown_with_the_name_of_the_job(snakemake, capfd):
    with runtime.job(snakemake):
        logging.info("epoch %d of 200", 7, extra={"terminal": True})
        logging.info("for the log alone")
    out, err = capfd.readouterr()
    assert out + err == "train_model dataset=toy seed=0: epoch 7 of 200\n"
    assert "epoch 7 of 200" in log_of(snakemake)
    assert "for the log alone" in log_of(snakemake)


@pytest.mark.parametrize("message", ["broken", "first line\nsecond line\n  third"])
def test_a_defect_is_one_line_and_its_traceback_is_in_the_log(message, snakemake, capfd):
    assert fail(snakemake, ValueError(message)) == 1
    out, err = capfd.readouterr()
    assert err.startswith("train_model dataset=toy seed=0: unexpected ValueError: ")
    assert message.splitlines()[0] in err
    assert snakemake.log[0] in err
    assert "Traceback" not in err
    assert out == ""
    assert "Traceback" in log_of(snakemake)
    assert "raise error" in log_of(snakemake)
    assert err.count("\n") == 1


def test_a_rule_without_wildcards_is_named_alone(snakemake, capfd):
    snakemake.wildcards = {}
    fail(snakemake, UserError("no"))
    assert capfd.readouterr().err == "train_model: no\n"


def test_what_c_code_prints_goes_to_the_log(snakemake, capfd):
    with runtime.job(snakemake):
        os.write(1, b"out of C\n")
        os.write(2, b"error of C\n")
        subprocess.run(["echo", "from a child"], check=True)
    assert capfd.readouterr() == ("", "")
    for text in ("out of C", "error of C", "from a child"):
        assert text in log_of(snakemake)


def test_messages_and_warnings_go_to_the_log(snakemake, capfd):
    with runtime.job(snakemake):
        logging.getLogger("scae.training.fitting").info("epoch 1")
        logging.getLogger("other").warning("careful")
        warnings.warn("deprecated thing", UserWarning, stacklevel=1)
    assert capfd.readouterr() == ("", "")
    for text in ("INFO epoch 1", "WARNING careful", "deprecated thing"):
        assert text in log_of(snakemake)


@pytest.mark.parametrize("error", [None, UserError("no"), ValueError("no"), KeyboardInterrupt(), SystemExit(3)])
def test_output_goes_where_it_went_before_once_the_job_is_over(error, snakemake, capfd):
    identity = [os.fstat(descriptor).st_ino for descriptor in (1, 2)]
    n_open = len(os.listdir("/proc/self/fd"))
    with contextlib.suppress(SystemExit, KeyboardInterrupt):
        run(snakemake, error)
    assert [os.fstat(descriptor).st_ino for descriptor in (1, 2)] == identity
    assert len(os.listdir("/proc/self/fd")) == n_open
    os.write(1, b"again\n")
    assert capfd.readouterr().out == "again\n"
    assert "from C" in log_of(snakemake)
    assert "again" not in log_of(snakemake)


def test_an_interrupt_is_one_line_without_a_traceback(snakemake, capfd):
    with pytest.raises(SystemExit):
        run(snakemake, KeyboardInterrupt())
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith(": interrupted")


def test_nothing_is_logged_into_a_log_that_is_closed(snakemake, capfd):
    with runtime.job(snakemake):
        logging.getLogger().info("inside")
    logging.getLogger().warning("outside")
    assert "inside" in log_of(snakemake)
    assert "outside" not in log_of(snakemake)
    assert "Logging error" not in capfd.readouterr().err


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
from scae.errors import UserError

class Params(list):
    code = code_digest.code("collect_metrics")

params = Params()
snakemake = SimpleNamespace(input=[], output=[], params=params, rule="a_rule", log=["job.log"], wildcards={})
print("before")
with runtime.job(snakemake):
    print("printed")
    print("printed too", file=sys.stderr)
    %s
print("after")
"""


@pytest.mark.parametrize(
    ("body", "code", "out", "err"),
    [
        ("pass", 0, "before\nafter\n", ""),
        ("raise UserError('no such file')", 1, "before\n", "a_rule: no such file\n"),
        ("1 / 0", 1, "before\n", "a_rule: unexpected ZeroDivisionError: division by zero (traceback in job.log)\n"),
    ],
)
def test_a_process_shows_the_user_only_what_the_job_means_for_them(body, code, out, err, tmp_path):
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM % body],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (code, out, err)
    assert "printed\n" in (tmp_path / "job.log").read_text()
    assert "printed too\n" in (tmp_path / "job.log").read_text()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "results: no space left on device; make room and run again"),
        (
            OSError(errno.EROFS, "Read-only file system", "results/a.csv"),
            "results/a.csv: read-only file system; make it writable and run again",
        ),
    ],
)
@pytest.mark.parametrize("hidden", [False, True])
def test_a_problem_of_the_disk_says_what_to_do(error, message, hidden, snakemake, capfd):
    snakemake.output = ["results/model.pt"]

    def write():
        try:
            raise error
        finally:
            if hidden:
                raise RuntimeError("unexpected pos 117952")

    with pytest.raises(SystemExit), runtime.job(snakemake):
        write()
    assert capfd.readouterr().err == f"train_model dataset=toy seed=0: {message}\n"


def test_a_full_disk_that_only_hdf5_tells_of_is_one_line_too(snakemake, capfd):
    snakemake.output = ["results/toy/counts.h5ad"]
    fail(
        snakemake,
        RuntimeError("flush failed (file write failed: file descriptor = 16, errno = 28, error message = 'No'"),
    )
    line = "results/toy: no space left on device; make room and run again"
    assert capfd.readouterr().err.endswith(f": {line}\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no /dev/full")
def test_a_log_that_cannot_be_written_is_one_line_too(snakemake, capfd):
    snakemake.log, snakemake.output = ["/dev/full"], ["results/model.pt"]
    with pytest.raises(SystemExit), runtime.job(snakemake):
        os.write(1, b"too much")
    assert capfd.readouterr().err.endswith("results: no space left on device; make room and run again\n")


def test_a_finished_job_notes_what_made_its_files(snakemake):
    snakemake.output = [os.path.join(os.path.dirname(snakemake.log[0]), "model.pt")]
    os.makedirs(os.path.dirname(snakemake.log[0]))
    with open(snakemake.output[0], "w") as file:
        file.write("weights")
    run(snakemake, None)
    origins = record.read(os.path.dirname(snakemake.log[0]))
    assert origins[snakemake.output[0]]["software"]["python"]


def test_a_damaged_input_is_named_before_anything_is_made_of_it(snakemake, capfd):
    test_a_finished_job_notes_what_made_its_files(snakemake)
    folder, _ = os.path.split(os.path.dirname(snakemake.log[0]))
    snakemake.input, snakemake.log = snakemake.output, [os.path.join(folder, "embed_cells", "toy.log")]
    snakemake.output = []
    with open(snakemake.input[0], "w") as file:
        file.write("wei")
    with pytest.raises(SystemExit), runtime.job(snakemake):
        pytest.fail("the job is at work")
    assert capfd.readouterr().err.endswith(f"{snakemake.input[0]}: is damaged (truncated); delete it and run again\n")


def test_a_failed_job_made_nothing(snakemake):
    snakemake.output = ["results/model.pt"]
    fail(snakemake, ValueError("broken"))
    assert record.read(os.path.dirname(snakemake.log[0])) == {}


def test_code_that_was_edited_since_the_plan_makes_nothing(snakemake, capfd):
    snakemake.params.code = CODE | {"digest": "of other code"}
    with pytest.raises(SystemExit), runtime.job(snakemake):
        pytest.fail("the job is at work")
    line = "scripts/collect_metrics.py, or what it imports, was edited while the run was under way; run again"
    assert capfd.readouterr().err == f"train_model dataset=toy seed=0: {line}\n"
