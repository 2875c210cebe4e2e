"""Snakemake's records of what made each file, restored from the logs where they are lost. No rules here.

Snakemake keeps its records in `.snakemake`, which stays behind when results are copied; a file without a record it takes
for up to date. Needs the logs, in which each job notes its inputs and params, and the digests of its files. Makes the
records anew from the notes that describe a file as it is, so that Snakemake compares as ever; a file without one gets a
record that fits no config, and is remade. What Snakemake itself would not refuse, or by a traceback, is refused here.
"""

import errno
import fcntl
import sqlite3
import tempfile

from snakemake.logging import logger
from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord, PersistenceBase
from snakemake.persistence.db import DbPersistence
from snakemake.persistence.file import FilePersistence
from sqlalchemy.exc import OperationalError

ROOM_BYTES = 2**16  # what Snakemake writes at its start is less
UNKNOWN = {"rule": None, "inputs": [], "params": ["unknown"]}
NOT_RESULTS = ("README.md", "logs", "benchmarks", "lost+found")
RUNNING = Path(".snakemake/scae.lock")  # locked while a run goes on, by the process that runs it
CODE = ("config", "envs", "profiles", "rules", "scripts", "workflow", ".git")
LOCKS = []
OURS = {placed(path) for path in [*plan.targets(), *plan.targets_to_choose(), "<results>/MANIFEST.sha256"]}


def refuse_unwritable_folder():
    """Refuse folders that are read-only or full, which Snakemake itself would tell by a traceback."""
    try:
        RUNNING.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=RUNNING.parent) as room:  # without a name that two starts could share
            room.write(bytes(ROOM_BYTES))
    except OSError as error:
        todo = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "make it writable"
        if os.path.lexists(RUNNING.parent) and not RUNNING.parent.is_dir():
            todo = f"{RUNNING.parent} is not a folder, so move it"
        raise WorkflowError(f"{Path.cwd()}: {error.strerror.lower()}; {todo} and run again") from None
    results = Path(placed("<results>")).absolute()
    folder = next(path for path in (results, *results.parents) if path.exists())
    if folder.is_dir() and not os.access(folder, os.W_OK):
        raise WorkflowError(f"{folder}: cannot be written to; make it writable and run again")


def refuse_pathvars():
    """Refuse folders of results, logs and benchmarks in which files of something else would be overwritten."""
    code = [RUNNING.parent.resolve(), *((ROOT / name).resolve() for name in CODE)]
    for name in ("results", "logs", "benchmarks"):
        path = placed(f"<{name}>")
        found = Path(os.path.realpath(path))
        if any(character in path for character in "{}<>*?"):
            problem = "has a character with a meaning of its own, one of {}<>*?"
        elif path != os.path.normpath(path.strip()) or path.startswith("~"):
            problem = "is not a plain path, without ~, spaces at its ends or a slash too many"
        elif any(folder.is_relative_to(found) for folder in (Path.cwd(), ROOT.resolve())):
            problem = "contains this project"
        elif any(found.is_relative_to(folder) and not Path.cwd().is_relative_to(folder) for folder in code):
            problem = "is a folder of the workflow itself"
        else:
            continue
        raise WorkflowError(f'config: pathvars.{name}: "{path}" {problem}; give a new folder, such as {name}_2')


def folders_of_rules(*without):
    """The folders of each rule's logs and benchmarks; a rule has the name of its script."""
    names = {script.stem for script in (ROOT / "scripts").glob("*.py")} - set(without)
    return [placed(f"<{kind}>/{name}") for kind in ("logs", "benchmarks") for name in names]


def refuse_wrong_places():
    """Refuse a file in the place of a folder, or a folder in that of a file, likewise."""
    folders = {placed(path) for path in ("<results>", "<logs>", "<benchmarks>")}
    root = Path(placed("<results>"))
    folders.update(folders_of_rules())
    for file in OURS:
        folders.update(str(folder) for folder in Path(file).parents if folder.is_relative_to(root))
    for path in sorted(folders):
        if os.path.lexists(path) and not os.path.isdir(path):
            what = "is a link to no folder" if os.path.islink(path) else "is a file"
            raise WorkflowError(f"{path}: {what}, but results need a folder of this name; move it and run again")
    for path in sorted(OURS):
        if os.path.isdir(path):
            raise WorkflowError(f"{path}: is a folder, but a result of this name is a file; move it and run again")


def is_remembered(file, memory):
    """Whether Snakemake has a record of a file that it can compare with; a damaged one is none."""
    try:
        found = memory._read_record(file)
    except ValueError:
        return False
    return found is not None and found.params is not None


def records():
    """Snakemake's records, in the backend of this run, before Snakemake itself opens them."""
    settings = workflow.workflow_settings
    backend = settings.persistence_backend.name
    if backend == "DB":
        for last in (False, False, True):
            try:
                return DbPersistence(nolock=True, db_url=settings.persistence_backend_db_url or None)
            except sqlite3.DatabaseError as error:
                raise WorkflowError(f".snakemake/metadata.db: {error}; delete it and run again") from None
            except OperationalError as error:  # another start has made the tables meanwhile
                if last:
                    raise WorkflowError(str(error).splitlines()[0]) from None
    if backend != "FILE":
        raise WorkflowError(f"--persistence-backend {backend.lower()} is not supported; use file or db")
    return FilePersistence(nolock=True)


def refuse_folder_of_others(memory):
    """Refuse to write among files that no run of ours made, such as a folder of data that pathvars names by mistake."""
    results = Path(placed("<results>"))
    if not results.exists() or any(Path(folder).exists() for folder in folders_of_rules("check")):
        return
    found = (path for path in results.iterdir() if path.name not in NOT_RESULTS and path.name[0] != ".")
    found = sorted(path.name for path in found if path.is_file() or any(below.is_file() for below in path.rglob("*")))
    ours = [file for file in OURS if os.path.exists(file)]
    if theirs is not None:  # the other workflow may keep its own results beside ours
        found = ours
    if found and not any(is_remembered(file, memory) for file in ours):
        raise WorkflowError(
            f"{results}: has files that no run of this workflow made, such as {found[0]}; set pathvars.results to an "
            "empty or new folder, or move them"
        )


def remember(files, memory):
    """Restore the records of these files as far as they are gone."""
    forgotten = [file for file in files if os.path.exists(file) and not is_remembered(file, memory)]
    forgotten = set(forgotten) - memory._filter_incomplete_keys(forgotten)  # these are made again in any case
    origins = record.made_as_they_are(forgotten, placed("<logs>")) if forgotten else {}
    for file in sorted(forgotten):
        noted = origins.get(file, UNKNOWN)
        restored = {"rule": noted["rule"], "input": noted["inputs"], "params": noted["params"]}
        memory._write_record(file, MetadataRecord(record_format_version=RECORD_FORMAT_VERSION, **restored))
    if unknown := sorted(forgotten - origins.keys()):
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        logger.warning(
            f"{unknown[0]}{more}: no record of how they were made (.snakemake is missing, and no log describes them as "
            "they are); they will be remade. `snakemake --touch` keeps them instead"
        )


def refuse_second_run():
    """Refuse to run where another run goes on; the system ends the lock with the process, however that ends.

    Snakemake's own locks do not last: any Snakemake that ends in the folder removes those of all.
    """
    lock = open(RUNNING, "a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        raise WorkflowError(
            f"{Path.cwd()}: another run goes on here (process {lock.read().strip()}); wait until it has ended"
        ) from None
    except OSError:  # a file system without such locks
        return
    lock.truncate(0)
    lock.write(f"{os.getpid()} on {os.uname().nodename}\n")
    lock.flush()
    LOCKS.append(lock)  # held until this process ends


if workflow.is_main_process:
    refuse_unwritable_folder()
    refuse_pathvars()
    refuse_wrong_places()
    memory = records()
    refuse_folder_of_others(memory)
    remember(OURS, memory)
    if CHECKING:  # it makes no file, and a run may be going on, whose locks the end of this one would remove
        PersistenceBase.lock = PersistenceBase.unlock = PersistenceBase.noop  # what --nolock does


onstart:
    if workflow.is_main_process and workflow.execution_settings.lock and not CHECKING:
        refuse_second_run()
