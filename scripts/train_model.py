"""Train one model with one seed."""

import anndata

from scae import runtime, tables, training

with runtime.job(snakemake):
    expression = anndata.read_h5ad(snakemake.input.expression)
    hyperparameters = dict(snakemake.params.model)
    kind = hyperparameters.pop("kind")
    settings = snakemake.params.training
    model, history, seconds = training.fit(
        expression.X, kind, hyperparameters, settings, seed=int(snakemake.wildcards.seed)
    )
    training.save(model, kind, hyperparameters, expression.var_names, snakemake.output.model)
    tables.write(history, snakemake.output.history)
    tables.write(training.timing(seconds, expression.n_obs, settings), snakemake.output.timing)
