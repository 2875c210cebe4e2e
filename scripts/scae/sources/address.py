"""Where a data set comes from. Standard library only, since the workflow loads it at each parse."""

import csv
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import urlsplit

from scae.errors import UserError
from scae.jobs.record import HASHED_BYTES

URL = re.compile(r"https?://", re.IGNORECASE)
SIMULATED = "simulated"  # not a file: the cells are drawn
SHIPPED = re.compile(r"scanpy:")
# Data sets that scanpy.datasets loads by name alone
SHIPPED_DATASETS = (
    *("blobs", "burczynski06", "krumsiek11", "moignard15", "paul15"),
    *("pbmc3k", "pbmc3k_processed", "pbmc68k_reduced", "toggleswitch", "visium_sge"),
)
# Names of columns of obs that hold clusters, not names of cell types
CLUSTERING = re.compile(r"leiden|louvain|seurat.?clusters|_snn_res|phenograph|k.?means|^clusters?$|_clusters?$")
EXPORTED_BYTES = 100_000_000  # larger sources hold over a hundred million values and take minutes to write as text
COMPRESSIONS = ("", ".gz", ".bz2", ".xz")
# File names that a folder is searched for, compressed or not
MATRIX_FILES = (".mtx", ".h5", ".h5ad", ".h5mu", ".hdf5", ".loom")
ARCHIVES = (".tar", ".tgz", ".tbz2", ".txz")
TEXT_FILES = (".csv", ".tsv", ".txt")
# Words in the names of the files beside a matrix.mtx; the last one in a name counts
GENE_WORDS = ("features", "genes", "gene_names", "feature", "gene", "cols")
CELL_WORDS = ("barcodes", "cells", "cell_metadata", "barcode", "cell", "rows")
ZARR_FILES = (".zattrs", ".zgroup", ".zmetadata", "zarr.json")
# File types that cannot be read, by suffix, and what to do
HOPELESS = {
    (".rds", ".rdata", ".rda", ".h5seurat", ".qs"): "is an R file; write it from R as .h5ad or matrix.mtx "
    "(docs/own-data.md has the lines)",
    (".xls", ".xlsx", ".ods"): "is a workbook; save the sheet as CSV",
    (".bam", ".sam", ".cram", ".fastq", ".fq", ".sra"): "holds reads; give the counts from Cell Ranger or STARsolo",
    (".cloupe", ".loupe"): "is a Loupe file; give the .h5 or the folder filtered_feature_bc_matrix beside it",
    (".pkl", ".pickle"): "is a Python pickle, which could run any code; write it as .h5ad",
    (".zip", ".rar", ".7z"): "is an archive of an unsupported type; unpack it and give the folder",
}


def is_url(source):
    return bool(URL.match(source))


def is_shipped(source):
    """Whether the source is a data set inside the scanpy package."""
    return bool(SHIPPED.match(source))


def is_simulated(source):
    """Whether scae.sources.simulation draws the cells; for a file of this name write ./simulated."""
    return source == SIMULATED


def origin_of_labels(source, labels):
    """Source of a label set: its ``from``; for a column of obs, ``simulation`` or ``obs_clusters`` where it is one."""
    if labels["from"] != "obs":
        return labels["from"]
    if is_simulated(source):
        return "simulation"
    return "obs_clusters" if CLUSTERING.search(str(labels["column"]).casefold()) else "obs"


def problem_of_url(url):
    """The problem with a URL and what to do, or None. Never repeats a password."""
    not_a_url = "is not the URL of a file; it has the form https://host/path/file.h5ad"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return not_a_url
    if not host or re.search(r"\s", url) or not all(0 < len(part) < 64 for part in host.removesuffix(".").split(".")):
        return not_a_url
    if parts.username is not None or parts.password is not None:
        return (
            "contains a user name or password, which would appear in the results; remove them and write to ~/.netrc: "
            f"machine {host} login … password …"
        )
    return None


def shown(source):
    """A source as reports show it: a URL without secrets, an absolute path by its file name only."""
    if is_url(source):
        return re.sub(r"//[^/@]*@", "//", source.partition("?")[0].partition("#")[0])
    path = Path(source)
    return path.name if path.is_absolute() else source


def shown_samples(dataset):
    """The source of a data set, or those of its samples, as reports show them."""
    found = {sample: shown(entry["source"]) for sample, entry in samples(dataset).items()}
    return found.get(None) or ", ".join(f"{sample}: {source}" for sample, source in found.items())


def samples(dataset):
    """The samples of a data set, sorted by name.

    Args:
        dataset: its entry in the config: ``source``, ``samples`` and ``sha256``.

    Returns:
        dict: {sample: {"source": path or URL, "sha256": digest or None, "columns": {column of obs: text}}}; a data set
        with a single source has one sample, None.

    Raises:
        UserError: if the sample table is not valid.
    """
    source, table = dataset["source"], dataset.get("samples")
    if table is None and not isinstance(source, dict):
        return {None: {"source": source, "sha256": dataset.get("sha256"), "columns": {}}}
    if table is None:
        digests = dataset["sha256"] if isinstance(dataset.get("sha256"), dict) else {}
        found = {
            sample: {"source": path, "sha256": digests.get(sample), "columns": {}} for sample, path in source.items()
        }
    else:
        found = _table_of_samples(table)
    return dict(sorted(found.items()))


def shown_labels(labels):
    """The file or files of a label set with ``from: csv``, as reports show them."""
    return ", ".join(shown(source) for source in label_files(labels).values())


def _table_of_samples(path):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a sample table ({error})") from None
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in header else ",")
    rows = [{(key or "").strip(): value for key, value in row.items()} for row in reader]
    if not rows or not {"sample", "path"} <= rows[0].keys():
        raise UserError(f"{path}: a sample table needs the columns sample and path, and one row per sample")
    found = {}
    for number, row in enumerate(rows, start=2):
        if "" in row or None in row.values():
            raise UserError(f"{path}: row {number} does not have as many fields as the header; fix it")
        columns = {name: value.strip() for name, value in row.items()}
        sample, source, sha256 = columns.pop("sample"), columns.pop("path"), columns.pop("sha256", None)
        source = os.path.expanduser(source)
        if problem := problem_of_sample(sample):
            raise UserError(f"{path}: row {number}: {problem}")
        if sample in found:
            raise UserError(f"{path}: row {number}: sample {sample} is given twice; give each sample its own name")
        if not source:
            raise UserError(f"{path}: row {number}: sample {sample} has no path")
        found[sample] = {"source": source, "sha256": sha256 or None, "columns": columns}
    return found


def label_files(labels):
    """{sample: path or URL} of a label set with ``from: csv``; a single file has the sample None."""
    return labels["path"] if isinstance(labels["path"], dict) else {None: labels["path"]}


def is_fetched(labels):
    """Whether a label set is read by a job of its own: from a URL, several files, or a file with a SHA-256."""
    if labels["from"] != "csv":
        return False
    path = labels["path"]
    return isinstance(path, dict) or labels["sha256"] is not None or is_url(path)


def problem_of_sample(name):
    """The problem with a sample name, or None."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        return f"{name[:40]!r} is not a valid sample name; use up to 100 letters, digits, _, . and -"
    return None


def sample_name(member):
    """The sample name for a member of an archive."""
    stem = re.sub(r"\.(h5ad|h5|h5mu|hdf5|loom|zarr|csv|tsv|txt)(\.(gz|bz2|xz))?$", "", member, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-") or "sample"


def files_of(dataset):
    """The local files that a data set is read from, including its sample table."""
    if is_simulated(dataset["source"]):
        return []
    table = [dataset["samples"]] if dataset.get("samples") else []
    return table + [file for entry in samples(dataset).values() for file in local_files(entry["source"])]


def is_exported(dataset):
    """Whether a data set is also written as CSV: by ``export``, or ``auto``: by the total size of its local files."""
    if dataset["export"] != "auto":
        return dataset["export"]
    return sum(Path(file).stat().st_size for file in files_of(dataset) if Path(file).exists()) <= EXPORTED_BYTES


def local_files(source):
    """The files of a local source, which Snakemake watches; none for a URL or a data set from scanpy."""
    if is_url(source) or is_shipped(source):
        return []
    path = Path(source)
    if not path.is_dir():
        return [source]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    if any((path / name).exists() for name in ZARR_FILES):
        return list(map(str, files))
    stores = {file.parent for file in files if file.name in ZARR_FILES}
    matrices = [file for file in files if has_suffix(file, MATRIX_FILES) or stores.intersection(file.parents)]
    tables = [file for file in files if has_suffix(file, TEXT_FILES)]
    if matrices:  # of the tables beside them, only genes and cells count
        tables = [file for file in tables if any(word in file.name.lower() for word in GENE_WORDS + CELL_WORDS)]
    return sorted({str(file) for file in matrices + tables})


def has_suffix(file, suffixes):
    """Whether a file name ends in one of these suffixes, compressed or not."""
    name = Path(file).name.lower()
    return any(name.endswith(suffix + packed) for suffix in suffixes for packed in COMPRESSIONS)


def problem_of_name(source):
    """For a file type that cannot be read: what it is and what to do; None for all others."""
    for suffixes, problem in HOPELESS.items():
        if has_suffix(source, suffixes):
            return f'"{source}" {problem}'
    return None


def is_hashed(file):
    """Whether changes of a file are detected by its content; those of a larger file by size and time."""
    return Path(file).stat().st_size <= HASHED_BYTES


def content(files):
    """What changes with the files: the SHA-256 of each, or the size of a large one.

    Snakemake watches the time of a large file; it is included here if Snakemake cannot take the path as an input.
    """
    return [sha256(file) if is_hashed(file) else _size(file) for file in files]


def is_pattern(file):
    """Whether Snakemake would find wildcards in the path of a file."""
    return bool(re.search(r"\{[^{}]*\}", str(file)))


def _size(file):
    found = Path(file).stat()
    return f"{found.st_size} bytes" + (f", changed {found.st_mtime_ns}" if is_pattern(file) else "")


def sha256(file):
    """SHA-256 of a file, in hexadecimal."""
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
