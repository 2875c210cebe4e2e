"""Give every cell its cell type, or none."""

import scae.jobs.runtime as runtime

import anndata

from scae import tables
from scae.data import labels, row_blocks

inputs, about = snakemake.input, labels.about(snakemake.resources.label_set)
with runtime.job(snakemake), about, row_blocks.opened(inputs.expression) as expression:
    settings = snakemake.params.labels["labels"]
    if inputs.fetched_labels:
        settings = settings | {"path": inputs.fetched_labels}
    found = labels.find(settings, expression, obs=lambda: anndata.read_h5ad(inputs.counts, backed="r").obs)
    labels.warn_of_sizes(found)
    tables.write(found.reset_index(), snakemake.output.labels)
