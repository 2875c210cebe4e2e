"""What a latent means: the signed effect on each gene of moving it, all others of a cell held still.

A trained model is asked through its own decoder, which the attribute ``decoder`` of its page is: latents to expression.
For what has none, principal components and embeddings that are given, the best linear decoder stands in: the regression
of each gene on all latents. Of principal components these are the loadings. That the decoder moves a gene does not say
that a cell would; the effects are read off the model, not off the cells.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scae.evaluation import diagnostics

ENDS = (0.05, 0.95)  # quantiles over the cells, between which a latent is moved
SAMPLE = 500  # cells at most, over which effects are averaged
SWITCHES = (0.05, 0.95)  # share of the cells in which a gate is on, between which it is a switch
MOST_LATENTS = 50
TOP = 20  # genes of each sign that the table has
CURVES = 3  # genes of each sign, that are followed along the move and drawn
STEPS = 9  # values of the latent along its move
COLUMNS = ["seed", "latent", "move", "low", "high", "gene", "effect"]
CURVE_COLUMNS = ["seed", "latent", "gene", "value", "expression"]


@dataclass(frozen=True)
class Effects:
    """Effects of the live latents of one run."""

    changes: np.ndarray  # (live latents, genes): change of the expression between both ends of the move
    moves: pd.DataFrame  # index latent; move (percentiles or switch), low, high, sd of the latent over the cells

    @property
    def per_sd(self):
        """Effects of a move by one standard deviation, (live latents, genes)."""
        return self.changes * (self.moves["sd"] / (self.moves["high"] - self.moves["low"])).to_numpy()[:, None]


def moves(latent, inside=None, slab=None):
    """Between which values each live latent is moved.

    From its 5th to its 95th percentile over the cells; a gate that is on in some cells and off in others is switched,
    from 0 to the mean of its slab in the cells in which it is on. A latent is live by its KL divergence, as
    `scae.evaluation.diagnostics` has it, or else if it is not constant.

    Args:
        latent: DataFrame (cells, latents).
        inside: {"kl" and "gate", where the model has them: (cells, latents)}.
        slab: (cells, latents), mean of the slab; for a model with gates.

    Returns:
        pandas.DataFrame: index latent, the live ones; move, low, high, sd.
    """
    inside, points = inside or {}, latent.to_numpy(dtype=float)
    low, high = np.quantile(points, ENDS, axis=0)
    live = np.ptp(points, axis=0) > 0
    if "kl" in inside:
        live = diagnostics.is_live(inside["kl"].mean(axis=0), points.std(axis=0))
    move = np.full(points.shape[1], "percentiles", object)
    if "gate" in inside:
        on = inside["gate"] > 0.5
        share = on.mean(axis=0)
        switch = (share > SWITCHES[0]) & (share < SWITCHES[1])
        level = (slab * on).sum(axis=0) / np.maximum(on.sum(axis=0), 1)
        low, high = np.where(switch, 0.0, low), np.where(switch, level, high)
        move[switch] = "switch"
    flat = low == high  # more than 95 % of the cells at one value: its whole range
    low, high = np.where(flat, points.min(axis=0), low), np.where(flat, points.max(axis=0), high)
    table = pd.DataFrame({"move": move, "low": low, "high": high, "sd": points.std(axis=0)}, index=latent.columns)
    return table[live & (table["low"] != table["high"])].rename_axis("latent")


def of_decoder(decode, latent, found):
    """Effects by a decoder: of each move, the mean over (at most 500, always the same) cells.

    Args:
        decode: function (cells, latents) float32 array -> (cells, genes) array.
        latent: DataFrame (cells, latents), in which the other latents of a cell are held still.
        found: as from `moves`.

    Returns:
        Effects
    """
    expression_at = _decoded(decode, latent)
    values = [expression_at(name, move["high"]) - expression_at(name, move["low"]) for name, move in found.iterrows()]
    return Effects(np.array(values) if values else np.zeros((0, 0)), found)


def _decoded(decode, latent):
    """Function (latent, value) -> (genes,): the mean over the cells, when this latent of all has this value."""
    points = latent.to_numpy(dtype=np.float32)
    if len(points) > SAMPLE:
        points = points[np.sort(np.random.default_rng(0).choice(len(points), SAMPLE, replace=False))]

    def expression_at(name, value):
        moved = points.copy()
        moved[:, latent.columns.get_loc(name)] = value
        return np.asarray(decode(moved), dtype=float).mean(axis=0)

    return expression_at


def of_regression(expression, latent, found):
    """Effects by the best linear decoder: slopes of each gene on all latents by least squares, times each move.

    Args:
        expression: scae.data.expression.Expression.
        latent: DataFrame (cells, latents).
        found: as from `moves`.

    Returns:
        Effects
    """
    arrays = expression.data.astype(np.float64), expression.indices, expression.indptr
    matrix = sparse.csr_matrix(arrays, shape=expression.shape)
    points = latent.to_numpy(dtype=float)
    solver = np.linalg.pinv(
        points - points.mean(axis=0)
    )  # (latents, cells); its rows sum to 0, as if genes were centred
    slopes = (matrix.T @ solver.T).T  # (latents, genes)
    chosen = latent.columns.get_indexer(found.index)
    return Effects(slopes[chosen] * (found["high"] - found["low"]).to_numpy()[:, None], found)


def strongest(effects):
    """The (at most 50) latents that move the genes most, in their order; a wide model has more than can be compared."""
    if len(effects.moves) <= MOST_LATENTS:
        return effects
    kept = np.sort(np.argsort(-np.linalg.norm(effects.changes, axis=1), kind="stable")[:MOST_LATENTS])
    return Effects(effects.changes[kept], effects.moves.iloc[kept])


def top_genes(effects, genes, seed):
    """The genes that each live latent moves most, up to 20 of each sign, the strongest first.

    Returns:
        pandas.DataFrame: seed, latent, move, low, high, gene, effect.
    """
    rows = []
    for (name, move), values in zip(effects.moves.iterrows(), effects.changes, strict=True):
        for chosen in (ranked(values)[:TOP], ranked(-values)[:TOP]):
            rows += [
                (seed, name, move["move"], move["low"], move["high"], genes[gene], values[gene]) for gene in chosen
            ]
    return pd.DataFrame(rows, columns=COLUMNS)


def traversals(decode, latent, effects, genes, seed):
    """What a decoder makes of the genes that each live latent moves most, at nine values from low to high of its move.

    Args:
        decode: as in `of_decoder`; None where there is no decoder: along a regression every curve is a straight line.
        latent: DataFrame (cells, latents).
        effects: Effects of the latents to follow.
        genes: names of all genes.
        seed: of the run.

    Returns:
        pandas.DataFrame: seed, latent, gene, value (of the latent), expression (mean over cells).
    """
    rows = []
    if decode:
        expression_at = _decoded(decode, latent)
        for (name, move), values in zip(effects.moves.iterrows(), effects.changes, strict=True):
            chosen = [*ranked(values)[:CURVES], *ranked(-values)[:CURVES]]
            at = {value: expression_at(name, value) for value in np.linspace(move["low"], move["high"], STEPS)}
            rows += [(seed, name, genes[gene], value, at[value][gene]) for gene in chosen for value in at]
    return pd.DataFrame(rows, columns=CURVE_COLUMNS)


def ranked(values):
    """Numbers of the genes with an effect above 0, the largest first; of equal ones the first."""
    order = np.argsort(-values, kind="stable")
    return order[values[order] > 0]


def by_type(expression, genes, labels):
    """Mean expression of these genes in each type, and the share of its cells that have any.

    Args:
        expression: scae.data.expression.Expression.
        genes: names.
        labels: (cells,), empty where a cell has none, which counts nowhere.

    Returns:
        (pandas.DataFrame, pandas.DataFrame): means and shares, (types, genes); one type ``all`` without any label.
    """
    places = pd.Index(expression.genes).get_indexer(genes)
    arrays = expression.data, expression.indices, expression.indptr
    chosen = sparse.csr_matrix(arrays, shape=expression.shape)[:, places].toarray().astype(float)
    labels = np.asarray(labels, object)
    names = sorted(set(labels) - {""})
    groups = {name: labels == name for name in names} or {"all": np.ones(len(labels), bool)}
    means = {name: chosen[cells].mean(axis=0) for name, cells in groups.items()}
    shares = {name: (chosen[cells] != 0).mean(axis=0) for name, cells in groups.items()}
    return tuple(pd.DataFrame.from_dict(table, orient="index", columns=list(genes)) for table in (means, shares))
