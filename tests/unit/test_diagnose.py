"""All diagnostics of a representation, with and without a trained model."""

import numpy as np
import pandas as pd
import pytest
from toy import KINDS, expression_of, settings_of

from scae import results
from scae.data import expression as expressions
from scae.evaluation import diagnose, diagnostics, generated_cells, generator, inspection, latent_genes
from scae.models import registry
from scae.training import decoding, fitting, trained, weights

TABLE = (
    np.random.default_rng(0)
    .poisson(np.random.default_rng(1).gamma(2, 1, (4, 20))[np.arange(60) % 4])
    .astype(np.float32)
)
EXPRESSION = expression_of(TABLE)
LATENTS = {
    seed: pd.DataFrame(np.random.default_rng(seed).normal(size=(60, 3)), columns=["z1", "z2", "z3"]) for seed in (4, 7)
}
LABELS = ["B", "T", ""] * 20
NO_MODEL = {seed: diagnose.Inspection() for seed in LATENTS}


def columns_are_those_of_the_contract(found):
    return all(list(table.columns) == results.BY_NAME[name].column_names for name, table in found.items())


@pytest.mark.parametrize(("kind", "batched"), [("dae", False), ("beta_vsc", False), ("beta_vae", True)])
def test_a_trained_model(kind, batched, tmp_path):
    batches = np.array(["x", "y"])[np.arange(60) % 2] if batched else None
    data, names = expressions.with_batches(EXPRESSION, batches) if batched else (EXPRESSION, [])
    hyperparameters = {name: entry["default"] for name, entry in registry.find(kind).config.items()}
    hyperparameters |= KINDS[kind] | ({"batch": names} if batched else {})
    training = settings_of(epochs=3, holdout=0.25)
    model, history, _ = fitting.fit(data, kind, hyperparameters, training, seed=4)
    weights.save(model.eval(), kind, hyperparameters, training, data.genes, tmp_path / "model.pt")
    real, zero_below = generated_cells.real_statistics(EXPRESSION)
    found = inspection.inspect(tmp_path / "model.pt", EXPRESSION, training, 4, zero_below, batches)

    assert found.n_trained_on == 45
    assert found.losses == trained.losses(model, data, training, 4)
    assert set(found.values) == set(trained.diagnostics(model, data))
    assert (found.slab is not None) == (kind == "beta_vsc")
    if kind == "beta_vsc":
        np.testing.assert_array_equal(found.slab, trained.embed(model, data, "slab_mean", 4))
    generated = generator.generate(model, data, zero_below, 4)
    assert found.generated.keys() == generated.keys()
    for name, statistics in generated.items():
        pd.testing.assert_frame_equal(found.generated[name], statistics)

    latent = pd.DataFrame(trained.embed(model, data, "posterior_mean", 4)).add_prefix("z")
    table = diagnose.health(latent, EXPRESSION, LABELS, found, pd.DataFrame(history), training)
    whole = table[table["latent"] == "all"].set_index("measure")["value"]
    assert whole["steps"] == 3 * 6
    assert whole["reconstruction_held_out"] == found.losses["reconstruction_held_out"]
    assert ("kl" in set(table["measure"])) == (kind != "dae")
    assert ("gate_one in B" in set(table["measure"])) == (kind == "beta_vsc")

    interpreted = diagnose.interpret({4: latent}, EXPRESSION, {4: found}, {}, False)
    assert columns_are_those_of_the_contract(interpreted)
    moves = latent_genes.moves(latent, found.values, found.slab)
    effects = latent_genes.decoder_effects(decoding.decoder(model, 20), latent, moves)
    pd.testing.assert_frame_equal(
        interpreted["latent_genes"], latent_genes.top_genes(effects, EXPRESSION.genes, 4), check_dtype=False
    )
    compared = diagnose.compare_generated(real, {4: found, 9: found})
    assert columns_are_those_of_the_contract(compared)
    assert set(compared["generated"]["cells"]) == set(generated)
    assert set(compared["generated"]["seed"]) == {4, 9}
    assert set(compared["generated_genes"]["seed"]) == {4}


def test_a_representation_without_a_model():
    found = diagnose.interpret(LATENTS, EXPRESSION, NO_MODEL, {"all": set(EXPRESSION.genes[:5])}, deterministic=False)
    assert columns_are_those_of_the_contract(found)
    assert list(found["latent_genes"]["seed"].unique()) == list(found["latent_matches"]["seed"].unique()) == [4, 7]
    assert found["latent_traversals"].empty
    moves = latent_genes.moves(LATENTS[7])
    expected = latent_genes.top_genes(
        latent_genes.regression_effects(EXPRESSION, LATENTS[7], moves), EXPRESSION.genes, 7
    )
    rows = found["latent_genes"][found["latent_genes"]["seed"] == 7]
    pd.testing.assert_frame_equal(rows.reset_index(drop=True), expected)
    fixed = diagnose.interpret(LATENTS, EXPRESSION, NO_MODEL, {}, deterministic=True)
    assert fixed["latent_matches"].empty
    assert columns_are_those_of_the_contract(fixed)


def test_without_a_decoder_the_tables_of_generated_cells_are_empty():
    real, _ = generated_cells.real_statistics(EXPRESSION)
    found = diagnose.compare_generated(real, NO_MODEL)
    assert columns_are_those_of_the_contract(found)
    assert all(table.empty for table in found.values())


def test_an_external_model_and_simulated_cells():
    external = diagnose.Inspection(values={"kl": np.full((60, 3), [2.0, 0.01, 1.0])}, n_trained_on=60)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [5.0, 4.0]})
    programs = {"programs": LATENTS[4].to_numpy()[:, :2]}
    table = diagnose.health(LATENTS[4], EXPRESSION, LABELS, external, history, {"batch_size": 32}, programs)
    whole = table[table["latent"] == diagnostics.WHOLE].set_index("measure")["value"]
    assert (whole["active"], whole["steps"], whole["recovered_programs"]) == (2, 4, 1)
    assert list(latent_genes.moves(LATENTS[4], external.values).index) == ["z1", "z3"]
