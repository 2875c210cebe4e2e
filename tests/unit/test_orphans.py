"""A job is killed when its Snakemake dies, whichever process adopts it, with or without a shell in between."""

import ctypes
import os
import subprocess
import sys
import time

import pytest
from places import ROOT

from scae.jobs import orphans

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs prctl of Linux")
PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl

# A job: before it imports its runtime, which takes a moment, and after
JOB = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # as training does, which saves a checkpoint first
open("started", "w").close()
while not os.path.exists("go"):
    time.sleep(0.01)
from scae.jobs import runtime
open("at-work", "w").close()
time.sleep(60)
open("survived", "w").close()
"""
SNAKEMAKE = """
import subprocess, sys
from scae.jobs import orphans
orphans.announce()
subprocess.run(sys.argv[1:])
"""


@pytest.fixture(params=[0, 1], ids=["adopted by process 1", "adopted by a subreaper"])
def adopter(request):
    """The process that adopts orphans: this one, like systemd, or process 1."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, request.param)
    yield
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.fixture(params=[False, True], ids=["a child of Snakemake", "a shell between"])
def snakemake(request, adopter, tmp_path):
    (tmp_path / "job.py").write_text(JOB)
    job = [sys.executable, "job.py"]
    if request.param:
        job = ["bash", "-c", f"{sys.executable} job.py; true"]
    return subprocess.Popen(
        [sys.executable, "-c", SNAKEMAKE, *job],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT / "scripts"), "PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,  # the job inherits it, so it is closed when the job ends
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def output_of(snakemake, folder):
    """The output of a job that ends with Snakemake, long before its own end."""
    started = time.monotonic()
    output = snakemake.stdout.read()
    assert time.monotonic() - started < 10
    assert not (folder / "survived").exists()
    return output


def test_a_running_job_is_killed_with_snakemake(snakemake, tmp_path):
    (tmp_path / "go").touch()
    wait_until((tmp_path / "at-work").exists)
    snakemake.kill()
    output_of(snakemake, tmp_path)


def test_a_job_whose_snakemake_died_while_it_started_does_nothing(snakemake, tmp_path):
    wait_until((tmp_path / "started").exists)
    snakemake.kill()
    snakemake.wait()
    (tmp_path / "go").touch()
    assert "Snakemake has died" in output_of(snakemake, tmp_path)
    assert not (tmp_path / "at-work").exists()


def test_a_zombie_is_dead(snakemake, tmp_path):
    """It keeps its process id until its parent waits for it."""
    wait_until((tmp_path / "started").exists)
    snakemake.kill()
    os.waitid(os.P_PID, snakemake.pid, os.WEXITED | os.WNOWAIT)
    (tmp_path / "go").touch()
    assert "Snakemake has died" in output_of(snakemake, tmp_path)


def test_another_process_with_the_same_id_is_not_snakemake(monkeypatch):
    monkeypatch.setenv(orphans.SNAKEMAKE, f"{os.getpid()} 1")
    with pytest.raises(SystemExit, match="Snakemake has died"):
        orphans.end_with_snakemake()
    ctypes.CDLL(None).prctl(orphans.PR_SET_PDEATHSIG, 0)


def test_code_outside_snakemake_is_left_alone(monkeypatch):
    monkeypatch.delenv(orphans.SNAKEMAKE, raising=False)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("calls prctl"))
    orphans.end_with_snakemake()
