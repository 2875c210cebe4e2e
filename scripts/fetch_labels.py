"""Fetch the labels of a label set that lie behind a URL or in one file per sample."""

import scae.jobs.runtime as runtime

from pathlib import Path

from scae import tables
from scae.data import label_files

with runtime.job(snakemake):
    output = Path(snakemake.output.labels)
    tables.write(label_files.fetch(snakemake.params.labels, output.parents[1] / "download"), output)
