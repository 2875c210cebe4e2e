"""Models that are told the batch of each cell (batch: true), so that their latents need not tell it."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from settings import SCHEMA
from sklearn.neighbors import KNeighborsClassifier
from toy import ENGINES, KINDS, expression_of, settings_of

from scae.data import batch, preprocessing
from scae.data.expression import with_batches
from scae.errors import UserError
from scae.evaluation import batch_mixing
from scae.models import registry
from scae.sources import simulation
from scae.training import checkpoint, decoding, fitting
from scae.training.batches import DenseBatches

N_CELLS, NAMES = 40, ["early", "late", "middle"]


@pytest.fixture(scope="module")
def table():
    source = np.random.default_rng(0)
    return (source.gamma(2.0, 1.0, (N_CELLS, 12)) * (source.random((N_CELLS, 12)) < 0.6)).astype(np.float32)


@pytest.fixture(scope="module")
def expression(table):
    names = np.array(NAMES, object)[np.random.default_rng(1).permutation(np.arange(N_CELLS) % 3)]
    told, found = with_batches(expression_of(table), names)
    assert found == NAMES
    assert np.array(NAMES, object)[told.batch_index].tolist() == names.tolist()
    return told


def fit(expression, kind, saved=None, batch=NAMES, **settings):
    hyperparameters = KINDS[kind] | {"batch": batch}
    return fitting.fit(expression, kind, hyperparameters, settings_of(epochs=4, batch_size=8) | settings, 0, saved)


def weights_of(model):
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("kind", KINDS)
def test_without_it_no_bit_changes(kind, table, expression):
    plain, history, _ = fitting.fit(expression_of(table), kind, KINDS[kind], settings_of(epochs=4, batch_size=8), 0)
    off, same, _ = fit(expression, kind, batch=False)
    assert torch.equal(weights_of(plain), weights_of(off))
    assert history == same
    entry = {"kind": kind} | KINDS[kind]
    assert registry.find(kind).settings(entry | {"batch": False}) == entry
    settings = {"training": settings_of()}
    assert checkpoint.fingerprint(expression_of(table), **settings) != checkpoint.fingerprint(expression, **settings)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_have_the_gradients_of_the_plain_formula(kind, scaled, table, expression):
    offset = np.linspace(-1, 1, 12) if scaled else None
    expression, _ = with_batches(expression_of(table, offset), np.array(NAMES, object)[expression.batch_index])
    cells = torch.tensor([7, 3, 30, 12, 39, 0, 21])
    x = torch.from_numpy(table + (0 if offset is None else offset)).float()[cells]
    one_hot = torch.eye(3)[expression.batch_index[cells.numpy()]]
    gradients = {}
    for engine in (*ENGINES, "formula"):
        torch.manual_seed(0)
        model = fitting.build(kind, 12, KINDS[kind] | {"batch": NAMES})
        if engine == "formula":

            def decode(_, z, model=model):
                weight, bias = model.decoder.output.weight, model.decoder.output.bias
                decoded = model.decoder.hidden(z) @ weight[:, :128].T + one_hot @ weight[:, 128:].T + bias
                return (x - decoded).square().sum() / len(x)

            model.decoder.squared_error = decode
        made = fitting.make_batches(expression, settings_of(engine="sparse" if engine == "sparse" else "dense"))(cells)
        torch.manual_seed(1)
        model.loss(made)["loss"].backward()
        gradients[engine] = [parameter.grad for parameter in model.parameters()]
    for engine in ENGINES:
        for found, expected in zip(gradients[engine], gradients["formula"], strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupted_training_ends_in_the_same_bits(kind, engine, expression, tmp_path, monkeypatch):
    undisturbed, history, _ = fit(expression, kind, engine=engine)
    done, add = [], fitting._Run.add

    def killed(run, *arguments):
        add(run, *arguments)
        done.append(1)
        if len(done) == 8:  # in the middle of the second epoch
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(fitting._Run, "add", killed)
        with pytest.raises(KeyboardInterrupt):
            fit(expression, kind, checkpoint.Checkpoint(tmp_path / "checkpoint.pt", 0, "mine"), engine=engine)
    saved = checkpoint.Checkpoint(tmp_path / "checkpoint.pt", 0, "mine")
    assert saved.load()["epoch"] == 2
    again, of_again, _ = fit(expression, kind, saved, engine=engine)
    assert torch.equal(weights_of(undisturbed), weights_of(again))
    assert history == of_again


@pytest.mark.parametrize("kind", KINDS)
def test_the_file_of_a_model_has_the_names_and_its_decoder_takes_the_mean_over_batches(kind, expression, tmp_path):
    model, _, _ = fit(expression, kind)
    fitting.save(model, kind, KINDS[kind] | {"batch": NAMES}, settings_of(), expression.genes, tmp_path / "model.pt")
    assert fitting.hyperparameters(tmp_path / "model.pt") == KINDS[kind] | {"batch": NAMES}
    back = fitting.load(tmp_path / "model.pt", expression.genes)
    points = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32)
    with torch.no_grad():
        hidden = back.decoder.hidden(torch.from_numpy(points)).double()
        weight = back.decoder.output.weight.double()
        expected = hidden @ weight[:, :128].T + weight[:, 128:].mean(dim=1) + back.decoder.output.bias
    np.testing.assert_allclose(
        decoding.decoder(back, expected.shape[1])(points), expected.numpy(), rtol=1e-4, atol=1e-5
    )
    assert fitting.losses(back, expression, settings_of(), seed=0)["reconstruction"] > 0


def test_a_cell_is_decoded_with_its_own_batch(expression):
    model, _, _ = fit(expression, "dae")
    made = DenseBatches(expression, torch.device("cpu"))(torch.tensor([4, 9]))
    assert made.batch_index.tolist() == expression.batch_index[[4, 9]].tolist()
    z = torch.zeros(2, 6)
    with torch.no_grad():
        apart = model.decoder(z, torch.tensor([0, 1]))
        weight = model.decoder.output.weight
        torch.testing.assert_close(apart[0] - apart[1], weight[:, 128] - weight[:, 129], rtol=1e-4, atol=1e-5)


def test_what_cannot_be_told_is_refused_in_a_line(table):
    expression = expression_of(table)
    with pytest.raises(UserError, match=r'batch: all cells are of one batch \("a"\), of which'):
        with_batches(expression, ["a"] * N_CELLS)
    with pytest.raises(UserError, match=r"batch: 1 of 40 cells have no batch, and a model with batch: true needs"):
        with_batches(expression, ["a", "", *["b"] * (N_CELLS - 2)])
    with pytest.raises(UserError, match='batch: the model was not trained on cells of "c"'):
        with_batches(expression, ["a", "c", *["b"] * (N_CELLS - 2)], ["a", "b"])


@pytest.mark.parametrize("column", ["text", "whole", "missing", "flag"])
def test_the_batch_of_a_cell_is_read_as_the_table_of_batches_has_it(column, tmp_path):
    whole = np.arange(12) % 3
    obs = pd.DataFrame(
        {
            "text": pd.Categorical(np.array([" b", "a", "c"])[whole]),
            "whole": whole,
            "missing": np.where(whole == 2, np.nan, whole),
            "flag": whole == 1,
        },
        index=[f"cell{number}" for number in range(12)],
    )
    anndata.AnnData(np.ones((12, 2), np.float32), obs=obs).write_h5ad(tmp_path / "counts.h5ad")
    cells = obs.index[[7, 2, 5, 0]]
    found = batch.read(tmp_path / "counts.h5ad", column, cells)
    pd.testing.assert_series_equal(found, batch.of_cells(obs, column, cells))
    with pytest.raises(UserError, match='batch: the data has no column "lane"; it has'):
        batch.read(tmp_path / "counts.h5ad", "lane", cells)


@pytest.mark.parametrize("kind", KINDS)
def test_batches_mix_and_types_stay_on_cells_of_which_both_are_known(kind):
    known = SCHEMA["properties"]["datasets"]["additionalProperties"]["properties"]["simulation"]["properties"]
    settings = {name: entry.get("default") for name, entry in known.items()}
    settings |= {
        "cells": 400,
        "genes": 300,
        "program_genes": 30,
        "signal": 2.0,
        "batches": 3,
        "batch_effect": 0.8,
        "seed": 1,
    }
    data = simulation.simulate(settings)
    types, batches = (data.obs[name].astype(str).to_numpy() for name in ("type", "batch"))
    told, names = with_batches(expression_of(preprocessing.log_normalize(data.X, 1e4)), batches)
    mixed, kept = {}, {}
    for batch_names in (False, names):
        model, _, _ = fit(told, kind, batch=batch_names, epochs=80, batch_size=32, learning_rate=0.003, engine="sparse")
        points = fitting.embed(model.eval(), told, "posterior_mean", seed=0).astype(float)
        mixed[bool(batch_names)] = batch_mixing.integration(points, batches)
        kept[bool(batch_names)] = KNeighborsClassifier(15).fit(points, types).score(points, types)
    assert mixed[True] > mixed[False] + 0.3
    assert kept[True] >= kept[False] - 0.02
