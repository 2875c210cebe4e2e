"""The .h5 files of Cell Ranger, in the layouts before and since version 3, and of CellBender."""

from contextlib import contextmanager

import pandas as pd

from scae.errors import UserError
from scae.sources import annotation, features, hdf5_files
from scae.sources.matrices import REPAIR, Content


@contextmanager
def open_10x_h5(path, reading):
    """Content of a 10x .h5; before Cell Ranger 3 it has one matrix per genome, and ``reading.genome`` chooses one.

    Its arrays are genes x cells by columns, which is cells x genes by rows.
    """
    with hdf5_files.opened(path) as file:
        if "matrix" in file:
            group, table = file["matrix"], file["matrix/features"]
            columns = {"name": "name", "id": "gene_ids", "feature_type": "feature_types", "genome": "genome"}
        else:
            chosen = _choose_genome(sorted(file), reading.genome)
            group = table = file[chosen]
            columns = {"gene_names": "name", "genes": "gene_ids"}
        genes = pd.DataFrame(
            {ours: hdf5_files.text(table[theirs]) for theirs, ours in columns.items() if theirs in table}
        )
        if "matrix" not in file:
            genes["genome"] = chosen
        cells = annotation.text(hdf5_files.text(group["barcodes"]))
        shape = tuple(map(int, group["shape"][...]))[::-1]
        if shape != (len(cells), len(genes)):
            raise UserError(
                f"its matrix has {shape[0]} cells x {shape[1]} genes, but there are names of {len(cells)} cells and "
                f"{len(genes)} genes; {REPAIR}"
            )
        genes = features.named(genes)
        yield Content(pd.DataFrame(index=cells), {"X": hdf5_files.compressed(group, shape, "csr", genes)})


def _choose_genome(genomes, genome):
    if genome in genomes:
        return genome
    if len(genomes) == 1 and genome is None:
        return genomes[0]
    raise UserError(f"contains one matrix per genome ({', '.join(genomes)}); set genome to one of them")
