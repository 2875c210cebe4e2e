"""Memory and time that a job requests, by the size of its input."""

import os


def growing(base, per_mb=0.0, of=None, when=None):
    """Resource function: (base + per_mb · size of the input in MB) · attempt.

    Args:
        base: MB, or minutes.
        per_mb: MB, or minutes, for each MB of the input files.
        of: path of a file to measure instead, relative to the folder of the first input.
        when: function of wildcards; only the base is requested where it is false.
    """

    def amount(wildcards, input, attempt):
        paths = [os.path.join(os.path.dirname(input[0]), of)] if of else input
        slope = per_mb if when is None or when(wildcards) else 0
        return int((base + slope * _megabytes(paths)) * attempt)

    return amount


def _megabytes(paths):
    """Total size of the files that exist; in a group, an input may not exist yet when its job's size is requested."""
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) / 2**20
