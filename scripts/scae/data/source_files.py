"""Where a data set comes from. Standard library only: read each time the workflow is parsed."""

import hashlib
import re
from pathlib import Path

URL = re.compile(r"https?://")
SHIPPED = re.compile(r"scanpy:")
HASHED_BYTES = 100_000_000  # larger files would make each start of the workflow slow
TENX_FILES = ("matrix.mtx", "genes.tsv", "features.tsv", "barcodes.tsv")  # each perhaps with .gz behind it


def is_url(source):
    return bool(URL.match(source))


def is_shipped(source):
    """Whether the source is a data set inside the scanpy package."""
    return bool(SHIPPED.match(source))


def local_files(source):
    """The files of a local source, which Snakemake watches; none for a URL or a data set that scanpy ships."""
    if is_url(source) or is_shipped(source):
        return []
    path = Path(source)
    if not path.is_dir():
        return [source]
    return sorted(str(file) for name in TENX_FILES for file in path.glob(f"{name}*"))


def is_hashed(file):
    """Whether a file is known by its content; a larger one by its size and time."""
    return Path(file).stat().st_size <= HASHED_BYTES


def content(files):
    """What tells whether files have changed: the SHA-256 of each, or the size of a larger one."""
    return [_sha256(file) if is_hashed(file) else f"{Path(file).stat().st_size} bytes" for file in files]


def _sha256(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
