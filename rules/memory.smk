"""What made the files that are there, where Snakemake has forgotten it. No rules here.

Snakemake remembers in `.snakemake`, which stays behind when results are copied; a file that it knows nothing of it takes
for what the config asks for. Needs the lists of targets.smk and the logs beside the results, in which each job notes
what it made its files of. Makes Snakemake's records anew from these notes, so that it compares as ever; a file without
a note gets a record that fits no config, and is made again.
"""

from snakemake.logging import logger
from snakemake.persistence import RECORD_FORMAT_VERSION, MetadataRecord
from snakemake.persistence.file import FilePersistence

UNKNOWN = {"rule": None, "inputs": [], "params": ["unknown"]}


def is_remembered(file, memory):
    """Whether Snakemake has a record of a file that it can compare with; a damaged one is none."""
    try:
        record = memory._read_record(file)
    except ValueError:
        return False
    return record is not None and record.params is not None


def remember(files):
    """Restore the records of these files as far as they are gone."""
    memory = FilePersistence(nolock=True)
    forgotten = [file for file in files if os.path.exists(file) and not is_remembered(file, memory)]
    forgotten = sorted(set(forgotten) - memory._filter_incomplete_keys(forgotten))  # these are made again in any case
    origins = job_record.read("results/logs") if forgotten else {}
    unknown = [file for file in forgotten if file not in origins or "params" not in origins[file]]
    for file in forgotten:
        noted = UNKNOWN if file in unknown else origins[file]
        record = {"rule": noted["rule"], "input": noted["inputs"], "params": noted["params"]}
        memory._write_record(file, MetadataRecord(record_format_version=RECORD_FORMAT_VERSION, **record))
    if unknown:
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        logger.warning(
            f"{unknown[0]}{more}: nothing tells what made them, neither .snakemake nor a log, so they are made again; "
            "`snakemake --touch` keeps them as they are"
        )


if workflow.is_main_process:
    remember([*all_files(), "results/MANIFEST.sha256"])
