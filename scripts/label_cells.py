"""Give every cell its cell type, or none."""

import scae.jobs.runtime as runtime

import anndata

from scae import tables
from scae.data import labels, row_blocks

with runtime.job(snakemake), row_blocks.opened(snakemake.input.expression) as expression:
    settings = snakemake.params.labels["labels"]
    if snakemake.input.fetched_labels:
        settings = settings | {"path": snakemake.input.fetched_labels}
    found = labels.find(settings, expression, obs=lambda: anndata.read_h5ad(snakemake.input.counts, backed="r").obs)
    labels.warn_of_sizes(found)
    tables.write(found.reset_index(), snakemake.output.labels)
