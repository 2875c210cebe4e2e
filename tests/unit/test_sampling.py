"""Stratified samples of cells."""

import numpy as np
import pytest

from scae.data import sampling

LABELS = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], [695, 290, 15]))


@pytest.mark.parametrize(("fewest", "sizes"), [(0, [70, 29, 2]), (5, [70, 29, 5]), (50, [70, 50, 15])])
def test_types_keep_their_share_and_rare_ones_their_cells(fewest, sizes):
    chosen = sampling.stratified(LABELS, 100, fewest)
    assert dict(zip(*np.unique(LABELS[chosen], return_counts=True), strict=True)) == dict(
        zip("abc", sizes, strict=True)
    )
    assert (np.diff(chosen) > 0).all()
    assert (chosen == sampling.stratified(LABELS, 100, fewest)).all()


def test_up_to_the_limit_all_cells_are_chosen():
    assert (sampling.stratified(LABELS, 1_000) == np.arange(1_000)).all()
    assert len(sampling.stratified([], 5)) == 0
