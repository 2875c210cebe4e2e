"""Embeddings in obsm of a source, read without the rest of the file."""

import logging

import numpy as np
import pandas as pd

from scae.errors import UserError
from scae.sources import address, annotation, hdf5_files

log = logging.getLogger(__name__)


def of_source(source, key):
    """An entry of obsm of an .h5ad or of a data set from scanpy.

    Returns:
        pandas.DataFrame: (cells, dimensions), index: names of cells.

    Raises:
        UserError: if there is no such entry, with those that exist, or it is not a table of numbers.
    """
    try:
        if address.is_shipped(source):
            import scanpy

            data = getattr(scanpy.datasets, source.partition(":")[2])()
            cells, points = data.obs_names, _chosen(data.obsm, key)
        else:
            with hdf5_files.opened(source) as file:
                cells, points = _of_h5ad(file, key)
        return _table(cells, points, key)
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    except Exception as error:
        raise UserError(
            f'{source}: obsm["{key}"] cannot be read ({type(error).__name__}: {" ".join(str(error).split())})'
        ) from error


def of_cells(source, cells):
    """All entries of obsm of an .h5ad or of a data set from scanpy that are tables of numbers.

    Args:
        source: path or name.
        cells: names of the cells that were read, which may be fewer.

    Returns:
        dict: {key: (cells, dimensions) float32}; other entries are logged.
    """
    found = {}
    for key in _keys(source):
        try:
            found[key] = of_source(source, key).loc[cells].to_numpy(np.float32)
        except (UserError, KeyError) as error:
            log.info("obsm[%r] is not kept: %s", key, error)
    return found


def _keys(source):
    if address.is_shipped(source):
        import scanpy

        return sorted(getattr(scanpy.datasets, source.partition(":")[2])().obsm)
    with hdf5_files.opened(source) as file:
        return sorted(getattr(file.get("obsm"), "keys", list)())


def _of_h5ad(file, key):
    from anndata.io import read_elem

    entry = _chosen(file.get("obsm", {}), key)
    for array in [entry] if hasattr(entry, "dtype") else entry.values():
        if hasattr(array, "dtype"):
            hdf5_files.check_size(array)
    if hasattr(file["obs"], "dtype"):  # before 2020: a table with the names in its first column
        return file["obs"][file["obs"].dtype.names[0]], read_elem(entry)
    return read_elem(file["obs"][file["obs"].attrs["_index"]]), read_elem(entry)


def _chosen(obsm, key):
    if key not in obsm:
        raise UserError(f'has no obsm["{key}"]; entries of obsm: {", ".join(sorted(obsm)) or "none"}')
    return obsm[key]


def _table(cells, points, key):
    points = points.toarray() if hasattr(points, "toarray") else np.asarray(points)
    if points.ndim != 2 or points.dtype.kind not in "fiu" or len(points) != len(cells):
        raise UserError(
            f'obsm["{key}"] is not a table of numbers with one row per cell; write it as cells x dimensions'
        )
    names = [str(number) for number in range(1, points.shape[1] + 1)]
    return pd.DataFrame(points, pd.Index(annotation.text(cells), dtype=object), names)
