"""A folder that runs the real workflow on a small simulated data set, as a user would from the command line."""

import copy
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import yaml
from scipy import sparse

REPOSITORY = Path(__file__).resolve().parents[2]
WORKFLOW_FILES = ("Snakefile", "workflow", "rules", "scripts", "config", "envs", "profiles")
NASTY = '<img src=x onerror=alert(1)> "T" & co'  # a cell type that a careless page would run as HTML
CELL_TYPES = ("B, naive", NASTY, "Monocyte")
MODELS = ("dae", "beta_vae", "beta_vsc")
EMBEDDINGS = {"X_given": 6.0, "X_other": 0.0}  # how far apart they keep the types, in standard deviations
TIMEOUT_S = 600
DURATIONS = {"timing.csv", "training_times.csv", "report.html"}  # the only files that may tell how long a job took

TOY_CONFIG = {
    "run": {"datasets": ["toy"], "models": list(MODELS), "seeds": [0]},
    "datasets": {
        "toy": {
            "source": "toy.h5ad",
            "qc": {"min_cells": 1, "min_genes": 5},
            "labels": {"from": "obs", "column": "cell_type"},
            "held_out_molecules": False,  # which trains each model again
        },
    },
    "models": {
        "dae": {"kind": "dae", "n_latent": 6},
        "beta_vae": {"kind": "beta_vae", "n_latent": 6, "beta": 2.0},
        "beta_vsc": {"kind": "beta_vsc", "n_latent": 6, "beta": 2.0, "alpha": 0.5, "c": 50.0},
    },
    "training": {"epochs": 3, "min_steps": 0, "batch_size": 32},
    "tsne": {"perplexity": 5, "early_exaggeration_iterations": 20, "iterations": 30},
    "kmeans": {"n_init": 3},
}


def toy_cells(n_cells=90, n_genes=60):
    """Simulated counts of three cell types with 15 marker genes each; the same at each call."""
    random = np.random.default_rng(1)
    types = np.arange(n_cells) % len(CELL_TYPES)
    rate = random.gamma(2.0, 1.0, n_genes) * np.ones((n_cells, 1))
    for number in range(len(CELL_TYPES)):
        rate[np.ix_(types == number, range(15 * number, 15 * number + 15))] *= 8
    obs = pd.DataFrame(
        {
            "cell_type": np.array(CELL_TYPES)[types],
            "donor": np.where(np.arange(n_cells) < n_cells // 2, "first", "second"),
        },
        index=[f"CELL{number:03d}-1" for number in range(n_cells)],
    )
    var = pd.DataFrame(index=[*(f"GENE{number}" for number in range(n_genes - 2)), "MT-CO1", "MT-ND1"])
    counts = sparse.csr_matrix(random.poisson(rate).astype(np.float32))
    noise = np.random.default_rng(2)
    obsm = {name: types[:, None] * weight + noise.normal(size=(n_cells, 3)) for name, weight in EMBEDDINGS.items()}
    return anndata.AnnData(X=counts, obs=obs, var=var, obsm=obsm)


def copy_workflow(source, folder):
    """Copy what makes up the workflow, and nothing that it made, times kept; returns ``folder`` as a path."""
    folder = Path(folder)
    folder.mkdir(parents=True)
    for name in WORKFLOW_FILES:
        if (Path(source) / name).is_dir():
            shutil.copytree(Path(source) / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(Path(source) / name, folder / name)
    return folder


class Project:
    """A working directory, its overlay of the config, and Snakemake on it.

    ``config`` is the overlay and is written at each call, so that a test may change it in place or with `set`; None is
    no overlay. ``configfiles`` are further ones, merged before it.
    ``workflow`` is where the Snakefile lies: a copy of the repository's, so that editing it meanwhile disturbs no test.
    ``warm`` is a `warm.Warm` that runs Snakemake without the start-up; None starts a new one at each call.
    ``python`` is the interpreter that runs Snakemake and with it all jobs.
    """

    python = sys.executable

    def __init__(self, folder, config, workflow, configfiles=(), environment=None, warm=None):
        self.folder = Path(folder)
        self.config = copy.deepcopy(config)
        self.workflow = Path(workflow)
        self.configfiles = list(configfiles)
        self.environment = environment or {}
        self.warm = warm

    @classmethod
    def create(cls, folder, workflow, config=TOY_CONFIG, **options):
        """A fresh folder with the default config and the toy data, nothing made yet."""
        folder = Path(folder)
        shutil.copytree(workflow / "config", folder / "config")
        toy_cells().write_h5ad(folder / "toy.h5ad")
        return cls(folder, config, workflow, **options)

    def copy(self, folder, own_workflow=False, warm=None):
        """The same folder elsewhere, with times and Snakemake's memory kept; on a copy of the workflow if asked."""
        shutil.copytree(self.folder, folder)
        workflow = copy_workflow(self.workflow, Path(folder) / "workflow") if own_workflow else self.workflow
        return Project(folder, self.config, workflow, self.configfiles, warm=warm or self.warm)

    def fresh(self, folder):
        """The same inputs and config in another folder, nothing made yet."""
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("results", ".snakemake", "workflow"))
        return Project(folder, self.config, self.workflow, self.configfiles, warm=self.warm)

    def again(self):
        """The same folder with a config of its own, for a test that leaves the folder as it is."""
        return Project(self.folder, self.config, self.workflow, self.configfiles, self.environment, self.warm)

    def set(self, key, value):
        """Change the overlay: ``set("models.beta_vae.beta", 4.0)``."""
        *sections, name = key.split(".")
        section = self.config
        for part in sections:
            section = section.setdefault(part, {})
        section[name] = value

    def path(self, path):
        return self.folder / path

    def files(self, below="results"):
        """{path relative to the folder: (content, time of change)} of every file, to see what a run touched."""
        return {
            path.relative_to(self.folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
            for path in sorted((self.folder / below).rglob("*"))
            if path.is_file()
        }

    def command(self, *arguments):
        """Command line of Snakemake in this folder; writes the overlay that it names."""
        overlay = self.folder / "overlay.yaml"
        if self.config is not None:
            overlay.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
            overlays = [*self.configfiles, overlay]
        else:
            overlays = self.configfiles
        command = [str(self.python), "-m", "snakemake", "-s", str(self.workflow / "Snakefile")]
        command += ["--directory", str(self.folder), "--nocolor", *map(str, arguments)]
        command += ["--configfile", *map(str, overlays)] if overlays else []
        return command

    def start(self, *arguments):
        """Start Snakemake in this folder, in a process group of its own; `communicate` gives both outputs as one."""
        environment = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"} | self.environment
        if self.warm:
            return self.warm.start(self.command(*arguments), self.folder, environment)
        return subprocess.Popen(
            self.command(*arguments),
            cwd=self.folder,
            env=os.environ | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def snakemake(self, *arguments, check=True):
        """Snakemake in this folder; both outputs as text in ``stdout``."""
        process = self.start(*arguments)
        try:
            output, _ = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
        done = subprocess.CompletedProcess(process.args, process.returncode, output)
        if check and done.returncode:
            raise AssertionError(f"snakemake {' '.join(map(str, arguments))} failed:\n{done.stdout}")
        return done

    def run(self, *targets, cores=2, check=True):
        return self.snakemake(*targets, "--cores", cores, check=check)

    def plan(self, *targets, options=("--cores", 2)):
        """What Snakemake would do now; see `Plan`."""
        written = self.folder / "plan.json"
        written.unlink(missing_ok=True)
        project = copy.copy(self)
        project.environment = self.environment | {"PLANNED": str(written)}
        project.snakemake(*targets, "--dry-run", *options)
        return Plan(**json.loads(written.read_text()))

    def planned(self, rule=None, targets=(), options=("--cores", 2)):
        """Planned jobs, such as ``{"train_model": {("toy", "dae", "0")}}``, or those of one rule."""
        jobs = {}
        for name, wildcards in self.plan(*targets, options=options).planned:
            jobs.setdefault(name, set()).add(wildcards)
        return jobs.get(rule, set()) if rule else jobs


class Plan:
    """Jobs as (rule, wildcards), as Snakemake itself sees them (warm.py), without the rules that only name targets.

    ``jobs`` are all of the target, {job: its files}; ``planned`` those that would run; ``rules`` what Snakemake knows
    about each rule.
    """

    def __init__(self, jobs, planned, reads, rules):
        names = [(rule, tuple(wildcards)) for rule, wildcards, _ in jobs]
        self.rules = {name: rule for name, rule in rules.items() if not rule["is_target"]}
        self.jobs = {name: files for name, (rule, _, files) in zip(names, jobs, strict=True) if rule in self.rules}
        self.planned = {names[number] for number in planned} & self.jobs.keys()
        self.reads = [(names[reader], names[made]) for reader, made in reads if names[reader] in self.jobs]

    @property
    def tops(self):
        """The planned jobs that read nothing from a planned job."""
        return self.planned - {reader for reader, made in self.reads if made in self.planned}

    def below(self, jobs):
        """These jobs and all that read their files, directly or not."""
        found = set()
        while jobs := jobs - found:
            found |= jobs
            jobs = {reader for reader, made in self.reads if made in found}
        return found

    def files(self, jobs):
        """Files of these jobs."""
        return sorted(file for job in jobs for file in self.jobs[job])


def comparable(project):
    """{path: content} of the results whose bytes must not change."""
    return {
        path: content
        for path, (content, _) in project.files().items()
        if not path.startswith(("results/logs/", "results/benchmarks/")) and path.rpartition("/")[2] not in DURATIONS
    }
