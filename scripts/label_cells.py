"""Give every cell its cell type, or none."""

import scae.workflow.runtime as runtime

import anndata

from scae import tables
from scae.data import labels

with runtime.job(snakemake):
    settings = snakemake.params.labels["labels"]
    expression = anndata.read_h5ad(snakemake.input.expression)
    if settings["from"] == "none":
        found = labels.unscored(expression.obs_names)
    elif settings["from"] == "clusters":
        found = labels.match(labels.from_clusters(expression, settings), expression.obs_names)
    else:
        obs = anndata.read_h5ad(snakemake.input.counts, backed="r").obs
        found = labels.match(labels.given(settings, obs), expression.obs_names, settings["missing"])
    labels.warn_of_sizes(found)
    tables.write(found.reset_index(), snakemake.output.labels)
