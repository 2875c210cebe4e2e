"""Cluster the cells in each space and score clusters and neighbours, for every seed of a model."""

import scae.jobs.runtime as runtime

import numpy as np

from scae import tables
from scae.evaluation import scoring

with runtime.job(snakemake):
    inputs, params, outputs = snakemake.input, snakemake.params, snakemake.output
    paths = dict(zip(params.label_sets, [inputs.labels, *inputs.more_labels], strict=True))
    sets = {name: tables.read_labels(path) for name, path in paths.items()}
    batches = tables.read_batches(inputs.batches) if inputs.batches else None
    distances = np.load(inputs.distances)
    cells = sets[params.label_sets[0]].index
    for number, seed in enumerate(params.seeds):
        spaces = {space: tables.read_points(inputs[space][number], cells) for space in ("tsne2d", "latent")}
        found = scoring.score(spaces, sets, distances, params.kmeans, seed, batches)
        for name, table in found._asdict().items():
            tables.write(table, outputs[name][number])
