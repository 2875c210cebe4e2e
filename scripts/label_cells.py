"""Give every cell its cell type."""

import scae.workflow.runtime as runtime

import anndata

from scae import tables
from scae.data import labels

with runtime.job(snakemake):
    settings = snakemake.params.labels["labels"]
    expression = anndata.read_h5ad(snakemake.input.expression)
    if settings["from"] == "obs":
        found = labels.from_annotation(anndata.read_h5ad(snakemake.input.counts, backed="r").obs, settings["column"])
    elif settings["from"] == "csv":
        found = labels.from_csv(settings["path"])
    else:
        found = labels.from_clusters(expression, settings)
    tables.write(labels.match(found, expression.obs_names).reset_index(), snakemake.output.labels)
