"""How much memory and time a job asks for, by the size of its input."""

import os


def growing(base, per_mb=0.0, of=None, when=None):
    """Resource function: a base and an amount for each megabyte of the input, times the attempt.

    Args:
        base: MB, or minutes.
        per_mb: for each MB of the input files.
        of: path of another file to measure instead, from the folder of the first input.
        when: function of wildcards; the base alone where it is not true.
    """

    def amount(wildcards, input, attempt):
        paths = [os.path.join(os.path.dirname(input[0]), of)] if of else input
        slope = per_mb if when is None or when(wildcards) else 0
        return int((base + slope * _megabytes(paths)) * attempt)

    return amount


def _megabytes(paths):
    """Size of the files that exist; in a group, an input may not be there yet when a job's size is asked for."""
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) / 2**20
