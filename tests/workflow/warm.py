"""Snakemake without the start-up: a process that has imported what jobs import, and forks for each run and each job.

Most of a small job is the import of its libraries. Here they are imported once, and a job is a fork that runs the
script as Snakemake wrote it. All else is Snakemake's own. Forks share one hash seed, so that they cannot show what
depends on it; test_reproducible_runs.py does, with another seed and against an ordinary run.

As a program it reads a request a line from standard input (JSON). A run (arguments, limit of memory, folder,
environment, file for the output) it answers with the number of its process; a number with the exit status, or null
while the process is at work.
"""

import gc
import importlib
import json
import os
import random
import resource
import runpy
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

# What jobs import and what takes time. Nothing of scripts/: a test may have edited it, so each job imports it itself.
LIBRARIES = """
    snakemake.cli snakemake.script snakemake.benchmark snakemake.workflow snakemake.dag snakemake.scheduling.milp
    snakemake.scheduling.greedy snakemake.executors.local snakemake.storage
    snakemake.report.html_reporter jsonschema smart_open
    matplotlib.pyplot matplotlib.backends.backend_agg matplotlib.backends.backend_svg mpl_toolkits.mplot3d
    PIL.JpegImagePlugin PIL.PpmImagePlugin anndata h5py igraph jinja2 numba openTSNE pandas pandas.io.formats.csvs
    plotly.offline pynndescent requests scanpy scipy.io scipy.optimize sklearn.cluster sklearn.metrics
    sklearn.neighbors tenacity threadpoolctl torch torch._dynamo
"""
# These are read when a library is loaded; Snakemake sets them for each job to its threads
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")}


LOOK_S = 0.01  # how often a run that is waited for is looked at


class Warm:
    """The process as a test sees it.

    ``prefix`` is a command that starts another, ``environment`` is its own, ``limit`` the bytes of memory that a job of
    the runs to come may take.
    """

    limit = None

    def __init__(self, prefix=(), **environment):
        self.process = subprocess.Popen(
            [*prefix, sys.executable, __file__],
            env=os.environ | THREADS | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.outputs = tempfile.TemporaryDirectory()
        self.runs = 0

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, command, folder, environment):
        """Start a command that starts Snakemake, in a process group of its own; see `Run`."""
        self.runs += 1
        output = Path(self.outputs.name, str(self.runs))
        arguments = command[command.index("snakemake") + 1 :]
        request = [arguments, self.limit, os.fspath(folder), environment, os.fspath(output)]
        return Run(self, command, output, self.ask(request))

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.outputs.cleanup()


class Run:
    """A run of Snakemake, as far as tests use `subprocess.Popen`."""

    def __init__(self, warm, args, output, pid):
        self.warm, self.args, self.output, self.pid = warm, args, output, pid
        self.returncode = None

    def poll(self):
        if self.returncode is None:
            self.returncode = self.warm.ask(self.pid)
        return self.returncode

    def communicate(self, timeout=None):
        end = time.monotonic() + timeout if timeout else None
        while self.poll() is None:
            if end and time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(LOOK_S)
        return self.output.read_text(encoding="utf-8"), None

    def kill(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.communicate()


def serve():
    for library in LIBRARIES.split():
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # so that no fork copies memory only to look for garbage in it
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            pid, status = os.waitpid(request, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = fork(lambda: run_snakemake(*request))  # noqa: B023 (called at once)
        print(json.dumps(answer), flush=True)


def fork(function):
    """Call a function in a fork of this process; returns the fork's number."""
    sys.stdout.flush()
    sys.stderr.flush()
    if pid := os.fork():
        return pid
    status = 1
    try:
        function()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def run_snakemake(arguments, limit, folder, environment, output):
    from snakemake import cli
    from snakemake.script import PythonScript

    os.setsid()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    sys.argv[:] = ["snakemake", *arguments]
    path = list(sys.path)
    PythonScript.execute_script = lambda script, name, edit=False: run_job(script, name, path, limit)
    cli.main(arguments)


def run_job(script, name, path, limit):
    """What `PythonScript.execute_script` does, in a fork instead of a new Python."""
    from snakemake.benchmark import benchmarked

    # Before the fork has handlers of its own it would answer a signal as Snakemake does, with a lock that may be held
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    pid = fork(lambda: run_script(script, name, path, limit, mask))
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    with benchmarked(pid, script.bench_record):
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise subprocess.CalledProcessError(status, name)


def run_script(script, name, path, limit, mask):
    import numpy as np

    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork would answer as Snakemake does
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    for module in [module for module in sys.modules if module.partition(".")[0] == "scae"]:
        del sys.modules[module]  # what the Snakefile has imported
    sys.path[:] = [os.path.dirname(name), *path[1:]]
    sys.argv[:] = [name]
    os.environ["TMPDIR"] = script.resources.get("tmpdir", os.environ.get("TMPDIR", "/tmp"))
    random.seed()  # a fork would repeat what its parent drew
    np.random.seed()  # noqa: NPY002
    runpy.run_path(name, run_name="__main__")


if __name__ == "__main__":
    serve()
