"""Where a data set comes from. Standard library only: read each time the workflow is parsed."""

import csv
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from scae.errors import UserError
from scae.jobs.record import HASHED_BYTES

URL = re.compile(r"https?://", re.IGNORECASE)
SIMULATED = "simulated"  # the source that is none: its cells are made
SHIPPED = re.compile(r"scanpy:")
# What `scanpy:` may name: what scanpy.datasets loads by name alone
SHIPPED_DATASETS = (
    *("blobs", "burczynski06", "krumsiek11", "moignard15", "paul15"),
    *("pbmc3k", "pbmc3k_processed", "pbmc68k_reduced", "toggleswitch", "visium_sge"),
)
EXPORTED_BYTES = 100_000_000  # larger sources have some hundred million values and more, minutes to write as text
COMPRESSIONS = ("", ".gz", ".bz2", ".xz")
# What a folder is searched for, each perhaps compressed
MATRIX_FILES = (".mtx", ".h5", ".h5ad", ".h5mu", ".hdf5", ".loom")
ARCHIVES = (".tar", ".tgz", ".tbz2", ".txz")
TEXT_FILES = (".csv", ".tsv", ".txt")
# How the files beside a matrix.mtx are called; the last such word in a name counts
GENE_WORDS = ("features", "genes", "gene_names", "feature", "gene", "cols")
CELL_WORDS = ("barcodes", "cells", "cell_metadata", "barcode", "cell", "rows")
ZARR_FILES = (".zattrs", ".zgroup", ".zmetadata", "zarr.json")
# Names that promise nothing that can be read, and what to do
HOPELESS = {
    (".rds", ".rdata", ".rda", ".h5seurat", ".qs"): "is of R; write it from R as .h5ad or as matrix.mtx "
    "(docs/own-data.md has the lines)",
    (".xls", ".xlsx", ".ods"): "is a workbook; save the sheet as CSV",
    (
        ".bam",
        ".sam",
        ".cram",
        ".fastq",
        ".fq",
        ".sra",
    ): "holds reads, not counts; give what Cell Ranger or STARsolo made of it",
    (".cloupe", ".loupe"): "is for Loupe; give the .h5 or the folder filtered_feature_bc_matrix beside it",
    (".pkl", ".pickle"): "is a Python pickle, which could run anything and is not opened; write it as .h5ad",
    (".zip", ".rar", ".7z"): "is an archive of a kind that is not opened; unpack it and give the folder",
}


def is_url(source):
    return bool(URL.match(source))


def is_shipped(source):
    """Whether the source is a data set inside the scanpy package."""
    return bool(SHIPPED.match(source))


def is_simulated(source):
    """Whether the cells are made by scae.sources.simulation; a file of this name is ./simulated."""
    return source == SIMULATED


def origin_of_labels(source, labels):
    """Where labels come from: what their entry says, or the simulation if that has made the annotation they are of."""
    return "simulation" if is_simulated(source) and labels["from"] == "obs" else labels["from"]


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


def shown_samples(dataset):
    """The source of a data set as a page may name it, or those of its samples."""
    found = {sample: shown(entry["source"]) for sample, entry in samples(dataset).items()}
    return found.get(None) or ", ".join(f"{sample}: {source}" for sample, source in found.items())


def samples(dataset):
    """The samples of a data set, sorted by name.

    Args:
        dataset: its entry in the config; of ``source``, ``samples`` and ``sha256`` is made use.

    Returns:
        dict: {sample: {"source": path or URL, "sha256": digest or None, "columns": {column of obs: text}}}; a data set
        that is one source has one sample, None.

    Raises:
        UserError: if the table of samples cannot be read as such.
    """
    source, table = dataset["source"], dataset.get("samples")
    if table is None and not isinstance(source, dict):
        return {None: {"source": source, "sha256": dataset.get("sha256"), "columns": {}}}
    if table is None:
        found = {sample: {"source": path, "sha256": None, "columns": {}} for sample, path in source.items()}
    else:
        found = _table_of_samples(table)
    return dict(sorted(found.items()))


def _table_of_samples(path):
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as a table of samples ({error})") from None
    header = text.partition("\n")[0]
    reader = csv.DictReader(text.splitlines(), delimiter="\t" if "\t" in header else ",")
    rows = [{(key or "").strip(): value for key, value in row.items()} for row in reader]
    if not rows or not {"sample", "path"} <= rows[0].keys():
        raise UserError(f"{path}: a table of samples has the columns sample and path, and a row for each sample")
    found = {}
    for number, row in enumerate(rows, start=2):
        if "" in row or None in row.values():
            raise UserError(f"{path}: row {number} has not as many fields as the header; mend it")
        columns = {name: value.strip() for name, value in row.items()}
        sample, source, sha256 = columns.pop("sample"), columns.pop("path"), columns.pop("sha256", None)
        if problem := problem_of_sample(sample):
            raise UserError(f"{path}: row {number}: {problem}")
        if sample in found:
            raise UserError(f"{path}: row {number}: sample {sample} stands twice; give each sample a name of its own")
        if not source:
            raise UserError(f"{path}: row {number}: sample {sample} has no path")
        found[sample] = {"source": source, "sha256": sha256 or None, "columns": columns}
    return found


def problem_of_sample(name):
    """What is wrong with the name of a sample; None if nothing is."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", name):
        return f"{name[:40]!r} cannot name a sample; use up to 100 letters, digits, _, . and -"
    return None


def sample_name(member):
    """A name for the sample that a member of an archive is."""
    stem = re.sub(r"\.(h5ad|h5|h5mu|hdf5|loom|zarr|csv|tsv|txt)(\.(gz|bz2|xz))?$", "", member, flags=re.IGNORECASE)
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", stem).strip("_.-") or "sample"


def files_of(dataset):
    """The local files that a data set is read from, its table of samples too."""
    if is_simulated(dataset["source"]):
        return []
    table = [dataset["samples"]] if dataset.get("samples") else []
    return table + [file for entry in samples(dataset).values() for file in local_files(entry["source"])]


def is_exported(dataset):
    """Whether a data set is written as CSV too: as ``export`` says, or by the size of its local files as they lie."""
    if dataset["export"] != "auto":
        return dataset["export"]
    return sum(Path(file).stat().st_size for file in files_of(dataset) if Path(file).exists()) <= EXPORTED_BYTES


def local_files(source):
    """The files of a local source, which Snakemake watches; none for a URL or a data set that scanpy ships."""
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
    if matrices:  # other tables beside them are something else
        tables = [file for file in tables if any(word in file.name.lower() for word in GENE_WORDS + CELL_WORDS)]
    return sorted({str(file) for file in matrices + tables})


def has_suffix(file, suffixes):
    """Whether the name of a file ends in one of these, compressed or not."""
    name = Path(file).name.lower()
    return any(name.endswith(suffix + packed) for suffix in suffixes for packed in COMPRESSIONS)


def problem_of_name(source):
    """What a file of this name is, and what to do, where it cannot be read; None for all others."""
    for suffixes, problem in HOPELESS.items():
        if has_suffix(source, suffixes):
            return f'"{source}" {problem}'
    return None


def is_hashed(file):
    """Whether a file is known by its content; a larger one by its size and time."""
    return Path(file).stat().st_size <= HASHED_BYTES


def content(files):
    """What tells whether files have changed: the SHA-256 of each, or the size of a larger one.

    The time of a larger one is Snakemake's to watch, and stands here where Snakemake cannot have its path.
    """
    return [_sha256(file) if is_hashed(file) else _size(file) for file in files]


def is_pattern(file):
    """Whether Snakemake would look for wildcards in the path of a file."""
    return bool(re.search(r"\{[^{}]*\}", str(file)))


def _size(file):
    found = Path(file).stat()
    return f"{found.st_size} bytes" + (f", changed {found.st_mtime_ns}" if is_pattern(file) else "")


def _sha256(file):
    with open(file, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
