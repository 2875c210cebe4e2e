"""Read a data set from wherever it lives."""

import scae.workflow.runtime as runtime

from scae.data import counts, source_files
from scae.errors import UserError

with runtime.job(snakemake):
    reading = dict(snakemake.params.source)
    source, sha256 = reading.pop("source"), reading.pop("sha256")
    if source_files.is_url(source):
        from scae.data import download

        source = download.fetch(source, snakemake.params.downloads, sha256)
    elif sha256 is not None and (found := counts.sha256(source)) != sha256:
        raise UserError(f"{source}: SHA-256 is {found}, expected {sha256}; set sha256 to null to read it all the same")
    counts.read(source, **reading).write_h5ad(snakemake.output.counts, compression="gzip")
