"""Batch-conditioned models (batch: true), whose latents need not encode the batch of a cell."""

import anndata
import numpy as np
import pandas as pd
import pytest
import torch
from toy import ENGINES, KINDS, expression_of, fit, random_table, refusal, settings_of

from scae.data import batch
from scae.data.expression import with_batches
from scae.training import checkpoint, decoding, fitting, trained, weights

N_CELLS, N_GENES, NAMES = 40, 12, ["early", "late", "middle"]


@pytest.fixture(scope="module")
def table():
    return random_table(N_CELLS, N_GENES)


@pytest.fixture(scope="module", params=["plain", "scaled"])
def expression(request, table):
    offset = np.linspace(-1, 1, N_GENES) if request.param == "scaled" else None
    batches = np.array(NAMES, object)[np.random.default_rng(1).permutation(np.arange(N_CELLS) % 3)]
    found, names = with_batches(expression_of(table, offset), batches)
    assert names == NAMES
    assert np.array(NAMES, object)[found.batch_index].tolist() == batches.tolist()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_both_engines_have_the_gradients_of_the_formula(kind, table, expression):
    cells = torch.tensor([7, 3, 30, 12, 39, 0, 21])
    x = torch.from_numpy(table + expression.offset).float()[cells]
    one_hot = torch.eye(3)[expression.batch_index[cells.numpy()]]
    gradients = {}
    for engine in (*ENGINES, "formula"):
        torch.manual_seed(0)
        model = weights.build(kind, N_GENES, KINDS[kind] | {"batch": NAMES})
        if engine == "formula":

            def squared_error(_, z, model=model):
                weight, bias = model.decoder.output.weight, model.decoder.output.bias
                decoded = model.decoder.hidden(z) @ weight[:, :128].T + one_hot @ weight[:, 128:].T + bias
                return (x - decoded).square().sum() / len(x)

            model.decoder.squared_error = squared_error
        made = fitting.make_batches(expression, settings_of(engine=engine))(cells)
        assert made.batch_index.tolist() == expression.batch_index[cells.numpy()].tolist()
        torch.manual_seed(3)
        model.loss(made)["loss"].backward()
        gradients[engine] = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    for engine in ENGINES:
        torch.testing.assert_close(gradients[engine], gradients["formula"], rtol=1e-4, atol=1e-4)


def test_the_batches_are_in_the_model_file_and_in_the_fingerprint(table, expression, tmp_path):
    model, _ = fit(expression, "dae", hyperparameters={"batch": NAMES})
    hyperparameters = KINDS["dae"] | {"batch": NAMES}
    weights.save(model, "dae", hyperparameters, settings_of(), expression.genes, tmp_path / "model.pt")
    assert weights.hyperparameters(tmp_path / "model.pt") == hyperparameters
    loaded = weights.load(tmp_path / "model.pt", expression.genes)
    assert trained.losses(loaded, expression, settings_of(), seed=0)["reconstruction"] > 0
    without = expression_of(table, expression.offset)
    assert checkpoint.fingerprint(without, seed=0) != checkpoint.fingerprint(expression, seed=0)


def test_the_decoder_takes_the_batch_of_a_cell_or_the_mean_over_batches(expression):
    model, _ = fit(expression, "dae", hyperparameters={"batch": NAMES})
    points, index = np.random.default_rng(0).normal(size=(5, 6)).astype(np.float32), np.array([0, 2, 1, 1, 0])
    with torch.no_grad():
        weight = model.decoder.output.weight.double()
        hidden = model.decoder.hidden(torch.from_numpy(points)).double()
        shared = hidden @ weight[:, :128].T + model.decoder.output.bias
    decode = decoding.decoder(model, N_GENES)
    np.testing.assert_allclose(decode(points), (shared + weight[:, 128:].mean(dim=1)).detach(), rtol=1e-4, atol=1e-5)
    expected = (shared + weight[:, 128:].T[index]).detach()
    np.testing.assert_allclose(decode(points, index), expected, rtol=1e-4, atol=1e-5)


def test_unusable_batches_are_refused(table):
    expression, others = expression_of(table), ["b"] * (N_CELLS - 2)
    for batches, names, fragment in (
        (["a"] * N_CELLS, None, '"a"'),
        (["a", "", *others], None, "1 of 40 cells"),
        (["a", "c", *others], ["a", "b"], '"c"'),
    ):
        message = refusal(with_batches, expression, batches, *([names] if names else []))
        assert message.startswith("batch: ")
        assert fragment in message


@pytest.mark.parametrize("column", ["text", "whole", "missing", "flag"])
def test_the_batch_of_a_cell_is_read_as_the_table_of_batches_has_it(column, tmp_path):
    whole = np.arange(12) % 3
    columns = {"text": pd.Categorical(np.array([" b", "a", "c"])[whole]), "whole": whole, "flag": whole == 1}
    columns["missing"] = np.where(whole == 2, np.nan, whole)
    obs = pd.DataFrame(columns, index=[f"cell{number}" for number in range(12)])
    anndata.AnnData(np.ones((12, 2), np.float32), obs=obs).write_h5ad(tmp_path / "counts.h5ad")
    cells = obs.index[[7, 2, 5, 0]]
    found = batch.read(tmp_path / "counts.h5ad", column, cells)
    pd.testing.assert_series_equal(found, batch.of_cells(obs, column, cells))
    assert '"lane"' in refusal(batch.read, tmp_path / "counts.h5ad", "lane", cells)
