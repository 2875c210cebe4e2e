"""Draw what quality control saw and removed."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing, quality

with runtime.job(snakemake):
    cells, limits, top_genes = (tables.read(snakemake.input[name]) for name in ("cells", "limits", "top_genes"))
    figure = quality.quality(cells, limits, top_genes, f"quality control of {snakemake.wildcards.dataset}")
    drawing.save(figure, snakemake.output[0])
