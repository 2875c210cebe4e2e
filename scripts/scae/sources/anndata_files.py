"""AnnData and related formats of all versions: .h5ad, .zarr, .h5mu and .loom.

The annotation is read at once, a matrix only when it is needed. Entries that no run needs (uns, obsm, obsp …) are not
read, so that an unreadable one does no harm.
"""

import logging
from contextlib import contextmanager

import numpy as np
import pandas as pd

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import annotation, hdf5_files, members, zarr_stores
from scae.sources.matrices import REPAIR, Content, Stored

log = logging.getLogger(__name__)

PLAIN = ("", "array", "string-array")  # encodings of a column that is one dataset


@contextmanager
def open_h5ad(path, reading):
    """Content of an .h5ad."""
    with hdf5_files.opened(path) as file:
        if not isinstance(file.get("obs"), type(file["/"])):  # before 2020: a table, with categories in uns
            yield in_memory(_read_old(path))
        else:
            yield _content(file)


@contextmanager
def open_zarr(path, reading):
    """Content of an AnnData in a zarr store (a folder), or of the only one below it (SpatialData, MuData).

    Raises:
        UserError: if there are several, which ``reading.member`` may choose from.
    """
    import zarr

    zarr_stores.refuse_unsafe(path)
    group = zarr.open_group(path, mode="r")
    if not {"obs", "var"} <= set(group):
        found = tables(path)
        if not found:
            held = ", ".join(sorted(group)) or "nothing"
            raise UserError(f"has no table with names of cells and genes (no obs and var, only {held}); give another")
        name = f"mod/{reading.modality}"
        if reading.member is not None or name not in found:
            [name] = members.choose(found, reading.member, path)
        log.log(NOTE, "%s: reading the table %s", path, name)
        group = group[name]
    zarr_stores.check_sizes(group, ("obs", "var", "X", "raw", "raw.X", "raw.var", "layers"))
    yield _content(group)


def tables(path):
    """The paths of the AnnData tables in a zarr store; [""] if the store itself is one."""
    import zarr

    group = zarr.open_group(path, mode="r")
    return [""] if {"obs", "var"} <= set(group) else list(_below(group, zarr.Group))


def _below(group, kind, depth=3):
    """Paths of the AnnData groups below a group."""
    for name in sorted(group):
        one = group[name]
        if not isinstance(one, kind):
            continue
        if {"obs", "var"} <= set(one):
            yield name
        elif depth > 1:
            yield from (f"{name}/{below}" for below in _below(one, kind, depth - 1))


@contextmanager
def open_h5mu(path, reading):
    """Content of one modality (``reading.modality``) of a MuData file."""
    with hdf5_files.opened(path) as file:
        modalities = sorted(file["mod"])
        if reading.modality not in modalities:
            raise UserError(f'has no modality "{reading.modality}"; set modality to one of {", ".join(modalities)}')
        yield _content(file["mod"][reading.modality])


@contextmanager
def open_loom(path, reading):
    """Content of a .loom: genes x cells, with names in one of several attributes; cells x genes if they say so."""
    with hdf5_files.opened(path) as file:
        cells, genes = _attributes(file["col_attrs"]), _attributes(file["row_attrs"])
        by_gene = not ("CellID" in genes and "Gene" in cells)
        cells, genes = (cells, genes) if by_gene else (genes, cells)
        cells = _named(cells, ("CellID", "obs_names", "cell_id", "cell_names", "barcode"), "cells (col_attrs/CellID)")
        genes = _named(genes, ("Gene", "var_names", "gene_names", "Accession"), "genes (row_attrs/Gene)")
        stored = {"X": file["matrix"]} | dict(file.get("layers", {}).items())
        yield Content(
            cells,
            {name: hdf5_files.dense(matrix, genes, transposed=by_gene) for name, matrix in stored.items()},
        )


def in_memory(data):
    """Content of an AnnData object."""
    genes = annotation.plain(data.var)
    matrices = {"X": Stored.of(data.X, genes)} if data.X is not None else {}
    if data.raw is not None:
        matrices["raw"] = Stored.of(data.raw.X, annotation.plain(data.raw.var))
    matrices |= {name: Stored.of(layer, genes) for name, layer in data.layers.items()}
    return Content(annotation.plain(data.obs), matrices)


def _read_old(path):
    import anndata

    return anndata.read_h5ad(path)


def _content(group):
    obs, genes = _frame(group, "obs", "cells"), _frame(group, "var", "genes")
    found = {"X": (group["X"], genes)} if "X" in group else {}
    if "raw" in group and "X" in group["raw"]:
        found["raw"] = (group["raw"]["X"], _frame(group["raw"], "var", "genes"))
    elif "raw.X" in group:
        found["raw"] = (group["raw.X"], _frame(group, "raw.var", "genes"))
    if "layers" in group:
        found |= {name: (group["layers"][name], genes) for name in sorted(group["layers"])}
    return Content(obs, {name: _matrix(element, obs, columns) for name, (element, columns) in found.items()})


def _matrix(element, obs, genes):
    shape = (len(obs), len(genes))
    if hasattr(element, "keys"):
        kind = str(hdf5_files.attribute(element, "encoding-type", "h5sparse_format", default=""))[:3]
        claimed = tuple(map(int, element.attrs.get("shape", element.attrs.get("h5sparse_shape", shape))))
        if kind not in ("csr", "csc"):
            raise UserError(f'its matrix "{element.name}" has the unknown encoding "{kind}"; write it as CSR')
        stored = None
    else:
        stored, claimed = hdf5_files.dense(element, genes), tuple(element.shape)
    if claimed != shape:
        raise UserError(
            f'its matrix "{element.name}" is {claimed[0]} x {claimed[1]}, but there are names of {shape[0]} cells and '
            f"{shape[1]} genes; {REPAIR}"
        )
    return stored or hdf5_files.compressed(element, shape, kind, genes)


def _frame(group, name, what):
    """A table of annotation, or its readable columns if some are not readable."""
    from anndata.io import read_elem

    if name not in group:
        raise UserError(f"has no names of {what} (no {name}); write them into the file")
    table = group[name]
    index = hdf5_files.attribute(table, "_index", "index")
    if index is None or index not in table:
        raise UserError(f"has no names of {what} (no index in {name}); write them into the file")
    if hasattr(table[index], "dtype"):
        hdf5_files.check_size(table[index])
    old = table.get("__categories", {})
    try:
        if any("categories" not in table[name].attrs for name in old if name in table):
            raise KeyError  # SeuratDisk: codes that do not refer to their categories
        return annotation.plain(read_elem(table))
    except Exception:
        log.info("%s is read column by column", name)
    names, columns = _column(table, index), {}
    for column in table.attrs.get("column-order", sorted(set(table) - {index, "__categories"})):
        try:
            columns[column] = pd.Series(_column(table, column), index=pd.RangeIndex(len(names)))
        except Exception as error:
            log.warning('%s: column "%s" cannot be read and is dropped (%s)', name, column, type(error).__name__)
    return annotation.plain(pd.DataFrame(columns, index=pd.RangeIndex(len(names))).set_axis(list(names)))


def _column(table, name):
    """A column of annotation; codes out of the range of the categories, such as R's NA, are missing values."""
    from anndata.io import read_elem

    stored, old = table[name], table.get("__categories", {})
    if hasattr(stored, "keys") and {"codes", "categories"} <= set(stored):
        codes, categories = stored["codes"][...], stored["categories"][...]
    elif hasattr(stored, "keys") and {"values", "levels"} <= set(stored):  # a factor of h5Seurat
        codes, categories = stored["values"][...], stored["levels"][...]
    elif name in old and stored.dtype.kind in "iuf":
        codes, categories = stored[...], old[name][...]
    elif hasattr(stored, "keys") or hdf5_files.attribute(stored, "encoding-type", default="") not in PLAIN:
        return read_elem(stored)
    else:
        hdf5_files.check_size(stored)
        return annotation.text(stored[...]) if stored.dtype.kind in "OSUT" else stored[...]
    categories, codes = pd.Index(annotation.text(categories), dtype=object), np.asarray(codes)
    known = codes[(codes >= 0) & (codes <= len(categories))]
    if len(known) and known.min() >= 1 and known.max() == len(categories):  # as R counts
        log.warning('column "%s": its codes count from 1, as in R', name)
        codes = codes - 1
    codes = np.where((codes >= 0) & (codes < len(categories)), codes, -1).astype(int)
    return pd.Categorical.from_codes(codes, categories)


def _attributes(group):
    """The one-dimensional attributes of a .loom."""
    columns = {}
    for name, array in group.items():
        if getattr(array, "ndim", 0) == 1:
            columns[name] = hdf5_files.text(array) if array.dtype.kind in "OS" else array[...]
    return pd.DataFrame(columns)


def _named(table, candidates, what):
    for name in candidates:
        if name in table:
            return annotation.plain(table.set_index(name))
    raise UserError(f"has no names of {what}; its attributes are {', '.join(table.columns) or 'none'}")
