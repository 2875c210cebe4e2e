"""Provenance: each job logs its inputs, parameters, software and the content of its files.

Three readers use these records: the manifest (software and machine), a run whose ``.snakemake`` is lost
(rules/restore_metadata.smk), and each job, which checks that its inputs are unchanged since they were written. Standard
library only, since every job loads it.

A log also contains whatever a library prints about the data of strangers. So its first line, written before any data is
read, has a random key, and only lines with this key are records.
"""

import hashlib
import json
import logging
import platform
import re
import secrets
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from scae.errors import UserError

MARK = "made with "  # before the key and a record in a log
FIRST_LINE = re.compile(r"key of the records: ([0-9a-f]{16})\n")
SIMD = ("avx512f", "avx2", "avx", "asimd")  # widest first, as Linux names them
HASHED_BYTES = 100_000_000  # each job compares a larger input by its size; hashing it would slow down every start

log = logging.getLogger(__name__)


def begin(log):
    """Write the first line of a log; returns the key of its records."""
    key = secrets.token_hex(8)
    log.write(f"key of the records: {key}\n")
    return key


def note(snakemake, key):
    """Log the files that a job made, its rule, inputs and params, and the software and machine of this process.

    Args:
        snakemake: the job as its script sees it.
        key: of the log, from `begin`.
    """
    origin = {
        "files": {file: _content(file, whole=True) for file in snakemake.output},
        "rule": snakemake.rule,
        "inputs": sorted(snakemake.input),
        "params": sorted(map(repr, snakemake.params)),  # as Snakemake compares them
        "machine": machine(),
        "software": software(),
    }
    log.info("%s%s %s", MARK, key, json.dumps(origin))


def read(logs, files=None):
    """The latest record of each file: {file: what `note` logged, and the file's own "content"}.

    Args:
        logs: folder of the logs.
        files: only read logs of jobs that may have made these files: a log is named after the wildcards of its job
            (``{rule}/{dataset}/{model}.log``), which are the folders of its files.
    """
    return dict(_records(logs, files))


def made_as_they_are(files, logs):
    """The latest record of each file that describes its present content, as `read` returns it; others are left out.

    So the logs of another run, or of the same folder with another config, are not believed.
    """
    found, now = {}, {}
    for file, origin in _records(logs):
        if file in files:
            now[file] = now.get(file) or _content(file, whole=True)
            if now[file] == origin["content"]:
                found[file] = origin
    return found


def below(files, records):
    """All files from which these were made, and themselves, as far as the records say."""
    found, pending = set(), list(files)
    while pending:
        file = pending.pop()
        if file not in found:
            found.add(file)
            pending += records[file]["inputs"] if file in records else []
    return found


def _records(logs, files=None):
    """Yields (file, record) from the oldest log to the newest."""
    texts = []
    names = None if files is None else _possible_logs(files)
    for path in Path(logs).rglob("*.log"):
        if names is not None and path.relative_to(logs).as_posix().partition("/")[2] not in names:
            continue
        with suppress(FileNotFoundError):  # Snakemake removes the log of a job that starts
            texts.append((path.stat().st_mtime_ns, path.read_text(encoding="utf-8", errors="replace")))
    for _, text in sorted(texts, key=lambda log: log[0]):
        for origin in entries(text, MARK):
            contents = origin.pop("files")
            yield from ((file, origin | {"content": content}) for file, content in contents.items())


def entries(text, mark):
    """The JSON objects that follow a mark and the key in the text of a log; those that were cut short are skipped."""
    first = FIRST_LINE.match(text)
    for line in text.splitlines() if first else ():
        _, marked, content = line.partition(f"{mark}{first[1]} ")
        if marked:
            with suppress(ValueError):
                yield json.loads(content)


def _possible_logs(files):
    """Names of the logs, below the folder of a rule, of the jobs that may have made these files."""
    names = {"all.log"}
    for file in files:
        parts = Path(file).with_suffix("").parts
        names |= {"/".join(parts[a:b]) + ".log" for a in range(len(parts)) for b in range(a + 1, len(parts) + 1)}
        names |= {f"{'/'.join(parts[a:-2])}/{parts[-1]}.log" for a in range(len(parts) - 2)}  # labels/{label_set}
    return names


def refuse_damaged(files, logs):
    """Check that files are as their jobs wrote them; a file without a record in the logs passes.

    Raises:
        UserError: naming the first that is not; results of a truncated table or of other weights would be wrong.
    """
    made = read(logs, files)
    for file in files:
        written = made[file]["content"] if file in made else None
        if written and (found := _content(file)) | {"sha256": found["sha256"] or written["sha256"]} != written:
            cut = found["bytes"] < written["bytes"]
            how = "is damaged (truncated)" if cut else "is damaged, or was replaced or edited after its job wrote it"
            raise UserError(f"{file}: {how}; delete it and run again")


def _content(file, whole=False):
    """Size and digest of a file; the digest of a large one is None unless ``whole``."""
    size = Path(file).stat().st_size
    if size > HASHED_BYTES and not whole:
        return {"bytes": size, "sha256": None}
    with open(file, "rb") as stream:
        return {"bytes": size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def software():
    """{package: version} of Python and every loaded package outside its standard library."""
    loaded = {name: module for name, module in sys.modules.copy().items() if module and "." not in name}
    versions = {name: _version(loaded[name]) for name in sorted(loaded.keys() - sys.stdlib_module_names)}
    return {"python": platform.python_version()} | {name: version for name, version in versions.items() if version}


def _version(module):
    """Version of a package, from its attribute or its installation; None for a module without one, such as a script."""
    version = vars(module).get("__version__")
    if isinstance(version, str):
        return version
    try:
        return metadata.version(module.__name__)
    except metadata.PackageNotFoundError:
        return None


def machine():
    """System, architecture, processor and its vector instructions, on which the last digits may depend."""
    model, instructions = platform.processor(), ""
    with suppress(OSError):  # not Linux
        fields = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
        described = {key.strip(): value.strip() for key, value in reversed(fields)}
        model = described.get("model name", model)
        flags = described.get("flags", described.get("Features", "")).split()
        instructions = next((name for name in SIMD if name in flags), "")
    return ", ".join(part for part in (f"{platform.system()} {platform.machine()}", model, instructions) if part)
