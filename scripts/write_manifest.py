"""Write the digests of all results, and what made them."""

import scae.jobs.runtime as runtime

import logging

from scae.jobs import record
from scae.report import manifest

with runtime.job(snakemake):
    origins = record.read(runtime.folder_of_logs(snakemake))
    manifest.write(snakemake.input, origins, snakemake.output[0])
    for name, made in manifest.mixed(snakemake.input, origins).items():
        logging.warning("the results were made with several versions of %s: %s", name, ", ".join(made))
