"""The scores, order and formats of names and numbers that verdict, pictures and report share."""

import numpy as np

HELD_OUT = ("latent", "held_out")  # needs no labels; where it was measured
# Questions of differences.csv: what a representation is compared with
SAME_SIZE, BEST, BOTH, CHANCE = "PCA of the same size", "best PCA", "best PCA, of the same size", "chance"
KEPT = 0.5  # mean recall from which a cell type counts as kept
# (space, metric): the scores of the verdict first, then those of the original study
MAIN_SCORES = [("latent", "ari"), ("latent", "knn_accuracy"), ("latent", "nmi"), ("tsne2d", "ari")]


def select(table, **values):
    """The rows whose columns have these values; an empty table may have no columns."""
    for column, value in values.items():
        table = table[table[column] == value] if len(table) else table
    return table


def score_rows(table, score):
    """The rows of one (space, metric) pair."""
    return select(table, space=score[0], metric=score[1])


def ordered(intervals, roles, score):
    """Representations with the best mean first, models apart from baselines.

    Args:
        intervals: rows of intervals.csv of one data set and label set.
        roles: {model: "model", "pca" or "floor"}; the last two are baselines.
        score: (space, metric) that decides.

    Returns:
        (list[str], list[str]): models, baselines.
    """
    means = select(score_rows(intervals, score), over="seeds").set_index("model")["mean"]
    names = sorted(dict.fromkeys(intervals["model"]), key=lambda name: -means.get(name, -np.inf))
    models = [name for name in names if roles.get(name) == "model"]
    return models, [name for name in names if name not in models]


def is_number(value):
    """Whether a value of a sweep has a place on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_rank(value):
    """Sort key for the values of a sweep: numbers by size, then the others by name."""
    return (0, value, "") if is_number(value) else (1, 0, str(value))


def value_text(value):
    """A value of a sweep as text."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:g}" if is_number(value) else value


def listed(names):
    """Names in a sentence: "a, b and c"; "" for none."""
    *names, last = [*names] or [""]
    return f"{', '.join(names)} and {last}" if names else last
