"""Reading a data set from wherever it lives into cells x genes."""

import hashlib
import logging
import tempfile
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import address, anndata_files, annotation, archives, containers, features, formats, matrices
from scae.sources import values as kinds

log = logging.getLogger(__name__)

FORMATS = ("h5ad", "zarr", "h5mu", "loom", "10x_h5", "triple", "table")  # what ``format`` can name


@dataclass(frozen=True)
class Reading:
    """How a source is read: the keys of a data set of these names, with their defaults."""

    matrix: str = "auto"
    values: str = "auto"
    format: str = "auto"
    orientation: str = "auto"
    modality: str = "rna"
    genome: str | None = None
    member: str | None = None


@dataclass(frozen=True)
class Description:
    """What a source holds, as far as it can be said without reading all of it.

    ``obs`` and ``var`` are the annotation of the cells and of the genes of the matrix that is taken, with their names
    as text; ``matrices`` says what each matrix holds (name: `scae.sources.values.Values`, whose text is for people);
    ``matrix`` is the one that is taken and ``holds`` what it holds by a sample, in the words of `read`; ``n_values``
    is how many values it stores. Where the
    source cannot be used, ``problems`` says why, one line each, and what is not known is None.
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
        source: ``scanpy:<name>`` for a data set that scanpy ships, or the path of a file, folder or archive of any
            kind that docs/own-data.md lists.
        reading: see `Reading`.

    Returns:
        anndata.AnnData: X is CSR float32, cells x genes; counts are whole numbers. obs and var as found, as numbers and
        categories of text; names are text, those of genes made distinct. ``uns`` says what was found: format, matrix
        and values (``counts``, ``corrected_counts``, ``normalized`` or ``log_normalized``).

    Raises:
        UserError: if the source cannot be read, or its values are not what they are said to be.
    """
    reading = Reading(**reading)
    with _one_line(source), _content(str(source), reading) as (kind, content):
        return _take(content, kind, reading, source)


def describe(source, **reading):
    """Say what a source holds, for a check before any job: in seconds, since each matrix is sampled only.

    Tables, and files that are compressed as a whole, are read completely. Takes the arguments of `read`; never raises a
    UserError, but returns it among the ``problems``.

    Returns:
        Description
    """
    found = {"format": "unknown"}
    try:
        reading = Reading(**reading)
        with _one_line(source), _content(str(source), reading) as (kind, content):
            found |= {"format": kind, "obs": content.obs, "matrices": matrices.describe(content)}
            found["matrix"] = matrices.choose(content, found["matrices"], reading.matrix, reading.values)
            genes = content.matrices[found["matrix"]].genes
            found["n_values"] = content.matrices[found["matrix"]].n_values
            found["var"] = genes[features.wanted(genes, reading.genome)]
            _check_names(content, found["var"])
            if found["matrix"] in found["matrices"]:
                held = found["matrices"][found["matrix"]]
                found["holds"] = matrices.settle(held, reading.values, found["matrices"])
    except UserError as error:
        return Description(**found, problems=(str(error),))
    return Description(**found)


def members(source):
    """Names of the matrices in a folder or archive, as ``member`` takes them."""
    with _one_line(source), ExitStack() as stack:
        kind = formats.detect(source)
        if kind not in ("archive", "folder"):
            raise UserError("is no folder or archive; write no member: all")
        return containers.choose(containers.find(_unpacked(kind, source, stack)), "all", source)


@contextmanager
def _one_line(source):
    """Have every error name the source, on one line."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{source}: {error}") from error
    except MemoryError as error:
        raise UserError(f"{source}: does not fit into memory") from error
    except Exception as error:
        raise UserError(
            f"{source}: cannot be read ({type(error).__name__}: {_first_line(error)}); it is damaged, cut off, or not "
            "what it is called"
        ) from error


def _first_line(error):
    return str(error).strip().split("\n")[0]


@contextmanager
def _content(source, reading):
    """(format, content) of a source."""
    with ExitStack() as stack:
        if address.is_shipped(source):
            yield "scanpy", anndata_files.in_memory(_scanpy_dataset(source.removeprefix("scanpy:")))
            return
        kind, place = _format_of(source, reading), Path(source)
        if kind in ("archive", "folder"):
            found = containers.find(_unpacked(kind, source, stack))
            [name] = containers.choose(found, reading.member, place)
            kind, place = found[name]
            log.info("taken: %s (%s)", name, kind)
        if kind == "compressed":
            place = archives.decompress(place, stack.enter_context(tempfile.TemporaryDirectory()))
            kind = _format_of(place, reading)
        yield kind, stack.enter_context(_open(kind, place, reading))


def _format_of(path, reading):
    """The format of a file by its content, or the one that the config names for what is no archive or folder."""
    try:
        kind = formats.detect(path)
    except UserError:
        if reading.format == "auto" or not Path(path).is_file():
            raise
        return reading.format
    return kind if reading.format == "auto" or kind in ("archive", "compressed", "folder") else reading.format


def _unpacked(kind, source, stack):
    """A folder, or the one that an archive is unpacked to."""
    if kind == "folder":
        return Path(source)
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    containers.unpack_all(source, folder)
    return folder


def _open(kind, place, reading):
    """The reader of a format, as a context that gives the content."""
    if kind == "triple":
        from scae.sources import triples

        return triples.open_triple(place if isinstance(place, triples.Triple) else triples.of_matrix(place))
    if kind == "10x_h5":
        from scae.sources import tenx_h5

        return tenx_h5.open_h5(place, reading.genome)
    if kind == "table":
        from scae.sources import text_tables

        return text_tables.open_table(place, reading.orientation)
    if kind == "h5mu":
        return anndata_files.open_h5mu(place, reading.modality)
    return {"h5ad": anndata_files.open_h5ad, "zarr": anndata_files.open_zarr, "loom": anndata_files.open_loom}[kind](
        place
    )


def _scanpy_dataset(name):
    import scanpy

    if name not in scanpy.datasets.__all__:
        raise UserError('scanpy has no such data set; try "scanpy:pbmc68k_reduced"')
    return getattr(scanpy.datasets, name)()


def _check_names(content, genes):
    annotation.check_cells(content.obs.index)
    annotation.check_genes(genes)


def _take(content, kind, reading, source):
    """The chosen matrix of a source as an AnnData whose values are what its ``uns`` says."""
    import anndata

    described = matrices.describe(content)
    name = matrices.choose(content, described, reading.matrix, reading.values)
    log.info("%s: %s; taken is %s", source, matrices.listing(described), name)
    stored = content.matrices[name]
    genes = features.wanted(stored.genes, reading.genome)
    if 0 in (len(content.obs), genes.sum()):
        raise UserError(f"holds {len(content.obs)} cells x {genes.sum()} genes; nothing to analyse")
    _check_names(content, stored.genes[genes])
    matrix = stored.load()
    if matrix.shape != (len(content.obs), len(stored.genes)):
        raise UserError(
            f"its matrix is {matrix.shape[0]} x {matrix.shape[1]}, but {len(content.obs)} cells and "
            f"{len(stored.genes)} genes have names"
        )
    if not genes.all():
        matrix = matrix[:, np.flatnonzero(genes)]
    data = anndata.AnnData(obs=content.obs, var=stored.genes[genes])
    held = kinds.of(matrix.data, matrix)
    _check_values(matrix, data, held, described | {name: held})
    values = matrices.settle(held, reading.values, described | {name: held})
    data.X = _as_float32(matrix, values, data)
    data.uns = {"format": kind, "matrix": name, "values": "counts" if values == "log_counts" else values}
    was_chosen = reading.matrix == "auto" and len(described) > 1
    was_found = values not in (reading.values, "counts")  # noqa: PD011 (no table)
    if was_chosen or was_found:
        log.log(
            NOTE, "%s: matrix %s is taken, as %s; %s", source, name, data.uns["values"], matrices.listing(described)
        )
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


def _check_values(matrix, data, held, described):
    """Refuse values that no expression has, with cell and gene."""
    if held.kind not in ("not_finite", "scaled") and held.highest < np.finfo(np.float32).max:
        return
    with np.errstate(over="ignore"):
        beyond = np.isinf(matrix.data.astype(np.float32))
    for problem, wrong in (
        ("is not a finite number; expression always is", ~np.isfinite(matrix.data)),
        ("is beyond the numbers of float32; a count never is", beyond),
        ("is negative; expression never is", matrix.data < 0),
    ):
        if wrong.any():
            raise UserError(f"{_entry(matrix, wrong, data)} {problem}. {matrices.listing(described)}")


def _entry(matrix, wrong, data):
    entry = int(np.flatnonzero(wrong)[0])
    row = int(np.searchsorted(matrix.indptr, entry, side="right")) - 1
    return f"cell {data.obs_names[row]}, gene {data.var_names[matrix.indices[entry]]}: {matrix.data[entry]}"


def _as_float32(matrix, values, data):
    """The matrix as CSR float32 with sorted entries, each once; counts as whole numbers."""
    if values in ("counts", "log_counts"):
        whole = np.expm1(matrix.data.astype(np.float64)) if values == "log_counts" else matrix.data
        whole = np.rint(whole, out=whole) if whole.dtype.kind == "f" else whole
        if (large := whole > kinds.LARGEST_COUNT).any():
            raise UserError(
                f"{_entry(matrix, large, data)} is more than {kinds.LARGEST_COUNT:,}, up to which float32 has every "
                "whole number; is it a count?"
            )
        matrix = sparse.csr_matrix((whole, matrix.indices, matrix.indptr), matrix.shape)
    matrix = matrix.astype(np.float32, copy=False)
    matrix.sum_duplicates()  # and sort
    return matrix


def sha256(path):
    """SHA-256 of a file, in hexadecimal."""
    if not Path(path).is_file():
        raise UserError(f"{path}: is not a file and has no SHA-256; set sha256 to null")
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
