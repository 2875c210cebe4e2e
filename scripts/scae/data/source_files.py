"""Where a data set comes from. Standard library only: read each time the workflow is parsed."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

URL = re.compile(r"https?://", re.IGNORECASE)
SHIPPED = re.compile(r"scanpy:")
# What `scanpy:` may name: what scanpy.datasets loads by name alone
SHIPPED_DATASETS = (
    *("blobs", "burczynski06", "krumsiek11", "moignard15", "paul15"),
    *("pbmc3k", "pbmc3k_processed", "pbmc68k_reduced", "toggleswitch", "visium_sge"),
)
HASHED_BYTES = 100_000_000  # larger files would make each start of the workflow slow
TENX_FILES = ("matrix.mtx", "genes.tsv", "features.tsv", "barcodes.tsv")  # each perhaps with .gz behind it


def is_url(source):
    return bool(URL.match(source))


def is_shipped(source):
    """Whether the source is a data set inside the scanpy package."""
    return bool(SHIPPED.match(source))


def problem_of_url(url):
    """What is wrong with an address, and what to do; None if nothing is. Never repeats a password."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no address of a file; it has the form https://host/path/file.h5ad"
    if not host or re.search(r"\s", url) or not all(0 < len(part) < 64 for part in host.removesuffix(".").split(".")):
        return "is no address of a file; it has the form https://host/path/file.h5ad"
    if parts.username is not None or parts.password is not None:
        return (
            "holds a user name or password, which would stand in the results; leave them out, and write to ~/.netrc: "
            f"machine {host} login … password …"
        )
    return None


def shown(source):
    """A source as a page may name it: of an address nothing that may be secret, of an absolute path the file alone."""
    if is_url(source):
        return re.sub(r"//[^/@]*@", "//", source.partition("?")[0].partition("#")[0])
    path = Path(source)
    return path.name if path.is_absolute() else source


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
