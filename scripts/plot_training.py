"""Draw the loss curves of every training on a data set, and each model's generated cells against real ones."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing, generated, training

with runtime.job(snakemake):
    inputs, outputs = (tables.Files(paths) for paths in (snakemake.input, snakemake.output))
    for run, path in outputs.all("losses_png"):
        drawing.save(training.losses(inputs.read("history", **run), drawing.run_title(**run)), path)
    for model, path in outputs.all("generated_png"):
        title = drawing.run_title(**model, seed=snakemake.params.seed)
        drawing.save(generated.draw(inputs.read("generated_genes", **model), title), path)
