"""Kills of runs of the workflow at random moments, each followed by another run."""

import ctypes
import os
import random
import signal
import subprocess
import time
from pathlib import Path

from workflow_project import TOY_CONFIG, Project

# Training long enough to be hit; a checkpoint every 0.3 s
CONFIG = TOY_CONFIG | {
    "run": {"datasets": ["toy"], "models": ["beta_vsc"], "seeds": [0]},
    "training": {"epochs": 400, "min_steps": 0, "batch_size": 32, "checkpoint_minutes": 0.005},
}
PR_SET_CHILD_SUBREAPER = 36  # of Linux's prctl
# After the start of Snakemake, in seconds; a whole run takes two or three times as long
DELAYS_S = {"ordinary": (2.0, 14.0), "warm": (0.3, 5.0)}

OUTPUTS = [
    *("toy/counts.h5ad", "toy/expression.h5ad", "toy/labels.csv", "toy/embeddings.h5ad", "metrics.csv", "report.html"),
    *("toy/beta_vsc/seed0/checkpoint.pt.part", "toy/beta_vsc/seed0/model.pt", "toy/beta_vsc/seed0/latent.csv"),
]


def jobs_of(process):
    """Process ids of the jobs of a local Snakemake run."""
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(pid) for children in threads for pid in children.read_text().split()]


def adopt_orphans(wanted):
    """Have this process adopt the children of one that dies, as `systemd --user` does; or leave them to process 1."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, int(wanted))


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pids, seconds=20):
    """Wait until the processes are gone.

    Raises:
        TimeoutError: if one outlives that.
    """
    end = time.monotonic() + seconds
    while left := [pid for pid in pids if alive(pid)]:
        if time.monotonic() > end:
            raise TimeoutError(f"still running after {seconds} s: {left}")
        time.sleep(0.05)


def kill(project, seconds, output, choice):
    """Start a run and kill -9 Snakemake, or one of its jobs.

    Args:
        seconds: when, at the latest.
        output: path of a result: as soon as it appears, if it does before that.
        choice: function that draws from a list.

    Returns:
        str: what was killed, "snakemake" or "job"; None if the run was over by then.
    """
    process = project.start("all", "manifest", "--cores", 2)
    end = time.monotonic() + seconds
    new = not project.path(output).exists()
    while time.monotonic() < end and not (new and project.path(output).exists()):
        try:
            printed, _ = process.communicate(timeout=0.01)
            assert process.returncode == 0, printed
            return None
        except subprocess.TimeoutExpired:
            pass  # still at work
    jobs = jobs_of(process)
    victim = choice(jobs) if jobs and choice([True, False]) else process.pid
    os.kill(victim, signal.SIGKILL)
    process.communicate()
    wait_for_end(jobs)
    return "job" if victim in jobs else "snakemake"


def rounds(kills, workflow, folder, warm, start):
    """Kill and rerun until so many kills are done and the run they hit is complete; yields after each complete run.

    In every other round this process adopts the jobs whose Snakemake was killed.

    Args:
        warm: a `warm.Warm`.
        start: whether the runs that are killed are "ordinary" or "warm".

    Yields:
        (list of str, Path): what was killed on the way, and the manifest in the end.
    """
    draw = random.Random(0)
    number = 0
    while kills > 0:
        number += 1
        project = Project.create(folder / f"run{number}", workflow, CONFIG, warm=warm)
        at_risk = Project(project.folder, CONFIG, workflow, warm=warm if start == "warm" else None)
        adopt_orphans(number % 2)
        killed = []
        while len(killed) < kills and (
            victim := kill(at_risk, draw.uniform(*DELAYS_S[start]), f"results/{draw.choice(OUTPUTS)}", draw.choice)
        ):
            killed.append(victim)
            if victim == "snakemake":
                project.run("--unlock")
        adopt_orphans(False)
        project.run("all", "manifest")
        kills -= len(killed)
        yield killed, project.path("results/MANIFEST.sha256")
