"""Give every cell its batch."""

import scae.jobs.runtime as runtime

import anndata

from scae import tables
from scae.data import batch

with runtime.job(snakemake):
    obs = anndata.read_h5ad(snakemake.input.counts, backed="r").obs
    labels = tables.read_labels(snakemake.input.labels)
    batches = batch.of_cells(obs, snakemake.params.batch["batch"], labels.index)
    batch.warn_of_types(labels, batches)
    tables.write(batches.reset_index(), snakemake.output.batches)
