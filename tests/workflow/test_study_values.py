"""studies/models.py finds its measures in a finished run."""

import sys

from workflow_project import MODELS, REPOSITORY

sys.path.insert(0, str(REPOSITORY / "studies"))
import models


def test_every_measure_is_read_from_a_run(finished):
    config = finished.config | {"models": models.read_config()["models"], "run": {"seeds": [0]}}
    found = models.values_of_run(finished.folder, config, ["toy"], list(MODELS))
    assert {"knn_accuracy", "ari", "active", "seconds", "variance_reconstructed", "gates_differing"} <= set(
        found["measure"]
    )
    assert not found[["dataset", "model", "seed", "value"]].isna().any(axis=None)
