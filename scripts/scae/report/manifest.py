"""The manifest: digests of all results that two runs should share, with the software and machines behind them."""

import hashlib
from collections import defaultdict
from pathlib import Path

from scae.errors import UserError

TITLE = "# Results whose bytes follow from data, config and code. To check: sha256sum --check "


def write(files, origins, path):
    """Write digests in the format of sha256sum, with software and machine in comment lines.

    A version that all files share is written once; mixed versions or machines are listed with their files.

    Args:
        files: paths, relative to the working directory.
        origins: {file: origin}, as scae.jobs.record.read returns it.
        path: of the manifest.
    """
    lines = [f"{TITLE}{path}", *(f"# {line}" for line in _describe(sorted(files), origins))]
    for file in sorted(files):
        with Path(file).open("rb") as content:
            lines.append(f"{hashlib.file_digest(content, 'sha256').hexdigest()}  {file}")
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def mixed(files, origins):
    """{package, or "machine": {version: files}} of those that differ between files."""
    versions = _versions(files, origins)
    return {name: made for name, made in versions.items() if len(made) > 1}


def read(path):
    """({file: digest}, lines about software and machine) of a manifest.

    Raises:
        UserError: if the file is not one.
    """
    try:
        title, *lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as a manifest ({error})") from None
    if not title.startswith(TITLE):
        raise UserError(f"{path}: is not a manifest of scae; `snakemake manifest` writes one")
    digests = dict(reversed(line.split("  ", 1)) for line in lines if not line.startswith("#"))
    return digests, [line[2:] for line in lines if line.startswith("#")]


def differences(first, second):
    """What differs between two manifests, one line each; none if the results are the same."""
    (ours, made_ours), (theirs, made_theirs) = read(first), read(second)
    lines = [f"only in {first}: {file}" for file in sorted(ours.keys() - theirs)]
    lines += [f"only in {second}: {file}" for file in sorted(theirs.keys() - ours)]
    lines += [f"differs: {file}" for file in sorted(ours.keys() & theirs) if ours[file] != theirs[file]]
    if lines:
        lines += [f"{first} alone says {line}" for line in made_ours if line not in made_theirs]
        lines += [f"{second} alone says {line}" for line in made_theirs if line not in made_ours]
    return lines


def _versions(files, origins):
    """{package, or "machine": {version: files}}."""
    versions = defaultdict(lambda: defaultdict(list))
    for file in files:
        if file in origins:
            for name, version in (origins[file]["software"] | {"machine": origins[file]["machine"]}).items():
                versions[name][version].append(file)
    return versions


def _describe(files, origins):
    versions = _versions(files, origins)
    machines = versions.pop("machine", {})
    if len(machines) == 1:
        yield f"machine: {next(iter(machines))}"
    same = [f"{name} {next(iter(made))}" for name, made in sorted(versions.items()) if len(made) == 1]
    yield f"software: {', '.join(same)}"
    for name, made in mixed(files, origins).items():
        for version, made_files in made.items():
            yield f"mixed: {name} {version} made {' '.join(made_files)}"
    if unknown := [file for file in files if file not in origins]:
        yield f"unknown, since their logs are gone: {' '.join(unknown)}"
