"""Read a source of any format into cells x genes."""

import importlib
import logging
import tempfile
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import address, annotation, archives, features, formats, matrices, orientation
from scae.sources import members as members_of
from scae.sources import values as kinds

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Reading:
    """How to read a source: keys of a data set in the config, with their defaults."""

    matrix: str = "auto"
    values: str = "auto"
    format: str = "auto"
    orientation: str = "auto"
    modality: str = "rna"
    genome: str | None = None
    feature_type: str | None = None
    member: str | None = None


@dataclass(frozen=True)
class Description:
    """The content of a source, as far as it is known without reading all of it.

    ``matrix`` is the name of the matrix that `read` would take, ``holds`` its kind of values by a sample, as in
    ``uns["values"]`` of `read`, and ``n_values`` its number of stored values. ``obs`` and ``var`` are the annotation of
    its cells and genes, with names as text; ``matrices`` has the `scae.sources.values.Values` of each matrix. If the
    source cannot be used, ``problems`` has one line per reason, and unknown fields are None.
    """

    format: str
    obs: pd.DataFrame | None = None
    var: pd.DataFrame | None = None
    matrices: dict = field(default_factory=dict)
    matrix: str | None = None
    holds: str | None = None
    n_values: int | None = None
    problems: tuple[str, ...] = ()


def read(source, **reading):
    """Read one source.

    Args:
        source: ``scanpy:<name>`` for a data set from scanpy, or the path of a file, folder or archive in one of the
            formats of docs/own-data.md.
        reading: fields of `Reading`.

    Returns:
        anndata.AnnData: X is CSR float32, cells x genes; counts are whole numbers. obs and var as in the source, as
        numbers and categories of text; names are text, and gene names are made unique. ``uns`` has the format, the
        matrix and its values (``counts``, ``corrected_counts``, ``normalized`` or ``log_normalized``).

    Raises:
        UserError: if the source cannot be read, or its values contradict ``values``.
    """
    reading = Reading(**reading)
    with _one_line(source), _content(str(source), reading) as (kind, content):
        return _take(content, kind, reading, source)


def describe(source, **reading):
    """Describe a source in seconds, from a sample of each matrix, to check it before any job.

    Tables and compressed files are read completely. Takes the arguments of `read`; errors are returned as
    ``problems``.

    Returns:
        Description
    """
    found = {"format": "unknown"}
    try:
        reading = Reading(**reading)
        with _one_line(source), _content(str(source), reading) as (kind, content):
            found |= {"format": kind, "obs": content.obs, "matrices": _describe(content, reading)}
            found["matrix"] = matrices.choose(content, found["matrices"], reading.matrix, reading.values)
            stored = content.matrices[found["matrix"]]
            found["n_values"] = stored.n_values
            rows = stored.sample()[1]
            found["obs"], found["var"], genes = _annotation(content, stored, rows, reading)
            _check_names(content, kind, reading, found["var"])
            if found["matrix"] in found["matrices"]:
                held = found["matrices"][found["matrix"]]
                if rows is not None and rows.shape[0] == len(content.obs):
                    names = content.obs.index, found["var"].index
                    _check_values(rows[:, np.flatnonzero(genes)], *names, held, found["matrices"])
                found["holds"] = matrices.settle(held, reading.values, found["matrices"])
    except UserError as error:
        return Description(**found, problems=(str(error),))
    return Description(**found)


def _describe(content, reading):
    """{name: Values} of the matrices, of what are genes in them."""

    def wanted(genes, rows):
        keep = _quietly(features.wanted, genes, reading.genome, reading.feature_type)
        return keep & ~features.annotation_among(rows, genes.index, keep)

    for stored in content.matrices.values():  # an error about the features is not one of a matrix
        _quietly(features.wanted, stored.genes, reading.genome, reading.feature_type)
    return matrices.describe(content, wanted)


def _quietly(function, *arguments):
    """The result of a function whose notes are logged elsewhere."""
    level = features.log.level
    features.log.setLevel(logging.ERROR)
    try:
        return function(*arguments)
    finally:
        features.log.setLevel(level)


def _annotation(content, stored, rows, reading):
    """(annotation of the cells, annotation of the genes, their mask) of a matrix without features that are no genes.

    Args:
        rows: CSR of all its cells, or of some, or None.
    """
    keep = features.wanted(stored.genes, reading.genome, reading.feature_type)
    if rows is None:
        return content.obs, stored.genes[keep], keep
    names = stored.genes.index
    moved = np.flatnonzero(features.annotation_among(rows, names, keep))
    obs = content.obs
    if len(moved):
        rows = rows if rows.shape[0] == len(obs) else stored.load()
        log.warning("annotation of the cells among the genes is moved to obs: %s", ", ".join(names[moved]))
        columns = {names[one]: rows[:, [one]].toarray().ravel() for one in moved if names[one] not in obs}
        obs = obs.assign(**columns)
        keep[moved] = False
    return obs, stored.genes[keep], keep


def members(source):
    """Names of the matrices in a folder, archive or store with several tables, to use as ``member``."""
    with _one_line(source), ExitStack() as stack:
        kind = formats.detect(source)
        if kind == "zarr":
            found = importlib.import_module(formats.READERS[kind]).tables(source)
            return members_of.choose(found, "all", source)
        if kind not in ("archive", "folder"):
            raise UserError("is not a folder, an archive or a store with several tables; set member to null")
        containers = importlib.import_module(formats.CONTAINERS)
        return members_of.choose(containers.find(_unpacked(kind, source, stack)), "all", source)


@contextmanager
def _one_line(source):
    """Turn every error into one line that names the source."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    except MemoryError as error:
        raise UserError(f"{source}: does not fit into memory") from error
    except Exception as error:
        raise UserError(
            f"{source}: cannot be read ({type(error).__name__}: {str(error).strip().partition(chr(10))[0]}); "
            + _advice(str(error))
        ) from error


def _advice(error):
    """What to do about an error of a library that reads files."""
    if "truncated" in error.lower() or "end of file" in error.lower() or "end-of-stream" in error.lower():
        return "it is truncated; copy or download it again"
    return "if other programs can read it, write it again as .h5ad or matrix.mtx; else copy or download it again"


@contextmanager
def _content(source, reading):
    """(format, content) of a source."""
    with ExitStack() as stack:
        if address.is_shipped(source):
            anndata_files = importlib.import_module(formats.READERS["h5ad"])
            data = _scanpy_dataset(source.removeprefix("scanpy:"))
            yield "scanpy", _prepared(anndata_files.in_memory(data), "scanpy", reading)
            return
        kind, place, name = _format_of(source, reading), Path(source), ""
        if kind in ("archive", "folder"):
            containers = importlib.import_module(formats.CONTAINERS)
            found = containers.find(_unpacked(kind, source, stack))
            [name] = members_of.choose(found, reading.member, place)
            kind, place = found[name]
            log.info("matrix: %s (%s)", name, kind)
        if kind == "compressed":
            place = archives.decompress(place, stack.enter_context(tempfile.TemporaryDirectory()))
            kind = _format_of(place, reading)
        reader = importlib.import_module(formats.READERS[kind])
        with _one_line(name) if name else nullcontext():
            content = stack.enter_context(getattr(reader, f"open_{kind}")(place, reading))
        yield kind, _prepared(content, kind, reading)


def _prepared(content, kind, reading):
    """The content in the orientation of the config, with one feature per gene and the sum of splicing states."""
    return matrices.with_total(features.prepared(orientation.applied(content, kind, reading.orientation)))


def _format_of(path, reading):
    """The format of a file by its content, or by the config, except for folders, archives and compressed HDF5."""
    try:
        kind = formats.detect(path)
    except UserError:
        if reading.format == "auto" or not Path(path).is_file():
            raise
        return reading.format
    return kind if reading.format == "auto" or kind in ("archive", "compressed", "folder") else reading.format


def _unpacked(kind, source, stack):
    """The folder, or the one that an archive is unpacked to."""
    if kind == "folder":
        return Path(source)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    importlib.import_module(formats.CONTAINERS).unpack_all(source, folder)
    return folder


def _scanpy_dataset(name):
    import scanpy

    if name not in scanpy.datasets.__all__:
        raise UserError('is not a data set of scanpy; try "scanpy:pbmc68k_reduced"')
    return getattr(scanpy.datasets, name)()


def _check_names(content, kind, reading, genes):
    if reading.orientation == "auto":
        orientation.check(content, kind, genes)
    annotation.check_cells(content.obs.index)
    annotation.check_genes(genes)


def _take(content, kind, reading, source):
    """The chosen matrix of a source as AnnData, with its kind of values in ``uns``."""
    import anndata

    described = _describe(content, reading)
    name = matrices.choose(content, described, reading.matrix, reading.values)
    log.info("%s: %s; reading %s", source, matrices.listing(described), name)
    stored = content.matrices[name]
    matrix = stored.load()
    if matrix.shape != (len(content.obs), len(stored.genes)):
        raise UserError(
            f"its matrix is {matrix.shape[0]} x {matrix.shape[1]}, but there are names of {len(content.obs)} cells and "
            f"{len(stored.genes)} genes; {matrices.REPAIR}"
        )
    obs, var, genes = _annotation(content, stored, matrix, reading)
    if 0 in (len(obs), len(var)):
        raise UserError(f"contains {len(obs)} cells x {len(var)} genes, nothing to analyse; give other data")
    _check_names(content, kind, reading, var)
    _warn_of_one_state(content, name, matrix)
    if not genes.all():
        matrix = matrix[:, np.flatnonzero(genes)]
    data = anndata.AnnData(obs=annotation.plain(obs), var=var)
    held = kinds.of(matrix.data, matrix)
    _check_values(matrix, data.obs_names, data.var_names, held, described | {name: held})
    values = matrices.settle(held, reading.values, described | {name: held})
    data.X = _as_float32(matrix, values, data)
    data.uns = {"format": kind, "matrix": name, "values": "counts" if values == "log_counts" else values}
    was_chosen = reading.matrix == "auto" and len(described) > 1
    was_found = values not in (reading.values, "counts")  # noqa: PD011 (no table)
    if was_chosen or was_found:
        log.log(NOTE, "%s: matrix %s is read as %s; %s", source, name, data.uns["values"], matrices.listing(described))
    data.var_names_make_unique()
    log.info(
        "read %s: %d cells x %d genes, %d non-zeros, %s",
        source,
        data.n_obs,
        data.n_vars,
        data.X.nnz,
        data.uns["values"],
    )
    return data


def _warn_of_one_state(content, name, matrix):
    """Warn if the counts in X are those of one splicing state."""
    for total in filter(matrices.is_total, content.matrices) if name == "X" else ():
        for state in total.split("+"):
            other = content.matrices[state].load()
            if other.shape == matrix.shape and not (other != matrix).nnz:
                log.warning('X holds the same as layer "%s", one splicing state; matrix: %s has all', state, total)


def _check_values(matrix, cells, genes, held, described):
    """Reject values that expression cannot have, naming cell and gene."""
    if held.kind not in ("not_finite", "scaled") and held.highest < np.finfo(np.float32).max:
        return
    with np.errstate(over="ignore"):
        beyond = np.isinf(matrix.data.astype(np.float32))
    for problem, wrong in (
        ("is not a finite number", ~np.isfinite(matrix.data)),
        ("exceeds the range of float32", beyond),
        ("is negative, but expression cannot be", matrix.data < 0),
    ):
        if wrong.any():
            raise UserError(
                f"{_entry(matrix, wrong, cells, genes)} {problem}; {matrices.listing(described)}; fix it or set matrix"
            )


def _entry(matrix, wrong, cells, genes):
    entry = int(np.flatnonzero(wrong)[0])
    row = int(np.searchsorted(matrix.indptr, entry, side="right")) - 1
    return f"cell {cells[row]}, gene {genes[matrix.indices[entry]]}: {matrix.data[entry]}"


def _as_float32(matrix, values, data):
    """The matrix as CSR float32 with sorted, unique entries; counts as whole numbers."""
    if values in ("counts", "log_counts"):
        whole = np.expm1(matrix.data.astype(np.float64)) if values == "log_counts" else matrix.data
        whole = np.rint(whole, out=whole) if whole.dtype.kind == "f" else whole
        if (large := whole > kinds.LARGEST_COUNT).any():
            entry = _entry(matrix, large, data.obs_names, data.var_names)
            raise UserError(
                f"{entry} exceeds {kinds.LARGEST_COUNT:,}, the largest count that float32 holds exactly; is it a count?"
            )
        matrix = sparse.csr_matrix((whole, matrix.indices, matrix.indptr), matrix.shape)
    matrix = matrix.astype(np.float32, copy=False)
    matrix.sum_duplicates()  # and sort
    return matrix
