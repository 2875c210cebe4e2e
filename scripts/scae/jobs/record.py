"""Provenance: each job logs its inputs, parameters, software and the content of its files.

Three readers use these records: the manifest (software and machine), a run whose ``.snakemake`` is lost
(rules/restore_metadata.smk), and each job, which checks that its inputs are unchanged since they were written. Standard
library only, since every job loads it.
"""

import hashlib
import json
import logging
import platform
import sys
from contextlib import suppress
from importlib import metadata
from pathlib import Path

from scae.errors import UserError

MARK = "made with "  # before a record in a log
SIMD = ("avx512f", "avx2", "avx", "asimd")  # widest first, as Linux names them
HASHED_BYTES = 100_000_000  # a larger file is compared by its size; hashing it would slow down every start

log = logging.getLogger(__name__)


def note(snakemake):
    """Log the files that a job made, its rule, inputs and params, and the software and machine of this process.

    Args:
        snakemake: the job as its script sees it.
    """
    origin = {
        "files": {file: _content(file) for file in snakemake.output},
        "rule": snakemake.rule,
        "inputs": sorted(snakemake.input),
        "params": sorted(map(repr, snakemake.params)),  # as Snakemake compares them
        "machine": machine(),
        "software": software(),
    }
    log.info("%s%s", MARK, json.dumps(origin))


def read(logs, files=None):
    """The latest record of each file: {file: what `note` logged, and the file's own "content"}.

    Args:
        logs: folder of the logs.
        files: only read logs of jobs that may have made these files: a log is named after the wildcards of its job
            (``{rule}/{dataset}/{model}.log``), which are the folders of its files.
    """
    found, texts = {}, []
    names = None if files is None else _possible_logs(files)
    for path in Path(logs).rglob("*.log"):
        if names is not None and path.relative_to(logs).as_posix().partition("/")[2] not in names:
            continue
        with suppress(FileNotFoundError):  # Snakemake removes the log of a job that starts
            texts.append((path.stat().st_mtime_ns, path.read_text(encoding="utf-8", errors="replace")))
    for _, text in sorted(texts, key=lambda log: log[0]):
        for origin in entries(text, MARK):
            contents = origin.pop("files", {})
            if isinstance(contents, dict):  # a list in logs of early versions
                found.update({file: origin | {"content": content} for file, content in contents.items()})
    return found


def entries(text, mark):
    """The JSON objects that follow a mark in the text of a log, one a line; those that were cut short are skipped."""
    for line in text.splitlines():
        _, marked, content = line.partition(mark + "{")
        if marked:
            with suppress(ValueError):
                yield json.loads("{" + content)


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
        if file in made and (found := _content(file)) != (written := made[file]["content"]):
            cut = found["bytes"] < written["bytes"]
            how = "is damaged (truncated)" if cut else "is damaged, or was replaced or edited after its job wrote it"
            raise UserError(f"{file}: {how}; delete it and run again")


def _content(file):
    """Size and digest of a file; the digest is None for a large one."""
    size = Path(file).stat().st_size
    if size > HASHED_BYTES:
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
