"""Say what each latent means: the genes it moves, whether other seeds find it again, the gene sets it is rich in."""

import scae.workflow.runtime as runtime

import pandas as pd

from scae import tables
from scae.evaluation import effects, gene_sets, matching
from scae.training import expression

with runtime.job(snakemake):
    inputs, params, outputs, resources = snakemake.input, snakemake.params, snakemake.output, snakemake.resources
    data = expression.read(inputs.expression, params.expression["scale"], resources.mem_mb, resources.tmpdir)
    path = params.gene_sets["gene_sets"]
    sets = gene_sets.read(path, data.genes) if path else {}
    found, curves = {}, []
    for number, seed in enumerate(params.runs["seeds"]):
        latent = tables.read_points(inputs.latent[number], cells=data.cells)
        inside, slab, decode = {}, None, None
        if inputs.model:
            from scae.training import decoding, loop

            model = loop.load(inputs.model[number], data.genes)
            inside = loop.inside(model, data)
            slab = loop.embed(model, data, "slab_mean", seed) if "gate" in inside else None
            decode = decoding.decoder(model, len(data.genes))
        elif inputs.kl:
            inside = {"kl": tables.read_points(inputs.kl[number], cells=data.cells).to_numpy()}
        moves = effects.moves(latent, inside, slab)
        of_all = effects.of_decoder(decode, latent, moves) if decode else effects.of_regression(data, latent, moves)
        found[seed] = effects.strongest(of_all)
        curves.append(effects.traversals(decode, latent, found[seed], data.genes, seed))
    tops = [effects.top_genes(of_seed, data.genes, seed) for seed, of_seed in found.items()]
    tables.write(pd.concat(tops), outputs.genes)
    tables.write(pd.concat(curves), outputs.traversals)
    compared = {} if params.runs["deterministic"] else found  # the same again says nothing
    tables.write(matching.matches(compared), outputs.matches)
    rich = [gene_sets.enrichment(of_seed, data.genes, sets, seed) for seed, of_seed in found.items()]
    tables.write(pd.concat(rich), outputs.sets)
