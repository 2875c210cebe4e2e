"""Read a data set from wherever it lives."""

import scae.jobs.runtime as runtime

from pathlib import Path

from scae.sources import annotation, samples

with runtime.job(snakemake):
    resources = snakemake.resources
    data = samples.read(snakemake.params.source, Path(snakemake.output.counts).with_name("download"))
    for key, column in (("labels.column", resources.label_column), ("batch", resources.batch_column)):
        if column:
            annotation.check_column(data.obs, column, key)
    data.write_h5ad(snakemake.output.counts, compression="gzip")
