"""Filter cells and genes and log-normalise."""

import scae.jobs.runtime as runtime

import importlib

import anndata

from scae import tables
from scae.data import preprocessing, quality

with runtime.job(snakemake):
    settings, outputs = snakemake.params.preprocessing, snakemake.output
    data, chosen = anndata.read_h5ad(snakemake.input.counts, backed="r"), None
    if drop := snakemake.params.drop_unlabelled:
        if snakemake.input.fetched_labels:
            drop = drop | {"path": snakemake.input.fetched_labels}
        labels = importlib.import_module("scae.data.labels")  # by name, so that its code only counts where it is used
        chosen = labels.labelled(labels.given(drop, data.obs), data.obs_names)
    passed = quality.measure(data, settings["qc"], settings["genes"], chosen)
    preprocessing.write(passed, settings["scale_factor"], settings["genes"]["variable"], outputs.expression)
    tables.write(passed.cells.rename_axis("cell").reset_index(), outputs.cells)
    tables.write(passed.limits, outputs.limits)
    tables.write(passed.top_genes.rename_axis("gene").reset_index(), outputs.top_genes)
