"""One of several matrices in a folder, archive or store, by its name."""

from pathlib import Path

from scae.errors import UserError


def choose(found, member, path):
    """The names of the matrices to read: the only one, the one given by ``member``, or all for ``all``.

    Raises:
        UserError: if the matrix does not exist; the message lists those that do.
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
