"""Kill a job when its Snakemake dies, so that it does not write to files that the next run makes (Linux only).

The parent process says little: there may be a shell between the two, and orphans are not always adopted by process 1.
So Snakemake passes its process id to its jobs in an environment variable.
"""

import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path

SNAKEMAKE = "SCAE_SNAKEMAKE"  # environment variable that jobs inherit: id and start time of the process
PR_SET_PDEATHSIG = 1  # of Linux's prctl
POLL_S = 0.1


def announce():
    """Pass the id of this process to its jobs; Snakemake calls this on each node when it reads the workflow."""
    if started := _started(os.getpid()):
        os.environ[SNAKEMAKE] = f"{os.getpid()} {started}"


def end_with_snakemake():
    """Have this process killed when Snakemake dies, by SIGKILL, since a job could still write after SIGTERM.

    Raises:
        SystemExit: if Snakemake has already died.
    """
    if SNAKEMAKE not in os.environ:
        return
    number, started = os.environ[SNAKEMAKE].split()
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if _started(number) != started:  # checked after the request, so that no gap is left
        sys.exit("Snakemake has died; this job ends too")
    if os.getppid() != int(number):
        threading.Thread(target=_follow, args=(number, started), daemon=True).start()


def _follow(number, started):
    while _started(number) == started:
        time.sleep(POLL_S)
    os.kill(os.getpid(), signal.SIGKILL)


def _started(number):
    """Start time of a process in clock ticks; None for a dead or unknown process, and on other systems than Linux."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]
