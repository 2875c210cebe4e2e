"""The frame of every job: its log, its failure in one line, its end with Snakemake.

Scripts import it first: from then on the job is killed when Snakemake dies, and runs the code of the source files.
"""

import errno
import logging
import os
import re
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import scae.jobs.source_code  # noqa: F401 (first: it decides how the others are loaded)
from scae.errors import UserError, one_line, printable
from scae.jobs import code_digest, notes, orphans, record
from scae.jobs.terminal import interrupt_quietly, is_reported_at_end

orphans.end_with_snakemake()
if is_reported_at_end():
    interrupt_quietly()

DISK_PROBLEMS = {
    errno.ENOSPC: "make room and run again",
    errno.EDQUOT: "make room and run again",
    errno.EROFS: "make it writable and run again",
    errno.EACCES: "make it writable and run again",
}


@contextmanager
def job(snakemake):
    """Send everything the job prints to its log; if it fails, show the user one line without a traceback.

    The line is the last error in the log, where a run that is reported at its end finds it, and is printed otherwise.

    File descriptors are redirected, so that the output of compiled libraries reaches the log too.

    Raises:
        SystemExit: with status 1 after any exception inside the block.
    """
    failure, is_logged = None, True
    wildcards = " ".join(f"{name}={value}" for name, value in snakemake.wildcards.items())
    name = f"{snakemake.rule} {wildcards}".rstrip()
    try:
        with _log_to(Path(snakemake.log[0]), name) as noted:
            try:
                code_digest.refuse_edited(snakemake.params.code)
                record.refuse_damaged(snakemake.input, folder_of_logs(snakemake))
                try:
                    yield noted
                finally:
                    noted.write(snakemake, noted.key)
                record.note(snakemake, noted.key)
            except UserError as error:
                failure = one_line(str(error))
                logging.error(failure)
            except KeyboardInterrupt:
                failure = "interrupted"
                logging.error(failure)
            except BaseException as error:  # also the SystemExit of a model file, which would pass for a success
                failure = _describe(error, snakemake)
                logging.exception("unexpected error")
                logging.error(failure)
    except OSError as error:  # the log itself cannot be written
        failure, is_logged = failure or _describe(error, snakemake), False
    if failure:
        if is_logged and is_reported_at_end():
            sys.exit(1)
        sys.stderr.write(f"{name}: {failure}\n")
        sys.exit(1)


def folder_of_logs(snakemake):
    """The folder of all logs: each is in the folder of its rule, with a folder for each wildcard but the last."""
    depth = max(1, len(dict(snakemake.wildcards.items())))
    return [*Path(snakemake.log[0]).parents][: depth + 1][-1]


class _Printable(logging.Formatter):
    """Escapes what a message or an exception brings along, so that it neither moves a cursor nor adds a line."""

    def formatMessage(self, record):
        record.message = printable(record.message)
        return super().formatMessage(record)

    def formatException(self, info):
        return "\n".join(map(printable, super().formatException(info).splitlines()))


def _describe(error, snakemake):
    """An exception as one line: for a disk problem what to do, else where to find the traceback."""
    cause = error
    while cause:  # torch.save hides an OSError behind its own error
        found = re.search(r"errno = (\d+)", str(cause))  # HDF5 raises various types with the number in the text
        number = int(found[1]) if found else getattr(cause, "errno", None)
        if number in DISK_PROBLEMS:
            place = getattr(cause, "filename", None) or Path(snakemake.output[0]).parent
            return f"{place}: {os.strerror(number).lower()}; {DISK_PROBLEMS[number]}"
        cause = cause.__context__
    return one_line(
        f"unexpected {type(error).__name__}: {' '.join(str(error).split())} (traceback in {snakemake.log[0]})"
    )


@contextmanager
def _log_to(path, name):
    """Send both outputs and the log messages of this process to a file; messages marked ``terminal`` are also shown.

    So are warnings of ours, unless the run is reported at its end. Yields the collector of
    notes.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with path.open("w", buffering=1, encoding="utf-8", errors="backslashreplace") as log:
        key = record.begin(log)
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        handler = logging.StreamHandler(log)
        handler.setFormatter(_Printable("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        terminal = logging.StreamHandler(os.fdopen(os.dup(saved[1]), "w", buffering=1))
        terminal.setFormatter(_Printable(f"{name}: %(message)s"))
        is_shown = notes.is_warning if not is_reported_at_end() else lambda record: False
        terminal.addFilter(lambda record: getattr(record, "terminal", False) or is_shown(record))
        noted = notes.Collector(terminal.stream)
        noted.key = key
        logging.basicConfig(level=logging.INFO, handlers=[handler, terminal, noted], force=True)
        logging.captureWarnings(True)
        try:
            yield noted
        finally:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError):  # a full disk; unwritten text is lost
                    stream.flush()
            os.dup2(saved[0], 1)
            os.dup2(saved[1], 2)
            os.close(saved[0])
            os.close(saved[1])
            logging.getLogger().removeHandler(handler)
            logging.getLogger().removeHandler(terminal)
            logging.getLogger().removeHandler(noted)
            terminal.stream.close()
