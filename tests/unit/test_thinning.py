"""Both halves of the molecules: they add up, are independent for Poisson counts, and do not depend on blocks."""

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from toy import refusal

from scae.data import thinning

SETTINGS = {"share": 0.5, "repeat": 1, "scale_factor": 10_000}


def write(path, counts, layers=True, **obs):
    """An expression.h5ad of these counts, with its layer or with logarithms alone."""
    counts = sparse.csr_matrix(counts, dtype=np.float32)
    total = np.asarray(counts.sum(axis=1)).ravel()
    scaled = counts.multiply((1e4 / np.maximum(total, 1))[:, None]).tocsr().log1p()
    cells = pd.DataFrame(obs, index=[f"cell{number}" for number in range(counts.shape[0])])
    data = anndata.AnnData(scaled.astype(np.float32), obs=cells)
    if layers:
        data.layers["counts"] = counts
    data.write_h5ad(path)


def split(folder, **settings):
    thinning.write(folder / "whole.h5ad", SETTINGS | settings, folder / "half.h5ad", folder / "test.h5ad")
    return anndata.read_h5ad(folder / "half.h5ad"), anndata.read_h5ad(folder / "test.h5ad")


def counts(n_cells=300, n_genes=40, mean=3.0):
    return np.random.default_rng(0).poisson(mean, (n_cells, n_genes))


@pytest.mark.parametrize("layers", [True, False])
def test_the_halves_have_the_cells_and_genes_of_the_whole_and_add_up(tmp_path, layers):
    whole = counts()
    write(tmp_path / "whole.h5ad", whole, layers)
    half, test = split(tmp_path, share=0.3)
    assert np.array_equal((half.layers["counts"] + test.X).toarray(), whole)
    assert list(half.obs_names) == list(test.obs_names)
    assert list(half.var_names) == list(test.var_names)
    share = half.layers["counts"].sum() / whole.sum()
    assert share == pytest.approx(0.3, abs=4 * np.sqrt(0.21 / whole.sum()))
    totals = np.asarray(half.layers["counts"].sum(axis=1))
    assert np.allclose(half.X.toarray(), np.log1p(half.layers["counts"].toarray() / totals * 1e4), rtol=1e-5)
    assert half.X.dtype == np.float32
    assert (half.X.indptr == half.layers["counts"].indptr).all()


def test_the_halves_of_poisson_counts_are_independent_and_those_of_others_are_not():
    random = np.random.default_rng(1)
    poisson = random.poisson(4.0, (4_000, 25))
    shared = random.poisson(4.0 * random.gamma(2.0, 0.5, (4_000, 25)))  # var = mean + mean² / 2
    for molecules, expected in ((poisson, 0.0), (shared, 0.5)):
        halves = [half.toarray() for half in thinning.split(sparse.csr_matrix(molecules), 0.5, random)]
        assert [half.mean() for half in halves] == pytest.approx([2.0, 2.0], rel=0.02)
        first, second = (half - half.mean(axis=0) for half in halves)
        correlation = (first * second).mean() / (first.std() * second.std())
        # of two Poisson counts of mean m with a shared factor of variance v: m v / (1 + m v)
        assert correlation == pytest.approx(expected * 2 / (1 + expected * 2) if expected else 0, abs=0.02)


def test_molecules_of_genes_that_were_not_kept_count_for_the_total(tmp_path):
    whole = counts()
    write(tmp_path / "whole.h5ad", whole, total=2.0 * whole.sum(axis=1))
    half, _ = split(tmp_path)
    kept = np.asarray(half.layers["counts"].sum(axis=1)).ravel()
    totals = 1e4 * half.layers["counts"].toarray().max(axis=1) / np.expm1(half.X.toarray().max(axis=1))
    assert np.allclose(totals, np.rint(totals), atol=0.05)  # whole molecules
    assert (totals / kept).mean() == pytest.approx(2, rel=0.02)


def test_blocks_and_memory_do_not_change_the_halves_and_a_repeat_does(tmp_path, monkeypatch):
    write(tmp_path / "whole.h5ad", counts(2_300, 10))
    first = split(tmp_path)
    thinning.write(tmp_path / "whole.h5ad", SETTINGS, tmp_path / "half.h5ad", tmp_path / "test.h5ad", 1e-3, tmp_path)
    again = anndata.read_h5ad(tmp_path / "half.h5ad")
    assert np.array_equal(first[0].X.toarray(), again.X.toarray())
    other, _ = split(tmp_path, repeat=2)
    assert not np.array_equal(first[0].X.toarray(), other.X.toarray())


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        ((3, ...), 0, "cell3 has no molecule"),
        ((2, 5), 2**24 + 2, "16,777,216"),
        ((2, 5), 1.5, "whole numbers"),
        ((...), 0, "no molecules"),
    ],
)
def test_what_cannot_be_split_is_refused_in_one_line(tmp_path, place, value, said):
    whole = counts().astype(float)
    whole[place] = value
    write(tmp_path / "whole.h5ad", whole)
    message = refusal(split, tmp_path)
    assert said in message
    assert "held_out_molecules" in message


def test_reads_without_umis_are_refused(tmp_path):
    write(tmp_path / "whole.h5ad", np.random.default_rng(0).negative_binomial(2, 0.0002, (50, 40)))
    assert "UMI" in refusal(split, tmp_path)
