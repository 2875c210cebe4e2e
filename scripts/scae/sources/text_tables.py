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
from scae.sources import annotation, formats
from scae.sources.matrices import Content, Stored

log = logging.getLogger(__name__)

SEPARATORS = "\t,; |"
LOOKED_AT_LINES = 20
LONGEST_LINE = 1 << 26
NO_ROWS = "has no rows below its header; is it a table of counts?"
ZEROS = {"0", "0.0"}
MISSING = {"", "NA", "NaN", "nan", "null", "None"}
CELL_HEADINGS = {
    "", "cell", "cells", "cell_id", "cellid", "cell_name", "barcode", "barcodes", "index", "id", "name", "sample",
    "unnamed: 0", "x", "rownames", "row.names",
}  # fmt: skip
GENE_HEADINGS = {
    *("gene", "genes", "gene_id", "gene_ids", "geneid", "gene_name", "gene_symbol", "symbol", "feature", "features"),
}
HEADINGS = (CELL_HEADINGS | GENE_HEADINGS) - {""}
# Columns of annotation among the genes of exported tables
NO_GENES = {
    "cluster", "clusters", "seurat_clusters", "leiden", "louvain", "batch", "n_counts", "n_genes", "total_counts",
    "ncount_rna", "nfeature_rna", "n_genes_by_counts", "numi", "ngene", "percent.mt", "percent_mito", "percent.mito",
    "pct_counts_mt", "percent_mt", "pct_mito", "doublet_score", "s.score", "g2m.score", "tsne_1", "tsne_2", "umap_1",
    "umap_2", "tsne1", "tsne2", "umap1", "umap2", "pseudotime", "size_factor", "size_factors", "log_counts",
}  # fmt: skip
BARCODE = re.compile(r"(?:\w+[_#:.])?[ACGT]{10,}(?:[-_.]\w+)*$")
MITOCHONDRIAL = re.compile(r"(?:\w+_)?(?:MT|mt|Mt)[-:.]\w+$")
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
    orientation = reading.orientation
    layout = _layout(path)
    rows, columns, matrix, texts = _read(path, layout)
    _check_orientation(layout, rows, columns, orientation)
    cells, genes = (columns, rows) if orientation == "genes_in_rows" else (rows, columns)
    if orientation == "genes_in_rows":
        if texts:
            raise UserError(
                f'its column "{next(iter(texts))}" holds text; with genes in rows every column must be a cell'
            )
        matrix = matrix.T.tocsr()
    no_genes = [number for number, gene in enumerate(genes) if gene.lower() in NO_GENES]
    obs = {genes[number]: matrix[:, [number]].toarray().ravel() for number in no_genes} | texts
    if obs:
        log.warning("columns of annotation among the genes are moved to obs: %s", ", ".join(obs))
    keep = np.setdiff1d(np.arange(len(genes)), no_genes)
    matrix, genes = matrix[:, keep], [genes[number] for number in keep]
    stored = Stored.of(matrix, annotation.plain(pd.DataFrame(index=genes)))
    yield Content(annotation.plain(pd.DataFrame(obs, index=cells)), {"X": stored})


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
    """(names of rows, names of columns, CSR, {name: column of text}); only non-zeros are parsed."""
    width, names, texts = len(layout.header), [], {}
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
            names.append(row[0].strip())
            found = [place for place in range(1, width) if row[place] not in ZEROS]
            if layout.decimal_comma:
                row = [field.replace(",", ".") for field in row]
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
    return names, [layout.header[place] for place in numeric], matrix[:, np.array(numeric, int) - 1], texts


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


def _check_orientation(layout, rows, columns, orientation):
    """Reject a table with genes in rows by its names, if no orientation is set."""
    if orientation != "auto":
        return
    evidence = None
    if layout.header[0].lower() in GENE_HEADINGS:
        evidence = f'its first column is named "{layout.header[0]}"'
    elif any(map(MITOCHONDRIAL.match, rows)) and not any(map(MITOCHONDRIAL.match, columns)):
        evidence = f"{next(filter(MITOCHONDRIAL.match, rows))}, a mitochondrial gene, is a row"
    elif sum(map(bool, map(BARCODE.match, columns))) > len(columns) / 2:
        evidence = f"{next(filter(BARCODE.match, columns))}, a barcode, is a column"
    if evidence:
        raise UserError(
            f"seems to have genes in rows, since {evidence}; set orientation to genes_in_rows, or to cells_in_rows if "
            "this is wrong"
        )
