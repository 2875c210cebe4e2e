"""Write expression and labels as the pair of CSV files that the original study read."""

import scae.workflow.runtime as runtime

import shutil

import anndata

from scae.data import export

with runtime.job(snakemake):
    export.write_csv(anndata.read_h5ad(snakemake.input.expression, backed="r"), snakemake.output.expression)
    shutil.copyfile(snakemake.input.labels, snakemake.output.labels)
