"""The genes of a latent: the signed effect on each gene of moving the latent, with the others of the cell fixed.

Effects are those of the model's decoder. Representations without one (PCA, given embeddings) use the best linear
decoder, the regression of each gene on all latents; for principal components this gives the loadings. Effects describe
the decoder: a gene need not change so in cells.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from scae import results
from scae.evaluation import diagnostics

ENDS = (0.05, 0.95)  # quantiles over the cells between which a latent is moved
SAMPLE = 500  # cells over which effects are averaged
SWITCHES = (0.05, 0.95)  # a gate is a switch if its share of cells with the gate on lies between these
MOST_LATENTS = 50
TOP = 20  # genes of each sign in the table
CURVES = 3  # genes of each sign with a curve along the move
STEPS = 9  # values of the latent along its move
COLUMNS = results.BY_NAME["latent_genes"].column_names
CURVE_COLUMNS = results.BY_NAME["latent_traversals"].column_names


@dataclass(frozen=True)
class Effects:
    """Effects of the active latents of one run."""

    changes: np.ndarray  # (active latents, genes): change of the expression from low to high
    moves: pd.DataFrame  # index latent; move (percentiles or switch), low, high, sd of the latent over the cells

    @property
    def per_sd(self):
        """Effects of a move by one standard deviation, (active latents, genes)."""
        return self.changes * (self.moves["sd"] / (self.moves["high"] - self.moves["low"])).to_numpy()[:, None]


def moves(latent, model_values=None, slab=None):
    """The values between which each active latent is moved.

    Percentiles 5 and 95 over the cells. A gate that is on in some cells and off in others is switched instead: from 0
    to the mean of its slab over the cells in which it is on. Latents without a KL divergence
    (`scae.evaluation.diagnostics.is_active`) are active unless they are constant.

    Args:
        latent: DataFrame (cells, latents).
        model_values: {"kl" and "gate", if the model has them: (cells, latents)}.
        slab: (cells, latents), mean of the slab; for a model with gates.

    Returns:
        pandas.DataFrame: index latent, the active ones; move, low, high, sd.
    """
    model_values, points = model_values or {}, latent.to_numpy(dtype=float)
    low, high = np.quantile(points, ENDS, axis=0)
    active = np.ptp(points, axis=0) > 0
    if "kl" in model_values:
        active = diagnostics.is_active(model_values["kl"].mean(axis=0), points.std(axis=0))
    move = np.full(points.shape[1], "percentiles", object)
    if "gate" in model_values:
        on = model_values["gate"] > 0.5
        share = on.mean(axis=0)
        switch = (share > SWITCHES[0]) & (share < SWITCHES[1])
        level = (slab * on).sum(axis=0) / np.maximum(on.sum(axis=0), 1)
        low, high = np.where(switch, 0.0, low), np.where(switch, level, high)
        move[switch] = "switch"
    flat = low == high  # over 95 % of the cells have one value: move it over its whole range
    low, high = np.where(flat, points.min(axis=0), low), np.where(flat, points.max(axis=0), high)
    table = pd.DataFrame({"move": move, "low": low, "high": high, "sd": points.std(axis=0)}, index=latent.columns)
    return table[active & (table["low"] != table["high"])].rename_axis("latent")


def decoder_effects(decode, latent, moved):
    """Effects of each move by a decoder, mean over a fixed sample of at most 500 cells.

    Args:
        decode: function (cells, latents) float32 array -> (cells, genes) array.
        latent: DataFrame (cells, latents), which gives the values of the other latents.
        moved: as from `moves`.

    Returns:
        Effects
    """
    expression_at = _decoded(decode, latent)
    values = [expression_at(name, move["high"]) - expression_at(name, move["low"]) for name, move in moved.iterrows()]
    return Effects(np.array(values) if values else np.zeros((0, 0)), moved)


def _decoded(decode, latent):
    """Function (latent, value) -> (genes,): mean expression over the cells with this latent set to this value."""
    points = latent.to_numpy(dtype=np.float32)
    if len(points) > SAMPLE:
        points = points[np.sort(np.random.default_rng(0).choice(len(points), SAMPLE, replace=False))]

    def expression_at(name, value):
        moved = points.copy()
        moved[:, latent.columns.get_loc(name)] = value
        return np.asarray(decode(moved), dtype=float).mean(axis=0)

    return expression_at


def regression_effects(expression, latent, moved):
    """Effects of each move by the best linear decoder: the least-squares slopes of each gene on all latents.

    Args:
        expression: scae.data.expression.Expression.
        latent: DataFrame (cells, latents).
        moved: as from `moves`.

    Returns:
        Effects
    """
    arrays = expression.data.astype(np.float64), expression.indices, expression.indptr
    matrix = sparse.csr_matrix(arrays, shape=expression.shape)
    points = latent.to_numpy(dtype=float)
    solver = np.linalg.pinv(points - points.mean(axis=0))  # (latents, cells); rows sum to 0, so genes need no centring
    slopes = (matrix.T @ solver.T).T  # (latents, genes)
    chosen = latent.columns.get_indexer(moved.index)
    return Effects(slopes[chosen] * (moved["high"] - moved["low"]).to_numpy()[:, None], moved)


def strongest(effects):
    """The (at most 50) latents with the largest effects, in their order; more would take too long to compare."""
    if len(effects.moves) <= MOST_LATENTS:
        return effects
    kept = np.sort(np.argsort(-np.linalg.norm(effects.changes, axis=1), kind="stable")[:MOST_LATENTS])
    return Effects(effects.changes[kept], effects.moves.iloc[kept])


def top_genes(effects, genes, seed):
    """The genes with the largest effects of each active latent, up to 20 of each sign, the strongest first.

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
    """Decoded expression of the strongest genes of each active latent, at nine values from low to high.

    Args:
        decode: as in `decoder_effects`; None gives no rows (along a regression every curve is a straight line).
        latent: DataFrame (cells, latents).
        effects: Effects of the latents to move.
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
    """Positions of the genes with an effect above 0, the largest first; ties keep the order of the genes."""
    order = np.argsort(-values, kind="stable")
    return order[values[order] > 0]


def by_type(expression, genes, labels):
    """Mean expression of genes in each type, and the share of its cells that express them.

    Args:
        expression: scae.data.expression.Expression.
        genes: names.
        labels: (cells,), empty for unlabelled cells, which do not count.

    Returns:
        (pandas.DataFrame, pandas.DataFrame): means and shares, (types, genes); without labels, one row ``all``.
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
