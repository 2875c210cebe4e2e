"""Snakemake without the start-up: a process that has imported what jobs import, and forks for each run and each job.

Most of a small job is the import of its libraries. Here they are imported once, and a job is a fork that runs the
script as Snakemake wrote it. All else is Snakemake's own. Forks share one hash seed, so that they cannot show what
depends on it; test_reproducible_runs.py does, with ordinary runs.

As a program it reads a request a line from standard input (JSON: arguments, folder, file for the output) and answers
each with the exit status.
"""

import gc
import importlib
import json
import os
import random
import resource
import runpy
import subprocess
import sys
import traceback
from pathlib import Path

# What jobs import and what takes time. Nothing of scripts/: a test may have edited it, so each job imports it itself.
LIBRARIES = """
    snakemake.cli snakemake.script snakemake.benchmark snakemake.workflow snakemake.dag snakemake.scheduling.milp
    snakemake.scheduling.greedy snakemake.executors.local snakemake.storage
    snakemake.report.html_reporter jsonschema smart_open
    matplotlib.pyplot matplotlib.backends.backend_agg matplotlib.backends.backend_svg mpl_toolkits.mplot3d
    anndata h5py igraph jinja2 numba openTSNE pandas plotly.offline pynndescent requests scanpy
    scipy.optimize sklearn.cluster sklearn.metrics sklearn.neighbors tenacity threadpoolctl torch torch._dynamo
"""
# These are read when a library is loaded; Snakemake sets them for each job to its threads
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")}


class Warm:
    """The process as a test sees it; ``limit``: bytes of memory that a job may take."""

    limit = None

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            env=os.environ | THREADS,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, command, folder):
        """What `subprocess.run` gives for a command that starts Snakemake, with both outputs in ``stdout``."""
        output = Path(folder) / "snakemake.out"
        arguments = command[command.index("snakemake") + 1 :]
        self.process.stdin.write(json.dumps([*arguments, self.limit, os.fspath(folder), os.fspath(output)]) + "\n")
        self.process.stdin.flush()
        status = int(self.process.stdout.readline())
        return subprocess.CompletedProcess(command, status, output.read_text(encoding="utf-8"))

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def serve():
    for library in LIBRARIES.split():
        importlib.import_module(library)
    gc.collect()
    gc.freeze()  # so that no fork copies memory only to look for garbage in it
    for request in sys.stdin:
        *arguments, limit, folder, output = json.loads(request)
        pid = fork(lambda: run_snakemake(arguments, limit, folder, output))  # noqa: B023 (called at once)
        print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)


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


def run_snakemake(arguments, limit, folder, output):
    from snakemake import cli
    from snakemake.script import PythonScript

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

    pid = fork(lambda: run_script(script, name, path, limit))
    with benchmarked(pid, script.bench_record):
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if status:
        raise subprocess.CalledProcessError(status, name)


def run_script(script, name, path, limit):
    import numpy as np

    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

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
