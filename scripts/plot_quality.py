"""Draw what quality control saw and removed."""

import scae.workflow.runtime as runtime

from scae import tables
from scae.report import plotting, quality_picture

with runtime.job(snakemake):
    cells, limits, top_genes = (tables.read(snakemake.input[name]) for name in ("cells", "limits", "top_genes"))
    figure = quality_picture.quality(cells, limits, top_genes, f"quality control of {snakemake.wildcards.dataset}")
    plotting.save(figure, snakemake.output[0])
