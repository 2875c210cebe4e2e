"""Read a data set from wherever it lives."""

import scae.workflow.runtime as runtime

from pathlib import Path

from scae.data import annotation, samples

with runtime.job(snakemake):
    data = samples.read(snakemake.params.source, Path(snakemake.output.counts).with_name("download"))
    if column := snakemake.resources.label_column:
        annotation.check_column(data.obs, column)
    data.write_h5ad(snakemake.output.counts, compression="gzip")
