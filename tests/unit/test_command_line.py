"""Command lines: the files of --configfile, of which Snakemake silently keeps the last group only."""

import pytest
from places import ROOT

from scae.config import command_line
from scae.errors import UserError


@pytest.mark.parametrize(
    "arguments",
    [
        "--configfile a.yaml --configfile b.yaml --cores 4",
        "--configfile a.yaml --cores 4 --configfiles b.yaml",
        "--configfile=a.yaml --configfile=b.yaml",
        "data --configfile=a.yaml -n --configfile b.yaml",
    ],
)
def test_a_repeated_configfile_is_refused_with_the_command_that_works(arguments):
    with pytest.raises(UserError, match=r"2 times.*--configfile a\.yaml b\.yaml$"):
        command_line.config_files(["snakemake", *arguments.split()])


@pytest.mark.parametrize(
    ("arguments", "files"),
    [
        ("--cores 4", []),
        ("--configfile a.yaml b.yaml --cores 4", ["a.yaml", "b.yaml"]),
        ("data -c4 --configfile=a.yaml", ["a.yaml"]),
        ("--config configfile=3", []),
        ("--configfile", []),
    ],
)
def test_any_other_command_is_accepted(arguments, files):
    assert command_line.config_files(["snakemake", *arguments.split()]) == files


@pytest.mark.parametrize(
    ("arguments", "targets"),
    [("check --cores 4", ["check"]), ("--directory check --cores 4", []), ("-n data models", ["data", "models"])],
)
def test_targets_are_read_as_snakemake_does(arguments, targets):
    assert command_line.targets(["snakemake", *arguments.split()]) == targets


@pytest.mark.parametrize(
    ("arguments", "is_here"),
    [
        ("--configfile e.yaml", True),
        ("-n --cores 2 jobs", True),
        ("-j 4", False),
        ("--jobs=4", False),
        ("-e slurm", False),
        ("--executor slurm", False),
        ("--profile mine", False),
        ("--workflow-profile profiles/default", True),
    ],
)
def test_all_cores_are_for_jobs_on_this_machine(arguments, is_here, monkeypatch):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    assert command_line.runs_here(arguments.split()) == is_here


@pytest.mark.parametrize(
    ("files", "fragment"),
    [
        (
            ["a.yaml", "check"],
            "check is a target, not a config file; put it first: snakemake check --configfile a",
        ),
        (["check"], "snakemake check --configfile mine.yaml"),
        (["a.yaml", "data", "results/x.csv"], "put them first: snakemake data results/x.csv --configfile a.yaml"),
    ],
)
def test_targets_behind_configfile_are_refused_with_the_order_that_works(files, fragment, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        command_line.refuse_late_targets(files, ROOT)
    assert fragment in str(caught.value)


@pytest.mark.parametrize("files", [["gone.yaml"], ["checks"], ["report"]])
def test_a_file_that_does_not_exist_or_is_named_like_a_target_is_no_target(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "report").write_text("run: {}")
    command_line.refuse_late_targets(files, ROOT)
