"""Archives and compressed files of strangers, unpacked into a folder of their own and no further than a bound."""

import logging
import shutil
import tarfile
from pathlib import Path

from scae.errors import UserError
from scae.sources import formats

log = logging.getLogger(__name__)

MOST_MEMBERS = 100_000


def unpack(path, folder):
    """Unpack the files of a tar archive, compressed or not.

    Raises:
        UserError: if a member would lie outside the folder, is no file, or all of them are suspiciously large.
    """
    limit, total, count = formats.largest(path), 0, 0
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
                raise formats.too_large(limit)
            archive.extract(member, folder, filter="data")


def decompress(path, folder):
    """Unpack one compressed file into a folder; returns the path there."""
    target = Path(folder) / (Path(path).stem or "unpacked")
    with formats.open_unpacked(path) as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out)
    return target
