"""Sweeps: an entry with lists becomes a model for each combination, named after its values; a bad one is one line."""

import pytest
from settings import changed, load, problem

from scae.config import sweeps
from scae.errors import UserError

SWEPT = {"kind": "beta_vae", "sweep": {"beta": [0.25, 1, 4], "n_latent": [6, 20]}}
OFF = {"batch": False}
POINTS = {"vae": {"vae_beta4": {"beta": 4.0}, "vae_beta1": {"beta": 1.0}}}


@pytest.fixture
def swept(config):
    config["models"]["vae"] = SWEPT
    return config


def test_each_combination_is_a_model_named_after_its_values(swept):
    found = load(swept)
    names = [f"vae_beta{beta}_n_latent{latents}" for beta in ("0.25", "1", "4") for latents in (6, 20)]
    assert found["run"]["models"] == sorted(names)
    assert found["models"]["vae_beta0.25_n_latent6"] == {"kind": "beta_vae", "beta": 0.25, "n_latent": 6} | OFF
    assert "vae" not in found["models"]
    assert list(found["sweeps"]["vae"]) == names  # in the order of the lists
    assert found["sweeps"]["vae"]["vae_beta1_n_latent20"] == {"beta": 1.0, "n_latent": 20}


def test_a_model_of_a_sweep_does_not_depend_on_the_lists(swept):
    """So a longer list runs only the new models, and one that is written out is the same."""
    before = load(swept)["models"]
    after = load(changed(swept, "models.vae.sweep.beta", [16, 4, 1, 0.25]))["models"]
    assert len(after) == len(before) + 2
    assert before.items() <= after.items()
    by_hand = changed(swept, "models.vae", {"kind": "beta_vae", "beta": 4, "n_latent": 20})
    assert load(by_hand)["models"]["vae"] == before["vae_beta4_n_latent20"]


def test_single_models_of_a_sweep_can_be_run(swept):
    for run, n_models in ((["vae_beta1_n_latent6", "plain"], 2), (["vae_beta1_n_latent6", "vae"], 6), (["plain"], 1)):
        found = load(changed(swept, "run.models", run))
        assert len(found["run"]["models"]) == n_models
        assert len(found.get("sweeps", {}).get("vae", ())) == {2: 1, 6: 6, 1: 0}[n_models]
        assert ("sweeps" in found) is (n_models > 1)


def test_words_and_numbers_are_told_apart_in_a_name():
    swept = {"models": {"m": {"kind": "nothing", "sweep": {"word": ["clamp"], "on": [True, None], "n": [2.0, 1e-5]}}}}
    assert list(sweeps.expand(swept)["m"]) == [
        "m_word-clamp_on-true_n2",
        "m_word-clamp_on-true_n1e-05",
        "m_word-clamp_on-none_n2",
        "m_word-clamp_on-none_n1e-05",
    ]


def test_the_order_of_a_run_is_kept():
    assert sweeps.spelled_out(["pca", "vae", "dae"], POINTS) == ["pca", "vae_beta4", "vae_beta1", "dae"]
    assert sweeps.spelled_out(["pca", "pca"], POINTS) == ["pca", "pca"]  # the schema reports it


@pytest.mark.parametrize("values", [[1, 3], ["0.25", "3"]])
@pytest.mark.parametrize("kind", [{}, {"kind": "beta_vae"}])
def test_a_sweep_replaces_a_value_of_an_earlier_file(kind, values, layered, config):
    config["models"]["vae"] = {"kind": "beta_vae", "beta": 2.0, "n_latent": 4}
    overlay = {"models": {"vae": kind | {"sweep": {"beta": values}}}}
    found = layered(command_line=overlay) if isinstance(values[0], str) else layered(overlay)
    n_latent = 6 if kind else 4  # a kind replaces the whole entry
    assert found["models"]["vae_beta3"] == {"kind": "beta_vae", "beta": 3.0, "n_latent": n_latent} | OFF


def test_a_value_beside_the_sweep_in_the_same_file_is_an_error(layered, config):
    with pytest.raises(UserError, match=r"models\.vae\.sweep\.beta: "):
        layered({"models": {"vae": {"beta": 2.0, "sweep": {"beta": [1, 3]}}}})


def test_another_kind_removes_the_sweep(layered, config):
    config["models"]["vae"] = SWEPT
    assert layered({"models": {"vae": {"kind": "dae"}}})["models"]["vae"]["kind"] == "dae"


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        ("sweep", {}, "sweep: needs a list"),
        ("sweep", [1, 2], "sweep: needs a list"),
        ("sweep", None, "sweep: needs a list"),
        ("sweep.beta", [], "sweep.beta: needs a list"),
        ("sweep.beta", 3, "sweep.beta: needs a list"),
        ("sweep.gamma", [1, 2], "sweep.gamma: is not a hyperparameter of beta_vae"),
        ("sweep.kind", ["dae"], "sweep.kind: is not a hyperparameter"),
        ("kind", "dae", "sweep.beta: is not a hyperparameter of dae"),
        ("kind", "gan", "kind: 'gan' is not one of"),
        ("beta", 2.0, "sweep.beta: "),
        ("sweep.beta", [1, 1.0], "sweep.beta: 1.0 is given twice"),
        ("sweep.beta", [[1, 2]], "sweep.beta: [1, 2] cannot be swept"),
        ("sweep.n_latent", list(range(1, 101)), "sweep: has 300 models, but at most 100"),
        # of the models of a sweep, by the schema
        ("sweep.beta", [1, -1], "sweep.beta: -1.0 is less than the minimum"),
        ("batch", 3, "batch: 3 is not of type boolean"),
    ],
)
def test_a_bad_sweep_is_one_line(key, value, line, swept):
    assert problem(changed(swept, f"models.vae.{key}", value)).startswith(f"models.vae.{line}")


def test_a_name_that_is_taken_is_one_line(swept):
    swept["models"]["vae_beta1_n_latent6"] = {"kind": "dae"}
    assert problem(swept).startswith('models.vae.sweep: creates a model "vae_beta1_n_latent6"')


def test_a_contradiction_of_a_swept_model_names_the_sweep(swept):
    given = changed(swept, "models.vae", {"kind": "given", "sweep": {"key": ["X_one", "X_two"]}})
    message = problem(changed(given, "datasets.toy.source", "https://example.org/counts.csv"))
    assert message.startswith("models.vae.sweep.key: ")


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("datasets vae_beta4 beta", "datasets vae_beta4 beta"),
        ("models", "models"),
        ("models vae_beta4", "models vae"),
        ("models vae_beta4 beta 0", "models vae sweep beta 0"),
        ("models vae_beta4 n_latent", "models vae n_latent"),
        ("models other beta", "models other beta"),
    ],
)
def test_keys_are_named_as_the_user_wrote_them(path, written):
    assert sweeps.as_written(path.split(), POINTS) == written.split()
