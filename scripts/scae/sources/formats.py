"""File formats, recognised by content, not by name, and the modules that read them. Standard library only."""

import bz2
import gzip
import io
import lzma
from pathlib import Path

from scae.errors import UserError
from scae.sources import address

# The module that reads each format, with a function open_<format>; loaded by name, so that the code digest of a job has
# only the `readers` that the job may load
READERS = {
    "h5ad": "scae.sources.anndata_files",
    "zarr": "scae.sources.anndata_files",
    "h5mu": "scae.sources.anndata_files",
    "loom": "scae.sources.anndata_files",
    "10x_h5": "scae.sources.tenx_h5",
    "triple": "scae.sources.triples",
    "table": "scae.sources.text_tables",
}
CONTAINERS = "scae.sources.containers"  # of folders and archives
HDF5 = b"\x89HDF\r\n\x1a\n"
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
HEAD_BYTES = 4096
LARGEST_RATIO = 300  # counts as text compress to a tenth, tables of zeros to a hundredth
SMALL_BYTES = 1 << 26  # always allowed
TAR_MARK = slice(257, 262)  # "ustar"
R_FILE = "; write it from R as .h5ad or matrix.mtx (docs/own-data.md has the lines)"
PICKLE = "is a Python pickle, which could run any code; write it as .h5ad"
# Files that cannot be read, by their first bytes, and what to do
HOPELESS = {
    b"PK\x03\x04": "is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    **dict.fromkeys((b"RDX", b"RDA"), f"is an R workspace{R_FILE}"),
    **dict.fromkeys((b"X\n\x00\x00", b"A\n"), f"is an R object (.rds){R_FILE}"),
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), PICKLE),
    b"PAR1": "is a Parquet table; write it as CSV or .h5ad",
    b"%PDF": "is a PDF, not data",
    b"BAM\x01": "holds reads; give the counts from Cell Ranger or STARsolo",
    b"@": "holds reads (FASTQ); give the counts from Cell Ranger or STARsolo",
}


def detect(path):
    """Format of a file or folder: a key of `READERS`, ``archive``, ``folder``, or ``compressed`` (HDF5).

    Raises:
        UserError: if it cannot be read, saying what it is.
    """
    found = _detect(path)
    return _hdf5_format(path) if found == "hdf5" else found


def readers(dataset):
    """Names of the modules, loaded by name, that reading a data set may need; sorted.

    They count in the code digest of the job that reads it, and no other reader does. A folder, an archive or a URL may
    hold any format.

    Args:
        dataset: its entry in the config: source or samples, and format.
    """
    if address.is_simulated(dataset["source"]):
        return []
    found = set()
    for entry in address.samples(dataset).values():
        found |= _readers_of_source(entry["source"], dataset.get("format", "auto"))
    return sorted(found)


def _readers_of_source(source, named):
    if address.is_shipped(source):
        return {READERS["h5ad"]}
    try:
        found = "folder" if address.is_url(source) else _detect(source)
    except (UserError, OSError):
        found = named
    if found in ("folder", "archive", "auto"):
        return {CONTAINERS, *READERS.values()}
    if named != "auto":
        return {READERS[named]}
    return {READERS["h5ad"], READERS["10x_h5"]} if found in ("hdf5", "compressed") else {READERS[found]}


def _detect(path):
    """As `detect`, but ``hdf5`` for all formats that are HDF5."""
    path = Path(path)
    if path.is_dir():
        return "zarr" if any((path / name).exists() for name in address.ZARR_FILES) else "folder"
    if not path.exists():
        raise UserError("does not exist")
    head, compressed = head_of(path)
    if not head:
        raise UserError("is empty; copy or download it again")
    if head.startswith(HDF5):
        return "compressed" if compressed else "hdf5"
    if head[TAR_MARK] == b"ustar":
        return "archive"
    if head.lstrip().startswith(b"%%MatrixMarket"):
        return "triple"
    for mark, problem in HOPELESS.items():
        if head.startswith(mark):
            raise UserError(problem)
    if head.lstrip()[:200].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError("is a web page, not data (an error or a login page?); open the URL in a browser")
    if address.has_suffix(path, address.MATRIX_FILES + address.ARCHIVES):
        begins = head[:40].decode("utf-8", errors="replace")
        raise UserError(f"is damaged or not what its name says (it begins {begins!r}); copy or download it again")
    if b"\x00" in head and not address.has_suffix(path, address.TEXT_FILES):
        raise UserError("has an unknown binary format; docs/own-data.md lists the formats")
    return "table"


def head_of(path):
    """(first bytes of a file, decompressed; whether it is compressed).

    Raises:
        UserError: if it cannot be decompressed.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    for mark, opener in COMPRESSED.items():
        if head.startswith(mark):
            try:
                with opener(path) as file:
                    return file.read(HEAD_BYTES), True
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise UserError(f"is damaged or truncated ({error}); copy or download it again") from error
    return head, False


def largest(path):
    """Bytes that an archive or compressed file may unpack to."""
    return max(SMALL_BYTES, LARGEST_RATIO * Path(path).stat().st_size)


def too_large(limit):
    """The error for a file that unpacks to more than `largest` allows."""
    return UserError(
        f"would unpack to more than {limit // 1_000_000:,} MB, {LARGEST_RATIO} times its size; unpack and check it by "
        "hand"
    )


def open_unpacked(path):
    """A file opened for reading its bytes, decompressed if needed, up to `largest`."""
    with open(path, "rb") as file:
        head = file.read(8)
    opener = next((opener for mark, opener in COMPRESSED.items() if head.startswith(mark)), None)
    return io.BufferedReader(_Bounded(opener(path, "rb"), largest(path))) if opener else open(path, "rb")


class _Bounded(io.RawIOBase):
    """A stream that raises a UserError after ``limit`` bytes."""

    def __init__(self, stream, limit):
        self.stream, self.limit, self.done = stream, limit, 0

    def readable(self):
        return True

    def readinto(self, buffer):
        found = self.stream.read(len(buffer))
        buffer[: len(found)] = found
        self.done += len(found)
        if self.done > self.limit:
            raise too_large(self.limit)
        return len(found)

    def close(self):
        self.stream.close()
        super().close()


def _hdf5_format(path):
    import h5py

    from scae.sources import hdf5_files

    with hdf5_files.opened(path) as file:
        groups = set(file)
        if "mod" in groups:
            return "h5mu"
        if {"obs", "var"} <= groups:
            return "h5ad"
        if {"matrix", "row_attrs", "col_attrs"} <= groups:
            return "loom"
        if "matrix" in groups and isinstance(file["matrix"], h5py.Group):
            return "10x_h5"
        if groups and all(isinstance(file[name], h5py.Group) and "barcodes" in file[name] for name in groups):
            return "10x_h5"
        if "cell.names" in groups:
            raise UserError(f"is an h5Seurat{R_FILE}")
        if "X" in groups:
            raise UserError("has no cell and gene names (no obs and var); write them into the file")
    held = ", ".join(sorted(groups)[:5]) or "nothing"
    raise UserError(f"is HDF5 of an unknown layout (it contains {held}); docs/own-data.md lists the formats")
