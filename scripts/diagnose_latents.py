"""Diagnose the latents of a model for every seed: use, genes, reproducibility, gene sets, generated cells."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.data import expression
from scae.evaluation import diagnosis

with runtime.job(snakemake):
    inputs, params, outputs, resources = snakemake.input, snakemake.params, snakemake.output, snakemake.resources
    data = expression.read(inputs.expression, params.expression["scale"], resources.mem_mb, resources.tmpdir)
    labels = tables.read_labels(inputs.labels)
    found = diagnosis.diagnose(
        data,
        labels[data.cells],
        seeds=params.runs["seeds"],
        deterministic=params.runs["deterministic"],
        latents=[tables.read_points(path, cells=data.cells) for path in inputs.latent],
        histories=[tables.read("history", path) for path in inputs.history],
        kl=[tables.read_points(path, cells=data.cells).to_numpy() for path in inputs.kl],
        models=inputs.model,
        batches=tables.read_batches(inputs.batches)[data.cells] if inputs.batches else None,
        counts=inputs.counts,
        gene_sets=params.gene_sets["gene_sets"],
        training=params.training,
    )
    for name, table in found.items():
        for one, path in zip(table, outputs.health, strict=True) if name == "health" else [(table, outputs[name])]:
            tables.write(one, path)
