"""Train one model with an external package on the counts, and embed the cells."""

import scae.jobs.runtime as runtime

import importlib

from scae import randomness, tables
from scae.errors import UserError
from scae.models import registry

with runtime.job(snakemake):
    inputs, outputs = snakemake.input, snakemake.output
    hyperparameters = dict(snakemake.params.model)
    kind = hyperparameters.pop("kind")
    model_file = registry.find(kind)
    if problem := model_file.missing():
        raise UserError(problem)
    from scae.data import row_blocks

    with row_blocks.opened(inputs.expression) as data:
        cells = data.obs_names
        if "counts" not in data.layers:
            raise UserError(
                f"{inputs.expression}: {model_file.about['title']} needs counts, but the source has none; "
                "remove the model from run.models"
            )
        counts = row_blocks.in_memory(data.layers["counts"])
    batches = None
    if inputs.counts:  # of all cells that were read
        batch = importlib.import_module("scae.data.batch")  # by name, so that its code only counts where it is used
        batches = batch.read(inputs.counts, snakemake.params.batch["batch"], cells)
    randomness.seed(int(snakemake.wildcards.seed))
    fitted = registry.call(kind, "fit", counts, batches, int(snakemake.wildcards.seed), **hyperparameters)
    registry.validate_fit(fitted, kind)
    for name in ("latent", "kl"):
        points = registry.validate_latent(fitted[name], len(cells), kind)
        latents = [f"z{number}" for number in range(1, points.shape[1] + 1)]
        tables.write_points(points, latents, cells, outputs[name])
    epochs, seconds = len(fitted["history"]), fitted["seconds"]
    tables.write_rows(fitted["history"], outputs.history)
    timing = {
        "epochs": epochs,
        "seconds": round(seconds, 3),
        "cells_per_second": round(epochs * len(cells) / seconds, 1),
        "device": "cpu",
        "threads": 1,
        "engine": model_file.needs["module"],
    }
    tables.write_rows([timing], outputs.timing)
