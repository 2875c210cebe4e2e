"""What each latent does: how much it says of a cell, how much of it is used, what is left of the expression.

A score tells how good a representation is, this tells why. What can be seen in the latents themselves is measured for
every representation; what only a model knows (the divergence of its posterior, its gates) its page may supply, as named
arrays of (cells, latents), and is summarised here.
"""

import numpy as np
import pandas as pd

from scae import tables

LIVE_NATS = 0.1  # of KL divergence; below it the posterior of a cell is all but the prior and says nothing of the cell
ACTIVE_SD = 0.1  # of a latent over the cells; below it the posterior is the same for all, however far from the prior
MOSTLY_ZERO = 0.95  # share of the cells
REPEATS = 0.95  # correlation of two latents, whatever its sign
FEW_STEPS = 1_000  # of gradient; with 800 the study's settings fail on every simulated set
STILL_FALLING = 0.02  # share of the whole decline of the loss that fell in the last tenth of the epochs
COLUMNS = ["latent", "measure", "value"]
CELLS_AT_ONCE = 5_000  # whose expression is in double precision at a time
WHOLE = "all"  # in the column latent: a measure of all latents together


def measure(latent, inside=None, labels=None):
    """Everything that latents tell of themselves, and what their model knows of them.

    Args:
        latent: DataFrame (cells, latents).
        inside: {name: (cells, latents)} from the model's page: ``kl`` in nats, ``gate`` from 0 (off) to 1 (on); of
            anything else the mean is told. None or {} for what has no such thing.
        labels: (cells,) types, for the gates of each type, empty where a cell has none; or None.

    Returns:
        pandas.DataFrame: latent (a column of ``latent``, or ``all``), measure, value.
    """
    inside = inside or {}
    points = latent.to_numpy(dtype=float)
    alike = _correlations(points)
    of_each = {
        "sd": points.std(axis=0),
        "zeros": (points == 0).mean(axis=0),
        "constant": (np.ptp(points, axis=0) == 0).astype(float),
        "repeats": alike.max(axis=0, initial=0.0),
    }
    for name, values in inside.items():
        values = np.asarray(values, dtype=float)
        if name == "gate":
            of_each |= _gates(values)
            for label in [] if labels is None else sorted(set(labels) - {""}):
                of_type = np.asarray(labels) == label
                of_each |= {f"{gate} in {label}": share for gate, share in _gates(values[of_type]).items()}
        else:
            of_each["kl" if name == "kl" else f"mean_{name}"] = values.mean(axis=0)
    live = is_live(of_each["kl"], of_each["sd"]) if "kl" in of_each else of_each["constant"] == 0
    whole = {
        "latents": points.shape[1],
        "live": live.sum(),
        "constant": of_each["constant"].sum(),
        "repeated_pairs": np.triu(alike > REPEATS, 1).sum(),
        "effective_dimension": effective_dimension(points),
    }
    rows = [
        (name, measured, float(value))
        for measured, values in of_each.items()
        for name, value in zip(latent.columns, values, strict=True)
    ]
    return _table(rows + [(WHOLE, measured, float(value)) for measured, value in whole.items()])


def is_live(kl, sd):
    """Whether latents say something of a cell: the posterior is not the prior, nor the same for every cell.

    The second is what Burda, Grosse & Salakhutdinov (2016), "Importance weighted autoencoders",
    doi:10.48550/arXiv.1509.00519, call an active unit. Free bits keep a latent away from the prior, whatever it says.

    Args:
        kl: mean KL divergence from the prior in nats, an array of any shape.
        sd: standard deviation over the cells of the posterior's mean, of the same shape.

    Returns:
        array of bool, of that shape.
    """
    return (kl > LIVE_NATS) & (sd > ACTIVE_SD)


def of_training(history, n_cells, settings):
    """How long a model trained: gradient steps, and how much of the decline of the loss came at the very end.

    With early stopping the steps are those to the weights that are kept, and the loss is that of the held-out cells,
    the lowest so far: where it ended since that fell no more, it was not falling, whatever the cells trained on say.

    Args:
        history: DataFrame with epoch and loss, and held_out_loss and held_out_best_epoch with early stopping.
        n_cells: number of cells it trained on.
        settings: dict with batch_size.

    Returns:
        pandas.DataFrame: latent (``all``), measure, value.
    """
    loss, n_epochs = history["loss"].to_numpy(), len(history)
    kept, first = n_epochs, loss[0]
    if tables.BEST_EPOCH in history:
        best, of_unseen = history[tables.BEST_EPOCH].to_numpy(), history[f"{tables.HELD_OUT}loss"].to_numpy()
        loss, kept, first = of_unseen[best - 1], int(best[-1]), of_unseen.max()
    late = loss[-max(1, n_epochs // 10) - 1] if n_epochs > 1 else loss[0]
    decline = first - loss[-1]
    steps = float(kept * -(-n_cells // settings["batch_size"]))
    falling = (late - loss[-1]) / decline if decline > 0 else 0.0
    return _table([(WHOLE, "steps", steps), (WHOLE, "still_falling", falling)])


def reconstruction(latent, expression, terms=None):
    """What is lost of the expression, as the sum over genes of squared errors, mean over cells.

    ``unexplained`` is what the best linear map from the latents to the genes leaves; for principal components it is
    what PCA leaves unexplained, the least that any linear method of as many latents can. ``total`` is what the mean of
    each gene leaves. ``reconstruction`` is what the model's own decoder leaves, noise of the posterior included.

    Args:
        latent: DataFrame (cells, latents).
        expression: scae.data.expression.Expression.
        terms: {"reconstruction": …} of the model over all cells, or None; with a part held out also
            ``reconstruction_trained`` and ``reconstruction_held_out``, over the cells of each.

    Returns:
        pandas.DataFrame: latent (``all``), measure, value.
    """
    n_cells, n_genes = expression.shape
    points = latent.to_numpy(dtype=float)
    basis, strength, _ = np.linalg.svd(points - points.mean(axis=0), full_matrices=False)
    basis = basis[:, strength > 1e-6 * max(strength.max(), 1e-300)]  # (cells, rank); sums to 0 over cells
    squares, sums, shared = 0.0, np.zeros(n_genes), np.zeros((n_genes, basis.shape[1]))
    for start in range(0, n_cells, CELLS_AT_ONCE):
        matrix = _csr(expression, start, min(start + CELLS_AT_ONCE, n_cells))
        squares += np.square(matrix.data).sum()
        sums += np.asarray(matrix.sum(axis=0)).ravel()
        shared += matrix.T @ basis[start : start + CELLS_AT_ONCE]
    total = float(squares - np.square(sums).sum() / n_cells)
    explained = float(np.square(shared).sum())
    rows = [(WHOLE, "total", total / n_cells), (WHOLE, "unexplained", (total - explained) / n_cells)]
    rows += [(WHOLE, name, float(value)) for name, value in (terms or {}).items() if name.startswith("reconstruction")]
    return _table(rows)


def effective_dimension(points):
    """How many latents the variance is spread over: (Σλ)² / Σλ² of the covariance's eigenvalues; 0 without variance.

    1 where all variance lies along a line, as many as latents where it is the same in every direction.
    """
    covariance = np.atleast_2d(np.cov(points, rowvar=False))
    squares = np.square(covariance).sum()  # = Σλ² of a symmetric matrix
    return float(np.trace(covariance) ** 2 / squares) if squares > 0 else 0.0


def warnings(table):
    """What is wrong with the latents of one run, in words.

    Args:
        table: as from `measure`, `of_training` and `reconstruction` together.

    Returns:
        list[str]: sentences; none where nothing is wrong.
    """
    of_all = table[table["latent"] == WHOLE].set_index("measure")["value"]
    of_each = table[table["latent"] != WHOLE]
    found = []
    n_latents = int(of_all["latents"])
    kl = _of(of_each, "kl")
    if len(kl) and (live := int(of_all["live"])) < n_latents:
        found.append(
            f"Of {n_latents} latents {live} {'is' if live == 1 else 'are'} live (KL divergence above {LIVE_NATS:g} "
            "nat, not the same for every cell); the rest says nothing of a cell."
        )
    constant = _of(of_each, "constant")
    if len(names := list(constant.index[constant == 1])):
        found.append(f"{_listed(names)} {'is' if len(names) == 1 else 'are'} the same for every cell.")
    zeros = _of(of_each, "zeros")
    if len(names := [name for name in zeros.index if zeros[name] >= MOSTLY_ZERO and constant[name] != 1]):
        found.append(f"{_listed(names)} {'is' if len(names) == 1 else 'are'} 0 in over {MOSTLY_ZERO:.0%} of the cells.")
    open_gates = _of(of_each, "gate_one")
    if len(names := list(open_gates.index[open_gates >= 0.5])):
        cells = open_gates[names]
        share = " to ".join(dict.fromkeys(f"{end:.0%}" for end in (cells.min(), cells.max())))
        found.append(f"The gate of {_listed(names)} is exactly 1 in {share} of the cells: always on, not sparse.")
    between = _of(of_each, "gate_between")
    sd = _of(of_each, "sd")
    dead = [name for name in kl.index if not is_live(kl[name], sd.get(name, np.inf))]
    if len(names := [name for name in between.index if between[name] >= 0.5 and name in dead]):
        found.append(f"The gate of {_listed(names)} rests at its prior: it does not tell cells apart.")
    if pairs := int(of_all["repeated_pairs"]):
        found.append(f"Pairs of latents that repeat each other (correlation above {REPEATS:g}): {pairs}.")
    if of_all.get("steps", np.inf) < FEW_STEPS:
        found.append(
            f"It trained for {of_all['steps']:.0f} gradient steps; below {FEW_STEPS:,} it may have learned little."
        )
    if of_all.get("still_falling", 0) > STILL_FALLING:
        found.append("The loss was still falling when training ended.")
    return found


def _gates(values):
    """Shares of the cells by what the gate does, each (latents,); they add up to 1."""
    return {
        "gate_one": (values == 1).mean(axis=0),
        "gate_high": ((values > 0.99) & (values < 1)).mean(axis=0),
        "gate_between": ((values >= 0.01) & (values <= 0.99)).mean(axis=0),
        "gate_low": (values < 0.01).mean(axis=0),
    }


def _correlations(points):
    """Absolute correlation of each pair of latents, 0 with itself and with a constant one; (latents, latents)."""
    centred = points - points.mean(axis=0)
    norm = np.sqrt(np.square(centred).sum(axis=0))
    unit = np.divide(centred, norm, out=np.zeros_like(centred), where=norm > 0)
    alike = np.abs(unit.T @ unit)
    np.fill_diagonal(alike, 0)
    return alike


def _csr(expression, start, stop):
    """Cells from ``start`` to ``stop`` in double precision."""
    from scipy import sparse

    indptr = expression.indptr[start : stop + 1]
    entries = slice(indptr[0], indptr[-1])
    arrays = expression.data[entries].astype(np.float64), expression.indices[entries], indptr - indptr[0]
    return sparse.csr_matrix(arrays, shape=(stop - start, expression.shape[1]))


def _table(rows):
    return pd.DataFrame(rows, columns=COLUMNS)


def _of(table, name):
    return table[table["measure"] == name].set_index("latent")["value"]


def _listed(names):
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
