"""studies/models.py finds its scores and differences in a finished run."""

import sys

from workflow_project import MODELS, REPOSITORY

sys.path.insert(0, str(REPOSITORY / "studies"))
import models


def test_every_score_is_read_from_a_run(finished):
    found = models.real_scores(finished.folder)
    assert set(MODELS) <= set(found["model"])
    assert {"knn_accuracy", "ari"} <= set(found["metric"])
    assert not found[["dataset", "model", "seed", "value"]].isna().any(axis=None)
    assert all(line.startswith("- toy, ") for line in models.shown_on_real(finished.folder).splitlines())
