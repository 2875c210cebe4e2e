"""model.pt: the same model is the same file, and a loaded model is the saved one."""

import numpy as np
import pytest
import torch
from toy import KINDS, expression_of, fit, random_table, refusal, settings_of

from scae.training import trained, weights


@pytest.fixture(scope="module")
def expression():
    return expression_of(random_table(17, 12))


@pytest.mark.parametrize("kind", KINDS)
def test_a_loaded_model_embeds_as_the_saved_one(kind, expression, tmp_path):
    hyperparameters = KINDS[kind]
    model, _ = fit(expression, kind, hyperparameters=hyperparameters)
    weights.save(model, kind, hyperparameters, settings_of(), expression.genes, tmp_path / "model.pt")
    loaded = weights.load(tmp_path / "model.pt", expression.genes)
    assert weights.hyperparameters(tmp_path / "model.pt") == hyperparameters
    assert not loaded.training
    for estimate in ("posterior_mean", "slab_mean", "sample"):
        found, expected = (trained.embed(either, expression, estimate, seed=4) for either in (loaded, model))
        np.testing.assert_array_equal(found, expected)


def test_the_same_model_is_the_same_file(expression, tmp_path):
    """Neither the name of the file matters, nor whether "cpu" is the same string object as inside torch."""
    contents = set()
    for name, device in (("model.pt", "cpu"), ("another.bin", "cpu"), ("read.pt", "".join(["c", "pu"]))):
        model, _ = fit(expression)
        weights.save(
            model, "beta_vae", KINDS["beta_vae"], settings_of(device=device), expression.genes, tmp_path / name
        )
        contents.add((tmp_path / name).read_bytes())
    assert len(contents) == 1


def test_the_file_holds_weights_and_description_but_no_code(expression, tmp_path):
    settings = settings_of(engine="sparse")
    model, _ = fit(expression)
    weights.save(model, "beta_vae", KINDS["beta_vae"], settings, expression.genes, tmp_path / "model.pt")
    content = torch.load(tmp_path / "model.pt", weights_only=True)
    assert all(isinstance(weight, torch.Tensor) for weight in content.pop("state_dict").values())
    genes = expression.genes.tolist()
    assert content == {"kind": "beta_vae", "hyperparameters": KINDS["beta_vae"], "training": settings, "genes": genes}
    for others in (genes[:-1], [*genes[:-1], "other"], genes[::-1], [*genes, "more"]):
        assert "model.pt: was trained on other genes" in refusal(weights.load, tmp_path / "model.pt", others)


def test_an_unknown_kind_is_not_built():
    with pytest.raises(ModuleNotFoundError):
        weights.build("no_such_kind", 3, {})
