"""What made a file: each job notes in its log what it made its files of and with.

The manifest reads there what software and machine made them, and a run whose Snakemake has forgotten it, what they were
made of (rules/memory.smk). Standard library only, since every job loads it.
"""

import json
import logging
import platform
import sys
from importlib import metadata
from pathlib import Path

MARK = "made with "
SIMD = ("avx512f", "avx2", "avx", "asimd")  # widest first, as Linux names them

log = logging.getLogger(__name__)


def note(snakemake):
    """Log the files that a job made, its rule, inputs and params, and what this process has loaded and runs on.

    Args:
        snakemake: the job as its script sees it.
    """
    origin = {
        "files": list(snakemake.output),
        "rule": snakemake.rule,
        "inputs": sorted(snakemake.input),
        "params": sorted(map(repr, snakemake.params)),  # as Snakemake compares them
        "machine": machine(),
        "software": software(),
    }
    log.info("%s%s", MARK, json.dumps(origin))


def read(logs):
    """{file: what `note` wrote of it} from the logs of jobs; the latest where there are two.

    Args:
        logs: a folder; every ``*.log`` below it is read.
    """
    found = {}
    for path in sorted(Path(logs).rglob("*.log"), key=lambda path: path.stat().st_mtime_ns):
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            _, marked, content = line.partition(MARK + "{")
            if marked:
                origin = json.loads("{" + content)
                found.update(dict.fromkeys(origin.pop("files"), origin))
    return found


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
