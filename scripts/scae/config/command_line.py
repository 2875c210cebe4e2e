"""Snakemake's command line, for mistakes that Snakemake accepts. Standard library only: read at each start."""

import argparse
import contextlib
import io

from scae.errors import UserError


def targets(arguments):
    """Targets of a command line, by Snakemake's own parser; none where another program reads the workflow."""
    from snakemake.cli import get_argument_parser

    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        return list(get_argument_parser().parse_known_args(arguments[1:])[0].targets)
    return []


def config_files(arguments):
    """The files of ``--configfile``.

    Args:
        arguments: of the command, as in ``sys.argv``.

    Raises:
        UserError: if the option is given more than once, since Snakemake silently keeps the last only.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", action="append", default=[], dest="files")
    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        given = parser.parse_known_args(arguments)[0].files
        files = [file for group in given for file in group]
        if len(given) > 1:
            raise UserError(
                f"--configfile is given {len(given)} times, and Snakemake would use only the last; give it once: "
                f"--configfile {' '.join(files)}"
            )
        return files
    return []  # without a value, which Snakemake reports
