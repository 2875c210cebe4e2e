"""What a run shows in the terminal: the progress of its jobs, and how it ended.

`Terminal` takes the place of Snakemake's own handler, which prints ten lines a job and ends with its own bookkeeping.
Snakemake's log in ``.snakemake/log`` keeps every line. Standard library only.
"""

import difflib
import logging
import os
import re
import sys
import time
from contextlib import suppress
from pathlib import Path

from scae.errors import counted

LINES = 20  # of progress in a run, at least: one whenever so large a share of the jobs is done
WAIT_S = 60  # seconds after which a line of progress is due in any case
NAMED = 3  # running jobs in a line of progress
REASONS = 5  # failed jobs at the end of a run
ENDS = "SCAE_REPORTED_AT_END"  # in the environment of the jobs: a run that ends with their warnings and failures
CHATTER = re.compile(  # of Snakemake before the first job
    r"Assuming unrestricted|Building DAG|Using shell|Conda env\w+: ignored|Singularity|Group jobs|Config file .* is ext"
)
# Lines around the message of an error that a rule file raises
FRAMES = re.compile(r'(\w*Error in file ".*", line \d+:|WorkflowError:|  File ".*", line \d+, in .*)$')
LOGGED = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ERROR (?P<message>.*)")
UNKNOWN = re.compile(r"No rule to produce (?P<name>\S+)")
KILLED = re.compile(r"died with <Signals\.(?P<signal>\w+)")
STOPPED = "Stopped. The same command continues; finished jobs are kept."
WHOLE_RUN = "At least one job did not complete successfully"


def is_reported_at_end():
    """Whether the run of this job ends with its warnings and its failure, so that the job need not show them.

    A job of SLURM shows them too, in a log of its own.
    """
    return ENDS in os.environ and "SLURM_JOB_ID" not in os.environ


def interrupt_quietly(words=""):
    """End this process without a traceback when the user interrupts it (Ctrl-C), with words that are printed."""

    def hook(kind, *error):
        if issubclass(kind, KeyboardInterrupt):
            sys.stderr.write(words)
        else:
            sys.__excepthook__(kind, *error)

    sys.excepthook = hook


def take_over(logger, settings):
    """Put a `Terminal` in the place of the default handler of Snakemake's logger.

    A plan other than ``-n -q rules``, an option that asks for more or for less (``-p``, ``--verbose``, ``--quiet``,
    ``--show-failed-logs``, ``--debug-dag``) and a logger plugin keep Snakemake's own.

    Args:
        logger: ``snakemake.logging.logger``.
        settings: Snakemake's output settings.

    Returns:
        Terminal or None.
    """
    theirs = next((handler for handler in logger.handlers if handler.name == "DefaultStreamHandler"), None)
    is_plan = settings.dryrun and {quietness.name for quietness in settings.quiet or ()} == {"RULES"}
    asked = ("printshellcmds", "verbose", "show_failed_logs", "debug_dag", *(() if is_plan else ("dryrun", "quiet")))
    if theirs is None or any(getattr(settings, name) for name in asked):
        return None
    interrupt_quietly(f"{STOPPED}\n")
    logger.removeHandler(theirs)
    ours = Terminal(sys.stderr, is_plan=is_plan)
    logger.addHandler(ours)
    os.environ[ENDS] = "1"
    return ours


class Terminal(logging.Handler):
    """Handler of Snakemake's log records.

    Args:
        stream: where to print.
        clock: function of the time in seconds.
        is_plan: whether the jobs are only counted.
    """

    def __init__(self, stream, clock=time.monotonic, is_plan=False):
        super().__init__()
        self.stream, self.clock, self.is_plan = stream, clock, is_plan
        self.start = self.shown = clock()
        self.cores = None
        self.targets = []  # that the user may name, which are known once the rules are read
        self.counts = {}  # {rule: jobs that are not finished}
        self.durations = {}  # {rule: seconds of the finished jobs}
        self.running = {}  # {job: (rule, name, start)}
        self.total = self.done = self.shown_done = 0
        self.failed = {}  # {job: (name, reason, log)}
        self.signal = None  # that killed the job whose failure is reported next
        self.is_stopped = False

    def emit(self, record):
        """Print, count or drop a record."""
        try:
            event = getattr(record, "event", None)
            handle = getattr(self, f"_{event}", None) if event else self._message
            if handle:
                handle(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def print(self, text):
        """Print lines at once."""
        self.stream.write(f"{text}\n")
        self.stream.flush()

    def _message(self, record):
        text = record.getMessage()
        if text.startswith(("Terminating processes on user request", "Will exit after finishing")):
            if not self.is_stopped:
                self.print("Stopping …" if text[0] == "T" else "Stopping after the running jobs …")
            self.is_stopped = True
        elif record.levelno >= logging.WARNING:
            if not text.startswith("Exiting because a job execution failed"):
                self.print(text)
        elif not self.total and not CHATTER.match(text) and text != "None":
            self.print(text)

    def _error(self, record):
        """An exception: its message without the lines of rule files, which do not help the user."""
        text = record.getMessage()
        if found := KILLED.search(text):
            self.signal = found["signal"]
        if "CalledProcessError" in text or WHOLE_RUN in text:
            return  # what `_job_error` and `failure` say
        if found := UNKNOWN.search(text):
            close = difflib.get_close_matches(found["name"], self.targets, n=1)
            meant = f'did you mean "{close[0]}"?' if close else f"targets are {', '.join(self.targets)}, and any result"
            self.print(f"{found['name']}: no such target; {meant}")
            return
        lines = text.splitlines()
        if getattr(record, "exception", None) == "WorkflowError":
            lines = [line for line in lines if not FRAMES.match(line)]
        self.print("\n".join(lines).strip("\n"))

    def _resources_info(self, record):
        self.cores = getattr(record, "cores", self.cores)

    def _run_info(self, record):
        if self.is_plan and not self.total:  # Snakemake counts them twice
            self.print("\n".join(f"{number:5} {rule}" for rule, number in record.stats.items()))
        self.counts = {rule: number for rule, number in record.stats.items() if rule != "total"}
        self.total = record.stats["total"]
        self.start = self.shown = self.clock()
        if self.total > 1 and not self.is_plan:
            where = f" on {counted(self.cores, 'core')}" if self.cores else ""
            self.print(f"{counted(self.total, 'job')}{where} (-p shows each of them)")

    def _job_info(self, record):
        wildcards = dict(record.wildcards or {})
        name = " ".join([record.rule_name, *(f"{key}={value}" for key, value in wildcards.items())])
        self.running[record.jobid] = (record.rule_name, name, self.clock())
        self._show_progress()

    def _job_finished(self, record):
        self.failed.pop(record.job_id, None)  # an earlier attempt
        if record.job_id in self.running:
            rule, _, start = self.running.pop(record.job_id)
            self.counts[rule] = self.counts.get(rule, 1) - 1
            self.durations.setdefault(rule, []).append(self.clock() - start)

    def _progress(self, record):
        self.done = record.done
        if self.done == record.total:
            self._show_progress()

    def _show_progress(self):
        """Print how far the run is if that is due: when a job starts, so that the line names what is running."""
        now, is_end = self.clock(), self.done == self.total
        is_due = is_end or self.done - self.shown_done >= self.total / LINES or now - self.shown > WAIT_S
        if self.total < 2 or not is_due:
            return
        self.shown, self.shown_done = now, self.done
        names = [re.sub(" (dataset|model)=", " ", name) for _, name, _ in self.running.values()]
        more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        end = f"in {duration(now - self.start)}" if is_end else self._time_left(now)
        words = f"; running: {', '.join(names[:NAMED])}{more}" if names else ""
        self.print(f"{self.done:5} of {self.total} jobs, {end}{words}")

    def _time_left(self, now):
        """In words. A job takes as long as the finished jobs of its rule, and as many run at once as so far."""
        finished = [seconds for of_rule in self.durations.values() for seconds in of_rule]
        spent = sum(finished) + sum(now - start for _, _, start in self.running.values())
        if len(finished) < self.total / LINES or not spent:
            return "time left unknown"
        means = {rule: sum(of_rule) / len(of_rule) for rule, of_rule in self.durations.items()}
        usual = sum(finished) / len(finished)
        needed = sum(number * means.get(rule, usual) for rule, number in self.counts.items())
        needed -= sum(min(now - start, means.get(rule, usual)) for rule, _, start in self.running.values())
        return f"about {duration(needed * (now - self.start) / spent)} left"

    def _job_error(self, record):
        _, name, _ = self.running.pop(record.jobid, (None, record.rule_name, None))
        signal, self.signal = self.signal, None
        logs = list(record.log or ())
        self.failed[record.jobid] = name, reason(logs, signal, record), logs[0] if logs else None
        if self.total > 1 and not self.is_stopped:
            waiting = f"; waiting for {counted(len(self.running), 'running job')}" if self.running else ""
            self.print(f"failed: {name}{waiting}")

    def show_end(self, is_check=False):
        """Print how a run failed, as the last lines of its output; a check itself has shown what to do."""
        if self.is_stopped:
            self.print(STOPPED)
            return
        reasons = {}
        for name, text, log in self.failed.values():
            reasons.setdefault(text, []).append((name, log))
        for text, jobs in list(reasons.items())[:REASONS]:
            name, log = jobs[0]
            also = f" (and {counted(len(jobs) - 1, 'other job')})" if len(jobs) > 1 else ""
            self.print(f"{name}{also}: {text}\n  log: {log}" if log and not is_check else f"{name}{also}: {text}")
        if len(reasons) > REASONS:
            self.print(f"and {len(reasons) - REASONS} more")
        if not is_check:
            self.print("Correct this and run the same command again; finished jobs are kept.")


def reason(logs, signal, record):
    """Why a job failed, in one line: its own last word, or what ended it.

    Args:
        logs: paths, the job's own log first.
        signal: name of the signal that killed it, or None.
        record: Snakemake's record of the failure.
    """
    if not signal:
        for log in logs:
            with suppress(OSError):
                found = LOGGED.findall(Path(log).read_text(encoding="utf-8", errors="replace"))
                if found:
                    return found[-1]
    if signal:
        more = "; if memory ran out, give it more or run with fewer --cores" if signal == "SIGKILL" else ""
        return f"was killed by {signal}{more}"
    return getattr(record, "rule_msg", None) or "ended without a message"


def show_results(verdict, report):
    """Print the verdict and where the report is, as far as they are part of the run; each a path or None."""
    if verdict:
        print(Path(verdict).read_text(encoding="utf-8"), end="", file=sys.stderr)
    if report:
        print(f"Report: {report} (open it in a browser)", file=sys.stderr)


def duration(seconds):
    """A duration in words: 40 s, 5 min, 3 h."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
