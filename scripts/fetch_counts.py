"""Read a data set from wherever it lives."""

import scae.workflow.runtime as runtime

from pathlib import Path

from scae.data import samples

with runtime.job(snakemake):
    data = samples.read(snakemake.params.source, Path(snakemake.output.counts).with_name("download"))
    data.write_h5ad(snakemake.output.counts, compression="gzip")
