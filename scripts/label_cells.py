"""Give every cell its cell type, or none."""

import scae.jobs.runtime as runtime

import anndata

from scae import tables
from scae.data import labels, row_blocks

with runtime.job(snakemake), row_blocks.opened(snakemake.input.expression) as expression:
    found = labels.find(
        snakemake.params.labels["labels"],
        expression,
        obs=lambda: anndata.read_h5ad(snakemake.input.counts, backed="r").obs,
    )
    labels.warn_of_sizes(found)
    tables.write(found.reset_index(), snakemake.output.labels)
