"""The plan of a run: names, settings, files and code of each job, from a checked config. Independent of Snakemake.

A rule takes a method with the argument ``wildcards`` as it is (``params: model=plan.model``); any object with the
attributes dataset, model … works. Every setting that a result depends on reaches its job this way, each concept as one
sorted dict, since Snakemake compares params as a set of values. Standard library only, since it is built each time the
workflow is parsed.
"""

from types import SimpleNamespace

from scae import results
from scae.config import label_sets, sweeps
from scae.errors import UserError
from scae.jobs import code_digest
from scae.models import registry
from scae.sources import address, formats

READING = (  # keys of a data set for reading its source
    *("feature_type", "format", "genome", "join", "matrix", "member", "min_shared_genes", "modality", "orientation"),
    *("samples", "sha256", "simulation", "source", "values"),
)
OFF_AT_0 = ("early_stopping", "holdout", "min_steps")  # settings of training that do nothing at 0
# Values of Result.of by wildcard
OF = {"dataset": ("batched", "exported", "split"), "model": ("trained", "own", "external")}
BASELINES = {"pca": "pca", "random_projection": "floor"}  # {kind: role}; all others have the role model


class Plan:
    """The data sets, models and seeds of a run, and their settings.

    Args:
        config: from `loader.load`.
        as_written: the section ``run`` in the user's order, used only by the report and its figures.
        refuse: exception class to raise in place of a `UserError` about the code.
    """

    def __init__(self, config, as_written=None, refuse=UserError):
        run = config["run"]
        self.refuse = refuse
        self.as_written = as_written or run
        self.datasets, self.models, self.seeds = run["datasets"], run["models"], run["seeds"]
        self.sweeps = config.get("sweeps", {})
        self.split = [name for name in self.datasets if config["datasets"][name]["held_out_molecules"]]
        self.halves = {half: name for name in self.split for half in _halves(name, config["datasets"][name])}
        self.candidates = _candidates(config)
        self.config = config | {
            "datasets": config["datasets"] | {half: config["datasets"][name] for half, name in self.halves.items()},
            "models": config["models"] | self.candidates,
        }
        self.exported = [name for name in self.datasets if address.is_exported(config["datasets"][name])]
        self.batched = [name for name in self.datasets if config["datasets"][name]["batch"]]
        names = [*self.models, *(name for name in self.candidates if name not in self.models)]
        self.kinds = {name: registry.find(self.config["models"][name]["kind"]) for name in names}
        self.trained, self.external, self.own = (
            [name for name in self.models if self._is_of(which, name)] for which in ("trained", "external", "own")
        )
        self.label_sets = self._label_sets(label_sets.further)
        self.fetched_label_sets = self._label_sets(_fetched)

    def jobs_of(self, which):
        """Names of all models that are ``own``, ``external`` or ``untrained``, in the run or to choose from."""
        return [name for name in self.kinds if self._is_of(which, name)]

    def _is_of(self, which, model):
        kind = self.kinds[model]
        return {
            "trained": kind.trained,
            "external": kind.external,
            "own": kind.trained and not kind.external,
            "untrained": not kind.trained,
        }[which]

    # Files

    def targets(self, part=None, same=False):
        """Paths of all files that the run, or a part of it, makes.

        Args:
            part: data, models, evaluation or report.
            same: only files that are byte-identical in every run.
        """
        chosen = [result for result in results.CONTRACT if part in (None, result.part) and (result.same or not same)]
        return [f"<results>/{path}" for result in chosen for path in self.paths(result)]

    def targets_to_choose(self):
        """Paths of all files that only `snakemake choose` makes."""
        made = [result for result in results.CONTRACT if result.of_half and "model" in result.wildcards]
        return [f"<results>/{name}/choice.csv" for name in self.split] + [
            "<results>/" + result.path.format(dataset=self._halves_of(name)[0], model=model, seed=seed)
            for name in self.split
            for model, seed in self._runs_to_choose()
            for result in made
            if not result.of or self._is_of(result.of, model)
        ]

    def named(self, *names):
        """Paths of every file with these names in the contract."""
        return [f"<results>/{path}" for name in names for path in self.paths(results.BY_NAME[name])]

    def paths(self, result):
        """Paths of a result relative to the results folder, for every data set, model and seed it is made for."""
        if "label_set" in result.wildcards:
            chosen = _fetched if result.of == "fetched" else label_sets.further
            return [
                result.path.format(dataset=dataset, label_set=name)
                for dataset in self.datasets
                for name in chosen(self._labels(dataset))
            ]
        values = {"dataset": self.datasets, "model": self.models, "seed": self.seeds, "sweep": list(self.sweeps)}
        values["half"] = list(self.halves)
        for wildcard in ("dataset", "model"):
            if result.of in OF[wildcard]:
                values[wildcard] = getattr(self, result.of)
        if result.of == "first_seed":
            values["seed"] = self.seeds[:1]
        found = results.paths(result, values)
        if not result.of_half:
            return found
        if "model" not in result.wildcards:
            return [*found, *(result.path.format(dataset=half) for half in self.halves)]
        return [
            *found,
            *(
                result.path.format(dataset=half, model=model, seed=seed)
                for half in self.halves
                for model, seed in self._runs_on_a_half()
                if model in values["model"]
            ),
        ]

    def on_halves(self):
        """Models of the run that also represent the training halves; a given embedding needs one of its own there."""
        return [name for name in self.models if self.config["models"][name].get("half", True)]

    def _runs_on_a_half(self):
        """(model, seed) of the run on each training half: seed 0 where all give the same, whatever those of the run."""
        return [
            (model, seed)
            for model in self.on_halves()
            for seed in ([0] if self.kinds[model].deterministic else self.seeds)
        ]

    def _runs_to_choose(self):
        """(model, seed) of `snakemake choose`, on the first training half."""
        return [(model, self.seeds[0]) for model in self.candidates]

    def _halves_of(self, dataset):
        return [half for half, name in self.halves.items() if name == dataset]

    def on_each_half(self, path, models=None):
        """Input function: a path for each training half of the data set; with ``models``, for each of their seeds.

        Args:
            path: with the wildcard half and, for models, model and seed.
            models: "run", "choice" or None.
        """

        def files(wildcards):
            halves = self._halves_of(wildcards.dataset)
            if models is None:
                return [path.format(half=half) for half in halves]
            if models == "choice":
                halves, runs = halves[:1], self._runs_to_choose()
            else:
                runs = self._runs_on_a_half()
            return [path.format(half=half, model=model, seed=seed) for half in halves for model, seed in runs]

        return files

    def only(self, which, path, **more):
        """Input function: files that only some jobs read.

        Args:
            which: the jobs that read them: of ``batched`` or ``simulated`` data sets, or of ``own``, ``external``,
                ``trained`` or ``batch_conditioned`` models.
            path: with the job's wildcards, ``source`` (the data set, also of a training half), and those of ``more``.
            more: wildcard=[values], expanded over all values.
        """

        def files(wildcards):
            if not self._is(which, wildcards):
                return []
            known = dict(wildcards.items())
            known["source"] = self.halves.get(known.get("dataset"), known.get("dataset"))
            found = [path]
            for name, values in more.items():
                found = [one.replace(f"{{{name}}}", str(value)) for one in found for value in values]
            found = [one.format(**known) for one in found]
            return found if more else found[0]

        return files

    def _is(self, which, wildcards):
        if which == "batched":
            return bool(self.config["datasets"][wildcards.dataset]["batch"])
        if which == "simulated":
            return address.is_simulated(self.config["datasets"][wildcards.dataset]["source"])
        if which == "batch_conditioned":
            return self.is_batch_conditioned(wildcards.model)
        return self._is_of(which, wildcards.model)

    def user_files(self, what, wildcards):
        """The user's files that a job reads.

        Args:
            what: ``source``, ``labels``, ``fetched_labels``, ``dropped_labels``, ``gene_sets``, ``mito`` or ``given``.
        """
        dataset = self.config["datasets"][wildcards.dataset]
        if what == "source":
            return address.files_of(dataset)
        if what in ("labels", "fetched_labels"):
            labels = self._label_set(wildcards)[1]
            if labels["from"] != "csv" or address.is_fetched(labels) != (what == "fetched_labels"):
                return []
            return [file for file in address.label_files(labels).values() if not address.is_url(file)]
        if what == "dropped_labels":
            return self.user_files("labels", wildcards) if self.dropped(wildcards) else []
        if what == "gene_sets":
            return [dataset["gene_sets"]] if dataset["gene_sets"] else []
        if what == "mito":
            listed = dataset["qc"]["mito_genes"]
            return [listed] if isinstance(listed, str) else []
        model = self.model(wildcards)
        if model["kind"] != "given":
            return []
        return [model["path"]] if model["path"] else self.user_files("source", wildcards)

    def content(self, *what):
        """Params function: digests of the user's files, so that their modification times do not matter."""
        return lambda wildcards: address.content([file for one in what for file in self.user_files(one, wildcards)])

    def more_labels(self, wildcards):
        """Input function: the files of a data set's additional label sets, in their order."""
        names = label_sets.further(self._labels(wildcards.dataset))
        return [f"<results>/{wildcards.dataset}/labels/{name}.csv" for name in names]

    def fetched_labels(self, wildcards):
        """Input function: the fetched labels of the label set in the wildcards, if it is such a set."""
        name, labels = self._label_set(wildcards)
        return f"<results>/{wildcards.dataset}/fetched_labels/{name}.csv" if address.is_fetched(labels) else []

    def dropped_fetched_labels(self, wildcards):
        """Input function: the same of the first label set, if unlabelled cells are dropped."""
        return self.fetched_labels(wildcards) if self.dropped(wildcards) else []

    # Code

    def code(self, script, *loaded):
        """Params function: digest of a script and all modules it imports.

        Args:
            script: name of a script.
            loaded: functions of wildcards that return the modules which the script loads by name.
        """

        def digest(wildcards):
            try:
                return code_digest.code(script, *(module for names in loaded for module in names(wildcards)))
            except UserError as error:
                raise self.refuse(str(error)) from None

        return digest

    def reader_modules(self, wildcards):
        """The modules that read the formats which the source of a data set may have."""
        return formats.readers(self.config["datasets"][wildcards.dataset])

    def model_module(self, wildcards):
        """The model file of the job, as module name or path."""
        return [self.kinds[wildcards.model].module]

    def batch_module(self, wildcards):
        """The module that reads batches, for a batch-conditioned model or an external model on batched data."""
        conditioned = self.is_batch_conditioned(wildcards.model)
        external = self._is("external", wildcards) and self._is("batched", wildcards)
        return ["scae.data.batch"] if conditioned or external else []

    def counts_module(self, wildcards):
        """The module that reads counts, for a model of counts."""
        return ["scae.data.counts"] if self.kinds[wildcards.model].counts else []

    def inspection_module(self, wildcards):
        """The module that reads model.pt, for a model trained by the workflow."""
        return ["scae.evaluation.inspection"] if self._is("own", wildcards) else []

    def label_module(self, wildcards):
        """The module that reads labels, if unlabelled cells are dropped."""
        return ["scae.data.labels"] if self.dropped(wildcards) else []

    # Settings of a job

    def dataset(self, *keys):
        """Params function: some keys of the data set's entry."""
        return lambda wildcards: {key: self.config["datasets"][wildcards.dataset][key] for key in sorted(keys)}

    def source(self, wildcards):
        """The settings for reading the source of a data set."""
        return self.dataset(*READING)(wildcards)

    def labels(self, wildcards):
        """The entry of the label set in the wildcards, by default of the first one, without what fetching needs."""
        entry = self._label_set(wildcards)[1]
        if address.is_fetched(entry):
            entry |= {"path": None, "cell_column": "cell", "column": "label", "sample_column": None, "cell_names": {}}
        return {"labels": {key: value for key, value in entry.items() if key != "sha256"}}

    def labels_to_fetch(self, wildcards):
        """The keys of the entry of a label set that its fetched labels depend on."""
        entry = self._label_set(wildcards)[1]
        return {key: entry[key] for key in ("cell_column", "cell_names", "column", "path", "sample_column", "sha256")}

    def label_set(self, wildcards):
        """The name of the label set in the wildcards, for its notes; "" if it is the only one."""
        labels = self._labels(wildcards.dataset)
        return getattr(wildcards, "label_set", next(iter(labels))) if label_sets.are_several(labels) else ""

    def makes_labels(self, wildcards):
        """Whether labels are computed from the expression, not read."""
        return self.labels(wildcards)["labels"]["from"] in ("clusters", "markers")

    def dropped(self, wildcards):
        """The entry of the first label set if unlabelled cells are dropped before training, else None."""
        labels = self.labels(SimpleNamespace(dataset=wildcards.dataset))["labels"]
        return labels if labels.get("missing") == "drop" else None

    def label_column(self, wildcards):
        """The column of obs with the labels, or ""; its presence is checked early, without effect on the counts."""
        labels = label_sets.first(self._labels(wildcards.dataset))
        return labels["column"] if labels["from"] == "obs" else ""

    def batch_column(self, wildcards):
        """The column of obs with the batches, or "", likewise."""
        return self.config["datasets"][wildcards.dataset]["batch"] or ""

    def label_names(self, wildcards):
        """Names of the label sets of a data set; the first determines k and the pictures."""
        return list(self.label_sources()[wildcards.dataset])

    def settings_of(self, model):
        """Kind and hyperparameters of a model, without options at their off value and settings of its training."""
        return self.kinds[model].settings(self.config["models"][model])

    def model(self, wildcards):
        """Kind and hyperparameters of the job's model; ``batch`` is the column of obs if it is conditioned on it."""
        conditioned = self.is_batch_conditioned(wildcards.model)
        settings = self.settings_of(wildcards.model)
        half = settings.pop("half", None)  # of a given embedding
        if half and wildcards.dataset in self.halves:
            settings |= half
        return settings | (self.dataset("batch")(wildcards) if conditioned else {})

    def is_batch_conditioned(self, model):
        return self.kinds[model].trained and self.config["models"][model].get("batch") is True

    def expression(self, wildcards):
        """The settings for reading the expression; that of a model of counts comes with them and is not scaled."""
        return {"counts": True, "scale": False} if self.kinds[wildcards.model].counts else self.config["expression"]

    def untrained_expression(self, wildcards):
        """The same for a representation without training; a given embedding only needs the cell names."""
        is_given = self.config["models"][wildcards.model]["kind"] == "given"
        return {"scale": False} if is_given else self.expression(wildcards)

    def given_source(self, wildcards):
        """The location of a data set's source, for an embedding that is read from its obsm."""
        model = self.model(wildcards)
        if model["kind"] != "given" or model["path"]:
            return {}
        return self.dataset("sha256", "source")(wildcards)

    def latent(self, wildcards):
        """Which posterior estimate is the latent; choices that are equal for this kind of model are the same."""
        return {"estimate": self.kinds[wildcards.model].estimate(self.config["latent"]["estimate"])}

    def training(self, wildcards):
        """The settings of training that this model uses."""
        if self._is("external", wildcards):
            return {"batch_size": self.config["models"][wildcards.model]["batch_size"]}
        return self.training_settings(wildcards.model) if self._is("own", wildcards) else {}

    def training_settings(self, model=None):
        """The settings of training that can change its result, of one model or as in the section ``training``."""
        own = self.kinds[model].training(self.config["models"][model]) if model else {}
        settings = self.config["training"] | own
        without = {"checkpoint_minutes"} | {name for name in OFF_AT_0 if not settings[name]}
        return {key: value for key, value in settings.items() if key not in without}

    def run_settings(self, wildcards):
        """The seeds of a model, and whether all give the same latent."""
        return {"deterministic": self.kinds[wildcards.model].deterministic, "seeds": self.seeds}

    def thinning(self, wildcards):
        """The settings by which the molecules of a data set are split."""
        dataset = self.config["datasets"][wildcards.dataset]
        settings = {"repeat": int(wildcards.repeat), "scale_factor": dataset["scale_factor"]}
        return settings | {"share": dataset["held_out_molecules"]["share"]}

    # Settings of the whole run

    def seeds_by_model(self):
        """{model: all seeds it stands for}, of the models on the training halves."""
        return dict.fromkeys(sorted(self.on_halves()), self.seeds)

    def choice(self):
        """{name: [model, number of latents]} of the models to choose from."""
        model = self.config["choose"]["model"]
        return {name: [model, entry["n_latent"]] for name, entry in self.candidates.items()}

    def kinds_to_choose(self):
        """{model: kind} of what `snakemake choose` compares."""
        model = self.config["choose"]["model"]
        return {"pca": "pca"} | ({model: self.config["models"][model]["kind"]} if model else {})

    def label_sources(self):
        """{data set: {label set: source of the labels}}; a single label set is named after its source."""
        found = {}
        for name in sorted(self.datasets):
            source, labels = self.config["datasets"][name]["source"], self._labels(name)
            origins = {key: address.origin_of_labels(source, entry) for key, entry in label_sets.of(labels).items()}
            several = label_sets.are_several(labels)
            found[name] = origins if several else {origin: origin for origin in origins.values()}
        return found

    def clusterings(self):
        """{data set: {label set: its entry if it is a clustering, else only its source}}."""
        found = {}
        for name, sources in self.label_sources().items():
            entries = label_sets.of(self._labels(name)).values()
            found[name] = {
                key: entry if entry["from"] == "clusters" else {"from": entry["from"]}
                for key, entry in zip(sources, entries, strict=True)
            }
        return found

    def roles(self):
        """{model: "model", "pca" or "floor"}; the latter two are baselines."""
        return {name: BASELINES.get(self.config["models"][name]["kind"], "model") for name in sorted(self.models)}

    def runs(self):
        """{run: its model, seed and settings}, for embeddings.h5ad."""
        shared = {name: self.config[name] for name in ("expression", "kmeans", "tsne")}
        found = {}
        for model in self.models:
            settings = {key: value for key, value in self.settings_of(model).items() if key != "half"} | shared
            if model in self.own:
                latent = {"estimate": self.kinds[model].estimate(self.config["latent"]["estimate"])}
                settings |= {"training": self.training_settings(model), "latent": latent}
            for seed in self.seeds:
                found[f"{model}_seed{seed}"] = {"model": model, "seed": seed, "settings": settings}
        return found

    def order(self, *parts):
        """{part: its data sets or models in the order of the config}, for the report."""
        return {name: list(dict.fromkeys(sweeps.spelled_out(self.as_written[name], self.sweeps))) for name in parts}

    def sweep_points(self):
        """{sweep: {model: {parameter: value}}}."""
        return {
            name: {model: dict(sorted(points[model].items())) for model in sorted(points)}
            for name, points in sorted(self.sweeps.items())
        }

    def published(self):
        """{data set: published scores} for data sets that have some."""
        datasets = {name: self.config["datasets"][name] for name in sorted(self.datasets)}
        return {name: dataset["published"] for name, dataset in datasets.items() if "published" in dataset}

    def model_info(self):
        """{model: description in its model file}, and how it is trained."""
        training = ("deterministic", "external", "trained")
        return {
            name: self.kinds[name].about | {key: getattr(self.kinds[name], key) for key in training}
            for name in sorted(self.models)
        }

    def missing_packages(self):
        """One line for each model of the run that needs a package which is not installed."""
        missing = {name: self.kinds[name].missing() for name in sorted(self.models)}
        return [f"models.{name}: {problem}" for name, problem in missing.items() if problem]

    def report_settings(self):
        """The settings that the report lists, without secrets and local paths."""
        datasets = {name: dict(self.config["datasets"][name]) for name in sorted(self.datasets)}
        for dataset in datasets.values():
            dataset.pop("published", None)
            dataset["source"] = address.shown_samples(dataset)
            dataset["gene_sets"] = dataset["gene_sets"] and address.shown(dataset["gene_sets"])
            shown = {
                key: entry | ({"path": address.shown_labels(entry)} if entry["from"] == "csv" else {})
                for key, entry in label_sets.of(dataset["labels"]).items()
            }
            dataset["labels"] = shown if label_sets.are_several(dataset["labels"]) else label_sets.first(shown)
        sections = ("kmeans", "latent", "neighbors", "expression", "tsne")
        return {name: self.config[name] for name in sections} | {
            "datasets": datasets,
            "models": {name: self.config["models"][name] for name in sorted(self.models)},
            "training": self.training_settings(),
        }

    def _labels(self, dataset):
        return self.config["datasets"][dataset]["labels"]

    def _label_set(self, wildcards):
        """(name, copy of the entry) of the label set in the wildcards, by default of the first one."""
        sets = label_sets.of(self._labels(wildcards.dataset))
        name = getattr(wildcards, "label_set", next(iter(sets)))
        return name, dict(sets[name])

    def _label_sets(self, chosen):
        return sorted({name for dataset in self.datasets for name in chosen(self._labels(dataset))})


def _halves(name, dataset):
    """Names of the training halves of a data set; no configured name has a dot."""
    return [f"{name}.half{number + 1}" for number in range(dataset["held_out_molecules"]["repeats"])]


def _candidates(config):
    """{model: entry} of the models that `snakemake choose` compares: one for each number of latents."""
    settings, models = config["choose"], config["models"]
    if settings["model"] is None:
        return {}
    return {
        f"{settings['model']}_n_latent{size}": models[settings["model"]] | {"n_latent": size}
        for size in settings["n_latent"]
    }


def _fetched(labels):
    """Names of the label sets of a data set that are fetched."""
    return [name for name, entry in label_sets.of(labels).items() if address.is_fetched(entry)]
