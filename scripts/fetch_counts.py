"""Read a data set from wherever it lives."""

from scae.data import samples
from scae.workflow import runtime

with runtime.job(snakemake):
    data = samples.read(snakemake.params.source, snakemake.params.downloads)
    data.write_h5ad(snakemake.output.counts, compression="gzip")
