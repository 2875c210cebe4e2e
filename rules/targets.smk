"""The files that a run makes, by part of the workflow. No rules here.

Needs what common.smk defines. Makes lists that name every file of the results contract, since Snakemake does not miss a
deleted intermediate file.
"""


def per_run(patterns, models=MODELS, datasets=DATASETS):
    """Path patterns filled in for every data set, model and seed of the run."""
    return expand(patterns, dataset=datasets, model=models, seed=SEEDS)


def files_of_labels(dataset):
    """The file of each set of labels of a data set, the first one first."""
    further = label_sets.further(all_labels(dataset))
    return [f"<results>/{dataset}/labels.csv", *(f"<results>/{dataset}/labels/{name}.csv" for name in further)]


def data_files():
    of_batches = expand("<results>/{dataset}/batches.csv", dataset=BATCHED)
    of_datasets = expand(
        [
            "<results>/{dataset}/counts.h5ad",
            "<results>/{dataset}/expression.h5ad",
            "<results>/{dataset}/quality/cells.csv",
            "<results>/{dataset}/quality/limits.csv",
            "<results>/{dataset}/quality/top_genes.csv",
        ],
        dataset=DATASETS,
    )
    exported = expand(
        ["<results>/{dataset}/export/expression.csv.gz", "<results>/{dataset}/export/labels.csv"], dataset=EXPORTED
    )
    of_labels = [path for dataset in DATASETS for path in files_of_labels(dataset)]
    return [*of_batches, *of_datasets, *exported, *of_labels]


def model_files():
    return [
        *per_run("<results>/{dataset}/{model}/seed{seed}/latent.csv"),
        *per_run(
            [
                "<results>/{dataset}/{model}/seed{seed}/history.csv",
                "<results>/{dataset}/{model}/seed{seed}/timing.csv",
            ],
            models=TRAINED,
        ),
        *per_run("<results>/{dataset}/{model}/seed{seed}/model.pt", models=OWN),
        *per_run("<results>/{dataset}/{model}/seed{seed}/kl.csv", models=PEERS),
    ]


def evaluation_files():
    return [
        "<results>/metrics.csv",
        "<results>/intervals.csv",
        "<results>/differences.csv",
        "<results>/recalls.csv",
        "<results>/references.csv",
        "<results>/health.csv",
        "<results>/stability.csv",
        "<results>/verdict.txt",
        "<results>/training_times.csv",
        *expand("<results>/{dataset}/embeddings.h5ad", dataset=DATASETS),
        *expand(
            [
                "<results>/{dataset}/colors.csv",
                "<results>/{dataset}/distances.npz",
                "<results>/{dataset}/stability.csv",
                "<results>/{dataset}/cell_stability.csv",
            ],
            dataset=DATASETS,
        ),
        *per_run(
            [
                "<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
                "<results>/{dataset}/{model}/seed{seed}/tsne3d.csv",
                "<results>/{dataset}/{model}/seed{seed}/clusters.csv",
                "<results>/{dataset}/{model}/seed{seed}/metrics.csv",
                "<results>/{dataset}/{model}/seed{seed}/health.csv",
                "<results>/{dataset}/{model}/seed{seed}/recalls.csv",
                "<results>/{dataset}/{model}/seed{seed}/spreads.csv",
            ]
        ),
        *expand(
            "<results>/{dataset}/{model}/{table}.csv",
            dataset=DATASETS,
            model=MODELS,
            table=["latent_genes", "latent_matches", "latent_sets", "latent_traversals"],
        ),
        *expand(
            "<results>/{dataset}/{model}/{table}.csv",
            dataset=DATASETS,
            model=OWN,
            table=["generated", "generated_genes"],
        ),
    ]


def report_files():
    return [
        "<results>/heatmap.png",
        "<results>/heatmap.svg",
        "<results>/report.html",
        *expand(["<results>/{dataset}/quality/quality.png", "<results>/{dataset}/stability.png"], dataset=DATASETS),
        *expand(
            "<results>/figures/{dataset}/{figure}.{suffix}",
            dataset=DATASETS,
            figure=["scores", "embeddings", "recalls"],
            suffix=["svg", "pdf"],
        ),
        *expand(
            "<results>/figures/{dataset}/sweeps/{sweep}.{suffix}",
            dataset=DATASETS,
            sweep=SWEEPS,
            suffix=["svg", "pdf"],
        ),
        *per_run(
            [
                "<results>/{dataset}/{model}/seed{seed}/clusters.png",
                "<results>/{dataset}/{model}/seed{seed}/tsne3d.png",
            ]
        ),
        *expand("<results>/{dataset}/{model}/latents.png", dataset=DATASETS, model=MODELS),
        *expand("<results>/{dataset}/{model}/generated.png", dataset=DATASETS, model=OWN),
        *per_run("<results>/{dataset}/{model}/seed{seed}/batches.png", datasets=BATCHED),
        *per_run("<results>/{dataset}/{model}/seed{seed}/losses.png", models=TRAINED),
    ]


def all_files():
    return [*data_files(), *model_files(), *evaluation_files(), *report_files()]


def comparable_files():
    """Files that are the same bytes in every run: all but those that tell how long something took."""
    return [path for path in all_files() if Path(path).name not in ("timing.csv", "training_times.csv", "report.html")]
