"""Notes: messages of jobs that are printed at the end of the run, so that nobody has to open a log for them.

Any module logs one at the level NOTE, or as a warning. Standard library only, since every job loads it.
"""

import json
import logging
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from scae.errors import printable
from scae.jobs import record as job_record

NOTE = 25  # between INFO, which only reaches the log, and WARNING, which the terminal shows at once as well
MARK = "noted "  # before the key and the notes in a log
NAMES = ("dataset", "model", "seed")  # wildcards, in the order of a message
SHOWN = 30  # lines at the end of a run

logging.addLevelName(NOTE, "NOTE")
log = logging.getLogger(__name__)


def is_ours(record):
    """Whether a log record comes from the library or a script, not from another package."""
    return record.name == "root" or record.name.partition(".")[0] == "scae"


def is_warning(record):
    """Whether a log record is a warning of ours; an error ends the job and is shown as such."""
    return record.levelno == logging.WARNING and is_ours(record)


@contextmanager
def about(name):
    """Put a name before every note and warning that is logged inside."""
    make = logging.getLogRecordFactory()

    def named(*args, **options):
        record = make(*args, **options)
        if record.levelno >= NOTE and is_ours(record):
            record.msg, record.args = f"{name}: {record.getMessage()}", ()
        return record

    logging.setLogRecordFactory(named)
    try:
        yield
    finally:
        logging.setLogRecordFactory(make)


class Collector(logging.Handler):
    """Keeps the notes and warnings of the library and the scripts, and prints text that is for the terminal only."""

    def __init__(self, terminal=None):
        super().__init__(NOTE)
        self.terminal = terminal
        self.notes = []  # (is it a warning, message)

    def print(self, text):
        """Show text on the terminal, as it is."""
        self.terminal.write(f"{text}\n")

    def emit(self, record):
        found = (is_warning(record), printable(record.getMessage()))
        if is_ours(record) and record.levelno < logging.ERROR and found not in self.notes:
            self.notes.append(found)

    def write(self, snakemake, key):
        """Log the notes of a job, for `read`.

        Args:
            snakemake: the job as its script sees it.
            key: of the log, from `record.begin`.
        """
        if self.notes:
            job = {"rule": snakemake.rule, "wildcards": dict(snakemake.wildcards.items())}
            log.info("%s%s %s", MARK, key, json.dumps(job | {"files": list(snakemake.output), "notes": self.notes}))


def read(logs, since=0):
    """[(rule, files of the job, wildcards, is it a warning, message)] from the logs, in the order of their names."""
    found = []
    for path in sorted(Path(logs).rglob("*.log")):
        with suppress(OSError):  # removed meanwhile
            if path.stat().st_mtime < since:
                continue
            text = path.read_text(encoding="utf-8", errors="replace")
            for job in job_record.entries(text, MARK):
                found.extend((job["rule"], job["files"], job["wildcards"], *note) for note in job["notes"])
    return found


def show(logs, files, asked=(), since=0):
    """Print `summary` on standard error, where Snakemake reports its jobs."""
    for text in summary(logs, files, asked, since):
        print(f"  {text}", file=sys.stderr)


def summary(logs, files, asked=(), since=0):
    """Lines for the end of a run: each message once, with its data set or its runs.

    Args:
        logs: the folder of the logs.
        files: of this run; notes of jobs that made none of them are of another config, and left out.
        asked: rules of which the notes are shown too, though they make no file, such as ``check``.
        since: seconds since 1970; older logs are left out, as those of earlier runs where this one has failed.

    Returns:
        list[str]: the notes, then the warnings.
    """
    jobs = {}
    for rule, made, wildcards, is_warning, message in read(logs, since):
        if not files.isdisjoint(made) if made else rule in asked:
            dataset, *rest = [str(wildcards[name]) for name in NAMES if name in wildcards] or [""]
            jobs.setdefault((is_warning, dataset, message), {})["/".join(rest)] = None
    lines = []
    for (is_warning, dataset, message), names in sorted(jobs.items(), key=lambda item: item[0][:2]):
        runs = [name for name in names if name]
        about = dataset + (f" ({', '.join(runs)})" if 0 < len(runs) <= 3 else f" ({len(runs)} runs)" if runs else "")
        lines.append(f"{'warning: ' if is_warning else ''}{f'{about}: ' if about else ''}{message}")
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"and {len(lines) - SHOWN} more, in {logs}"]
