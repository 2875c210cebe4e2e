"""Diagnose the latents of a model, for every seed: use, genes, reproducibility, gene sets, generated cells."""

import scae.jobs.runtime as runtime

import importlib
import logging

from scae import tables
from scae.data import expression
from scae.evaluation import diagnose, diagnostics, gene_sets, generated_cells, truth

with runtime.job(snakemake):
    inputs, params, outputs, resources = snakemake.input, snakemake.params, snakemake.output, snakemake.resources
    data = expression.read(inputs.expression, params.expression["scale"], resources.mem_mb, resources.tmpdir)
    if params.expression.get("counts"):
        data = importlib.import_module("scae.data.counts").add(data, inputs.expression, resources.tmpdir)
    labels = tables.read_labels(inputs.labels)[data.cells]
    batches = tables.read_batches(inputs.batches)[data.cells] if inputs.batches else None
    programs = truth.read(inputs.counts, labels.index) if inputs.counts else None
    real, zero_below = generated_cells.real_statistics(data) if inputs.model else (None, None)
    seeds, latents, inspections = params.runs["seeds"], {}, {}
    for number, seed in enumerate(seeds):
        latents[seed] = tables.read_points(inputs.latent[number], cells=data.cells)
        history = tables.read("history", inputs.history[number]) if inputs.history else None
        inspections[seed] = diagnose.Inspection()
        if inputs.kl:
            kl = tables.read_points(inputs.kl[number], cells=data.cells).to_numpy()
            inspections[seed] = diagnose.Inspection({"kl": kl}, n_trained_on=len(data.cells))
        elif inputs.model:  # by name, so that the code of training only counts for models trained here
            inspect = importlib.import_module("scae.evaluation.inspection").inspect
            inspections[seed] = inspect(inputs.model[number], data, params.training, seed, zero_below, batches)
        health = diagnose.health(latents[seed], data, labels, inspections[seed], history, params.training, programs)
        for sentence in diagnostics.warnings(health):
            logging.info("seed %d: %s", seed, sentence)
        tables.write(health, outputs.health[number])
    path = params.gene_sets["gene_sets"]
    sets = gene_sets.read(path, data.genes) if path else {}
    found = diagnose.interpret(latents, data, inspections, sets, params.runs["deterministic"])
    found |= diagnose.compare_generated(real, inspections)
    for name, table in found.items():
        tables.write(table, outputs[name])
