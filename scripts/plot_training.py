"""Draw the loss curves of every model trained on a data set, and its generated cells against real ones."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing, generated, training

with runtime.job(snakemake):
    inputs, outputs = (tables.Files(paths) for paths in (snakemake.input, snakemake.output))
    for where, path in outputs.all("losses_png"):
        histories = {int(run["seed"]): tables.read("history", file) for run, file in inputs.all("history", **where)}
        drawing.save(training.losses(histories, "{model} on {dataset}".format(**where)), path)
    for model, path in outputs.all("generated_png"):
        title = drawing.run_title(**model, seed=snakemake.params.seed)
        drawing.save(generated.draw(inputs.read("generated_genes", **model), title), path)
