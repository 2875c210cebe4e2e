"""A matrix in three text files, MatrixMarket, genes and cells, whatever their names."""

import csv
import logging
import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import io, sparse

from scae.errors import UserError
from scae.sources import address, annotation, features, formats
from scae.sources.matrices import Content, Stored, csr

log = logging.getLogger(__name__)

MATRIX = re.compile(r"(.*)\.mtx(\.gz|\.bz2)?$", re.IGNORECASE)
TABLE = re.compile(r"(.*)\.(tsv|txt|csv)(\.gz|\.bz2)?$", re.IGNORECASE)
SYMBOL_FILE = re.compile(r"genes?[._-]names?", re.IGNORECASE)
SAMPLED_LINES = 200_000
SMALLEST_LINE = 6  # "1 1 1\n"
COMPRESSION_LIMIT = 1100
HEADING = re.compile(r"(?:.*(?:gene|feature|symbol|ensembl|barcode|cell|bc_wells|key|name|index).*|x|ids?|v1)")
IDS = ("gene_ids", "gene_id", "featurekey", "feature_id", "ensembl_id", "ensembl", "id", "ids", "feature_key")
NAMES = (
    "name",
    "gene_name",
    "gene_symbol",
    "featurename",
    "feature_name",
    "symbol",
    "gene_names",
    "gene",
    "genes",
    "x",
)
STATES = {"spliced", "unspliced", "ambiguous", "spanning", "mature", "nascent"}  # of RNA velocity, each with a matrix


@dataclass(frozen=True)
class Triple:
    """The files of one matrix; ``name`` is unique below a folder.

    ``symbols`` is a second file of genes with their names, as kallisto writes it. ``states`` has the files of several
    matrices with the same genes and cells, {splicing state: path}; ``matrix`` is then one of them.
    """

    name: str
    matrix: Path
    genes: Path
    cells: Path
    symbols: Path | None = None
    states: tuple = ()


def matrices(folder):
    """The matrix files in a folder and below it, sorted."""
    return sorted(path for path in Path(folder).rglob("*") if MATRIX.match(path.name) and path.is_file())


def of_matrix(path, top=None):
    """The triple of a matrix file, named by its path below the folder ``top``.

    Raises:
        UserError: if the file of genes or cells is missing or ambiguous, with the files beside the matrix.
    """
    path = Path(path)
    top = top or path.parent
    matched = MATRIX.match(path.name)[1]
    affix = _affix(re.sub(r"matrix(?!.*matrix)", " ", matched.lower()))
    beside = sorted(file for file in path.parent.iterdir() if file.is_file())
    found = {}
    for role in ("genes", "cells"):
        named = {file: _role(file)[1] for file in beside if _role(file)[0] == role}
        symbols = [file for file in named if role == "genes" and SYMBOL_FILE.search(file.name)]
        named = {file: rest for file, rest in named.items() if file not in symbols or len(symbols) == len(named)}
        alone = list(named) if sum(bool(MATRIX.match(file.name)) for file in beside) == 1 else []
        begun = [f for f in named if named[f] and f"{affix} ".startswith(f"{named[f]} ")]
        for fits in ([f for f in named if named[f] == affix], [f for f in named if not named[f]], alone, begun):
            if len(fits) == 1:
                found[role] = fits[0]
                break
        else:
            what = "file of genes (genes.tsv or features.tsv)" if role == "genes" else "file of cells (barcodes.tsv)"
            others = ", ".join(file.name for file in beside if file != path)
            many = f"{len(named)} could be its" if named else "has no"
            raise UserError(
                f"{path.name}: {many} {what}; files beside it: {others or 'none'}. Name them like the matrix, or "
                "give a folder with these three files alone"
            )
        if role == "genes" and len(symbols) == 1 and symbols[0] != found[role]:
            found["symbols"] = symbols[0]
    folder = path.parent.relative_to(top).as_posix()
    stem = re.sub(r"[._-]?matrix$", "", matched, flags=re.IGNORECASE)
    name = "/".join(part for part in (folder, stem) if part not in ("", ".")) or "matrix"
    return Triple(name, path, found["genes"], found["cells"], found.get("symbols"))


def together(triples):
    """The triples, with the splicing states of the same genes and cells as one."""
    groups = {}
    for triple in triples:
        state = re.split(r"[^a-z]+", triple.name.lower())[-1]
        of_states = (triple.matrix.parent, triple.genes, triple.cells) if state in STATES else triple.name
        groups.setdefault(of_states, []).append((state, triple))
    for found in groups.values():
        _, triple = found[0]
        if len(found) > 1:
            name = re.sub(r"[^A-Za-z0-9]*[A-Za-z]+$", "", triple.name) or "velocity"
            triple = replace(triple, name=name, states=tuple((state, one.matrix) for state, one in found))
        yield triple


@contextmanager
def open_triple(triple, reading):
    """Content of a `Triple`, or of that of a matrix file.

    Raises:
        UserError: if the three files do not fit together.
    """
    triple = triple if isinstance(triple, Triple) else of_matrix(triple)
    sizes = _header(triple.matrix)
    genes, cells = _table(triple.genes), _table(triple.cells)
    transposed, genes, cells = _fit(triple, sizes[:2], genes, cells)
    genes = _with_names(genes)
    if triple.symbols is not None and len(symbols := _table(triple.symbols)) == len(genes):
        ids = genes["gene_ids"] if "gene_ids" in genes else genes["name"]
        genes = genes.assign(gene_ids=ids, name=symbols[0])
    genes = features.named(genes)
    obs = annotation.plain(cells.set_index(cells.columns[0]).rename(columns=str))
    found = {state: _stored(path, transposed, obs, genes) for state, path in triple.states}
    yield Content(obs, found or {"X": _stored(triple.matrix, transposed, obs, genes)})


def _stored(path, transposed, obs, genes):
    """A matrix file as `Stored`."""
    n_rows, n_columns, n_values = _header(path)

    def load():
        with formats.open_unpacked(path) as file:
            return csr(_oriented(io.mmread(file), transposed))

    def sample():
        if n_values <= SAMPLED_LINES:
            rows = load()
            return rows.data, rows
        with formats.open_unpacked(path) as file:
            entries = pd.read_csv(file, sep=r"\s+", comment="%", header=None, nrows=SAMPLED_LINES + 1).iloc[1:]
        values = entries[2].to_numpy(dtype=float) if 2 in entries else np.ones(len(entries))
        places = entries[[0, 1]].to_numpy() - 1
        part = _oriented(sparse.coo_matrix((values, places.T), shape=(n_rows, n_columns)), transposed)
        return values, csr(part)

    return Stored((len(obs), len(genes)), genes, load, sample)


def _with_names(genes):
    """A file of genes with column names: from its header, or in the order of Cell Ranger."""
    if any(isinstance(name, str) for name in genes):
        heads = {str(name).strip().lower(): name for name in reversed(list(genes.columns))}
        ids = next((heads[name] for name in IDS if name in heads), None)
        names = next((heads[name] for name in NAMES if name in heads and heads[name] != ids), None)
        names = names if names is not None else ids if ids is not None else genes.columns[0]
        return genes.rename(columns={names: "name"} | ({ids: "gene_ids"} if ids not in (None, names) else {}))
    order = ("gene_ids", "name", "feature_types", "genome") if genes.shape[1] > 1 else ("name",)
    return genes.iloc[:, : len(order)].set_axis(order[: genes.shape[1]], axis=1)


def _oriented(matrix, transposed):
    return sparse.csr_matrix(matrix.T if transposed else matrix)


def _header(path):
    """(rows, columns, listed values) that a MatrixMarket file declares, checked before memory is allocated for them."""
    head, compressed = formats.head_of(path)
    first, *lines = head.decode("utf-8", errors="replace").splitlines() or [""]
    words = first.lower().split()
    if len(words) < 5 or words[0] != "%%matrixmarket":
        raise UserError(f"{path.name} is not a MatrixMarket file (it begins {first[:40]!r}); copy or download it again")
    if words[3] not in ("integer", "real", "pattern", "unsigned-integer"):
        raise UserError(f"{path.name} holds values of type {words[3]}; write integers or reals")
    sizes = next((line.split() for line in lines if line.strip() and not line.startswith("%")), [])
    if len(sizes) not in (2, 3) or not all(size.isdecimal() for size in sizes):
        raise UserError(
            f"{path.name} has no line with its numbers of rows, columns and values; copy or download it again"
        )
    rows, columns = int(sizes[0]), int(sizes[1])
    n_values = int(sizes[2]) if len(sizes) == 3 else rows * columns
    smallest = SMALLEST_LINE if len(sizes) == 3 else 2
    if n_values * smallest > path.stat().st_size * (COMPRESSION_LIMIT if compressed else 1) + SMALLEST_LINE:
        raise UserError(
            f"{path.name} declares {n_values:,} values, more than the file can hold; copy or download it again"
        )
    return rows, columns, n_values if len(sizes) == 3 else 0


def _table(path):
    """A file of genes or cells: rows of text, numbered columns."""
    head = formats.head_of(path)[0].decode("utf-8", errors="replace").splitlines()[:-1] or [""]
    separator = "\t"
    if not any("\t" in line for line in head):
        quoted = len(head) > 1 and all(re.fullmatch(r'".*" ".*"', line) for line in head[1:])  # write.table of R
        separator = " " if quoted else "," if TABLE.match(path.name)[2].lower() == "csv" else "\t"
    by_quotes = separator != "\t" or all(line.startswith('"') for line in head if line)
    try:
        with formats.open_unpacked(path) as file:
            return pd.read_csv(
                file,
                sep=separator,
                header=None,
                names=range(max(len(next(csv.reader([line], delimiter=separator), [])) for line in head) or 1),
                dtype=str,
                keep_default_na=False,
                na_values=[],
                quoting=csv.QUOTE_MINIMAL if by_quotes else csv.QUOTE_NONE,
                encoding="utf-8-sig",
                skip_blank_lines=False,
            )
    except pd.errors.EmptyDataError:
        return pd.DataFrame({0: []}, dtype=str)
    except UnicodeDecodeError as error:
        raise UserError(f"{path.name} is not UTF-8; save it as UTF-8") from error


def _fit(triple, shape, genes, cells):
    """(whether the matrix is genes x cells, genes, cells); a file with one line too many loses its header."""
    for transposed in (True, False):
        n_genes, n_cells = shape if transposed else shape[::-1]
        fitted = [_without_heading(table, n) for table, n in ((genes, n_genes), (cells, n_cells))]
        if all(table is not None for table in fitted):
            return transposed, *fitted
    raise UserError(
        f"{triple.matrix.name} is {shape[0]} x {shape[1]}, but {triple.genes.name} has {len(genes)} lines of genes and "
        f"{triple.cells.name} {len(cells)} of cells; give files with one line per row and column of the matrix, "
        "with or without a heading"
    )


def _without_heading(table, n_rows):
    """The table without its heading and R's row numbers; None if it does not have this many rows."""
    if len(table) == n_rows + 1:
        first = [str(field).strip() for field in table.iloc[0].fillna("")]
        if first[0] and not any(HEADING.fullmatch(field.lower()) for field in first):
            return None
        if table.shape[1] > 1 and first[-1] == "":  # R leaves out the heading of the row names
            first = ["", *first[:-1]]
        table = (
            table.iloc[1:]
            .reset_index(drop=True)
            .set_axis([name or number for number, name in enumerate(first)], axis=1)
        )
    if len(table) != n_rows:
        return None
    numbered = n_rows and table.shape[1] > 1 and list(table.iloc[:, 0]) == [str(one + 1) for one in range(n_rows)]
    return table.iloc[:, 1:] if numbered else table


def _role(path):
    """(``genes``, ``cells`` or None; the rest of its name) of a file, by the last such word in its name."""
    matched = TABLE.match(path.name)
    if not matched:
        return None, ""
    stem = matched[1].lower()
    places = [
        (stem.rfind(word) + len(word), len(word), role)
        for role, words in (("genes", address.GENE_WORDS), ("cells", address.CELL_WORDS))
        for word in words
        if word in stem
    ]
    if not places:
        return None, ""
    end, length, role = max(places)
    return role, _affix(stem[: end - length] + " " + stem[end:])


def _affix(text):
    """The part of a file name that identifies the sample: its letters and digits."""
    return " ".join(part for part in re.split(r"[^0-9a-z]+", text.lower()) if part not in ("", "all", "names"))
