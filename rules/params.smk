"""What reaches a job: the functions that rules use as input, params and resources. No rules here.

Needs what common.smk defines. Makes functions alone. Everything a job's result depends on reaches it this way, each
concept as one sorted dict, since Snakemake compares params as a set of values.
"""


def dataset_settings(*keys):
    """Params function: these keys of the data set's entry, as one dict."""

    def settings(wildcards):
        return {key: config["datasets"][wildcards.dataset][key] for key in sorted(keys)}

    return settings


def source_paths(wildcards):
    """Local files that a data set is read from, its table of samples too; a URL has none."""
    return address.files_of(config["datasets"][wildcards.dataset])


def labels_of(wildcards):
    """Params function: the entry of a set of labels, of the first set unless a wildcard names another."""
    sets = label_sets.of(all_labels(wildcards.dataset))
    return {"labels": sets[wildcards.get("label_set", next(iter(sets)))]}


def label_paths(wildcards):
    """The label file of a set of labels that comes from a CSV."""
    labels = labels_of(wildcards)["labels"]
    return [labels["path"]] if labels["from"] == "csv" else []


def further_labels(wildcards):
    """Input function: the labels of a data set that are only scored, in the order of their sets."""
    names = label_sets.further(all_labels(wildcards.dataset))
    return expand("<results>/{dataset}/labels/{label_set}.csv", dataset=wildcards.dataset, label_set=names)


def dropping_labels(wildcards):
    """Params function: the first labels of a data set, if cells without one are dropped before training; else None."""
    labels = label_sets.first(all_labels(wildcards.dataset))
    return labels if labels.get("missing") == "drop" else None


def preprocessing_code(script):
    """Params function: digest of a script, with that of the labels where it drops cells by them."""

    def digest(wildcards):
        return code(script, *(["scae.data.labels"] if dropping_labels(wildcards) else []))

    return digest


def dropping_label_paths(wildcards):
    """The label file of such a data set."""
    return label_paths(wildcards) if dropping_labels(wildcards) else []


def gene_set_paths(wildcards):
    """The file of gene sets of a data set, if it names one."""
    path = config["datasets"][wildcards.dataset]["gene_sets"]
    return [path] if path else []


def label_column(wildcards):
    """Resource function: the column of obs that a source must have. What cannot change counts is no param."""
    labels = label_sets.first(all_labels(wildcards.dataset))
    return labels["column"] if labels["from"] == "obs" else ""


def batch_column(wildcards):
    """Resource function: the column of obs that says of which batch a cell is, as `label_column`."""
    return config["datasets"][wildcards.dataset]["batch"] or ""


def batch_source(wildcards):
    """The file that tells the batches of the cells of a data set, for a model that never sees labels; else none."""
    return f"<results>/{wildcards.dataset}/counts.h5ad" if wildcards.dataset in BATCHED else []


def peer_code(script):
    """Params function: as `model_code`, with what finds the batch of each cell where the data set has some."""

    def digest(wildcards):
        read = ["scae.data.batch"] if wildcards.dataset in BATCHED else []
        return code(script, PAGES[wildcards.model].module, *read)

    return digest


def batch_table(wildcards):
    """The batches of the cells of a data set that has some."""
    return f"<results>/{wildcards.dataset}/batches.csv" if wildcards.dataset in BATCHED else []


def mito_paths(wildcards):
    """The file of a data set that lists its mitochondrial genes."""
    listed = config["datasets"][wildcards.dataset]["qc"]["mito_genes"]
    return [listed] if isinstance(listed, str) else []


def is_known_by_content(file):
    """Whether its time says nothing; that of a file which a rule of an importing workflow makes does, within a run."""
    return (
        Path(file).exists()
        and address.is_hashed(file)
        and not any(rule.is_producer(file) for rule in workflow.rules)
    )


def label_names(wildcards):
    """Params function: the names of a data set's sets of labels, the first being that of pictures and k."""
    return list(label_origins()[wildcards.dataset])


def label_origins():
    """Params: {data set: {label set: where it comes from}}, the first being that of pictures and k.

    A single entry goes by where it comes from.
    """
    found = {}
    for name in sorted(DATASETS):
        sets = label_sets.of(all_labels(name))
        origins = {
            key: address.origin_of_labels(config["datasets"][name]["source"], entry) for key, entry in sets.items()
        }
        several = label_sets.are_several(all_labels(name))
        found[name] = origins if several else {origin: origin for origin in origins.values()}
    return found


def sets_of_labels():
    """Params: {data set: {label set: where it comes from, and how it was clustered if it was}}."""
    found = {}
    for name, origins in label_origins().items():
        entries = label_sets.of(all_labels(name)).values()
        found[name] = {
            key: entry if entry["from"] == "clusters" else {"from": entry["from"]}
            for key, entry in zip(origins, entries, strict=True)
        }
    return found


def of_models(models, path):
    """Input function: a file of a run if its model is one of these, else none."""

    def files(wildcards):
        return path.format(**wildcards) if wildcards.model in models else []

    return files


def is_batch_aware(model):
    """Whether a model is told the batch of each cell."""
    return PAGES[model].trained and config["models"][model].get("batch") is True


def of_batch_aware(path):
    """Input function: a file of a data set if the model is told the batch of each cell, else none."""

    def files(wildcards):
        return path.format(**wildcards) if is_batch_aware(wildcards.model) else []

    return files


def of_models_seeds(models, path):
    """Input function: a file of each seed of a model if it is one of these, else none."""

    def files(wildcards):
        return expand(path, **wildcards, seed=SEEDS) if wildcards.model in models else []

    return files


def of_simulated(path):
    """Input function: a file of a data set if it is simulated, so that its truth is known, else none."""

    def files(wildcards):
        source = config["datasets"][wildcards.dataset]["source"]
        return path.format(**wildcards) if address.is_simulated(source) else []

    return files


def by_content(files):
    """Input function: the files that a function names, whose times do not count, since `content` goes to params.

    They are the user's, below the working directory, and `local` keeps the prefix of an importing workflow from them. A
    path with braces would be taken for a pattern; such a file is known by params alone.
    """

    def watched(wildcards):
        paths = [file for file in files(wildcards) if not address.is_pattern(file)]
        return [local(ancient(file) if is_known_by_content(file) else file) for file in paths]

    return watched


def content(*files):
    """Params function: digests of the files that functions name."""

    def digests(wildcards):
        return address.content([file for function in files for file in function(wildcards)])

    return digests


def settings_of(model):
    """Kind and hyperparameters of a model, without options that are off."""
    return PAGES[model].settings(config["models"][model])


def model_settings(wildcards):
    """Params function: kind and hyperparameters of a model; its batch is the column of obs that tells it."""
    of_batch = dataset_settings("batch")(wildcards) if is_batch_aware(wildcards.model) else {}
    return settings_of(wildcards.model) | of_batch


def expression_settings(wildcards):
    """Params function: how the expression is read; a representation that is given looks at the names of its cells only."""
    is_given = config["models"][wildcards.model]["kind"] == "given"
    return {"scale": False} if is_given else config["expression"]


def given_source(wildcards):
    """Params function: where a data set comes from, for a representation that is looked up there."""
    model = config["models"][wildcards.model]
    if model["kind"] != "given" or model["path"]:
        return {}
    return dataset_settings("sha256", "source")(wildcards)


def given_paths(wildcards):
    """The files that a given representation is read from; none for the others."""
    model = config["models"][wildcards.model]
    if model["kind"] != "given":
        return []
    return [model["path"]] if model["path"] else source_paths(wildcards)


def latent_settings(wildcards):
    """Params function: which point of the posterior stands for a cell, as far as it matters to the kind of the model."""
    return {"estimate": PAGES[wildcards.model].estimate(config["latent"]["estimate"])}


def tsne_settings(wildcards):
    """Params function: the settings of a t-SNE in so many dimensions."""
    most = {"2": "max_cells", "3": "max_cells_3d"}
    settings = {key: value for key, value in config["tsne"].items() if key not in most.values()}
    return settings | {"max_cells": config["tsne"][most[wildcards.dimensions]]}


def training_settings():
    """Params: the settings of training that can change its result; without those that are off at 0."""
    off = {name for name in ("early_stopping", "holdout", "min_steps") if not config["training"][name]}
    without = {"checkpoint_minutes"} | off
    return {key: value for key, value in config["training"].items() if key not in without}


def training_of_model(wildcards):
    """Params function: the settings of training, as far as they matter to the model; a peer has its own."""
    if wildcards.model in PEERS:
        return {"batch_size": config["models"][wildcards.model]["batch_size"]}
    return training_settings() if wildcards.model in OWN else {}


def model_code(script):
    """Params function: digest of a script that loads a model's page by name, with that page and no other model's."""

    def digest(wildcards):
        return code(script, PAGES[wildcards.model].module)

    return digest


def training_code(script):
    """Params function: as `model_code`, with what finds the batch of each cell for a model that is told it."""

    def digest(wildcards):
        further = ["scae.data.batch"] if is_batch_aware(wildcards.model) else []
        return code(script, PAGES[wildcards.model].module, *further)

    return digest


def megabytes(paths):
    """Size of the files that are there; in a group, a job's input may be still to be made when its size is asked for."""
    return sum(os.path.getsize(path) for path in paths if os.path.exists(path)) / 2**20


def growing(base, per_mb=0.0, of=None):
    """Resource function: a base and so much for each megabyte of the input, times the attempt.

    ``of`` is the path of another file to measure, from the folder of the first input.
    """

    def amount(wildcards, input, attempt):
        paths = [os.path.join(os.path.dirname(input[0]), of)] if of else input
        return int((base + per_mb * megabytes(paths)) * attempt)

    return amount


def growing_with_clusters(base, per_mb):
    """Resource function: as `growing` where the labels are made from the expression, the base where they are read."""

    def amount(wildcards, input, attempt):
        made = labels_of(wildcards)["labels"]["from"] in ("clusters", "markers")
        return growing(base, per_mb if made else 0)(wildcards, input, attempt)

    return amount


def model_roles():
    """Params: {model: what it is in a comparison}, a control or what the study is about."""
    controls = {"pca": "pca", "random_projection": "floor"}
    return {name: controls.get(config["models"][name]["kind"], "model") for name in sorted(MODELS)}


def runs_of_model(wildcards):
    """Params function: the seeds of a model, and whether they give the same latents."""
    return {"deterministic": PAGES[wildcards.model].deterministic, "seeds": SEEDS}


def runs_of_a_dataset():
    """Params: {name of a run: its model, seed and settings}, in the order of the files of the runs."""
    shared = {name: config[name] for name in ("expression", "kmeans", "tsne")}
    runs = {}
    for model in MODELS:
        settings = settings_of(model) | shared
        if model in OWN:
            latent = {"estimate": PAGES[model].estimate(config["latent"]["estimate"])}
            settings |= {"training": training_settings(), "latent": latent}
        for seed in SEEDS:
            runs[f"{model}_seed{seed}"] = {"model": model, "seed": seed, "settings": settings}
    return runs


def shown_order(*parts):
    """Params: the data sets or models of the run in the order in which they are shown, that of the config."""
    return {name: list(dict.fromkeys(sweeps.spelled_out(AS_WRITTEN[name], SWEEPS))) for name in parts}


def points_of_sweeps():
    """Params: {sweep: {model: {parameter: value}}} of the sweeps of the run."""
    return {
        name: {model: dict(sorted(points[model].items())) for model in sorted(points)}
        for name, points in sorted(SWEEPS.items())
    }


def points_of_sweep(wildcards):
    """Params function: {model: {parameter: value}} of a sweep."""
    return points_of_sweeps()[wildcards.sweep]


def published_scores():
    """Params: {data set: published scores} of the data sets of the run that have some."""
    return {
        name: config["datasets"][name]["published"]
        for name in sorted(DATASETS)
        if "published" in config["datasets"][name]
    }


def model_descriptions():
    """Params: what the pages of the models of the run say of them."""
    return {
        name: PAGES[name].about
        | {"deterministic": PAGES[name].deterministic, "peer": PAGES[name].external, "trained": PAGES[name].trained}
        for name in sorted(MODELS)
    }


def missing_packages():
    """Params: what to do about packages that models of the run need and that are not here; conda brings them."""
    from snakemake.settings.types import DeploymentMethod

    if DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method:
        return []
    missing = {name: PAGES[name].missing() for name in sorted(MODELS)}
    return [f"models.{name}: {problem}" for name, problem in missing.items() if problem]


def report_settings():
    """Params: the settings that the report states."""
    datasets = {name: dict(config["datasets"][name]) for name in sorted(DATASETS)}
    for dataset in datasets.values():
        dataset.pop("published", None)
        dataset["source"] = address.shown_samples(dataset)
        dataset["gene_sets"] = dataset["gene_sets"] and address.shown(dataset["gene_sets"])
        shown = {
            key: entry | ({"path": address.shown(entry["path"])} if entry["from"] == "csv" else {})
            for key, entry in label_sets.of(dataset["labels"]).items()
        }
        dataset["labels"] = shown if label_sets.are_several(dataset["labels"]) else label_sets.first(shown)
    return {
        "datasets": datasets,
        "kmeans": config["kmeans"],
        "latent": config["latent"],
        "neighbors": config["neighbors"],
        "models": {name: config["models"][name] for name in sorted(MODELS)},
        "training": training_settings(),
        "expression": config["expression"],
        "tsne": config["tsne"],
    }
