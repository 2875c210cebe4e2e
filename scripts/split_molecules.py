"""Split the molecules of each cell into a training half and a test half."""

import scae.jobs.runtime as runtime

from scae.data import thinning

with runtime.job(snakemake):
    resources, outputs = snakemake.resources, snakemake.output
    thinning.write(
        snakemake.input.expression,
        snakemake.params.thinning,
        outputs.expression,
        outputs.test,
        resources.mem_mb,
        resources.tmpdir,
    )
