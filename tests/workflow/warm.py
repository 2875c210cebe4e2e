"""Snakemake without its start-up: a process that has imported what jobs import, and forks for each run and each job.

Importing libraries takes most of the time of a small job. Here they are imported once, and a job is a fork that runs
the script as Snakemake wrote it; all else is Snakemake's own. All forks share one hash seed, so they cannot show what
depends on it: test_reproducible_runs.py uses another seed, and compares with an ordinary run.

The program reads one JSON request per line from standard input. A run (arguments, limit of memory, folder,
environment, file for the output) is answered with the number of its process; a number with its exit status, or null
while the process is running. Two environment variables change a run:

    PLANNED   file to which Snakemake's DAG and rules are written as JSON, instead of running anything
    PRETEND   jobs only write the names of their files, with the usual log; enough for everything that is about plans
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
from types import SimpleNamespace

# Libraries that jobs import and that take time. Nothing of scripts/, which a test may have edited
LIBRARIES = """
    snakemake.cli snakemake.script snakemake.benchmark snakemake.workflow snakemake.dag snakemake.scheduling.milp
    snakemake.scheduling.greedy snakemake.executors.local snakemake.storage
    snakemake.report.html_reporter jsonschema smart_open
    matplotlib.pyplot matplotlib.backends.backend_agg matplotlib.backends.backend_svg mpl_toolkits.mplot3d
    PIL.JpegImagePlugin PIL.PpmImagePlugin anndata h5py igraph jinja2 numba openTSNE pandas pandas.io.formats.csvs
    plotly.offline pynndescent requests scanpy scipy.io scipy.optimize sklearn.cluster sklearn.metrics
    sklearn.neighbors tenacity threadpoolctl torch torch._dynamo
"""
# Read when a library is loaded; Snakemake sets them for each job to its threads
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")}
POLL_S = 0.01


class Warm:
    """The process as a test sees it.

    Args:
        prefix: command that starts another one.
        workflow: folder of a workflow that nobody edits: its library and code digests are loaded once.
        environment: variables of the process.
    """

    limit = None  # bytes of memory that a job of the runs to come may take

    def __init__(self, prefix=(), workflow="", **environment):
        self.process = subprocess.Popen(
            [*prefix, sys.executable, __file__, os.fspath(workflow)],
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
            time.sleep(POLL_S)
        return self.output.read_text(encoding="utf-8"), None

    def kill(self):
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
            self.communicate()


def serve(workflow):
    for library in LIBRARIES.split():
        importlib.import_module(library)
    if workflow:
        load_library(workflow)
    gc.collect()
    gc.freeze()  # so that no fork copies memory only to look for garbage in it
    for line in sys.stdin:
        request = json.loads(line)
        if isinstance(request, int):
            pid, status = os.waitpid(request, os.WNOHANG)
            answer = os.waitstatus_to_exitcode(status) if pid else None
        else:
            answer = fork(lambda: run_snakemake(workflow, *request))  # noqa: B023 (called at once)
        print(json.dumps(answer), flush=True)


def load_library(workflow):
    """Import what the rules import, and take the digests of all code."""
    scripts = Path(workflow, "scripts")
    sys.path.insert(0, str(scripts))
    from scae.config import check, loader, plan  # noqa: F401
    from scae.evaluation import metrics  # noqa: F401
    from scae.jobs import code_digest

    for path in scripts.glob("*.py"):
        code_digest.digest(path.stem)
    for path in scripts.glob("scae/models/*.py"):
        code_digest.digest("train_model", f"scae.models.{path.stem}")
    sys.path.remove(str(scripts))


def forget_library():
    for module in [module for module in sys.modules if module.partition(".")[0] == "scae"]:
        del sys.modules[module]
    sys.meta_path[:] = [finder for finder in sys.meta_path if not getattr(finder, "__module__", "").startswith("scae")]


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


def run_snakemake(workflow, arguments, limit, folder, environment, output):
    from snakemake import cli
    from snakemake.script import PythonScript
    from snakemake.workflow import Workflow

    os.setsid()
    os.environ.update(environment)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.chdir(folder)
    sys.argv[:] = ["snakemake", *arguments]
    if workflow and os.path.join(workflow, "Snakefile") not in arguments:
        forget_library()
    path = list(sys.path)
    run = pretend if "PRETEND" in os.environ else lambda script, name: run_job(script, name, path, limit)
    PythonScript.execute_script = lambda script, name, edit=False: run(script, name)
    if "PLANNED" in os.environ:
        build = Workflow._build_dag
        Workflow._build_dag = lambda self: (build(self), write_plan(self, os.environ["PLANNED"]), sys.exit(0))
    cli.main(arguments)


def write_plan(workflow, path):
    """Write what Snakemake has planned: its jobs, what each of them reads of others, and its rules."""
    dag = workflow.dag
    jobs = list(dag.jobs)
    number = {job: place for place, job in enumerate(jobs)}
    plan = {
        "jobs": [[job.rule.name, list(job.wildcards_dict.values()), list(map(str, job.output))] for job in jobs],
        "planned": [number[job] for job in dag.needrun_jobs(exclude_finished=False)],
        "reads": [[number[job], number[made]] for job in jobs for made in dag.dependencies[job]],
        "rules": {
            rule.name: {
                "docstring": rule.docstring,
                "output": list(map(str, rule.output)),
                "named_input": {name: str(paths) for name, paths in rule.input.items()},
                "script": rule.script and str(rule.script),
                "log": list(map(str, rule.log)),
                "benchmark": rule.benchmark and str(rule.benchmark),
                "conda": rule.conda_env and str(rule.conda_env),
                "params": list(rule.params.keys()),
                "resources": list(rule.resources),
                "is_target": not (rule.script or rule.output),
            }
            for rule in workflow.rules
        },
    }
    Path(path).write_text(json.dumps(plan))


def pretend(script, name):
    """Write what tells one file from another in place of a job's results, and the log that a job leaves."""
    import logging

    from scae.jobs import record

    for file in script.output:
        Path(file).write_text(file)
    with open(script.log[0], "w") as log:
        key = record.begin(log)
    log = logging.FileHandler(script.log[0])
    record.log.addHandler(log)
    record.log.setLevel(logging.INFO)
    job = {key: getattr(script, key) for key in ("input", "output", "params")}
    record.note(SimpleNamespace(rule=script.rulename, **job), key)
    record.log.removeHandler(log)
    script.bench_record.running_time = 0


def run_job(script, name, path, limit):
    """Do what `PythonScript.execute_script` does, in a fork instead of a new Python."""
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
    import noted_modules
    import numpy as np

    if limit:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # a fork would answer as Snakemake does
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    forget_library()  # what the Snakefile has imported
    sys.path[:] = [os.path.dirname(name), *path[1:]]
    sys.argv[:] = [name]
    os.environ["TMPDIR"] = script.resources.get("tmpdir", os.environ.get("TMPDIR", "/tmp"))
    random.seed()  # a fork would repeat what its parent drew
    np.random.seed()  # noqa: NPY002
    noted_modules.note(runpy.run_path(name, run_name="__main__"))


if __name__ == "__main__":
    serve(*sys.argv[1:])
