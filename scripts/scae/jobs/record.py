"""What made a file: each job notes in its log what it made its files of and with, and what is in them.

The manifest reads there what software and machine made them; a run whose Snakemake has forgotten it, what they were
made of (rules/memory.smk); a job, whether its input is still what was written. Standard library only, since every job
loads it.
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

MARK = "made with "
SIMD = ("avx512f", "avx2", "avx", "asimd")  # widest first, as Linux names them

HASHED_BYTES = 100_000_000  # a larger file is known by its size

log = logging.getLogger(__name__)


def note(snakemake):
    """Log the files that a job made, its rule, inputs and params, and what this process has loaded and runs on.

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
    """{file: what `note` logged about it, with its own "content"}; the latest where there are two.

    Args:
        logs: folder of the logs.
        files: only read logs of jobs that may have made these files: a log is named after the wildcards of its job
            (``{rule}/{dataset}/{model}.log``), which are the folders of its files.
    """
    found, read = {}, []
    names = None if files is None else _possible_logs(files)
    for path in Path(logs).rglob("*.log"):
        if names is not None and path.relative_to(logs).as_posix().partition("/")[2] not in names:
            continue
        with suppress(FileNotFoundError):  # Snakemake takes away the log of a job that starts
            read.append((path.stat().st_mtime_ns, path.read_text(encoding="utf-8", errors="replace")))
    for _, text in sorted(read, key=lambda log: log[0]):
        for line in text.splitlines():
            _, marked, noted = line.partition(MARK + "{")
            if marked:
                try:
                    origin = json.loads("{" + noted)
                    contents = dict(origin.pop("files", {}))
                except ValueError:  # a log that was cut short, or written before contents were noted
                    continue
                found.update({file: origin | {"content": content} for file, content in contents.items()})
    return found


def _possible_logs(files):
    """Names of the logs, below the folder of a rule, of the jobs that may have made these files."""
    names = {"all.log"}
    for file in files:
        parts = Path(file).with_suffix("").parts
        names |= {"/".join(parts[a:b]) + ".log" for a in range(len(parts)) for b in range(a + 1, len(parts) + 1)}
        names |= {f"{'/'.join(parts[a:-2])}/{parts[-1]}.log" for a in range(len(parts) - 2)}  # labels/{label_set}
    return names


def refuse_damaged(files, logs):
    """Check that files are what the jobs wrote that made them; a file without a note in the logs is taken as it is.

    Raises:
        UserError: naming the first that is not. No job could tell what a cut table or another's weights would lead to.
    """
    made = read(logs, files)
    for file in files:
        if file in made and (found := _content(file)) != (written := made[file]["content"]):
            cut = found["bytes"] < written["bytes"]
            how = "is damaged (truncated)" if cut else "is damaged, or was replaced or edited after its job wrote it"
            raise UserError(f"{file}: {how}; delete it and run again")


def _content(file):
    """What tells whether a file has changed."""
    size = Path(file).stat().st_size
    if size > HASHED_BYTES:
        return {"bytes": size, "sha256": None}
    with open(file, "rb") as stream:
        return {"bytes": size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}


def software():
    """{package: version} of Python and of every package outside its standard library that is loaded now."""
    loaded = {name: module for name, module in sys.modules.copy().items() if module and "." not in name}
    versions = {name: _version(loaded[name]) for name in sorted(loaded.keys() - sys.stdlib_module_names)}
    return {"python": platform.python_version()} | {name: version for name, version in versions.items() if version}


def _version(module):
    """Version of a package, by itself or by its installation; None for what has none, such as a script."""
    version = vars(module).get("__version__")
    if isinstance(version, str):
        return version
    try:
        return metadata.version(module.__name__)
    except metadata.PackageNotFoundError:
        return None


def machine():
    """System, architecture, model and vector instructions of the processor: what the last digits may depend on."""
    model, instructions = platform.processor(), ""
    try:
        fields = [line.split(":", 1) for line in Path("/proc/cpuinfo").read_text().splitlines() if ":" in line]
        described = {key.strip(): value.strip() for key, value in reversed(fields)}
        model = described.get("model name", model)
        flags = described.get("flags", described.get("Features", "")).split()
        instructions = next((name for name in SIMD if name in flags), "")
    except OSError:
        pass  # not Linux
    return ", ".join(part for part in (f"{platform.system()} {platform.machine()}", model, instructions) if part)
