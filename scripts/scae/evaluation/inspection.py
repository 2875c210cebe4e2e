"""Inspect a trained model: its posterior, losses, decoder and generated cells."""

from scae.data import expression as expressions
from scae.evaluation import generator
from scae.evaluation.diagnose import Inspection
from scae.training import batches as training_batches
from scae.training import decoding, trained, weights


def inspect(path, expression, training, seed, zero_below, batches=None):
    """Inspect the model of one seed.

    Args:
        path: of model.pt.
        expression: scae.data.expression.Expression it was trained on.
        training: dict of the training settings, with holdout.
        seed: of the run.
        zero_below: (genes,) as from `scae.evaluation.generated_cells.real_statistics`.
        batches: (cells,) names of batches, for a batch-conditioned model; else None.

    Returns:
        scae.evaluation.diagnose.Inspection

    Raises:
        UserError: if the model file returns something else than it should.
    """
    if batches is not None:
        expression, _ = expressions.with_batches(expression, batches, weights.hyperparameters(path)["batch"])
    model, n_cells = weights.load(path, expression.genes), len(expression.cells)
    values = trained.diagnostics(model, expression)
    losses = trained.losses(model, expression, training, seed)
    if expression.counts is not None:
        losses.pop("reconstruction", None)  # in nats, not comparable with the squared error of other models
    trained_on, _ = training_batches.split(n_cells, training, seed)
    return Inspection(
        values=values,
        slab=trained.embed(model, expression, "slab_mean", seed) if "gate" in values else None,
        losses=losses,
        n_trained_on=len(trained_on),
        decode=decoding.decoder(model, len(expression.genes)),
        generated=generator.generate(model, expression, zero_below, seed),
    )
