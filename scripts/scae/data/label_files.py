"""Labels from a URL, or from one file per sample: fetched, checked and put together before any job reads them."""

import pandas as pd

from scae.data import cell_names, label_tables
from scae.errors import UserError
from scae.sources import address, download


def fetch(settings, downloads):
    """The labels of one label set of the config.

    Args:
        settings: a label set with ``from: csv``; its ``path`` and ``sha256`` are those of one file, or {sample: …}.
        downloads: folder for downloaded files.

    Returns:
        pandas.DataFrame: cell, label, as text; empty labels stay empty. Cells are named as in the data, and so
        ``<sample>_<cell>`` with a file per sample.

    Raises:
        UserError: if a file cannot be downloaded or read, or has another SHA-256.
    """
    digests, parts = settings["sha256"], []
    for sample, source in sorted(address.label_files(settings).items(), key=str):
        sha256 = digests.get(sample) if isinstance(digests, dict) else digests
        path = _local(source, sha256, downloads)
        labels = label_tables.read(path, settings["cell_column"], settings["column"], settings.get("sample_column"))
        cells = cell_names.rename(labels.index, settings["cell_names"])
        cells = cells if sample is None else f"{sample}_" + cells
        parts.append(pd.DataFrame({"cell": cells, "label": labels.to_numpy()}))
    return pd.concat(parts)


def _local(source, sha256, downloads):
    """Path of a file after checking its SHA-256."""
    if address.is_url(source):
        return download.fetch(source, downloads, sha256)
    if sha256 is not None and (found := address.sha256(source)) != sha256:
        raise UserError(f"{source}: SHA-256 is {found}, expected {sha256}; set labels.sha256 to null to skip the check")
    return source
