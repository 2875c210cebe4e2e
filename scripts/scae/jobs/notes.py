"""What a user should see without opening a log: a job notes it, and it stands on the terminal when the run ends.

Any module logs it at the level NOTE, or as a warning. Standard library only, since every job loads it.
"""

import json
import logging
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

NOTE = 25  # between INFO, which stays in the log, and WARNING, which the terminal shows at once as well
MARK = "noted "
CHECK = "check"  # the rule
SHOWN = 30  # lines at the end of a run

logging.addLevelName(NOTE, "NOTE")
log = logging.getLogger(__name__)


def is_ours(record):
    """Whether a log record was made by the library or a script, not by another package."""
    return record.name == "root" or record.name.partition(".")[0] == "scae"


def is_warning(record):
    """Whether a log record is a warning of ours; an error ends the job and is shown as such."""
    return record.levelno == logging.WARNING and is_ours(record)


@contextmanager
def about(name):
    """Have what is noted or warned of inside begin with a name."""
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
    """Keeps what the library and the scripts note or warn of, and prints what is for the terminal alone."""

    def __init__(self, terminal=None):
        super().__init__(NOTE)
        self.terminal = terminal
        self.notes = []  # (is it a warning, message)

    def print(self, text):
        """Show text on the terminal, as it is."""
        self.terminal.write(f"{text}\n")

    def emit(self, record):
        found = (is_warning(record), record.getMessage())
        if is_ours(record) and record.levelno < logging.ERROR and found not in self.notes:
            self.notes.append(found)

    def write(self, rule, wildcards):
        """Log what was kept, for `read`."""
        if self.notes:
            log.info("%s%s", MARK, json.dumps({"rule": rule, "wildcards": dict(wildcards), "notes": self.notes}))


def read(logs):
    """[(rule, wildcards, is it a warning, message)] from the logs of jobs, in the order of their names."""
    found = []
    for path in sorted(Path(logs).rglob("*.log")):
        with suppress(FileNotFoundError, ValueError, KeyError):  # taken away meanwhile, or cut short
            for text in path.read_text(encoding="utf-8", errors="replace").splitlines():
                _, marked, content = text.partition(MARK + "{")
                if marked:
                    job = json.loads("{" + content)
                    found.extend((job["rule"], job["wildcards"], *note) for note in job["notes"])
    return found


def show(logs, run, checked):
    """Print `summary` on standard error, where Snakemake tells of its jobs."""
    for text in summary(logs, run, checked):
        print(f"  {text}", file=sys.stderr)


def summary(logs, run, checked=False):
    """Lines for the end of a run: each message once, with the data set or the runs that it is about.

    Args:
        logs: the folder of the logs.
        run: the config's section ``run``; what other data sets, models and seeds noted earlier is left out.
        checked: whether the notes are those of ``snakemake check``, not of a run.

    Returns:
        list[str]: the notes, then the warnings.
    """
    chosen = {"dataset": run["datasets"], "model": run["models"], "seed": list(map(str, run["seeds"]))}
    jobs = {}
    for rule, wildcards, is_warning, message in read(logs):
        if (rule == CHECK) == checked and all(
            wildcards[name] in values for name, values in chosen.items() if name in wildcards
        ):
            dataset, *rest = [str(wildcards[name]) for name in chosen if name in wildcards] or [""]
            jobs.setdefault((is_warning, dataset, message), dict.fromkeys([]))["/".join(rest)] = None
    lines = []
    for (is_warning, dataset, message), of in sorted(jobs.items(), key=lambda item: item[0][:2]):
        runs = [name for name in of if name]
        about = dataset + (f" ({', '.join(runs)})" if 0 < len(runs) <= 3 else f" ({len(runs)} runs)" if runs else "")
        lines.append(f"{'warning: ' if is_warning else ''}{f'{about}: ' if about else ''}{message}")
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"and {len(lines) - SHOWN} more, in {logs}"]
