"""What a command line asks for without meaning it. Standard library only: read each time the workflow is parsed."""

import contextlib
import io

from scae.errors import UserError


def targets(arguments):
    """Targets of a command line, by Snakemake's own parser; none where another program reads the workflow."""
    from snakemake.cli import get_argument_parser

    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        return list(get_argument_parser().parse_known_args(arguments[1:])[0].targets)
    return []


def refuse_repeated_configfile(arguments):
    """Refuse ``--configfile a.yaml --configfile b.yaml``, of which Snakemake keeps the last without a word.

    Args:
        arguments: of the command, as in ``sys.argv``.

    Raises:
        UserError: showing the command as it works.
    """
    options = _places(arguments, "--configfile", "--configfiles")
    if len(options) > 1:
        raise UserError(
            f"--configfile stands {len(options)} times, and only the last would count; give it once: "
            f"--configfile {' '.join(config_files(arguments))}"
        )


def config_files(arguments):
    """The files of ``--configfile``."""
    return [
        file for number in _places(arguments, "--configfile", "--configfiles") for file in _values(arguments, number)
    ]


def _places(arguments, *options):
    return [number for number, word in enumerate(arguments) if _option(word) in options]


def _option(word):
    return word.partition("=")[0]


def _values(arguments, number):
    _, given, value = arguments[number].partition("=")
    if given:
        return [value]
    rest = arguments[number + 1 :]
    end = next((place for place, word in enumerate(rest) if word.startswith("-")), len(rest))
    return rest[:end]
