"""Where a data set comes from. Standard library only: read each time the workflow is parsed."""

import re
from pathlib import Path

URL = re.compile(r"https?://")
SHIPPED = re.compile(r"scanpy:")
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
