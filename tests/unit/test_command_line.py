"""Command lines that Snakemake takes for something else than what they say."""

import pytest

from scae.config import command_line
from scae.errors import UserError


@pytest.mark.parametrize(
    "arguments",
    [
        "--configfile a.yaml --configfile b.yaml --cores 4",
        "--configfile a.yaml --cores 4 --configfiles b.yaml",
        "--configfile=a.yaml --configfile=b.yaml",
        "data --configfile=a.yaml --configfile b.yaml",
    ],
)
def test_a_repeated_configfile_is_refused_with_the_command_that_works(arguments):
    with pytest.raises(UserError, match=r"stands 2 times.*--configfile a\.yaml b\.yaml$"):
        command_line.refuse_repeated_configfile(arguments.split())


@pytest.mark.parametrize("arguments", ["--cores 4", "--configfile a.yaml b.yaml --cores 4", "--config configfile=3"])
def test_any_other_command_is_left_alone(arguments):
    command_line.refuse_repeated_configfile(arguments.split())
