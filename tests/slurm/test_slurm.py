"""The workflow through a real SLURM: the same bytes, whatever happens to its jobs and to the controller."""

import subprocess
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, wait

import cluster
import psutil
import pytest
from workflow_project import REPOSITORY, Project, comparable, copy_workflow

MODEL = "results/toy/dae/seed0/model.pt"
LOG = "results/logs/train_model/toy/dae/seed0.log"
# Training waits at its fifth batch while a file named hold is there, so that a test can reach it half-way
HOLD = """\
    def due(self):
        self.batches = getattr(self, "batches", 0) + 1
        while self.batches == 5 and Path("hold").exists() and not self.stop:
            Path("holds").touch()
            time.sleep(0.1)
"""


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """A running cluster; fails in the end if anything listened to the outside or is left over."""
    over = threading.Event()
    with cluster.alone(), ThreadPoolExecutor() as executor:
        cluster.up()
        reachable = executor.submit(watch, over)
        yield
        over.set()
        cluster.down()
    assert reachable.result() == set()
    assert cluster.processes() == set()
    assert not cluster.LINK.is_symlink()
    assert not cluster.STATE.exists()


def watch(over):
    """All addresses at which SLURM can be reached from outside until it is over; it opens ports for each job."""
    reachable = set()
    while not over.wait(0.5):
        reachable |= cluster.reachable_from_outside()
    return reachable


@pytest.fixture(scope="module")
def background():
    """Runs that go on while other tests do theirs."""
    with ThreadPoolExecutor() as executor:
        yield executor
        for process in psutil.Process().children(recursive=True):  # what a failed test did not wait for
            process.kill()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A project with expression, but no model yet; shared, so look and never change."""
    workflow = copy_workflow(REPOSITORY, tmp_path_factory.mktemp("repository") / "workflow")
    project = Project.create(tmp_path_factory.mktemp("data") / "project", workflow)
    project.set("run.models", ["dae", "beta_vae"])
    project.run("results/toy/expression.h5ad")
    return project


def over_time(data, folder):
    """Training that gets a minute and needs more."""
    project = held(data, folder)
    submit(project, MODEL, "--set-resources", "train_model:runtime=attempt", first_look_s=20)
    return project


def over_memory(data, folder):
    """Training that gets less memory than PyTorch needs; on the side it asks for a partition and a GPU."""
    project = data.copy(folder)
    resources = ["mem_mb=300 * attempt ** 2", "slurm_partition=main", "gres=gpu:1"]
    submit(project, MODEL, "--set-resources", *(f"train_model:{resource}" for resource in resources))
    return project


def cancelled(data, folder):
    """Training that is cancelled half-way, and another run."""
    project = held(data, folder)
    with ThreadPoolExecutor() as executor:
        run = executor.submit(submit, project, MODEL, "--retries", 0, check=False)
        subprocess.run(["scancel", job_on_hold(project)], check=True)
    assert run.result().returncode == 1
    assert not project.path(MODEL).exists()
    submit(project, MODEL)
    return project


@pytest.fixture(scope="module", autouse=True)
def scenarios(slurm, data, tmp_path_factory, background):
    """{function: its project, in the future}: they mostly wait, so they start together, before all tests."""
    folders = {scenario: tmp_path_factory.mktemp(scenario.__name__) for scenario in (over_time, over_memory, cancelled)}
    return {scenario: background.submit(scenario, data, folder / "project") for scenario, folder in folders.items()}


@pytest.fixture(scope="module")
def local(tmp_path_factory, data):
    """The project finished without SLURM; shared, so look and never change."""
    project = data.copy(tmp_path_factory.mktemp("local") / "project")
    project.run()
    return project


@pytest.fixture(scope="module")
def whole(local, tmp_path_factory):
    """The whole workflow through SLURM, in a fresh folder."""
    project = Project.create(tmp_path_factory.mktemp("whole") / "project", local.workflow, local.config)
    submit(project, first_look_s=5)
    return project


def held(data, folder):
    """A project whose training waits half-way for its file ``hold`` to go."""
    project = data.copy(folder, own_workflow=True)
    module = project.workflow / "scripts/scae/training/checkpoint.py"
    module.write_text(module.read_text().replace("    def due(self):\n", HOLD))
    project.path("hold").touch()
    return project


def submit(project, *arguments, first_look_s=1, check=True):
    """Run the project through the profile; the plugin looks at its jobs for the first time after ``first_look_s``."""
    polling = ["--latency-wait", 10, "--slurm-init-seconds-before-status-checks", first_look_s]
    return project.snakemake(*arguments, "--workflow-profile", "slurm", *polling, check=check)


def squeue(columns):
    """A line for each job of this SLURM, in squeue's format."""
    command = ["squeue", "--states=all", "--noheader", f"--format={columns}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def failed_jobs(project):
    """What the jobs of SLURM that did not succeed have printed."""
    return "\n".join(path.read_text() for path in project.path(".snakemake/slurm_logs").rglob("*.log"))


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited for 60 s"
        time.sleep(0.2)


def job_on_hold(project):
    """Number of the job that trains, once it waits half-way."""
    wait_for(project.path("holds").exists)
    return next(job for job, folder in map(str.split, squeue("%i %Z")) if folder == str(project.folder))


def test_results_have_the_bytes_of_a_local_run(local, whole):
    ours, theirs = comparable(whole), comparable(local)
    assert ours.keys() == theirs.keys()
    assert {path.rpartition(".")[2] for path in ours} >= {"pt", "csv", "gz", "png", "svg", "h5ad"}
    assert [path for path in ours if ours[path] != theirs[path]] == []


def test_small_jobs_share_one_of_slurm_and_downloads_stay_here(whole):
    jobs = [comment for comment, folder in map(str.split, squeue("%k %Z")) if folder == str(whole.folder)]
    assert Counter(job.split("_")[1] for job in jobs) == {
        **{"preprocess": 1, "labels": 2, "train": 2},
        **{"embeddings": 2, "scores": 2, "summary": 1},
    }


def test_group_asks_for_one_core_and_the_sum_of_its_minutes(whole):
    """15 minutes to embed and 60 for t-SNE, whose input is not made yet; 15, 30 and 20 to score, diagnose and plot."""
    asked = {job for job in squeue("%.11k|%l|%C") if job.startswith(("rule_embedd", "rule_scores"))}
    assert asked == {"rule_embedd|1:15:00|1", "rule_scores|1:05:00|1"}
    assert {job.rpartition("|")[2] for job in squeue("%Z|%C") if job.startswith(f"{whole.folder}|")} == {"1"}


def test_job_over_its_memory_succeeds_with_more(local, scenarios):
    project = scenarios[over_memory].result()
    assert "Exceeded job memory limit" in failed_jobs(project)
    assert f"main gres:gpu:1 {project.folder}" in squeue("%P %b %Z")
    assert project.path(MODEL).read_bytes() == local.path(MODEL).read_bytes()


def test_run_after_a_cancelled_job_goes_on_from_its_checkpoint(local, scenarios):
    project = scenarios[cancelled].result()
    assert "resuming in epoch 2, batch 2" in project.path(LOG).read_text()
    assert project.path(MODEL).read_bytes() == local.path(MODEL).read_bytes()


def test_job_over_its_time_goes_on_from_its_checkpoint(local, scenarios):
    project = scenarios[over_time].result()
    assert "DUE TO TIME LIMIT" in failed_jobs(project)
    assert "stopped by SIGTERM in epoch 2" in failed_jobs(project)
    assert "resuming in epoch 2, batch 2" in project.path(LOG).read_text()
    assert project.path(MODEL).read_bytes() == local.path(MODEL).read_bytes()


def test_run_survives_a_crash_of_the_controller(local, data, tmp_path, background, scenarios):
    wait(scenarios.values())  # no other run should meet the crash
    project = held(data, tmp_path / "project")
    run = background.submit(submit, project, MODEL)
    job_on_hold(project)
    time.sleep(6)  # the controller saves its jobs every 5 s, and one that it had not saved would be lost
    cluster.kill_controller()
    project.path("hold").unlink()
    time.sleep(3)
    cluster.start("slurmctld")
    run.result()
    assert project.path(MODEL).read_bytes() == local.path(MODEL).read_bytes()
