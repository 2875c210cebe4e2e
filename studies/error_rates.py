"""How often an interval over seeds contains the truth, and a verdict states a difference where there is none.

python studies/error_rates.py [tables]

Prints the tables of docs/statistics.md: coverage of the intervals; share of simulated score tables (3 models and 2 PCAs
of the same true mean) in which at least one difference is shown, and in which a model that is ahead by 4 standard
deviations is shown to be. The rule is written for many tables at once here, and compared with
`scae.evaluation.comparison` on the first tables of each case.
"""

import sys

import numpy as np
import pandas as pd
from scipy import stats

from scae.evaluation import comparison, intervals

ROLES = {"a": "model", "b": "model", "c": "model", "pca": "pca", "pca10": "pca"}
SIZES = {"toy": {"a": 6, "b": 6, "c": 6, "pca": 6, "pca10": 10}}
SEEDS = (3, 5, 10)
MODES, MANY = np.array([1.0, 0.64]), 56 / 60  # k-means of PCA on one simulated data set
MEAN_OF_MODES = MODES @ [MANY, 1 - MANY]
COMPARED = 5  # tables of each case


def two_modes(draw, shape, noise):
    """Scores of k-means that finds all clusters with 56 of 60 seeds, as with ten PCs of the data set `batches`."""
    return np.where(draw.random(shape) < MANY, *MODES) + draw.normal(0, noise, shape)


DISTRIBUTIONS = {  # function of a generator and a shape: scores of mean 0, standard deviation 0.03 (0.09 of two modes)
    "normal": lambda draw, shape: draw.normal(0, 0.03, shape),
    "uniform": lambda draw, shape: draw.uniform(-0.052, 0.052, shape),
    "two modes": lambda draw, shape: two_modes(draw, shape, 0.003) - MEAN_OF_MODES,
}
CASES = {  # (spreads over seeds of models and PCAs, relative to the distribution; spread over cells)
    "equal spreads, PCA fixed": ((1, 1, 1, 0, 0), 0.002),
    "equal spreads, PCA too": ((1, 1, 1, 1, 1), 0.002),
    "spreads 1 : 0.5 : 0.25, PCA fixed": ((1, 0.5, 0.25, 0, 0), 0.002),
    "spreads over cells as large, PCA fixed": ((1, 1, 1, 0, 0), 0.03),
}


# Distributions of a seed's score: name, function of a generator and a shape, true mean
COVERED = [
    ("normal", lambda draw, shape: draw.normal(0.6, 0.03, shape), 0.6),
    ("uniform", lambda draw, shape: draw.uniform(0.5, 0.7, shape), 0.6),
    ("heavy tails (t, 5 degrees of freedom)", lambda draw, shape: 0.6 + 0.03 * draw.standard_t(5, shape), 0.6),
    ("skewed (beta, near its end)", lambda draw, shape: draw.beta(8, 2, shape), 0.8),
    (
        "two modes (56 of 60 at 1.00, the others at 0.64)",
        lambda draw, shape: two_modes(draw, shape, 0.002),
        MEAN_OF_MODES,
    ),
]


def coverage(draw, truth, n_seeds, n_tables=200_000, seed=0):
    """Share of tables with this many seeds whose 95 % interval contains the true mean."""
    _, _, low, high = intervals.over_seeds(draw(np.random.default_rng([seed, n_seeds]), (n_tables, n_seeds)))
    return float(np.mean((low <= truth) & (truth <= high)))


def coverage_table():
    lines = [f"| scores | {' | '.join(f'{n_seeds} seeds' for n_seeds in SEEDS)} |", "|---" * (len(SEEDS) + 1) + "|"]
    for name, draw, truth in COVERED:
        lines.append(f"| {name} | {' | '.join(f'{coverage(draw, truth, n_seeds):.1%}' for n_seeds in SEEDS)} |")
    return "\n".join(lines)


def simulate(distribution, n_seeds, case, n_tables, ahead=0.0):
    """Scores, (tables, representations, seeds); those of one table share its cells."""
    draw, (spreads, cell_sd) = np.random.default_rng(n_seeds), case
    scores = distribution(draw, (n_tables, len(ROLES), n_seeds)) * np.array(spreads)[:, None]
    scores += draw.normal(0, cell_sd, (n_tables, len(ROLES), 1))
    scores[:, 0] += ahead
    return scores


def shown(scores, case):
    """Which differences are shown, and which are positive: two arrays of (tables, models, 2: same size and best)."""
    (_, cell_sd), n_tables, n_seeds = case, len(scores), scores.shape[2]
    best = 3 + scores[:, 3:].mean(axis=2).argmax(axis=1)
    second = np.stack([np.full(n_tables, 3), best], axis=1)
    apart = scores[:, :3, None] - scores[np.arange(n_tables)[:, None], second][:, None]  # (tables, models, 2, seeds)
    mean, variance = apart.mean(axis=3), apart.var(axis=3, ddof=1)
    per_model = variance.mean(axis=2)
    df = per_model.sum(axis=1) ** 2 / (per_model**2 / (n_seeds - 1)).sum(axis=1)
    variance = np.maximum(variance, per_model.mean(axis=1)[:, None, None])
    variance, df, over_cells = variance / n_seeds, df[:, None, None], 2 * cell_sd**2
    together = variance + over_cells
    p_seeds = 2 * stats.t.sf(abs(mean) / np.sqrt(variance), df)
    p = np.maximum(p_seeds, 2 * stats.t.sf(abs(mean) / np.sqrt(together), df * (together / variance) ** 2))
    p[:, :, 0][best == 3] = np.nan  # one comparison instead of two
    adjusted = np.array([intervals.holm(row) for row in p.reshape(n_tables, -1)]).reshape(p.shape)
    return adjusted < 1 - intervals.LEVEL, mean > 0


def compare(scores, case):
    """Stop if the project's own functions show something else in one of these tables."""
    noise = stats.norm.ppf((np.arange(200) + 0.5) / 200)
    found = shown(scores, case)[0]
    for number, table in enumerate(scores):
        rows, cells = [], []
        for place, (name, values) in enumerate(zip(ROLES, table, strict=True)):
            own = np.random.default_rng(place).permutation(noise)
            for seed, value in enumerate(values):
                key = {"dataset": "toy", "model": name, "seed": seed, "labels": "l", "space": "latent"}
                rows.append(key | {"metric": "ari", "value": value})
                draws = value + case[1] * own
                cells.append(pd.DataFrame(key | {"draw": range(200)} | dict.fromkeys(intervals.OVER_CELLS, draws)))
        fixed = [name for name, spread in zip(ROLES, case[0], strict=True) if spread == 0]
        rows = comparison.differences(pd.DataFrame(rows), ROLES, SIZES, fixed, pd.concat(cells)).to_dict("records")
        n_shown = sum(intervals.shown(row) for row in rows)
        if n_shown != found[number].sum():
            print(f"table {number}: {n_shown} instead of {found[number].sum()} differences", file=sys.stderr)


if __name__ == "__main__":
    print(coverage_table(), end="\n\n", flush=True)
    n_tables = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    print(f"| scores | case | {' | '.join(f'{n_seeds} seeds' for n_seeds in SEEDS)} |")
    print("|---" * (len(SEEDS) + 2) + "|")
    for name, distribution in DISTRIBUTIONS.items():
        for label, case in CASES.items():
            if name == "two modes" and not all(case[0]):
                continue  # a few seeds may miss a mode: against a fixed score, nothing bounds the error
            tables = [simulate(distribution, n_seeds, case, n_tables) for n_seeds in SEEDS]
            compare(tables[0][:COMPARED], case)
            shares = [shown(scores, case)[0].any(axis=(1, 2)).mean() for scores in tables]
            print(f"| {name} | {label} | {' | '.join(f'{share:.1%}' for share in shares)} |", flush=True)
    case, shares = CASES["equal spreads, PCA fixed"], []
    for n_seeds in SEEDS:
        found, positive = shown(simulate(DISTRIBUTIONS["normal"], n_seeds, case, n_tables, 0.12), case)
        shares.append((found & positive)[:, 0, 1].mean())
    print(f"| normal | power: ahead by 4 sd | {' | '.join(f'{share:.1%}' for share in shares)} |")
