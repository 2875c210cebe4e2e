"""Measure how far the seeds of each model agree, on clusters and on the space of the latents."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import stability

with runtime.job(snakemake):
    inputs, params = snakemake.input, snakemake.params
    cells = tables.read_points(inputs.latent[0]).index
    files = iter(zip(inputs.clusters, inputs.latent, strict=True))
    runs = {
        model: [tuple(tables.read_points(path, cells=cells) for path in next(files)) for _ in range(seeds)]
        for model, seeds in params.runs.items()
    }
    over_seeds, of_cells = stability.measure(runs)
    tables.write(over_seeds, snakemake.output.stability)
    tables.write(of_cells, snakemake.output.cell_stability)
