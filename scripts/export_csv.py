"""Write expression and labels as the pair of CSV files that the original study read."""

import shutil

import anndata

from scae.data import export
from scae.workflow import runtime

with runtime.job(snakemake):
    export.write_csv(anndata.read_h5ad(snakemake.input.expression), snakemake.output.expression)
    shutil.copyfile(snakemake.input.labels, snakemake.output.labels)
