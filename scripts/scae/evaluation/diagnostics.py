"""Diagnostics of latents: which are active, constant or redundant, and how much of the expression they explain.

Most are measured in the latents of any representation. Others need values of the model, arrays of (cells, latents) that
its model file may supply: the KL divergence of the posterior and the gates.
"""

import numpy as np
import pandas as pd

from scae import results, tables
from scae.evaluation.main_scores import listed

ACTIVE_NATS = 0.1  # mean KL divergence; below it the posterior is almost the prior (collapsed)
ACTIVE_SD = 0.1  # standard deviation over the cells; below it the posterior is the same for every cell
MOSTLY_ZERO = 0.95  # share of the cells
REPEATS = 0.95  # absolute correlation of two latents
FEW_STEPS = 1_000  # gradient steps; with 800 the study's settings fail on every simulated data set
FEW_STEPS_OF_COUNTS = (
    400  # of a model of counts, whose held-out loss is lowest after 180 to 370 steps on 700 to 800 cells
)
STILL_FALLING = 0.02  # share of the decline of the loss in the last tenth of the epochs
COLUMNS = results.BY_NAME["health"].column_names
CELLS_AT_ONCE = 5_000  # cells whose expression is in double precision
USED = 0.01  # share of the explained variance that is lost without a latent; an unused one loses up to 0.003 by noise
SAMPLE = 500  # cells that are decoded with each latent held at its mean
COUNTS = ("used", "active")  # measures that count latents, the best one first
WHOLE = "all"  # in the column latent: a measure of all latents together


def measure(latent, model_values=None, labels=None):
    """Diagnostics of each latent and of all together.

    Args:
        latent: DataFrame (cells, latents).
        model_values: {name: (cells, latents)} from the model: ``kl`` in nats, ``gate`` from 0 (off) to 1 (on); others
            are summarised by their mean. None or {} without a model.
        labels: (cells,) types, for the gates of each type, empty for unlabelled cells; or None.

    Returns:
        pandas.DataFrame: latent (a column of ``latent``, or ``all``), measure, value.
    """
    points = latent.to_numpy(dtype=float)
    correlations = _correlations(points)
    each = {
        "sd": points.std(axis=0),
        "zeros": (points == 0).mean(axis=0),
        "constant": (np.ptp(points, axis=0) == 0).astype(float),
        "repeats": correlations.max(axis=0, initial=0.0),
    }
    for name, values in (model_values or {}).items():
        values = np.asarray(values, dtype=float)
        if name == "gate":
            each |= _gates(values)
            for label in [] if labels is None else sorted(set(labels) - {""}):
                cells = np.asarray(labels) == label
                each |= {f"{gate} in {label}": share for gate, share in _gates(values[cells]).items()}
        else:
            each["kl" if name == "kl" else f"mean_{name}"] = values.mean(axis=0)
    active = is_active(each["kl"], each["sd"]) if "kl" in each else each["constant"] == 0
    whole = {
        "latents": points.shape[1],
        "active": active.sum(),
        "constant": each["constant"].sum(),
        "repeated_pairs": np.triu(correlations > REPEATS, 1).sum(),
        "effective_dimension": effective_dimension(points),
    }
    rows = [
        (name, measured, float(value))
        for measured, values in each.items()
        for name, value in zip(latent.columns, values, strict=True)
    ]
    return _table(rows + [(WHOLE, measured, float(value)) for measured, value in whole.items()])


def is_active(kl, sd):
    """Whether latents carry information: the posterior is neither the prior nor the same for every cell.

    The second criterion is the active unit of Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders",
    doi:10.48550/arXiv.1509.00519. Free bits keep a latent away from the prior even if it carries no information.

    Args:
        kl: mean KL divergence from the prior in nats, an array of any shape.
        sd: standard deviation of the posterior mean over the cells, of the same shape.

    Returns:
        array of bool, of that shape.
    """
    return (kl > ACTIVE_NATS) & (sd > ACTIVE_SD)


def short(table):
    """The rows ``steps`` of trainings with fewer gradient steps than a model needs to learn.

    Args:
        table: DataFrame like health.csv, of one data set, with model, seed, latent, measure, value.
    """
    whole = table[table["latent"] == WHOLE].set_index(["model", "seed"])
    steps, needed = (whole[whole["measure"] == name]["value"] for name in ("steps", "steps_needed"))
    return steps[steps < needed.reindex(steps.index).fillna(FEW_STEPS)].reset_index()


def training(history, n_cells, settings, needed=FEW_STEPS):
    """Length of a training: gradient steps, and the share of the decline of the loss in the last tenth of the epochs.

    With early stopping the steps are those up to the weights that are kept, and the loss is the lowest so far of the
    held-out cells: if training stopped because that no longer fell, it counts as not falling.

    Args:
        history: DataFrame with epoch and loss, and held_out_loss and held_out_best_epoch with early stopping.
        n_cells: number of cells trained on.
        settings: dict with batch_size.
        needed: gradient steps that such a model needs to learn.

    Returns:
        pandas.DataFrame: latent (``all``), measure, value.
    """
    loss, n_epochs = history["loss"].to_numpy(), len(history)
    kept, first = n_epochs, loss[0]
    if tables.BEST_EPOCH in history:
        best, held_out = history[tables.BEST_EPOCH].to_numpy(), history[f"{tables.HELD_OUT}loss"].to_numpy()
        loss, kept, first = held_out[best - 1], int(best[-1]), held_out.max()
    late = loss[-max(1, n_epochs // 10) - 1] if n_epochs > 1 else loss[0]
    decline = first - loss[-1]
    steps = float(kept * -(-n_cells // settings["batch_size"]))
    falling = (late - loss[-1]) / decline if decline > 0 else 0.0
    needed = [(WHOLE, "steps_needed", float(needed))] if needed != FEW_STEPS else []
    return _table([(WHOLE, "steps", steps), (WHOLE, "still_falling", falling), *needed])


def reconstruction(latent, expression, terms=None, decode=None):
    """Squared error of reconstructing the expression, sum over genes, mean over cells, and what each latent adds.

    ``unexplained`` is the error of the best linear map from the latents to the genes; for principal components it is
    the minimum of any linear method with as many latents. ``total`` is the error of the mean of each gene.
    ``reconstruction`` is the error of the model's decoder, with noise of the posterior.

    Args:
        latent: DataFrame (cells, latents).
        expression: scae.data.expression.Expression.
        terms: {"reconstruction": …} of the model over all cells, or None; with held-out cells also
            ``reconstruction_trained`` and ``reconstruction_held_out``.
        decode: function (cells, latents) -> (cells, genes), or None for the best linear map.

    Returns:
        pandas.DataFrame: latent, measure, value. ``explained_lost`` of a latent is the share of the explained variance
        that is lost when it is held at its mean; ``used`` of ``all`` is the number of latents that lose over 1 %.
    """
    n_cells, n_genes = expression.shape
    points = latent.to_numpy(dtype=float)
    basis, strength, directions = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    kept = strength > 1e-6 * max(strength.max(), 1e-300)
    basis, directions = basis[:, kept], directions[kept].T  # (cells, rank), sums to 0 over cells; (latents, rank)
    squares, sums, shared = 0.0, np.zeros(n_genes), np.zeros((n_genes, basis.shape[1]))
    for start in range(0, n_cells, CELLS_AT_ONCE):
        matrix = _csr(expression, start, min(start + CELLS_AT_ONCE, n_cells))
        squares += np.square(matrix.data).sum()
        sums += np.asarray(matrix.sum(axis=0)).ravel()
        shared += matrix.T @ basis[start : start + CELLS_AT_ONCE]
    total = float(squares - np.square(sums).sum() / n_cells)
    explained = float(np.square(shared).sum())
    slopes = directions @ (shared / strength[kept]).T  # (latents, genes) of the regression
    lost = np.square(slopes).sum(axis=1) * points.var(axis=0) * n_cells / explained if explained > 0 else None
    rows = [(WHOLE, "total", total / n_cells), (WHOLE, "unexplained", (total - explained) / n_cells)]
    rows += [(WHOLE, name, float(value)) for name, value in (terms or {}).items() if name.startswith("reconstruction")]
    if decode:
        lost = _lost_by_decoder(latent, expression, decode)
    return _table(rows + _used(latent.columns, lost))


def _lost_by_decoder(latent, expression, decode):
    """Explained variance that the decoder loses with each latent held at its mean, as a share of all it explains.

    Both are differences of squared errors, mean over a fixed sample of at most 500 cells. Explained is what the
    decoder gains over all latents held at their means.

    Returns:
        numpy.ndarray: (latents,); None if the decoder explains nothing.
    """
    points = latent.to_numpy(dtype=np.float32)
    cells = np.arange(len(points))
    if len(cells) > SAMPLE:
        cells = np.sort(np.random.default_rng(0).choice(cells, SAMPLE, replace=False))
    matrix = np.concatenate([_csr(expression, cell, cell + 1).toarray() for cell in cells]) + expression.offset
    mean, points = points.mean(axis=0), points[cells]

    def error(held):
        return float(np.square(matrix - decode(np.where(held, mean, points))).sum(axis=1).mean())

    none, single = np.zeros(len(mean), bool), np.eye(len(mean), dtype=bool)
    full = error(none)
    explained = error(~none) - full
    return np.array([error(held) - full for held in single]) / explained if explained > 0 else None


def _used(names, lost):
    """Rows of the share that each latent explains, and of the number of latents that explain enough."""
    lost = np.zeros(len(names)) if lost is None else lost
    rows = [(name, "explained_lost", float(share)) for name, share in zip(names, lost, strict=True)]
    return [*rows, (WHOLE, "used", float((lost > USED).sum()))]


def effective_dimension(points):
    """Effective number of dimensions, (Σλ)² / Σλ² of the covariance's eigenvalues; 0 without variance.

    1 if all variance lies along a line, the number of latents if it is the same in every direction.
    """
    covariance = np.atleast_2d(np.cov(points, rowvar=False))
    squares = np.square(covariance).sum()  # = Σλ² of a symmetric matrix
    return float(np.trace(covariance) ** 2 / squares) if squares > 0 else 0.0


def warnings(table):
    """Problems of the latents of one run, in words.

    Args:
        table: rows of `measure`, `training` and `reconstruction`.

    Returns:
        list[str]: sentences; empty without problems.
    """
    whole = table[table["latent"] == WHOLE].set_index("measure")["value"]
    each = table[table["latent"] != WHOLE]
    found = []
    n_latents = int(whole["latents"])
    kl = _values(each, "kl")
    if len(kl) and (active := int(whole["active"])) < n_latents:
        found.append(
            f"{active} of {n_latents} latent dimensions {'is' if active == 1 else 'are'} active (KL divergence above "
            f"{ACTIVE_NATS:g} nat, not the same for every cell); the others are collapsed."
        )
    constant = _values(each, "constant")
    if len(names := list(constant.index[constant == 1])):
        found.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} the same for every cell.")
    lost = _values(each, "explained_lost")
    idle = [name for name in kl.index if name in lost and lost[name] <= USED and kl[name] > ACTIVE_NATS]
    if idle:
        found.append(
            f"{listed(idle)} {'has' if len(idle) == 1 else 'have'} a KL divergence above {ACTIVE_NATS:g} nat but no "
            f"effect: held at the mean, each loses under {USED:.0%} of the explained variance."
        )
    zeros = _values(each, "zeros")
    if len(names := [name for name in zeros.index if zeros[name] >= MOSTLY_ZERO and constant[name] != 1]):
        found.append(f"{listed(names)} {'is' if len(names) == 1 else 'are'} 0 in over {MOSTLY_ZERO:.0%} of the cells.")
    open_gates = _values(each, "gate_one")
    if len(names := list(open_gates.index[open_gates >= 0.5])):
        cells = open_gates[names]
        share = " to ".join(dict.fromkeys(f"{end:.0%}" for end in (cells.min(), cells.max())))
        found.append(f"The gate of {listed(names)} is exactly 1 in {share} of the cells: always on, not sparse.")
    between = _values(each, "gate_between")
    sd = _values(each, "sd")
    collapsed = [name for name in kl.index if not is_active(kl[name], sd.get(name, np.inf))]
    if len(names := [name for name in between.index if between[name] >= 0.5 and name in collapsed]):
        found.append(f"The gate of {listed(names)} stays at its prior and so does not distinguish cells.")
    if pairs := int(whole["repeated_pairs"]):
        pairs = "1 pair" if pairs == 1 else f"{pairs} pairs"
        found.append(f"{pairs} of latent dimensions are redundant (absolute correlation above {REPEATS:g}).")
    if whole.get("steps", np.inf) < (needed := whole.get("steps_needed", FEW_STEPS)):
        found.append(
            f"The model trained for {whole['steps']:.0f} gradient steps; with fewer than {needed:,.0f} it may have "
            "learned little."
        )
    if whole.get("still_falling", 0) > STILL_FALLING:
        found.append("The loss was still falling when training ended.")
    return found


def _gates(values):
    """Shares of the cells by the value of the gate, each (latents,); they add up to 1."""
    return {
        "gate_one": (values == 1).mean(axis=0),
        "gate_high": ((values > 0.99) & (values < 1)).mean(axis=0),
        "gate_between": ((values >= 0.01) & (values <= 0.99)).mean(axis=0),
        "gate_low": (values < 0.01).mean(axis=0),
    }


def _correlations(points):
    """Absolute correlation of each pair of latents, 0 on the diagonal and for constant ones; (latents, latents)."""
    centred = points - points.mean(axis=0)
    norm = np.sqrt(np.square(centred).sum(axis=0))
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    correlations = np.abs(unit.T @ unit)
    np.fill_diagonal(correlations, 0)
    return correlations


def _csr(expression, start, stop):
    """The cells from ``start`` to ``stop`` in double precision."""
    from scipy import sparse

    indptr = expression.indptr[start : stop + 1]
    entries = slice(indptr[0], indptr[-1])
    arrays = expression.data[entries].astype(np.float64), expression.indices[entries], indptr - indptr[0]
    return sparse.csr_matrix(arrays, shape=(stop - start, expression.shape[1]))


def _table(rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def _values(table, name):
    return table[table["measure"] == name].set_index("latent")["value"]
