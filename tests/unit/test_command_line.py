"""Command lines: the files of --configfile, of which Snakemake silently keeps the last group only."""

import pytest

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
