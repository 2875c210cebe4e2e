"""Filter cells and genes and log-normalise."""

import scae.workflow.runtime as runtime

import anndata

from scae.data import preprocessing

with runtime.job(snakemake):
    expression = preprocessing.preprocess(anndata.read_h5ad(snakemake.input.counts), **snakemake.params.preprocessing)
    expression.write_h5ad(snakemake.output.expression)
