"""Give each cell type its colour, the same in all pictures, far from those of the types that resemble it."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import colors
from scae.training import expression

with runtime.job(snakemake):
    labels = tables.read_labels(snakemake.input.labels)
    data = expression.read(
        snakemake.input.expression, memory_mb=snakemake.resources.mem_mb, scratch=snakemake.resources.tmpdir
    )
    distances = colors.type_distances(data, labels[data.cells])
    tables.write(colors.table(colors.assign(distances)), snakemake.output.colors)
