"""Train one model with one seed; resume from a checkpoint of a killed job."""

import scae.jobs.runtime as runtime

import importlib
from pathlib import Path

from scae import tables
from scae.data import expression
from scae.training import checkpoint, fitting, weights
from scae.training.batches import split

with runtime.job(snakemake):
    resources, outputs = snakemake.resources, snakemake.output
    hyperparameters = dict(snakemake.params.model)
    kind = hyperparameters.pop("kind")
    seed = int(snakemake.wildcards.seed)
    data = expression.read(
        snakemake.input.expression, snakemake.params.expression["scale"], resources.mem_mb, resources.tmpdir
    )
    if snakemake.params.expression.get("counts"):
        counts = importlib.import_module("scae.data.counts")  # by name, so that its code counts where it is used alone
        data = counts.add(data, snakemake.input.expression, resources.tmpdir)
    if snakemake.input.counts:  # of a batch-conditioned model
        batch = importlib.import_module("scae.data.batch")  # by name, so that its code only counts where it is used
        batches = batch.read(snakemake.input.counts, hyperparameters["batch"], data.cells)
        data, hyperparameters["batch"] = expression.with_batches(data, batches)
    settings = fitting.resolve(snakemake.params.training, data.density)
    trained, _ = split(len(data.cells), settings, seed)
    settings = fitting.with_enough_steps(settings, len(trained))
    fingerprint = checkpoint.fingerprint(
        data, code=snakemake.params.code, model=snakemake.params.model, training=settings, seed=seed
    )
    path = Path(outputs.model).with_name("checkpoint.pt")
    with checkpoint.Checkpoint(path, float(resources.checkpoint_minutes), fingerprint) as saved:
        model, history, seconds = fitting.fit(data, kind, hyperparameters, settings, seed, saved)
    weights.save(model, kind, hyperparameters, settings, data.genes, outputs.model)
    tables.write_rows(history, outputs.history)
    tables.write_rows([fitting.timing(seconds, len(trained), settings | {"epochs": len(history)})], outputs.timing)
    saved.remove()
