"""Check what each latent does: how much it says of a cell, how it is used, what is left of the expression."""

import scae.jobs.runtime as runtime

import logging

import pandas as pd

from scae import tables
from scae.data import expression
from scae.evaluation import diagnostics, truth

with runtime.job(snakemake):
    inputs, resources = snakemake.input, snakemake.resources
    labels = tables.read_labels(inputs.labels)
    latent = tables.read_points(inputs.latent, cells=labels.index)
    data = expression.read(inputs.expression, snakemake.params.expression["scale"], resources.mem_mb, resources.tmpdir)
    inside, terms, of_training = {}, None, []
    if inputs.kl:  # of what a package of its own has trained
        inside = {"kl": tables.read_points(inputs.kl, cells=labels.index).to_numpy()}
        of_training = [diagnostics.of_training(tables.read(inputs.history), len(data.cells), snakemake.params.training)]
    elif inputs.model:  # what needs no training has none
        from scae.training import batches, trained, weights

        model, settings = weights.load(inputs.model, data.genes), snakemake.params.training
        if inputs.batches:
            names = weights.hyperparameters(inputs.model)["batch"]
            data, _ = expression.with_batches(data, tables.read_batches(inputs.batches).loc[data.cells], names)
        seed = int(snakemake.wildcards.seed)
        inside, terms = trained.diagnostics(model, data), trained.losses(model, data, settings, seed)
        seen, _ = batches.split(len(data.cells), settings, seed)
        of_training = [diagnostics.of_training(tables.read(inputs.history), len(seen), settings)]
    known = [truth.recovery(latent, truth.read(inputs.counts, latent.index))] if inputs.counts else []
    table = pd.concat(
        [
            diagnostics.measure(latent, inside, labels),
            diagnostics.reconstruction(latent, data, terms),
            *of_training,
            *known,
        ],
        ignore_index=True,
    )
    for sentence in diagnostics.warnings(table):
        logging.info(sentence)
    tables.write(table, snakemake.output.health)
