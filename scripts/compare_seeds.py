"""Measure how far the seeds of each model agree, on clusters and on the space of the latents."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import stability

with runtime.job(snakemake):
    files, run = tables.Files(snakemake.input), snakemake.params.run
    cells = tables.read_points(snakemake.input.latent[0]).index
    runs = {
        model: [
            tuple(
                tables.read_points(files.path(name, model=model, seed=seed), cells) for name in ("clusters", "latent")
            )
            for seed in run["seeds"]
        ]
        for model in run["models"]
    }
    over_seeds, of_cells = stability.measure(runs)
    tables.write(over_seeds, snakemake.output.stability)
    tables.write(of_cells, snakemake.output.cell_stability)
