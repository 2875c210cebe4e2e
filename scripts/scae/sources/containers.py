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
    for path in triples.matrices(folder):
        try:
            triple = triples.of_matrix(path, folder)
            found[triple.name] = ("triple", triple)
        except UserError as error:
            problems.append(error)
            log.info("%s is skipped: %s", path.name, error)
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


def choose(found, member, path):
    """The names of the matrices to read: the only one, the one given by ``member``, or all for ``all``.

    Raises:
        UserError: if there is no such matrix, with those that exist.
    """
    if not found:
        raise UserError(f"contains no readable matrix, only {_some_files(path)}; docs/own-data.md lists the formats")
    listed = ", ".join(found)
    if member is None:
        if len(found) > 1:
            raise UserError(
                f"contains {len(found)} matrices: {listed}. Set member to the one to read, or to all to read each as a "
                "sample"
            )
        return list(found)
    if member == "all":
        return list(found)
    fitting = [member] if member in found else [name for name in found if member in name]
    if len(fitting) != 1:
        what = "no matrix" if not fitting else f"{len(fitting)} matrices"
        raise UserError(f'has {what} "{member}"; set member to one of {listed}')
    return fitting


def _some_files(path):
    if not Path(path).is_dir():
        return "other files"
    files = sorted(file.relative_to(path).as_posix() for file in Path(path).rglob("*") if file.is_file())
    return ", ".join(files[:5]) + (f" and {len(files) - 5} more files" if len(files) > 5 else "") or "no files"
