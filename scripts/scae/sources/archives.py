"""Untrusted archives and compressed files, unpacked into a folder of their own, up to a size limit."""

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
        UserError: if a member would lie outside the folder or is not a file, or the members are too large or too many.
    """
    limit, total, count = formats.largest(path), 0, 0
    with tarfile.open(path) as archive:
        for member in archive:
            count += 1
            if member.isdir():
                continue
            problem = None if member.isfile() else "is a link or device, not a file"
            if member.name.startswith("/") or ".." in Path(member.name).parts:
                problem = "would be unpacked outside the folder"
            if problem:
                raise UserError(f'its member "{member.name}" {problem}; unpack and check the archive by hand')
            total += member.size
            if total > limit or count > MOST_MEMBERS:
                raise formats.too_large(limit)
            archive.extract(member, folder, filter="data")


def decompress(path, folder):
    """Unpack one compressed file into a folder; returns its new path."""
    target = Path(folder) / (Path(path).stem or "unpacked")
    with formats.open_unpacked(path) as packed, target.open("wb") as out:
        shutil.copyfileobj(packed, out)
    return target
