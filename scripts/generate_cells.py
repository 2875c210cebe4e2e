"""Let a model make cells, of the latents of real ones and of its prior; hold them against real ones gene by gene."""

import scae.workflow.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import generation
from scae.training import decoding, expression, loop

with runtime.job(snakemake):
    inputs, outputs, resources = snakemake.input, snakemake.output, snakemake.resources
    seeds = snakemake.params.runs["seeds"]
    data = expression.read(inputs.expression, snakemake.params.expression["scale"], resources.mem_mb, resources.tmpdir)
    real, zero_below = generation.of_real(data)
    by_gene, compared = None, []
    for seed, model_path, latent_path in zip(seeds, inputs.model, inputs.latent, strict=True):
        model = loop.load(model_path, data.genes)
        points = {
            generation.RECONSTRUCTED: generation.some(tables.read_points(latent_path, cells=data.cells)),
            generation.GENERATED: decoding.from_prior(model, generation.MOST_CELLS, seed),
        }
        decode, made = decoding.decoder(model), {}
        for name, latents in points.items() if decode else ():
            if latents is not None:
                made[name] = generation.of_made(decode, latents, zero_below, data.genes)
        compared.append(generation.compared(real, made, seed))
        by_gene = generation.by_gene(real, made, seed) if by_gene is None else by_gene
    tables.write(by_gene, outputs.genes)
    tables.write(pd.concat(compared), outputs.summary)
