"""A job ends with the Snakemake that started it, lest it write to files that the next run makes anew (on Linux).

Who a job's parent is says little: a shell may stand between, and a job whose Snakemake was killed is handed to whoever
adopts orphans, which need not be process 1. So Snakemake leaves its number to its jobs.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

SNAKEMAKE = "SCAE_SNAKEMAKE"  # environment variable that jobs inherit: number and start of the process
PR_SET_PDEATHSIG = 1  # of Linux's prctl
LOOK_S = 0.1


def announce():
    """Have the jobs of this process know it; Snakemake does, on each node, as it reads the workflow."""
    if started := _started(os.getpid()):
        os.environ[SNAKEMAKE] = f"{os.getpid()} {started}"


def end_with_snakemake():
    """Have this process killed when Snakemake dies; outright, since a job that is asked to end may still write.

    Raises:
        SystemExit: if Snakemake is gone already.
    """
    if SNAKEMAKE not in os.environ:
        return
    number, started = os.environ[SNAKEMAKE].split()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if _started(number) != started:  # after the request to Linux, so that no moment is left between the two
        sys.exit("Snakemake is gone; this job ends too")
    if os.getppid() != int(number):
        threading.Thread(target=_follow, args=(number, started), daemon=True).start()


def _follow(number, started):
    while _started(number) == started:
        time.sleep(LOOK_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _started(number):
    """When a process started, in the clock ticks of Linux; None for one that is gone or dead, or on another system."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
