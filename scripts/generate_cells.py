"""Let a model make cells, of the posterior of real ones and of its prior; hold them against real ones gene by gene."""

import scae.jobs.runtime as runtime

import importlib

import pandas as pd

from scae import tables
from scae.data import expression
from scae.evaluation import generated_cells, generator
from scae.training import weights

with runtime.job(snakemake):
    inputs, outputs, resources = snakemake.input, snakemake.output, snakemake.resources
    data = expression.read(inputs.expression, snakemake.params.expression["scale"], resources.mem_mb, resources.tmpdir)
    if inputs.counts:  # of a model that is told the batch of each cell
        batch = importlib.import_module("scae.data.batch")  # by name, so that its code counts where it is used alone
        batches = batch.read(inputs.counts, snakemake.params.model["batch"], data.cells)
        data, _ = expression.with_batches(data, batches, weights.hyperparameters(inputs.model[0])["batch"])
    real, zero_below = generated_cells.of_real(data)
    made = {
        seed: generator.of_model(weights.load(path, data.genes), data, zero_below, seed)
        for seed, path in zip(snakemake.params.runs["seeds"], inputs.model, strict=True)
    }
    first = snakemake.params.runs["seeds"][0]
    tables.write(generated_cells.by_gene(real, made[first], first), outputs.genes)
    compared = [generated_cells.compared(real, of_seed, seed) for seed, of_seed in made.items()]
    tables.write(pd.concat(compared), outputs.summary)
