"""Snakemake's command line, for mistakes that Snakemake accepts. Standard library only: read at each start."""

import argparse
import contextlib
import io
import os
import re
from pathlib import Path

from scae.errors import UserError


def targets(arguments):
    """Targets of a command line, by Snakemake's own parser; none where another program reads the workflow."""
    from snakemake.cli import get_argument_parser

    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        return list(get_argument_parser().parse_known_args(arguments[1:])[0].targets)
    return []


def runs_here(arguments):
    """Whether jobs run on this machine, all of whose cores they may use: no other executor or profile is named."""
    other = re.compile(r"-[ej]|--(exe|prof|jobs?\b)")
    return "SNAKEMAKE_PROFILE" not in os.environ and not any(other.match(argument) for argument in arguments)


def refuse_late_targets(files, folder):
    """Refuse a target behind ``--configfile``, which takes everything up to the next option for its own.

    Args:
        files: of ``--configfile``.
        folder: of the Snakefile.

    Raises:
        UserError: with the order that works.
    """
    rules = {"all"}
    for path in Path(folder, "rules").glob("*.smk"):
        rules.update(re.findall(r"^rule (\w+):", path.read_text(encoding="utf-8"), re.MULTILINE))
    late = [file for file in files if file in rules and not Path(file).exists()]
    late += [file for file in files if file.startswith("results/") and not file.endswith((".yaml", ".yml", ".json"))]
    if late:
        configs = " ".join(file for file in files if file not in late) or "mine.yaml"
        what, them = ("are targets", "them") if len(late) > 1 else ("is a target", "it")
        raise UserError(
            f"{', '.join(late)} {what}, not a config file; put {them} first: snakemake {' '.join(late)} --configfile "
            f"{configs}"
        )


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
