"""Untrusted zarr stores: what they would run or read from elsewhere is refused before zarr opens them."""

import json
from pathlib import Path

from scae.errors import UserError
from scae.sources import hdf5_files

METADATA = (".zarray", ".zmetadata", "zarr.json")
# Those of zarr and numcodecs that only turn bytes into numbers or text; `pickle` runs code
CODECS = {
    *("adler32", "astype", "base64", "bitround", "blosc", "bytes", "bz2", "categorize", "crc32", "crc32c", "delta"),
    *("fixedscaleoffset", "fletcher32", "gzip", "jenkins_lookup3", "json2", "lz4", "lzma", "msgpack2", "packbits"),
    *("quantize", "sharding_indexed", "shuffle", "transpose", "vlen-array", "vlen-bytes", "vlen-utf8", "zlib", "zstd"),
}
NAMING = ("codecs", "compressor", "filters", "index_codecs")  # keys of the metadata


def refuse_unsafe(folder):
    """Check the codecs that a store names, and that its files are its own.

    Raises:
        UserError: naming the file and the codec, or the link.
    """
    folder = Path(folder)
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder).as_posix()
        if path.is_symlink() and not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f'its entry "{place}" is a link out of the store; copy the file into it')
        if path.name in METADATA and path.is_file():
            for codec in _codecs(json.loads(path.read_bytes())):
                if str(codec).removeprefix("numcodecs.") not in CODECS:
                    raise UserError(
                        f'its entry "{place}" has the codec "{codec}", which may run code; write it with blosc or zstd'
                    )


def check_sizes(group, names):
    """Check these entries of a store, and all below them, as `hdf5_files.check_size` does."""
    for name in names:
        if name in group:
            for array in _arrays(group[name]):
                hdf5_files.check_size(array)


def _arrays(entry):
    if hasattr(entry, "members"):
        for _, below in entry.members():
            yield from _arrays(below)
    else:
        yield entry


def _codecs(metadata):
    """The names of all codecs in the metadata of arrays; attributes are the user's."""
    if isinstance(metadata, list):
        for entry in metadata:
            yield from _codecs(entry)
    for key, value in metadata.items() if isinstance(metadata, dict) else ():
        if key in NAMING:
            for codec in value if isinstance(value, list) else [value] if value else []:
                yield (codec.get("id") or codec.get("name")) if isinstance(codec, dict) else codec
        if key != "attributes" and not key.endswith(".zattrs"):
            yield from _codecs(value)
