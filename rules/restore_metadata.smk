"""Snakemake's records of what made each file, restored from the logs where they are lost. No rules here.

Snakemake keeps its records in `.snakemake`, which stays behind when results are copied; a file without a record it takes
for up to date. Needs the logs beside the results, in which each job notes its inputs and params. Makes the records anew
from these notes, so that Snakemake compares as ever; a file without a note gets a record that fits no config, and is
remade.
"""

import errno

from snakemake.logging import logger
from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord
from snakemake.persistence.db import DbPersistence
from snakemake.persistence.file import FilePersistence

ROOM_BYTES = 2**16  # what Snakemake writes at its start is less
UNKNOWN = {"rule": None, "inputs": [], "params": ["unknown"]}


def refuse_unwritable_folder():
    """Refuse a working directory that is read-only or full, which Snakemake itself would tell by a traceback."""
    room = Path(".snakemake/room")
    try:
        room.parent.mkdir(exist_ok=True)
        room.write_bytes(bytes(ROOM_BYTES))
        room.unlink()
    except OSError as error:
        room.unlink(missing_ok=True)
        todo = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "make it writable"
        raise WorkflowError(f"{Path.cwd()}: {error.strerror.lower()}; {todo} and run again") from None


def refuse_what_is_no_folder(path):
    """Refuse a file, or a link to nothing or to itself, in the place of a folder, likewise."""
    if os.path.lexists(path) and not os.path.isdir(path):
        what = "is a link to no folder" if os.path.islink(path) else "is a file"
        raise WorkflowError(f"{path}: {what}, but results need a folder of this name; move it and run again")


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
        return DbPersistence(nolock=True, db_url=settings.persistence_backend_db_url or None)
    if backend != "FILE":
        raise WorkflowError(f"--persistence-backend {backend.lower()} is not supported; use file or db")
    return FilePersistence(nolock=True)


def remember(files):
    """Restore the records of these files as far as they are gone."""
    memory = records()
    forgotten = [file for file in files if os.path.exists(file) and not is_remembered(file, memory)]
    forgotten = sorted(set(forgotten) - memory._filter_incomplete_keys(forgotten))  # these are made again in any case
    origins = record.read(placed("<logs>")) if forgotten else {}
    unknown = [file for file in forgotten if file not in origins or "params" not in origins[file]]
    for file in forgotten:
        noted = UNKNOWN if file in unknown else origins[file]
        restored = {"rule": noted["rule"], "input": noted["inputs"], "params": noted["params"]}
        memory._write_record(file, MetadataRecord(record_format_version=RECORD_FORMAT_VERSION, **restored))
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        logger.warning(
            f"{unknown[0]}{more}: no record of how they were made (.snakemake and logs are missing); they will be "
            "remade. `snakemake --touch` keeps them instead"
        )


if workflow.is_main_process:
    refuse_unwritable_folder()
    refuse_what_is_no_folder(placed("<results>"))
    remember([placed(path) for path in [*plan.targets(), "<results>/MANIFEST.sha256"]])
