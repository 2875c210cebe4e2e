"""Expression tables as text: any separator, decimal commas, comments, R's short header, either orientation."""

import csv
import io
import itertools
import logging
import re
from array import array
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scae.errors import UserError
from scae.jobs.notes import NOTE
from scae.sources import annotation, formats, orientation
from scae.sources.matrices import Content, Stored

log = logging.getLogger(__name__)

SEPARATORS = "\t,; |"
LOOKED_AT_LINES = 20
LONGEST_LINE = 1 << 26
NO_ROWS = "has no rows below its header; is it a table of counts?"
ZEROS = {"0", "0.0"}
MISSING = {"", "NA", "NaN", "nan", "null", "None"}
CELL_HEADINGS = {
    *("cell", "cells", "cell_id", "cellid", "cell_name", "cell_index", "cell_barcode", "cell_label", "cellkey"),
    *("barcode", "barcodes", "bioproduct_cell"),
}
OTHER_HEADINGS = {"index", "id", "name", "sample", "unnamed: 0", "x", "rownames", "row.names"}
GENE_HEADINGS = {
    *("gene", "genes", "gene_id", "gene_ids", "geneid", "gene_name", "gene_symbol", "symbol", "feature", "features"),
    *("ensembl_id", "ensembl", "hgnc_symbol", "genename", "featurekey", "bioproduct", "target", "gene.name"),
}
HEADINGS = CELL_HEADINGS | OTHER_HEADINGS | GENE_HEADINGS
# Annotation of the genes beside them, as featureCounts and biomaRt write it
GENE_ANNOTATION = {
    *(
        "chr",
        "chromosome",
        "start",
        "end",
        "strand",
        "length",
        "width",
        "entrezid",
        "entrez",
        "entrez_id",
        "gene_length",
    ),
    *("exonic_length", "genelength", "gene_type", "biotype", "description"),
}
NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$")
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+([eE][+-]?\d+)?$")


@dataclass(frozen=True)
class Layout:
    """The layout of a table; ``line`` is the number of its header line, from 1."""

    separator: str
    decimal_comma: bool
    header: list[str]
    line: int


@contextmanager
def open_table(path, reading):
    """Content of a table, read completely.

    Args:
        path: of the table, compressed or not.
        reading: with an orientation: ``auto`` (cells in rows; an error if names suggest otherwise), ``cells_in_rows``
            or ``genes_in_rows``.

    Raises:
        UserError: with the line, row or column that is wrong.
    """
    layout = _layout(path)
    if cell_and_gene := _long(layout):
        yield _read_long(path, layout, *cell_and_gene)
        return
    rows, columns, matrix, by_row, by_column = _read(path, layout)
    _check_orientation(layout, rows, columns, by_column, reading.orientation)
    if reading.orientation == "genes_in_rows":
        beside = [number for number, name in enumerate(columns) if name.lower() in GENE_ANNOTATION]
        by_row |= {columns[number]: matrix[:, [number]].toarray().ravel() for number in beside}
        keep = np.setdiff1d(np.arange(len(columns)), beside)
        matrix, cells, genes = matrix[:, keep].T.tocsr(), [columns[number] for number in keep], rows
        by_column = {name: [values[number] for number in keep] for name, values in by_column.items()}
        obs, var = by_column, by_row
    else:
        cells, genes, obs, var = rows, columns, by_row, by_column
    for axis, found in (("cells", obs), ("genes", var)):
        if found:
            log.log(NOTE, "annotation of the %s: %s", axis, ", ".join(found))
    stored = Stored.of(matrix, annotation.plain(pd.DataFrame(var, index=genes)))
    yield Content(annotation.plain(pd.DataFrame(obs, index=cells)), {"X": stored})


def _long(layout):
    """The columns of cells and of genes in a table with one line per count (BD Rhapsody's .st), else None."""
    names = [name.lower() for name in layout.header]
    cells = [number for number, name in enumerate(names) if name in CELL_HEADINGS]
    genes = [number for number, name in enumerate(names) if name in GENE_HEADINGS]
    return (cells[0], genes[0]) if len(cells) == 1 and genes and len(names) > 2 and max(cells + genes) < 4 else None


def _read_long(path, layout, cell, gene):
    """Content of a long table, with a matrix for each column of numbers."""
    with formats.open_unpacked(path) as file:
        lines = itertools.islice(_lines(file), layout.line - 1, None)
        text = {layout.header[cell]: str, layout.header[gene]: str}
        options = {"header": 0, "names": layout.header, "index_col": False, "keep_default_na": False}
        table = pd.read_csv(_Lines(lines), sep=layout.separator, dtype=text, **options)
    cells, genes = (pd.factorize(table[layout.header[one]].astype(str).str.strip()) for one in (cell, gene))
    values = [name for name in table if pd.api.types.is_numeric_dtype(table[name]) and name != layout.header[cell]]
    if not values:
        raise UserError(f"has one line per count, but no column of numbers beside {', '.join(layout.header)}")
    shape, found = (len(cells[1]), len(genes[1])), {}
    var = annotation.plain(pd.DataFrame(index=genes[1]))
    for name in values:
        matrix = sparse.csr_matrix((table[name].to_numpy(), (cells[0], genes[0])), shape)
        matrix.eliminate_zeros()
        found["X" if len(values) == 1 else name] = Stored.of(matrix, var)
    log.log(NOTE, "one line per count: cells in %s, genes in %s", layout.header[cell], layout.header[gene])
    return Content(annotation.plain(pd.DataFrame(index=cells[1])), found)


class _Lines(io.TextIOBase):
    """Lines as a file for pandas."""

    def __init__(self, lines):
        self.lines, self.rest = lines, ""

    def read(self, size=-1):
        while size < 0 or len(self.rest) < size:
            line = next(self.lines, None)
            if line is None:
                break
            self.rest += line
        found, self.rest = (self.rest, "") if size < 0 else (self.rest[:size], self.rest[size:])
        return found

    def readable(self):
        return True


def _layout(path):
    """The `Layout` of a table, from its first lines."""
    with formats.open_unpacked(path) as file:
        head = list(itertools.islice(_lines(file), LOOKED_AT_LINES))
    before = sum(1 for _ in itertools.takewhile(lambda line: line.startswith(("#", "%")) or not line.strip(), head))
    head = [line for line in head[before:] if line.strip()]
    if len(head) < 2:
        raise UserError(NO_ROWS)
    rows = {mark: list(csv.reader(head, delimiter=mark)) for mark in SEPARATORS}
    separator = max(SEPARATORS, key=lambda mark: _fitness(rows[mark]))
    header, *rows = [[field.strip() for field in row] for row in rows[separator]]
    short = all(len(row) == len(header) + 1 for row in rows) and header[0].lower() not in HEADINGS
    if short:
        header = ["", *header]  # R leaves out the heading of the names
    if len(header) < 2:
        raise UserError("has only one column; separate columns by commas or tabs")
    decimal_comma = separator != "," and any(DECIMAL_COMMA.match(field) for row in rows for field in row[1:])
    _check_header(
        header, [[field.replace(",", ".") if decimal_comma else field for field in row] for row in rows], short
    )
    return Layout(separator, decimal_comma, header, before + 1)


def _fitness(rows):
    """How well a separator splits these lines: into several fields, equally many per line, and many."""
    widths = [len(row) for row in rows]
    return widths[-1] > 1, np.mean([width == widths[-1] for width in widths[1:]]), widths[-1]


def _lines(file):
    """Lines of text, checked for NUL, length and encoding."""
    stream = io.TextIOWrapper(file, encoding="utf-8-sig", newline=None)
    number = 0
    try:
        while line := stream.readline(LONGEST_LINE):
            number += 1
            if len(line) == LONGEST_LINE:
                raise UserError(f"line {number} is longer than {LONGEST_LINE:,} characters; is this a table of counts?")
            if "\0" in line:
                raise UserError(f"line {number} contains a NUL; copy or download the file again")
            yield line
    except UnicodeDecodeError as error:
        raise UserError(f"line {number + 1} or one after it is not UTF-8; save the table as UTF-8") from error


def _check_header(header, rows, short):
    numbers = [field for field in header[1:] if NUMBER.match(field)]
    heading = header[0].lower()
    headed = heading in HEADINGS or (heading == "" and not short)
    repeated = len(set(numbers)) < len(numbers) or any(float(number) % 1 or float(number) == 0 for number in numbers)
    if len(numbers) == len(header) - 1 and (not headed or (heading == "" and repeated)):
        raise UserError("has no header; write a first line with cell and the gene names")
    if not headed and not short and all(NUMBER.match(row[0]) for row in rows if row):
        raise UserError(
            f'has no column of cell names: its first column "{header[0]}" holds numbers; add a column cell before it'
        )


def _read(path, layout):
    """(names of rows, names of columns, CSR, {name: column of text}, {name: row of text}).

    Only non-zeros are parsed.
    """
    width, names, texts, text_rows = len(layout.header), [], {}, {}
    values, places, ends = array("d"), array("q"), array("q", [0])
    with formats.open_unpacked(path) as file:
        lines = itertools.islice(_lines(file), layout.line, None)
        reader = csv.reader(lines, delimiter=layout.separator)
        for row in reader:
            if not row:
                continue
            if len(row) != width:
                raise UserError(
                    f"line {layout.line + reader.line_num} has {len(row)} fields, but the header has {width}; fix the "
                    "line, or quote names that contain the separator"
                )
            if layout.decimal_comma:
                row = [row[0], *(field.replace(",", ".") for field in row[1:])]
            if _is_text(row) and len(names) < LOOKED_AT_LINES:
                text_rows[row[0].strip()] = [field.strip() for field in row]
                continue
            names.append(row[0].strip())
            found = [place for place in range(1, width) if row[place] not in ZEROS]
            try:
                numbers = [float(row[place]) for place in found]
            except ValueError:
                found, numbers = _without_texts(row, found, layout, texts, first=len(names) == 1)
            values.extend(numbers)
            places.extend(found)
            ends.append(len(values))
            for place, column in texts.items():
                column.append(row[place])
    if not names:
        raise UserError(NO_ROWS)
    arrays = (np.frombuffer(values), np.frombuffer(places, np.int64) - 1, np.frombuffer(ends, np.int64))
    matrix = sparse.csr_matrix(arrays, (len(names), width - 1))
    _check_texts(texts, names, layout)
    numeric = [place for place in range(1, width) if place not in texts]
    texts = {layout.header[place]: column for place, column in texts.items()}
    text_rows = {name: [row[place] for place in numeric] for name, row in text_rows.items()}
    names_of_columns = [layout.header[place] for place in numeric]
    return names, names_of_columns, matrix[:, np.array(numeric, int) - 1], texts, text_rows


def _is_text(row):
    """Whether a line has words in place of numbers: annotation of the columns."""
    return len(row) > 2 and not any(NUMBER.match(field) or field.strip() in MISSING for field in row[1:])


def _without_texts(row, found, layout, texts, first):
    """The numbers of a row; a column with text in the first row is annotation."""
    kept, numbers = [], []
    for place in found:
        if place in texts:
            continue
        field = row[place].strip()
        if field in MISSING:
            kept.append(place)
            numbers.append(np.nan)
            continue
        try:
            numbers.append(float(field))
            kept.append(place)
        except ValueError:
            if not first:
                raise UserError(_not_a_number(row[0], layout.header[place], field)) from None
            texts[place] = []
    return kept, numbers


def _check_texts(texts, names, layout):
    """Reject a column of text that also holds numbers: one of the two is a mistake."""
    for place, column in texts.items():
        if any(NUMBER.match(field) for field in column):
            wrong = next(number for number, field in enumerate(column) if not NUMBER.match(field))
            raise UserError(_not_a_number(names[wrong], layout.header[place], column[wrong]))


def _not_a_number(cell, gene, field):
    return f"cell {cell}, gene {gene}: {field[:40]!r} is not a number; fix it"


def _check_orientation(layout, rows, columns, text_rows, setting):
    """Reject a table by its names, if no orientation is set, unless they say that cells are in rows."""
    if setting != "auto":
        return
    heading, evidence = layout.header[0].lower(), ""
    if heading in GENE_HEADINGS:
        evidence = f'its first column is named "{layout.header[0]}"'
    elif text_rows:
        evidence = f'its row "{next(iter(text_rows))}" holds text'
    elif gene := orientation.a_gene(rows) if not orientation.a_gene(columns) else "":
        evidence = f"{gene}, a gene, is a row"
    elif cell := orientation.a_cell(columns) if not orientation.a_cell(rows) else "":
        evidence = f"{cell}, a cell, is a column"
    if evidence:
        raise UserError(
            f"seems to have genes in rows, since {evidence}; set orientation to genes_in_rows, or to cells_in_rows if "
            "this is wrong"
        )
    if heading not in CELL_HEADINGS and not orientation.a_gene(columns) and not orientation.a_cell(rows):
        raise UserError(
            f"may have its cells in rows ({_three(rows)}) or in columns ({_three(columns)}): names do not tell; set "
            "orientation to cells_in_rows or genes_in_rows"
        )


def _three(names):
    return ", ".join(map(str, names[:3])) + (", …" if len(names) > 3 else "")
