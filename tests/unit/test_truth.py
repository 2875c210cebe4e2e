"""Recovered programs against correlations computed one by one."""

import numpy as np
import pandas as pd
import pytest
from test_simulation import SETTINGS

from scae.evaluation import truth
from scae.sources import simulation


def latents(points):
    return pd.DataFrame(points, columns=[f"z{number + 1}" for number in range(points.shape[1])])


def values(table):
    assert list(table.columns) == ["latent", "measure", "value"]
    assert set(table["latent"]) == {"all"}
    return dict(zip(table["measure"], table["value"], strict=True))


def test_recovery_is_the_best_correlation_of_each_program():
    source = np.random.default_rng(0)
    activity = source.normal(size=(200, 4))
    points = activity @ source.normal(size=(4, 3)) + source.normal(size=(200, 3))
    best = [max(abs(np.corrcoef(program, latent)[0, 1]) for latent in points.T) for program in activity.T]
    found = values(truth.recovery(latents(points), {"programs": activity}))
    assert found["true_programs"] == 4
    assert found["recovered_programs"] == np.mean([r >= 0.7 for r in best])
    assert found["correlation_programs"] == pytest.approx(np.mean(best))


def test_a_program_is_recovered_whatever_sign_and_scale_its_latent_has():
    activity = np.random.default_rng(0).normal(size=(100, 2))
    points = np.column_stack([5 - 3 * activity[:, 0], np.ones(100)])  # the second latent is constant
    found = values(truth.recovery(latents(points), {"programs": activity[:, :1], "nuisance": activity[:, 1:]}))
    assert (found["recovered_programs"], found["recovered_nuisance"]) == (1, 0)
    assert found["correlation_programs"] == pytest.approx(1)


def test_truth_is_read_for_the_cells_that_are_left(tmp_path):
    data = simulation.simulate(SETTINGS | {"nuisance": 1})
    data.write_h5ad(tmp_path / "counts.h5ad")
    chosen = data.obs_names[[7, 3, 250]]
    found = truth.read(tmp_path / "counts.h5ad", chosen)
    assert set(found) == {"programs", "nuisance"}
    np.testing.assert_array_equal(found["programs"], data[chosen].obsm["true_programs"])


def test_latents_recover_the_programs_of_strong_types_and_none_of_noise():
    data = simulation.simulate(SETTINGS | {"signal": 1.5})
    known = {"programs": data.obsm["true_programs"]}
    expression = np.log1p(1e4 * data.X.toarray() / data.X.sum(axis=1))
    own = data.varm["true_programs"].T @ expression.T  # what each program's genes say, (programs, cells)
    noise = np.random.default_rng(0).normal(size=(data.n_obs, 6))
    assert values(truth.recovery(latents(own.T), known))["recovered_programs"] == 1
    assert values(truth.recovery(latents(noise), known))["recovered_programs"] == 0
