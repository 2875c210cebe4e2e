"""The matrices in folders and archives, whatever their names and places."""

import logging
from pathlib import Path

from scae.errors import UserError
from scae.sources import address, archives, formats, triples

log = logging.getLogger(__name__)


def find(folder):
    """{name: (format, what to open)} of all matrices in a folder and below it; archives must be unpacked before.

    Tables count only if there is nothing else, since most matrices have tables of other things beside them.
    """
    found, tables, problems = {}, {}, []
    complete = []
    for path in triples.matrices(folder):
        try:
            complete.append(triples.of_matrix(path, folder))
        except UserError as error:
            problems.append(error)
            log.info("%s is skipped: %s", path.name, error)
    found = {triple.name: ("triple", triple) for triple in triples.together(complete)}
    for path in sorted(Path(folder).rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and formats.detect(path) == "zarr" and not _is_inside(path, found):
            found[name] = ("zarr", path)
        elif path.is_file() and address.has_suffix(path, address.MATRIX_FILES[1:]):
            try:
                found[name] = (formats.detect(path), path)
            except UserError as error:
                log.info("%s is skipped: it %s", name, error)
        elif path.is_file() and address.has_suffix(path, address.TEXT_FILES):
            tables[name] = ("table", path)
    if problems and not found:
        raise problems[0]
    return found or tables


def _is_inside(path, found):
    return any(kind == "zarr" and place in path.parents for kind, place in found.values())


def unpack_all(path, folder):
    """Unpack an archive and the archives in it, each into a folder of the same name."""
    archives.unpack(path, folder)
    for inner in sorted(Path(folder).rglob("*")):
        if inner.is_file() and address.has_suffix(inner, address.ARCHIVES):
            target = inner.with_name(inner.name + ".unpacked")
            archives.unpack(inner, target)
            inner.unlink()
            target.rename(inner)
