"""The profiles for clusters, as far as they can be tried without one; tests/slurm has the rest for SLURM.

Grid Engine is a stub here: commands of its names that run jobs on this machine and take only what qsub takes.
"""

import json
import os
import re
import sys

import pytest
import yaml
from workflow_project import REPOSITORY, comparable

PROFILES = ("slurm", "cluster-generic")
SCORES = [f"results/toy/dae/seed0/{name}" for name in ("metrics.csv", "clusters.png")]
STUB = f"""#!{sys.executable}
import argparse, json, os, pathlib, re, subprocess, sys

jobs = pathlib.Path(os.environ["STUB"])

def qsub():
    parser = argparse.ArgumentParser(prefix_chars="-", allow_abbrev=False)
    for flag in ("-terse", "-cwd", "-V"):
        parser.add_argument(flag, action="store_true", required=True)
    for option in ("-S", "-o", "-N", "-l"):
        parser.add_argument(option, required=True)
    parser.add_argument("-j", choices=["y"], required=True)
    parser.add_argument("-pe", nargs=2, required=True)
    parser.add_argument("script")
    options = parser.parse_args()
    assert re.fullmatch(r"h_rt=\\d+,mem_free=\\d+M", options.l), options.l
    assert os.path.isdir(options.o)
    number = str(len(list(jobs.glob("*.json"))) + 1)
    (jobs / f"{{number}}.json").write_text(json.dumps([options.N, options.l, options.pe]))
    command = "exit 137" if number == os.environ["KILLED"] else f"sh {{options.script}} >{{options.o}}/{{number}} 2>&1"
    account = jobs / number
    end = f"({{command}}); echo exit_status $? >{{account}}.new; mv {{account}}.new {{account}}"
    subprocess.Popen(["sh", "-c", end], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True)
    print(number)

def qstat():  # knows a job until it ends
    _, number = sys.argv[1:]
    sys.exit((jobs / number).exists())

def qacct():
    _, number = sys.argv[1:]
    print("failed       0    ")
    print((jobs / number).read_text())

{{"qsub": qsub, "qstat": qstat, "qacct": qacct}}[pathlib.Path(sys.argv[0]).name]()
"""


@pytest.fixture
def grid_engine(tmp_path, project):
    """A stub of Grid Engine that kills its first job; returns the folder of what was asked of it."""
    commands, jobs = tmp_path / "bin", tmp_path / "jobs"
    commands.mkdir()
    jobs.mkdir()
    for name in ("qsub", "qstat", "qacct"):
        (commands / name).write_text(STUB)
        (commands / name).chmod(0o755)
    project.environment = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "STUB": str(jobs), "KILLED": "1"}
    return jobs


def profile(name):
    return yaml.safe_load((REPOSITORY / "profiles" / name / "config.yaml").read_text())


def test_generic_profile_runs_a_group_and_gives_a_killed_job_more(project, finished, grid_engine):
    for path in SCORES:
        project.path(path).unlink()
    polling = ["--seconds-between-status-checks", 1]
    project.snakemake(*SCORES, "--workflow-profile", "cluster-generic", *polling)
    asked = [json.loads((grid_engine / f"{number}.json").read_text()) for number in (1, 2)]
    assert [(name, *environment) for name, _, environment in asked] == [("scae.GROUP", "smp", "1")] * 2
    (seconds, megabytes), retry = [map(int, re.findall(r"\d+", limits)) for _, limits, _ in asked]
    read = ("distances.npz", "labels.csv", "dae/seed0/latent.csv", "dae/seed0/tsne2d.csv")
    size = sum(project.path(f"results/toy/{name}").stat().st_size for name in read) / 2**20
    assert megabytes == pytest.approx(1500 + 50 * size, abs=2)  # of score_clusters, which needs most
    assert 35 * 60 <= seconds <= 37 * 60  # 15 minutes to score, 20 to plot, and little for the size of the files
    assert list(retry) == [pytest.approx(2 * seconds, abs=120), pytest.approx(2 * megabytes, abs=2)]
    assert comparable(project) == comparable(finished)


def test_a_group_asks_for_one_core_and_the_minutes_of_all_its_steps(project, grid_engine):
    """They run one after another: label_cells, then color_types and export_csv, which do not depend on each other."""
    targets = [f"results/toy/{name}" for name in ("labels.csv", "colors.csv", "export/labels.csv")]
    for path in targets:
        project.path(path).unlink()
    project.environment["KILLED"] = "none"
    project.snakemake(*targets, "--workflow-profile", "cluster-generic", "--seconds-between-status-checks", 1)
    [(_, limits, environment)] = [json.loads(path.read_text()) for path in grid_engine.glob("*.json")]
    assert environment == ["smp", "1"]
    assert 55 <= int(re.findall(r"\d+", limits)[0]) / 60 <= 57  # 30, 10 and 15, and little for the size of the files


@pytest.mark.parametrize("name", PROFILES)
def test_profile_reruns_nothing_even_if_a_script_is_touched(edited, name):
    (edited.workflow / "scripts/train_model.py").touch()
    assert edited.planned(options=("--workflow-profile", name)) == {}


@pytest.mark.parametrize("name", PROFILES)
def test_small_jobs_are_in_groups_and_long_ones_are_not(finished, name):
    alone = set(finished.first_plan) - set(profile(name)["groups"])
    assert alone == {"fetch_counts", "preprocess_cells", "train_model"}
    # what is not trained; what is made when asked for; what takes a batch, an additional label set, or another seed
    others = {"represent_cells", "write_manifest", "assign_batches", "label_additional_set", "project_tsne_2d"}
    assert set(profile(name)["groups"]) == {*finished.first_plan, *others} - alone  # fit_external takes long


def test_profiles_group_alike():
    ours, theirs = map(profile, PROFILES)
    for key in ("groups", "group-components", "default-resources", "resources", "set-resource-scopes"):
        assert ours[key] == theirs[key]
