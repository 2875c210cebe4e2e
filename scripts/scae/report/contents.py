"""The data of the report: the files of a finished run and what the config says of them."""

from dataclasses import dataclass, field
from functools import cached_property

from scae import results, style, tables
from scae.evaluation import summary
from scae.evaluation.main_scores import select
from scae.report import html

NO_LABEL, NO_BATCH = "no label", "no batch"


@dataclass(frozen=True)
class Study:
    """A finished run; each table is read once."""

    files: tables.Files
    datasets: list  # in the order of the config, as are the models
    models: dict  # {model: title, summary, reference, doi, trained, deterministic and whether it is external}
    seeds: list
    roles: dict  # {model: "model", "pca" or "floor"}; the last two are baselines
    label_sources: dict  # {dataset: {label set: where it comes from}}; pictures use the first
    metric_info: dict  # as from scae.evaluation.metrics.metric_info
    published: dict  # {dataset: {"citation": …, "scores": …}}
    settings: dict
    sweeps: dict = field(default_factory=dict)  # {sweep: {model: {parameter: value}}}
    notes: list = field(default_factory=list)  # of the jobs, one line each
    software: dict = field(default_factory=dict)  # {package: version}
    machines: list = field(default_factory=list)
    version: str = ""  # of the workflow
    _read: dict = field(default_factory=dict, repr=False)

    def table(self, name, **values):
        """The rows of a table of the whole run whose columns have these values."""
        if name not in self._read:
            self._read[name] = self.files.read(name)
        return select(self._read[name], **values)

    def scores(self, dataset, labels):
        """Rows of intervals.csv that are about a representation."""
        return summary.representation_scores(self.table("intervals", dataset=dataset, labels=labels))

    @cached_property
    def labels(self):
        """{dataset: Series of labels by cell}."""
        return {name: tables.read_labels(self.files.path("labels", dataset=name)) for name in self.datasets}

    @cached_property
    def styles(self):
        """{dataset: {cell type: (colour, matplotlib marker, plotly symbol)}}."""
        return {name: style.read(self.files.path("colors", dataset=name)) for name in self.datasets}

    @property
    def runs(self):
        """[{dataset, model, seed}] in the order in which they are shown."""
        return [
            {"dataset": dataset, "model": model, "seed": seed}
            for dataset in self.datasets
            for model in self.models
            for seed in self.seeds
        ]

    def points(self, name, run):
        """A table of the cells of a run, in the order of the labels; None if the run has none."""
        if not self.files.all(name, **run):
            return None
        return tables.read_points(self.files.path(name, **run), cells=self.labels[run["dataset"]].index)

    def picture(self, name, alt, colors=None, **wildcards):
        """A picture of the results as `html.picture`; None if the run has none."""
        if not self.files.all(name, **wildcards):
            return None
        file_name = results.BY_NAME[name].path.format(**wildcards).replace("/", "_")
        return html.picture(self.files.path(name, **wildcards), alt, colors) | {"name": file_name}

    def kind(self, model):
        """The title of a model and its number of latent dimensions, if that is a setting."""
        n_latent = self.settings.get("models", {}).get(model, {}).get("n_latent")
        dimensions = f", {n_latent} dimension{'s' * (n_latent > 1)}" if n_latent else ""
        return self.models[model]["title"] + dimensions

    def first_labels(self, dataset):
        """Name of the label set of the pictures."""
        return next(iter(self.label_sources[dataset]))

    def n_types(self, dataset):
        """Number of different labels."""
        return len(set(self.labels[dataset]) - {tables.UNSCORED})

    def types(self, dataset):
        """The noun for the labels of a data set: unnamed clusters are not called cell types."""
        names = set(self.labels[dataset]) - {tables.UNSCORED}
        is_clustering = self.label_sources[dataset][self.first_labels(dataset)] == "clusters"
        unnamed = is_clustering and all(name.partition(" ")[0] == "Cluster" for name in names)
        return "clusters of the input" if unnamed else "cell types"


def run_id(run):
    """Unambiguous id of a run: neither data sets nor seeds contain a dot."""
    return "{dataset}.{model}.{seed}".format(**run)
