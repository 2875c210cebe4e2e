"""All diagnostics of a representation: the health of its latents, their genes, and its generated cells.

Needs no torch: `scae.evaluation.inspection` reads a trained model, and gives an `Inspection` of it.
"""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from scae.evaluation import (
    diagnostics,
    gene_sets,
    generated_cells,
    latent_genes,
    latent_matches,
    truth,
)


@dataclass(frozen=True)
class Inspection:
    """What is known of the model of one seed; empty for a representation without a model."""

    values: dict = field(default_factory=dict)  # {"kl" in nats, "gate" from 0 to 1, …: (cells, latents)}
    slab: np.ndarray | None = None  # (cells, latents) mean of the slab, for a model with gates
    losses: dict | None = None  # {"reconstruction": …}, means over cells
    n_trained_on: int = 0  # cells, without those held out
    decode: object = None  # function (cells, latents) -> (cells, genes)
    generated: dict = field(default_factory=dict)  # as from scae.evaluation.generator.generate


def health(latent, expression, labels, inspection, history=None, training=None, programs=None):
    """Diagnostics of the latents of one seed.

    Args:
        latent: DataFrame (cells, latents).
        expression: scae.data.expression.Expression of these cells.
        labels: (cells,) types, empty for unlabelled cells.
        inspection: Inspection.
        history: DataFrame with the loss of each epoch, for a trained model.
        training: dict with batch_size, for a trained model.
        programs: as from `scae.evaluation.truth.read`, for simulated cells.

    Returns:
        pandas.DataFrame: latent, measure, value.
    """
    found = [
        diagnostics.measure(latent, inspection.values, labels),
        diagnostics.reconstruction(latent, expression, inspection.losses, inspection.decode),
    ]
    if history is not None:
        of_counts = expression.counts is not None
        needed = diagnostics.FEW_STEPS_OF_COUNTS if of_counts else diagnostics.FEW_STEPS
        found.append(diagnostics.training(history, inspection.n_trained_on, training, needed))
    if programs:
        found.append(truth.recovery(latent, programs))
    return pd.concat(found, ignore_index=True)


def interpret(latents, expression, inspections, sets, deterministic):
    """Genes, reproducibility and gene sets of the active latents of all seeds.

    Args:
        latents: {seed: DataFrame (cells, latents)}.
        expression: scae.data.expression.Expression of these cells.
        inspections: {seed: Inspection}.
        sets: {name: set of gene names}, as from `scae.evaluation.gene_sets.read`; may be empty.
        deterministic: whether all seeds give the same latents; then there is nothing to match.

    Returns:
        dict: tables by their name in `scae.results.CONTRACT`: latent_genes, latent_matches, latent_sets,
        latent_traversals.
    """
    genes, effects, curves = expression.genes, {}, []
    for seed, latent in latents.items():
        inspection = inspections[seed]
        moves = latent_genes.moves(latent, inspection.values, inspection.slab)
        if inspection.decode:
            found = latent_genes.decoder_effects(inspection.decode, latent, moves)
        else:
            found = latent_genes.regression_effects(expression, latent, moves)
        effects[seed] = latent_genes.strongest(found)
        curves.append(latent_genes.traversals(inspection.decode, latent, effects[seed], genes, seed))
    return {
        "latent_genes": pd.concat(latent_genes.top_genes(found, genes, seed) for seed, found in effects.items()),
        "latent_matches": latent_matches.matches({} if deterministic else effects),
        "latent_sets": pd.concat(gene_sets.enrichment(found, genes, sets, seed) for seed, found in effects.items()),
        "latent_traversals": pd.concat(curves),
    }


def compare_generated(real, inspections):
    """Compare reconstructed and generated cells with real ones.

    Args:
        real: as from `scae.evaluation.generated_cells.real_statistics`.
        inspections: {seed: Inspection}.

    Returns:
        dict: tables by their name in `scae.results.CONTRACT`: generated, and generated_genes of the first seed; both
        without rows if no model has a decoder.
    """
    summaries = [generated_cells.compare(real, found.generated, seed) for seed, found in inspections.items()]
    first, inspection = next(iter(inspections.items()))
    if inspection.generated:
        genes = generated_cells.by_gene(real, inspection.generated, first)
    else:
        genes = pd.DataFrame(columns=generated_cells.COLUMNS)
    return {"generated": pd.concat(summaries), "generated_genes": genes}
