"""Whatever ends a run, running it again ends with the results of an undisturbed one."""

import os
import shutil
import signal
import subprocess
import time

import interruptions
import pytest
from warm import Warm
from workflow_project import Project, copy_workflow

from scae.report import manifest

# Where most of a run is start-up, most kills hit it. make interruptions KILLS=20
KILLS = {"ordinary": int(os.environ.get("KILLS", 2)), "warm": 12}
WORKFLOW_TARGETS = ["all", "manifest"]


@pytest.fixture(scope="module")
def undisturbed(workflow, warm, tmp_path_factory):
    """Manifest of a run that nothing disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed") / "project"
    project = Project.create(folder, workflow, interruptions.CONFIG, warm=warm)
    project.run(*WORKFLOW_TARGETS)
    return project.path("results/MANIFEST.sha256")


@pytest.fixture
def project(workflow, warm, tmp_path):
    return Project.create(tmp_path / "project", workflow, interruptions.CONFIG, warm=warm)


def assert_ends_as_if_undisturbed(project, undisturbed):
    """A plain rerun completes the results, and they are those of the undisturbed run."""
    project.run(*WORKFLOW_TARGETS)
    assert manifest.differences(undisturbed, project.path("results/MANIFEST.sha256")) == []
    assert not list(project.path("results").rglob("checkpoint.pt*"))


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("start", KILLS)
def test_any_number_of_kills_ends_with_the_same_results(start, undisturbed, workflow, warm, tmp_path, capsys):
    count = 0
    for killed, found in interruptions.rounds(KILLS[start], workflow, tmp_path, warm, start):
        assert manifest.differences(undisturbed, found) == []
        count += len(killed)
    assert count == KILLS[start]
    with capsys.disabled():
        print(f"\n{count} kills of {start} runs at random moments: always the same manifest")


def test_no_job_writes_on_for_whoever_adopts_it(workflow, warm, tmp_path):
    """The weights of a run that was killed must not replace those of the next, whose config may be another."""
    project = Project.create(tmp_path / "project", workflow, interruptions.CONFIG, warm=warm)
    project.set("training.epochs", 100_000)
    interruptions.adopt_orphans(True)
    try:
        process = project.start("models", "--cores", 2)
        wait_for(project.path("results/toy/beta_vsc/seed0/checkpoint.pt"), process)
        jobs = interruptions.jobs_of(process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert jobs
        interruptions.wait_for_end(jobs, seconds=5)
    finally:
        interruptions.adopt_orphans(False)
    before = project.files()
    time.sleep(1)
    assert project.files() == before


def test_code_edited_during_a_run_makes_no_result(workflow, warm, undisturbed, tmp_path):
    """Even if the edit is undone: the results would be recorded as those of the code that was planned."""
    own = copy_workflow(workflow, tmp_path / "workflow")
    project = Project.create(tmp_path / "project", own, interruptions.CONFIG, warm=warm)
    process = project.start(*WORKFLOW_TARGETS, "--cores", 2)
    wait_for(project.path("results/toy/expression.h5ad"), process)  # before any model is trained and plotted
    script = own / "scripts/plot_training.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(f"{text}\nNAME = 1\n", encoding="utf-8")
    output, _ = process.communicate(timeout=300)
    script.write_text(text, encoding="utf-8")
    assert process.returncode != 0
    assert "scripts/plot_training.py, or what it imports, was edited" in output
    assert "Traceback" not in output
    assert not list(project.path("results").rglob("losses.png"))
    assert_ends_as_if_undisturbed(project, undisturbed)


def output_of_stopped(process, project, seconds=40):
    """What a run prints that was asked to stop; one that does not end is killed, as schedulers do.

    Snakemake's handler of SIGTERM takes a lock that its main thread may hold at that moment, and waits for itself.
    """
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        project.run("--unlock")
        return output


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_asked_to_stop_can_be_run_again(name, project, undisturbed):
    """The signal goes to the whole process group, as Ctrl-C in a terminal does."""
    process = project.start(*WORKFLOW_TARGETS, "--cores", 2)
    checkpoint = project.path("results/toy/beta_vsc/seed0/checkpoint.pt")
    wait_for(checkpoint, process)
    os.killpg(process.pid, signal.Signals[name])
    output = output_of_stopped(process, project)
    assert process.returncode != 0
    assert "Stopped. The same command continues; finished jobs are kept." in output.splitlines()  # a job may end later
    assert f"stopped by {name}" in project.path("results/logs/train_model/toy/beta_vsc/seed0.log").read_text()
    assert checkpoint.exists()
    assert_ends_as_if_undisturbed(project, undisturbed)
    assert "resuming in epoch" in project.path("results/logs/train_model/toy/beta_vsc/seed0.log").read_text()


def test_a_second_run_in_the_same_folder_is_refused_and_harms_nothing(project, undisturbed):
    first = project.start(*WORKFLOW_TARGETS, "--cores", 2)
    wait_for(project.path("results/toy/labels.csv"), first)
    second = project.run(check=False)
    assert second.returncode != 0
    assert "cannot be locked" in second.stdout
    output, _ = first.communicate(timeout=300)
    assert first.returncode == 0, output
    assert_ends_as_if_undisturbed(project, undisturbed)


def can_mount():
    command = ["unshare", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return bool(shutil.which("unshare")) and not subprocess.run(command, capture_output=True, check=False).returncode


needs_mount = pytest.mark.skipif(not can_mount(), reason="needs the right to mount in its own namespace (unshare)")


@needs_mount
def test_a_run_can_go_on_after_a_full_or_read_only_disk(project, undisturbed):
    # In a mount namespace of its own, results/ is a disk that is read-only, too small, and large enough in turn
    namespace = Warm(["unshare", "--map-root-user", "--mount"])
    inside = ["nsenter", f"--target={namespace.process.pid}", "--user", "--preserve-credentials", "--mount"]

    def run(*command):
        subprocess.run([*inside, *map(str, command)], check=True)

    def outcome(state):
        run("mount", "-o", f"remount,{state}", results)
        done = project.run(*WORKFLOW_TARGETS, check=False)
        return done.returncode, done.stdout

    results = project.path("results")
    results.mkdir()
    project.warm = namespace
    assert project.snakemake("--version").returncode == 0  # the namespace is there
    run("mount", "-t", "tmpfs", "-o", "size=1g", "none", results)
    code, output = outcome("ro")
    assert code == 1
    assert "cannot be written to; make it writable" in output
    for size in ("4k", "30k", "350k", "800k"):
        code, output = outcome(f"rw,size={size}")
        assert code == 1, (size, output)
        assert "no space left on device; make room and run again" in output, (size, output)
        assert "Traceback" not in output
        assert "unexpected" not in output
    code, output = outcome("rw,size=1g")
    assert code == 0, output
    run("cp", "-r", results, project.path("on_disk"))
    namespace.close()
    assert manifest.differences(undisturbed, project.path("on_disk/MANIFEST.sha256")) == []


@needs_mount
@pytest.mark.parametrize(
    ("state", "line"), [("ro", "read-only file system; make it writable"), ("rw", "no space left on device; make room")]
)
def test_a_project_on_a_full_or_read_only_disk_is_refused_in_one_line(state, line, empty):
    empty.path("disk").mkdir()
    script = f"""
        mount -t tmpfs -o size=1m none disk && cp -r toy.h5ad overlay.yaml disk
        cat /dev/zero > disk/other 2>/dev/null; truncate -s -40k disk/other  # for the log of Snakemake
        mount -o remount,{state} disk && cd disk && "$@"
    """
    command = [word if word != str(empty.folder) else "." for word in empty.command("--cores", 2)]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script, "bash", *command],
        **{"cwd": empty.folder, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 120},
        check=False,
    )
    assert done.returncode != 0
    assert f"{empty.path('disk')}: {line}" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("link", ["nowhere", "results", ""])
def test_a_file_or_a_broken_link_in_the_place_of_results_is_refused(link, empty):
    results = empty.path("results")
    results.symlink_to(link) if link else results.write_text("mine")
    done = empty.run(check=False)
    assert done.returncode != 0
    assert f"results: is a {'link' if link else 'file'}" in done.stdout
    assert "Traceback" not in done.stdout
    assert results.is_symlink() or results.read_text() == "mine"


def test_results_behind_a_link_are_made_and_kept_there(empty, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    empty.path("results").symlink_to(elsewhere)
    empty.run("results/toy/counts.h5ad")
    assert (elsewhere / "toy/counts.h5ad").is_file()
    assert empty.path("results").is_symlink()
    assert empty.planned("results/toy/counts.h5ad") == set()
