"""Say what each latent means: the genes it moves, whether other seeds find it again, the gene sets it is rich in."""

import scae.jobs.runtime as runtime

import pandas as pd

from scae import tables
from scae.data import expression
from scae.evaluation import gene_sets, latent_genes, latent_matches

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
            from scae.training import decoding, trained, weights

            model = weights.load(inputs.model[number], data.genes)
            inside = trained.diagnostics(model, data)
            slab = trained.embed(model, data, "slab_mean", seed) if "gate" in inside else None
            decode = decoding.decoder(model, len(data.genes))
        elif inputs.kl:
            inside = {"kl": tables.read_points(inputs.kl[number], cells=data.cells).to_numpy()}
        moves = latent_genes.moves(latent, inside, slab)
        of_all = (
            latent_genes.of_decoder(decode, latent, moves)
            if decode
            else latent_genes.of_regression(data, latent, moves)
        )
        found[seed] = latent_genes.strongest(of_all)
        curves.append(latent_genes.traversals(decode, latent, found[seed], data.genes, seed))
    tops = [latent_genes.top_genes(of_seed, data.genes, seed) for seed, of_seed in found.items()]
    tables.write(pd.concat(tops), outputs.genes)
    tables.write(pd.concat(curves), outputs.traversals)
    compared = {} if params.runs["deterministic"] else found  # the same again says nothing
    tables.write(latent_matches.matches(compared), outputs.matches)
    rich = [gene_sets.enrichment(of_seed, data.genes, sets, seed) for seed, of_seed in found.items()]
    tables.write(pd.concat(rich), outputs.sets)
