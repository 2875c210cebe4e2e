"""What the report is about: everything a run made, as the sections of the page read it."""

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

NO_LABEL, NO_BATCH = "no label", "no batch"
# The scores of the main picture: those that the verdict goes by, then what the original study looked at
MAIN_SCORES = [("latent", "ari"), ("latent", "knn_accuracy"), ("latent", "nmi"), ("tsne2d", "ari")]


@dataclass(frozen=True)
class Run:
    """What one model with one seed gave on one data set."""

    dataset: str
    model: str
    seed: int
    clusters: pd.DataFrame  # index cell; tsne2d, latent
    tsne2d: pd.DataFrame  # index cell; x, y
    tsne3d: pd.DataFrame  # index cell; x, y, z
    pictures: dict  # {"clusters" | "losses" | "batches": path of a PNG, or None where there is none}

    @property
    def id(self):
        return f"{self.dataset}.{self.model}.{self.seed}"  # unambiguous: no data set and no seed has a dot


@dataclass(frozen=True)
class Latents:
    """What the latents of one model mean on one data set."""

    genes: pd.DataFrame  # latent_genes.csv
    matches: pd.DataFrame  # latent_matches.csv
    sets: pd.DataFrame  # latent_sets.csv
    picture: str  # path of a PNG, of the first seed


@dataclass(frozen=True)
class Generated:
    """What the cells are like that one model makes on one data set."""

    summary: pd.DataFrame  # generated.csv
    picture: str  # path of a PNG, of the first seed


@dataclass(frozen=True)
class Quality:
    """What quality control of a data set saw."""

    cells: pd.DataFrame  # every cell of the source; removed_by is empty for a kept one
    limits: pd.DataFrame  # sample, limit, lower, upper, breaks_it, breaks_only_it
    picture: str  # path of a PNG


@dataclass(frozen=True)
class Sweep:
    """Models of one entry of the config that differ in the values of some parameters, on one data set."""

    dataset: str
    name: str  # of the entry
    points: dict  # {model: {parameter: value}}
    picture: str  # path of an SVG


@dataclass(frozen=True)
class Study:
    """Everything a run made. Tables are those of the results, as read."""

    runs: list  # of Run, data sets and models in the order of the config
    labels: dict  # {dataset: Series of labels by cell}
    looks: dict  # {dataset: {cell type: (colour, matplotlib marker, plotly symbol)}}
    batches: dict  # the same of batches, of the data sets that have some
    quality: dict  # {dataset: Quality}
    models: dict  # {model: what its page says: title, summary, reference, doi, trained, peer, deterministic}
    roles: dict  # {model: "model", "pca" or "floor"}
    origins: dict  # {dataset: {label set: origin}}, the first being that of pictures and k
    metrics: pd.DataFrame
    intervals: pd.DataFrame
    differences: pd.DataFrame
    recalls: pd.DataFrame
    health: pd.DataFrame
    stability: pd.DataFrame
    training_times: pd.DataFrame
    described: dict  # what scae.evaluation.metrics.described says of the metrics
    figures: dict  # {dataset: {"scores" | "embeddings" | "recalls": path of an SVG, "stability": of a PNG}}
    heatmap: str  # path of a PNG
    verdict: list  # of str, the lines of verdict.txt
    published: dict  # {dataset: {"citation": …, "scores": …}}
    settings: dict  # what the run was configured with
    references: pd.DataFrame = field(default_factory=pd.DataFrame)  # what the labels alone give
    latents: dict = field(default_factory=dict)  # {(dataset, model): Latents}
    generated: dict = field(default_factory=dict)  # {(dataset, model): Generated}, of models trained by this workflow
    sweeps: list = field(default_factory=list)  # of Sweep
    notes: list = field(default_factory=list)  # what the jobs noted for the user, a line each
    software: dict = field(default_factory=dict)  # {package: versions that the jobs ran with}
    machines: list = field(default_factory=list)  # that the jobs ran on

    @property
    def datasets(self):
        return list(self.labels)

    @property
    def seeds(self):
        return sorted({run.seed for run in self.runs})

    def runs_of(self, dataset, model=None):
        return [run for run in self.runs if run.dataset == dataset and model in (None, run.model)]

    def models_of(self, dataset):
        return list(dict.fromkeys(run.model for run in self.runs_of(dataset)))

    def stand_ins(self, dataset):
        """Whether what the labels name are clusters of the same cells, not cell types that somebody found."""
        return next(iter(self.origins[dataset].values())) == "clusters" and all(
            name.partition(" ")[0] == "Cluster" for name in set(self.labels[dataset]) - {""}
        )

    def types(self, dataset):
        """What the labels of a data set name."""
        return "clusters of the input" if self.stand_ins(dataset) else "cell types"


def in_order(names, order):
    """(dataset, model, seed) in the order in which the config has the data sets and the models."""
    place = {part: {name: rank for rank, name in enumerate(order[part])} for part in ("datasets", "models")}
    return sorted(names, key=lambda name: (place["datasets"][name[0]], place["models"][name[1]], name[2]))


def ordered(of_scores, roles, score):
    """Representations with the best first, models before controls.

    Args:
        of_scores: rows of intervals.csv of one data set and label set.
        roles: {model: "model", "pca" or "floor"}.
        score: (space, metric) that decides.

    Returns:
        (list[str], list[str]): models, controls.
    """
    rows = of_scores[(of_scores["space"] == score[0]) & (of_scores["metric"] == score[1])]
    means = rows[rows["over"] == "seeds"].set_index("model")["mean"]
    names = sorted(dict.fromkeys(of_scores["model"]), key=lambda name: -means.get(name, -np.inf))
    return [name for name in names if roles.get(name) == "model"], [
        name for name in names if roles.get(name) != "model"
    ]


def is_number(value):
    """Whether a value of a sweep is a place on an axis."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def value_rank(value):
    """What values of a sweep are sorted by: numbers by size, then the others by name."""
    return (0, value, "") if is_number(value) else (1, 0, str(value))


def value_text(value):
    """A value of a sweep as the picture and the page show it."""
    if value is None or isinstance(value, bool):
        return {None: "none", True: "true", False: "false"}[value]
    return f"{value:g}" if is_number(value) else value
