"""Give each cell type its colour, the same in all pictures, far from those of the types that resemble it."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import expression, type_colors

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    data = expression.read(
        snakemake.input.expression, memory_mb=snakemake.resources.mem_mb, scratch=snakemake.resources.tmpdir
    )
    distances = type_colors.type_distances(data, labels[data.cells])
    tables.write(type_colors.table(type_colors.assign(distances)), snakemake.output.colors)
