"""Write the CSV pair of the original study."""

import gzip
import itertools

from scae.data.row_blocks import RowBlocks


def write_csv(data, path):
    """Write expression as gzipped CSV: ``cell`` and one column per gene, the input format of the original study.

    Each value is the shortest text that reads back as the same float32. Only non-zeros are formatted and rows are
    written one by one, so time scales with the non-zeros and memory with a block. The bytes depend only on the data.

    Args:
        data: AnnData in memory or backed, X CSR float32.
        path: of the file.
    """
    cells = iter(data.obs_names)
    with open(path, "wb") as file, gzip.GzipFile(fileobj=file, mode="wb", filename="", mtime=0, compresslevel=6) as out:
        out.write((",".join(["cell", *map(_quoted, data.var_names)]) + "\n").encode())
        for block in RowBlocks(data.X):
            for start, end in itertools.pairwise(block.indptr):
                row = ["0"] * data.n_vars
                for gene, value in zip(block.indices[start:end], block.data[start:end].astype(str), strict=True):
                    row[gene] = value
                out.write((",".join([_quoted(next(cells)), *row]) + "\n").encode())


def _quoted(name):
    return '"' + name.replace('"', '""') + '"' if set(name) & set(',"\n\r') else name
