"""What kind of file something is, by its content; the name says nothing."""

import bz2
import gzip
import io
import lzma
from pathlib import Path

from scae.errors import UserError
from scae.sources import address

HDF5 = b"\x89HDF\r\n\x1a\n"
COMPRESSED = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}
HEAD_BYTES = 4096
LARGEST_RATIO = 300  # counts as text pack to a tenth, tables of zeros to a hundredth
SMALL_BYTES = 1 << 26  # below this unpacking does no harm
TAR_MARK = slice(257, 262)  # "ustar"
# What cannot be read, by how it begins, and what to do
HOPELESS = {
    b"PK\x03\x04": "is a zip archive or an Excel workbook; unpack it, or save the sheet as CSV",
    b"RDX": "is an R workspace; write it from R as .h5ad or as matrix.mtx (docs/own-data.md has the lines)",
    b"RDA": "is an R workspace; write it from R as .h5ad or as matrix.mtx (docs/own-data.md has the lines)",
    b"X\n\x00\x00": "is an R object (.rds); write it from R as .h5ad or as matrix.mtx (docs/own-data.md has the lines)",
    b"A\n": "is an R object (.rds); write it from R as .h5ad or as matrix.mtx (docs/own-data.md has the lines)",
    b"\x80\x02": "is a Python pickle, which could run anything and is not opened; write it as .h5ad",
    b"\x80\x03": "is a Python pickle, which could run anything and is not opened; write it as .h5ad",
    b"\x80\x04": "is a Python pickle, which could run anything and is not opened; write it as .h5ad",
    b"\x80\x05": "is a Python pickle, which could run anything and is not opened; write it as .h5ad",
    b"PAR1": "is a Parquet table; write it as CSV or .h5ad",
    b"%PDF": "is a PDF, not data",
    b"BAM\x01": "holds reads, not counts; give what Cell Ranger or STARsolo made of it",
    b"@": "holds reads (FASTQ), not counts; give what Cell Ranger or STARsolo made of it",
}


def detect(path):
    """Format of a file or folder: a key of ``counts.OPENERS``, ``archive``, ``folder``, or ``gzipped`` HDF5.

    Raises:
        UserError: if it is none that can be read, with what it is.
    """
    path = Path(path)
    if path.is_dir():
        return "zarr" if any((path / name).exists() for name in address.ZARR_FILES) else "folder"
    if not path.exists():
        raise UserError("does not exist")
    head, compressed = head_of(path)
    if not head:
        raise UserError("is empty; copy or download it again")
    if head.startswith(HDF5):
        return "compressed" if compressed else _kind_of_hdf5(path)
    if head[TAR_MARK] == b"ustar":
        return "archive"
    if head.lstrip().startswith(b"%%MatrixMarket"):
        return "triple"
    for mark, what in HOPELESS.items():
        if head.startswith(mark):
            raise UserError(what)
    if head.lstrip()[:200].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        raise UserError("is a web page, not data (an error or a log-in?); open the address in a browser and see")
    if address.has_suffix(path, address.MATRIX_FILES + address.ARCHIVES):
        begins = head[:40].decode("utf-8", errors="replace")
        raise UserError(f"is damaged or not what its name says; it begins {begins!r}. Copy or download it again")
    if b"\x00" in head and not address.has_suffix(path, address.TEXT_FILES):
        raise UserError("is of an unknown kind (it holds binary data); docs/own-data.md lists what can be read")
    return "table"


def head_of(path):
    """(first bytes of a file, unpacked if it is compressed; whether it is).

    Raises:
        UserError: if it is cut off at its very beginning.
    """
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    for mark, opener in COMPRESSED.items():
        if head.startswith(mark):
            try:
                with opener(path) as file:
                    return file.read(HEAD_BYTES), True
            except (OSError, EOFError, lzma.LZMAError) as error:
                raise UserError(f"is damaged or cut off ({error}); copy or download it again") from error
    return head, False


def largest(path):
    """Bytes that a compressed file may unpack to."""
    return max(SMALL_BYTES, LARGEST_RATIO * Path(path).stat().st_size)


def too_large(limit):
    """What unpacks to more than its bound, in words."""
    return UserError(
        f"it would unpack to more than {limit // 1_000_000:,} MB, {LARGEST_RATIO} times its size; unpack it by hand "
        "and look"
    )


def open_unpacked(path):
    """A file opened for reading its bytes, unpacked if it is compressed, whatever it is called; up to a bound."""
    with open(path, "rb") as file:
        head = file.read(8)
    opener = next((opener for mark, opener in COMPRESSED.items() if head.startswith(mark)), None)
    return io.BufferedReader(_Bounded(opener(path, "rb"), largest(path))) if opener else open(path, "rb")


class _Bounded(io.RawIOBase):
    """A stream that ends with a UserError after so many bytes."""

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


def _kind_of_hdf5(path):
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
            raise UserError(
                "is an h5Seurat; write it from R as .h5ad or as matrix.mtx (docs/own-data.md has the lines)"
            )
        if "X" in groups:
            raise UserError("has no names of cells and genes (no obs and var); write them with the matrix")
    held = ", ".join(sorted(groups)[:5]) or "nothing"
    raise UserError(f"is HDF5, but of no kind that can be read (it holds {held}); docs/own-data.md lists them")
