"""Whatever ends a run, running it again ends with the results of an undisturbed one."""

import os
import shutil
import signal
import subprocess
import time

import interruptions
import pytest
from workflow_project import Project, copy_workflow

from scae.workflow import manifest

KILLS = 20
WORKFLOW_TARGETS = ["all", "manifest"]


@pytest.fixture(scope="module")
def undisturbed(workflow, tmp_path_factory):
    """Manifest of a run that nothing disturbed."""
    project = Project.create(tmp_path_factory.mktemp("undisturbed") / "project", workflow, interruptions.CONFIG)
    project.run(*WORKFLOW_TARGETS)
    return project.path("results/MANIFEST.sha256")


@pytest.fixture
def project(workflow, tmp_path):
    return Project.create(tmp_path / "project", workflow, interruptions.CONFIG)


def assert_ends_as_if_undisturbed(project, undisturbed):
    """A plain rerun completes the results, and they are those of the undisturbed run."""
    project.run(*WORKFLOW_TARGETS)
    assert manifest.differences(undisturbed, project.path("results/MANIFEST.sha256")) == []
    assert not list(project.path("results").rglob("checkpoint.pt*"))


def wait_for(path, process, seconds=120):
    end = time.monotonic() + seconds
    while not path.exists():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < end
        time.sleep(0.05)


def test_any_number_of_kills_ends_with_the_same_results(undisturbed, workflow, tmp_path, capsys):
    count = 0
    for killed, found in interruptions.rounds(KILLS, workflow, tmp_path):
        assert manifest.differences(undisturbed, found) == []
        count += len(killed)
    assert count == KILLS
    with capsys.disabled():
        print(f"\n{count} kills at random moments: always the same manifest")


def test_no_job_writes_on_for_whoever_adopts_it(workflow, tmp_path):
    """The weights of a run that was killed must not replace those of the next, whose config may be another."""
    project = Project.create(tmp_path / "project", workflow, interruptions.CONFIG)
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


def test_code_edited_while_a_run_is_under_way_makes_no_result(workflow, undisturbed, tmp_path):
    """Even if the edit is undone: the results would be taken for those of the code that was planned."""
    own = copy_workflow(workflow, tmp_path / "workflow")
    project = Project.create(tmp_path / "project", own, interruptions.CONFIG)
    process = project.start(*WORKFLOW_TARGETS, "--cores", 2)
    wait_for(project.path("results/toy/beta_vsc/seed0/checkpoint.pt"), process)
    script = own / "scripts/plot_losses.py"
    text = script.read_text(encoding="utf-8")
    script.write_text(text.replace("title(snakemake.wildcards)", "title(snakemake.wildcards).upper()"))
    output, _ = process.communicate(timeout=300)
    script.write_text(text)
    assert process.returncode != 0
    line = "scripts/plot_losses.py, or what it imports, was edited while the run was under way; run again"
    assert line in output
    assert "Traceback" not in output
    assert not list(project.path("results").rglob("losses.png"))
    assert_ends_as_if_undisturbed(project, undisturbed)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_run_that_is_asked_to_stop_can_be_run_again(name, project, undisturbed):
    """The signal goes to the whole process group, as Ctrl-C in a terminal does."""
    process = project.start(*WORKFLOW_TARGETS, "--cores", 2)
    checkpoint = project.path("results/toy/beta_vsc/seed0/checkpoint.pt")
    wait_for(checkpoint, process)
    os.killpg(process.pid, signal.Signals[name])
    output, _ = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"stopped by {name}" in output
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


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount in a namespace of its own (unshare)")
def test_a_full_or_read_only_disk_is_told_and_can_be_run_on_after_it(project, undisturbed):
    project.path("results").mkdir()
    # In a mount namespace of its own, results/ is a disk that is read-only, too small, and large enough in turn
    states = ["ro", "rw,size=4k", "rw,size=60k", "rw,size=350k", "rw,size=800k", "rw,size=2500k", "rw,size=1g"]
    script = "set -u; mount -t tmpfs -o size=1g none results\n"
    for number, state in enumerate(states):
        script += f"mount -o remount,{state} results\n"
        script += f'"$@" > {number}.txt 2>&1; echo $? >> codes.txt\n'
    script += "cp -r results on_disk\n"
    subprocess.run(
        [
            "unshare",
            "--map-root-user",
            "--mount",
            "bash",
            "-c",
            script,
            "bash",
            *project.command(*WORKFLOW_TARGETS, "--cores", 2),
        ],
        cwd=project.folder,
        check=True,
        timeout=600,
    )
    outputs = [project.path(f"{number}.txt").read_text() for number in range(len(states))]
    codes = project.path("codes.txt").read_text().split()
    assert codes == ["1"] * (len(states) - 1) + ["0"], outputs
    assert "Read-only file system" in outputs[0]
    for output in outputs[1:-1]:
        assert "no space left on device; make room and run again" in output
        assert "Traceback" not in output
        assert "unexpected" not in output
    assert manifest.differences(undisturbed, project.path("on_disk/MANIFEST.sha256")) == []


@pytest.mark.skipif(not can_mount(), reason="needs the right to mount in a namespace of its own (unshare)")
@pytest.mark.parametrize(
    ("state", "line"),
    [
        ("ro", "read-only file system; make it writable and run again"),
        ("rw", "no space left on device; make room and run again"),
    ],
)
def test_a_project_on_a_full_or_read_only_disk_is_told_in_one_line(state, line, empty):
    empty.path("disk").mkdir()
    script = f"""
        mount -t tmpfs -o size=1m none disk && cp -r toy.h5ad overlay.yaml disk
        cat /dev/zero > disk/other 2>/dev/null; truncate -s -40k disk/other  # for the log of Snakemake
        mount -o remount,{state} disk && cd disk && "$@"
    """
    command = [word if word != str(empty.folder) else "." for word in empty.command("--cores", 2)]
    done = subprocess.run(
        ["unshare", "--map-root-user", "--mount", "bash", "-c", script, "bash", *command],
        cwd=empty.folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0
    assert f"{empty.path('disk')}: {line}" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
