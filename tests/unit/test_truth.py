"""Recovered programs against correlations computed one by one."""

import numpy as np
import pandas as pd
import pytest
from test_simulation import SETTINGS

from scae.evaluation import truth
from scae.sources import simulation


def recovery(points, **programs):
    latents = pd.DataFrame(points, columns=[f"z{number + 1}" for number in range(points.shape[1])])
    table = truth.recovery(latents, programs)
    assert set(table["latent"]) == {"all"}
    return table.set_index("measure")["value"]


def test_recovery_is_by_the_best_correlation_of_each_program():
    source = np.random.default_rng(0)
    activity = source.normal(size=(200, 4))
    points = activity @ source.normal(size=(4, 3)) + 0.3 * source.normal(size=(200, 3))
    best = [max(abs(np.corrcoef(program, latent)[0, 1]) for latent in points.T) for program in activity.T]
    found = recovery(points, programs=activity)
    assert found["true_programs"] == 4
    assert 0 < found["recovered_programs"] == np.mean([r >= 0.7 for r in best]) < 1
    assert found["correlation_programs"] == pytest.approx(np.mean(best))


def test_sign_and_scale_do_not_matter_and_constants_recover_nothing():
    activity = np.random.default_rng(0).normal(size=(100, 2))
    points = np.column_stack([5 - 3 * activity[:, 0], np.ones(100)])
    found = recovery(points, programs=activity[:, :1], nuisance=activity[:, 1:])
    assert (found["recovered_programs"], found["recovered_nuisance"]) == (1, 0)
    assert found["correlation_programs"] == pytest.approx(1)


def test_programs_are_read_for_the_remaining_cells(tmp_path):
    data = simulation.simulate(SETTINGS | {"nuisance": 1})
    data.write_h5ad(tmp_path / "counts.h5ad")
    cells = data.obs_names[[7, 3, 250]]
    found = truth.read(tmp_path / "counts.h5ad", cells)
    assert set(found) == {"programs", "nuisance"}
    np.testing.assert_array_equal(found["programs"], data[cells].obsm["true_programs"])
