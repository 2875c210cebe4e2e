"""Archives and compressed files of strangers, unpacked into a folder of their own and no further than a bound."""

import logging
import tarfile
from pathlib import Path

from scae.data import formats
from scae.errors import UserError

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
LARGEST_RATIO = 300  # counts as text pack to a tenth, tables of zeros to a hundredth
SMALL_BYTES = 1 << 26  # below this unpacking does no harm
MOST_MEMBERS = 100_000


def largest(path):
    """Bytes that a compressed file may unpack to."""
    return max(SMALL_BYTES, LARGEST_RATIO * Path(path).stat().st_size)


def unpack(path, folder):
    """Unpack the files of a tar archive, compressed or not.

    Raises:
        UserError: if a member would lie outside the folder, is no file, or all of them are suspiciously large.
    """
    limit, total, count = largest(path), 0, 0
    with tarfile.open(path) as archive:
        for member in archive:
            count += 1
            if member.isdir():
                continue
            if not member.isfile():
                raise UserError(
                    f'its member "{member.name}" is no file but a link or device; unpack it by hand and look'
                )
            if member.name.startswith("/") or ".." in Path(member.name).parts:
                raise UserError(
                    f'its member "{member.name}" would lie outside the archive\'s folder; it is not unpacked'
                )
            total += member.size
            if total > limit or count > MOST_MEMBERS:
                raise UserError(
                    f"it would unpack to more than {limit // 1_000_000:,} MB, {LARGEST_RATIO} times its size; unpack "
                    "it by hand and look"
                )
            archive.extract(member, folder, filter="data")


def decompress(path, folder):
    """Unpack one compressed file into a folder; returns the path there."""
    limit, done = largest(path), 0
    target = Path(folder) / (Path(path).stem or "unpacked")
    with formats.open_unpacked(path) as packed, target.open("wb") as out:
        while chunk := packed.read(CHUNK_BYTES):
            done += len(chunk)
            if done > limit:
                raise UserError(
                    f"it would unpack to more than {limit // 1_000_000:,} MB, {LARGEST_RATIO} times its size"
                )
            out.write(chunk)
    return target
