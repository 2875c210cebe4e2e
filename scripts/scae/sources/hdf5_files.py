"""Untrusted HDF5 files: opened so that nothing outside them is read, their matrices checked."""

import importlib
from contextlib import contextmanager, suppress

import h5py
import numpy as np
from scipy import sparse

from scae.errors import UserError
from scae.sources.matrices import BLOCK_BYTES, REPAIR, SAMPLED_VALUES, Stored, check_compressed, check_numbers

COMPRESSION_LIMIT = 1100  # no filter of HDF5 packs more tightly
SMALL_BYTES = 1 << 28  # always allowed
SAMPLED_BLOCKS = 8
FILTERS = {  # registered numbers of compression filters
    **{307: "bzip2", 32000: "LZF", 32001: "Blosc", 32004: "LZ4", 32008: "bitshuffle", 32013: "ZFP"},
    **{32015: "Zstandard", 32026: "Blosc2"},
}
WHOLE_VALUES = 1 << 23  # a dense matrix of genes x cells up to this size is sampled whole


@contextmanager
def opened(path):
    """An HDF5 file, open for reading.

    Raises:
        UserError: if it refers to other files (external link, external storage, virtual data set), which could be any
            file of this machine, or declares more data than it can hold.
    """
    with suppress(ImportError):
        importlib.import_module("hdf5plugin")  # registers further compression filters, if it is installed
    with h5py.File(path, "r") as file:
        problem = file.visititems_links(lambda name, link: _problem(file, name, link))  # a visitor must not raise
        if problem:
            raise UserError(f'its entry "{problem[0]}" {problem[1]}')
        yield file


def _problem(file, name, link):
    """(name of an entry, why it is rejected), or None."""
    entry = file.get(name) if isinstance(link, h5py.HardLink) else None
    if isinstance(link, h5py.ExternalLink):
        problem = "is a link to another file"
    elif not isinstance(entry, h5py.Dataset):
        return None
    elif entry.is_virtual:
        problem = "is a virtual data set with values in other files"
    elif entry.external:
        problem = "has its values in another file"
    else:
        return (name, problem) if (problem := _problem_of_size(entry)) else None
    return name, f"{problem}; write all data into one file"


def check_size(array):
    """Reject an array that declares more data than is stored, before memory is allocated for it, or cannot be unpacked.

    Raises:
        UserError: naming the entry, and the compression filter that is missing with its package.
    """
    if isinstance(array, h5py.Dataset):
        _check_filters(array)
    if problem := _problem_of_size(array):
        raise UserError(f'its entry "{array.name}" {problem}')


def _check_filters(array):
    plist = array.id.get_create_plist()
    for number in range(plist.get_nfilters()):
        code, _, _, name = plist.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            called = FILTERS.get(code) or name.decode("utf-8", errors="replace") or "unknown"
            raise UserError(
                f'its entry "{array.name}" is compressed with {called} (HDF5 filter {code}), which is not installed: '
                "pip install hdf5plugin, or write the file with gzip"
            )


def _problem_of_size(array):
    shapes = (array.shape or (), getattr(array, "chunks", None) or ())  # a chunk is read whole, and may be larger
    n_bytes = max(int(np.prod(shape, dtype=object)) for shape in shapes) * array.dtype.itemsize
    if n_bytes > SMALL_BYTES and n_bytes > COMPRESSION_LIMIT * _stored_bytes(array):
        return f"declares {n_bytes:,} bytes, but almost none are stored; write the file again"
    return None


def _stored_bytes(array):
    return array.id.get_storage_size() if isinstance(array, h5py.Dataset) else array.nbytes_stored()


def compressed(group, shape, kind, genes):
    """A compressed sparse matrix (group with data, indices, indptr), cells x genes.

    Args:
        group: of HDF5 or zarr.
        shape: (cells, genes).
        kind: ``csr`` if indptr is over cells, ``csc`` if it is over genes.
        genes: annotation of the genes.
    """
    for name in ("data", "indices", "indptr"):
        if name not in group:
            raise UserError(f'its matrix "{group.name}" has no {name}; {REPAIR}')
        check_size(group[name])
        if name != "indptr" and (lost := _lost_chunks(group[name])):
            raise UserError(f'its entry "{group[name].name}" lacks {lost} of its chunks; copy or download it again')

    def load():
        data, indices, indptr = (group[name][...] for name in ("data", "indices", "indptr"))
        check_compressed(data, indices, indptr, shape, kind)
        data = check_numbers(data)
        layout = sparse.csr_matrix if kind == "csr" else sparse.csc_matrix
        return layout((data, indices, indptr), shape=shape).tocsr()

    def sample():
        indptr = group["indptr"][...]
        if group["data"].shape[0] <= SAMPLED_VALUES or (indptr[1:] < indptr[:-1]).any():
            cells = load()  # which reports what is wrong, if anything
            return cells.data, cells
        parts, starts, places = [], [], []
        for start in np.linspace(0, len(indptr) - 1, SAMPLED_BLOCKS, endpoint=False).astype(int):
            stop = np.searchsorted(indptr, indptr[start] + SAMPLED_VALUES // SAMPLED_BLOCKS, side="right") - 1
            stop = max(stop, start + 1)
            parts.append(check_numbers(group["data"][indptr[start] : indptr[stop]]))
            starts.append(np.diff(indptr[start : stop + 1]))
            places.append(group["indices"][indptr[start] : indptr[stop]])
        data = np.concatenate(parts)
        if kind == "csc":
            return data, None
        ends = np.concatenate([[0], np.cumsum(np.concatenate(starts))])
        indices = np.concatenate(places)
        check_compressed(data, indices, ends, (len(ends) - 1, shape[1]))
        return data, sparse.csr_matrix((data, indices, ends), shape=(len(ends) - 1, shape[1]))

    return Stored(shape, genes, load, sample, int(group["data"].shape[0]))


def dense(array, genes, transposed=False):
    """A dense matrix, read in blocks; ``transposed`` if it is stored genes x cells."""
    check_size(array)
    if array.ndim != 2:
        raise UserError(f'its matrix "{array.name}" has {array.ndim} dimensions; write it with 2')
    step = max(1, BLOCK_BYTES // max(1, array.shape[1] * array.dtype.itemsize))

    def block(start):
        return sparse.csr_matrix(check_numbers(array[start : start + step]))

    def load():
        blocks = [block(start) for start in range(0, array.shape[0], step)]
        whole = sparse.vstack(blocks, format="csr") if blocks else sparse.csr_matrix(array.shape)
        return whole.T.tocsr() if transposed else whole

    def sample():
        if transposed and array.size <= WHOLE_VALUES:
            cells = load()
            return cells.data, cells
        starts = sorted({start // step * step for start in np.linspace(0, array.shape[0] - 1, 3).astype(int)})
        rows = sparse.vstack([block(start) for start in starts], format="csr")
        return rows.data, None if transposed else rows

    return Stored(array.shape[::-1] if transposed else array.shape, genes, load, sample)


def _lost_chunks(array):
    """Number of missing chunks of a zarr array, which would be read as zeros."""
    return array.nchunks - array.nchunks_initialized if hasattr(array, "nchunks_initialized") else 0


def attribute(group, *names, default=None):
    """The first of these attributes; R writes arrays of one value, and bytes, in place of text."""
    for name in names:
        if name in group.attrs:
            value = group.attrs[name]
            value = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
            return value.decode("utf-8") if isinstance(value, bytes) else value
    return default


def text(array):
    """Text of an HDF5 or zarr array, of fixed or variable length."""
    check_size(array)
    return [item.decode("utf-8") if isinstance(item, bytes) else str(item) for item in array[...].tolist()]
