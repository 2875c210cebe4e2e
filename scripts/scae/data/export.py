"""The CSV pair of the original study, as output."""

import gzip

from scipy import sparse


def write_csv(data, path):
    """Write expression as gzipped CSV: ``cell`` and one column per gene, the input format of the original study.

    Each value is the shortest text that reads back as the same float32. Only non-zeros are formatted, and rows are
    written one at a time: time and memory follow the non-zeros. The bytes depend on the data alone.
    """
    matrix = sparse.csr_matrix(data.X)
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=6) as out:
        out.write((",".join(["cell", *map(_quoted, data.var_names)]) + "\n").encode())
        for cell, start, end in zip(data.obs_names, matrix.indptr[:-1], matrix.indptr[1:], strict=True):
            row = ["0"] * data.n_vars
            for gene, value in zip(matrix.indices[start:end], matrix.data[start:end].astype(str), strict=True):
                row[gene] = value
            out.write((",".join([_quoted(cell), *row]) + "\n").encode())


def _quoted(name):
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n\r') else name
