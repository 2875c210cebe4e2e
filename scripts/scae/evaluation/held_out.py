"""Whether the neighbours of a cell predict molecules that the representation has not seen; no label is used.

A representation is learned from the training half of the molecules (`scae.data.thinning`). The predicted share of a
gene in a cell is a mixture of its share in the training molecules of the cell's nearest other cells and of its share in
those of all cells. The score is the log-likelihood of the test molecules above that of the overall profile, in nats per
1,000 molecules.
"""

from typing import NamedTuple

import h5py
import numpy as np
import pandas as pd
from scipy import sparse

from scae import results
from scae.evaluation import intervals, neighbors, summary
from scae.evaluation.metrics import held_out as score
from scae.models import pca

K = 50  # nearest cells; fewer leave the noise of shallow cells, more blur types that are smaller
WEIGHT = 0.8  # of their shares; the overall profile has the rest
SIZES = (2, 4, 6, 8, 10, 15, 20, 30, 50)  # numbers of principal components
SCORED_CELLS = 10_000  # above it the score is of a fixed random sample of the cells, among all others
CELLS_AT_ONCE = 1_000


class Half(NamedTuple):
    """The molecules of a data set, split once."""

    train: sparse.csr_matrix  # cells x genes, counts of the training half
    test: sparse.csr_matrix  # scored cells x genes, counts of the test half


def chosen(n_cells):
    """Positions of the cells that are scored, ascending."""
    if n_cells <= SCORED_CELLS:
        return np.arange(n_cells)
    return np.sort(np.random.default_rng(0).choice(n_cells, SCORED_CELLS, replace=False))


def nats(points, half):
    """Log-likelihood of the test molecules of each scored cell, above that of the overall profile.

    Args:
        points: (cells, dimensions), learned from the training half.
        half: Half.

    Returns:
        numpy.ndarray: (scored cells,) nats.
    """
    train, n_cells = half.train, half.train.shape[0]
    cells = chosen(n_cells)
    overall = np.asarray(train.sum(axis=0, dtype=np.float64)).ravel()
    overall /= overall.sum()
    nearest = neighbors.nearest(points, K, None if len(cells) == n_cells else cells)
    found = np.empty(len(cells))
    for start in range(0, len(cells), CELLS_AT_ONCE):
        rows, tested = nearest[start : start + CELLS_AT_ONCE], half.test[start : start + CELLS_AT_ONCE]
        starts = np.arange(0, rows.size + 1, rows.shape[1])
        pick = sparse.csr_matrix((np.ones(rows.size), rows.ravel(), starts), (len(rows), n_cells))
        pooled = pick @ train
        totals = np.asarray(pooled.sum(axis=1)).ravel()
        both = tested.astype(bool).multiply(pooled).tocsr()
        ratio = both.data / np.repeat(totals, np.diff(both.indptr)) / overall[both.indices]
        both.data = np.log1p(WEIGHT / (1 - WEIGHT) * ratio)
        gain = np.asarray(both.multiply(tested).sum(axis=1)).ravel()
        found[start : start + CELLS_AT_ONCE] = gain + np.log(1 - WEIGHT) * molecules(tested)
    return found


def molecules(test):
    """Number of test molecules of each cell."""
    return np.asarray(test.sum(axis=1, dtype=np.float64)).ravel()


def tables(runs, molecules, labels):
    """Score of each run with its spread over cells, and in each bootstrap sample of the cells.

    Args:
        runs: {(model, seed): (scored cells,) nats}, summed over the splits.
        molecules: (scored cells,) number of test molecules, likewise.
        labels: (scored cells,) types, within which cells are resampled; all equal where there are none.

    Returns:
        (pandas.DataFrame, pandas.DataFrame): as held_out.csv and held_out_resamples.csv.
    """
    scores, resamples = [], []
    for (model, seed), found in runs.items():
        draws = intervals.resample(
            lambda _, cells, found=found: score(found[cells], molecules[cells]), labels, np.arange(len(labels))
        )
        spread = intervals.spread(score(found, molecules), draws)
        scores.append((model, seed, "held_out", *spread))
        resamples.append(pd.DataFrame({"model": model, "seed": seed, "draw": range(len(draws)), "held_out": draws}))
    columns = results.BY_NAME["held_out"].column_names
    empty = pd.DataFrame(columns=results.BY_NAME["held_out_resamples"].column_names)
    return pd.DataFrame(scores, columns=columns), pd.concat(resamples) if resamples else empty


def components(expression):
    """As many principal components as the largest of `SIZES`, or as there are: (cells, components).

    Args:
        expression: scae.data.expression.Expression of the training half, or of all molecules, which shows what cannot
            be reached.
    """
    return pca.embed(expression, 0, min(SIZES[-1], min(expression.shape) - 1))


def of_sizes(points, half):
    """Nats of each scored cell for each number of principal components.

    Args:
        points: as from `components`.
        half: Half.

    Returns:
        dict: {components: (scored cells,)}.
    """
    return {size: nats(points[:, :size], half) for size in SIZES if size <= points.shape[1]}


def below_best(found, molecules):
    """How far each of several settings is below the best one, over cells.

    Args:
        found: {setting: (scored cells,) nats}.
        molecules: (scored cells,) number of test molecules.

    Returns:
        pandas.DataFrame: a row for each setting: held_out, sd (its standard error over cells), below (the best score
        minus this one), below_sd (standard error of that, from the paired cells).
    """
    best = max(found, key=lambda setting: found[setting].sum())
    rows = [
        (score(one, molecules), _error(one, molecules), score(found[best] - one, molecules),
         _error(found[best] - one, molecules))
        for one in found.values()
    ]  # fmt: skip
    return pd.DataFrame(rows, index=list(found), columns=["held_out", "sd", "below", "below_sd"])


def _error(nats, molecules):
    """Standard error over cells of a ratio of sums: delta method."""
    residual = nats - molecules * (nats.sum() / molecules.sum())
    n_cells = len(nats)
    return 1000 * np.sqrt(n_cells / max(n_cells - 1, 1) * (residual**2).sum()) / molecules.sum()


def read(training, test):
    """Read both halves.

    Args:
        training: path of the expression.h5ad of the training half.
        test: path of the test.h5ad.

    Returns:
        (Half, numpy.ndarray): the molecules, and the names of all cells.
    """
    with h5py.File(training) as file:
        train, obs = _matrix(file["layers/counts"]), file["obs"]
        cells = obs[obs.attrs["_index"]].asstr()[:]
    with h5py.File(test) as file:
        return Half(train, _matrix(file["X"])[chosen(len(cells))]), cells


def _matrix(group):
    return sparse.csr_matrix(tuple(group[name][:] for name in ("data", "indices", "indptr")), group.attrs["shape"])


def choice(found, molecules):
    """Which number of dimensions to take for each model, and which model.

    Args:
        found: {(model, number of dimensions): (scored cells,) nats}; the sizes of a model ascending, the preferred
            model first.
        molecules: (scored cells,) number of test molecules.

    Returns:
        pandas.DataFrame: model, n_latent, held_out, sd; below and below_sd, as of `below_best`, within the model, and
        behind and behind_sd among all; size is 1 for the smallest size of each model that is less than one standard
        error below its best one, and chosen is 1 for the first of these that is also so among all, else 0.
    """
    everything = below_best(found, molecules).rename(columns={"below": "behind", "below_sd": "behind_sd"})
    blocks = []
    for model in dict.fromkeys(model for model, _ in found):
        sizes = {size: nats for (name, size), nats in found.items() if name == model}
        table = below_best(sizes, molecules)[["below", "below_sd"]].rename_axis("size").reset_index()
        blocks.append(table.assign(size=(table["size"] == summary.enough(table, "size")).astype(int)))
    table = pd.concat([everything.reset_index(drop=True), pd.concat(blocks, ignore_index=True)], axis=1)
    near = (table["size"] == 1) & (table["behind"] <= table["behind_sd"])
    best = table["behind"].argmin() if not near.any() else near.argmax()
    table["chosen"] = (np.arange(len(table)) == best).astype(int)
    for place, column in enumerate(("model", "n_latent")):
        table.insert(place, column, [setting[place] for setting in found])
    return table


def sentences(table, kinds):
    """The answer of a table of `choice` in three lines.

    Args:
        table: DataFrame as of `choice`.
        kinds: {model: its kind}.
    """
    best, take = table.loc[table["held_out"].idxmax()], table[table["chosen"] == 1].iloc[0]
    which = "the best of all" if take.name == best.name else f"less than one standard error below {_named(best)}"
    others = [
        f"; {_named(row)} is {row['behind']:.1f} behind the best (standard error {row['behind_sd']:.1f})"
        for _, row in table[(table["size"] == 1) & (table["model"] != take["model"])].iterrows()
    ]
    curves = [
        f"{model}: {', '.join(f'{row.n_latent} {row.held_out:.1f}' for row in rows.itertuples())}"
        for model, rows in table.groupby("model", sort=False)
    ]
    return [
        f"take {_named(take)}: {take['held_out']:.1f} nats per 1,000 held-out molecules, {which}{''.join(others)}",
        f"all sizes: {'; '.join(curves)}",
        f"config: models: {{{take['model']}: {{kind: {kinds[take['model']]}, n_latent: {take['n_latent']}}}}}",
    ]


def _named(row):
    return f"{row['model']} with {row['n_latent']} dimensions"
