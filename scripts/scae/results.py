"""The results contract: every file that a run makes, once.

From this table come the lists of targets, the types of the columns when a table is read, results/README.md and the
test that a run makes every file. A rule writes the paths of its own files; a test holds both together. Standard library
only: the rules read it at every start. A job depends on the columns of the tables that its code names, and on nothing
else in this file (jobs/code_digest.py).
"""

import re
from dataclasses import dataclass
from itertools import product

TEXT = ":text"  # suffix of columns that are read as text, even "NA" and "007"
RUN = "{dataset}/{model}/seed{seed}"


@dataclass(frozen=True)
class Result:
    """One kind of file: where it lies below the results folder, what it holds, and for what it is made."""

    name: str
    path: str  # with a wildcard a folder level
    part: str  # the target that makes it: data, models, evaluation or report
    says: str  # what is in it, for results/README.md
    columns: str = ""  # of a table, in order; a final "…" means further columns of numbers
    of: str = ""  # made for these only: trained, own or external models, batched or exported data sets, first_seed, …
    same: bool = True  # the same bytes in every run; durations are not
    of_half: bool = False  # made of the training half of the molecules too, as data set {dataset}.half1

    @property
    def wildcards(self):
        return re.findall(r"{(\w+)}", self.path)

    @property
    def text_columns(self):
        return [column.removesuffix(TEXT) for column in self.columns.split() if column.endswith(TEXT)]

    @property
    def column_names(self):
        return [column.removesuffix(TEXT) for column in self.columns.split() if column != "…"]


CONTRACT = [
    # data
    Result("counts", "{dataset}/counts.h5ad", "data", "the data as read, cells × genes"),
    Result(
        "expression",
        "{dataset}/expression.h5ad",
        "data",
        'after quality control: `X` log-normalised, CSR float32; `layers["counts"]` where the source has counts',
        of_half=True,
    ),
    Result(
        "test_half",
        "{half}/test.h5ad",
        "data",
        "the other half of the molecules, with `held_out_molecules`: counts that no representation has seen; "
        "`{half}/expression.h5ad` is the training half",
    ),
    Result(
        "cells",
        "{dataset}/quality/cells.csv",
        "data",
        "every cell of the source before filtering; `pct_mito` where there are counts; `removed_by` is the first limit "
        "that removes the cell, empty if it is kept",
        columns="cell:text sample:text genes counts pct_mito removed_by:text",
    ),
    Result(
        "limits",
        "{dataset}/quality/limits.csv",
        "data",
        "each quality-control limit and how many cells it removes; `sample` is empty for all samples",
        columns="sample:text limit:text lower upper breaks_it breaks_only_it",
    ),
    Result(
        "top_genes",
        "{dataset}/quality/top_genes.csv",
        "data",
        "the genes with most counts, in percent of all counts, before and after filtering",
        columns="gene:text percent_before percent_after",
    ),
    Result(
        "labels",
        "{dataset}/labels.csv",
        "data",
        "cell types; empty for an unlabelled cell, which is trained on, embedded and drawn in grey, but not scored",
        columns="cell:text label:text",
    ),
    Result(
        "label_set",
        "{dataset}/labels/{label_set}.csv",
        "data",
        "cell types by an additional label set, which is only scored",
        columns="cell:text label:text",
    ),
    Result(
        "fetched_labels",
        "{dataset}/fetched_labels/{label_set}.csv",
        "data",
        "the labels of a label set as read from a URL or from one file per sample",
        columns="cell:text label:text",
        of="fetched",
    ),
    Result(
        "batches",
        "{dataset}/batches.csv",
        "data",
        "the batch of each cell, where the data set has a `batch`",
        columns="cell:text batch:text",
        of="batched",
    ),
    Result(
        "colors",
        "{dataset}/colors.csv",
        "data",
        "colour and marker of each cell type in every picture; similar types get distant colours",
        columns="label:text color:text shape:text",
    ),
    Result(
        "exported_expression",
        "{dataset}/export/expression.csv.gz",
        "data",
        "the original study's input: one row a cell, one column a gene (`export: auto` skips it for sources above "
        "100 MB)",
        of="exported",
    ),
    Result(
        "exported_labels",
        "{dataset}/export/labels.csv",
        "data",
        "the original study's labels",
        columns="cell:text label:text",
        of="exported",
    ),
    # models
    Result(
        "model",
        f"{RUN}/model.pt",
        "models",
        "weights, hyperparameters and gene names; `torch.load(path, weights_only=True)`",
        of="own",
        of_half=True,
    ),
    Result(
        "history",
        f"{RUN}/history.csv",
        "models",
        "loss terms by epoch, mean over cells; with `training.holdout` also of held-out cells; with "
        "`training.early_stopping` the best epoch so far, whose weights are kept",
        columns="epoch loss reconstruction kl …",
        of="trained",
        of_half=True,
    ),
    Result(
        "timing",
        f"{RUN}/timing.csv",
        "models",
        "duration of the training",
        columns="epochs seconds cells_per_second device:text threads engine:text",
        of="trained",
        same=False,
        of_half=True,
    ),
    Result(
        "kl",
        f"{RUN}/kl.csv",
        "models",
        "KL divergence of each latent dimension in nats, for external models",
        columns="cell:text …",
        of="external",
        of_half=True,
    ),
    Result(
        "latent",
        f"{RUN}/latent.csv",
        "models",
        "latent of each cell: `z1`, `z2`, …",
        columns="cell:text …",
        of_half=True,
    ),
    # evaluation
    Result(
        "distances",
        "{dataset}/distances.npz",
        "evaluation",
        "squared distances in the input between at most 5,000 cells",
    ),
    Result("tsne2d", f"{RUN}/tsne2d.csv", "evaluation", "2-D t-SNE of the latent", columns="cell:text x y"),
    Result(
        "tsne3d",
        f"{RUN}/tsne3d.csv",
        "evaluation",
        "3-D t-SNE of the latent, for the first seed",
        columns="cell:text x y z",
        of="first_seed",
    ),
    Result(
        "clusters",
        f"{RUN}/clusters.csv",
        "evaluation",
        "k-means cluster of each cell in the 2-D t-SNE and in the latent",
        columns="cell:text tsne2d latent",
    ),
    Result(
        "metrics",
        f"{RUN}/metrics.csv",
        "evaluation",
        "scores of one run",
        columns="labels:text space:text metric:text value",
    ),
    Result(
        "recalls",
        f"{RUN}/recalls.csv",
        "evaluation",
        "share of each type's cells that their 15 nearest neighbours assign to it (fewer neighbours for a type of "
        "fewer than 9 cells; empty for a type of 1 cell)",
        columns="labels:text space:text label:text cells recall",
    ),
    Result(
        "spreads",
        f"{RUN}/spreads.csv",
        "evaluation",
        "spread of the scores when cells are resampled within each type; low and high without the bias of it",
        columns="labels:text space:text metric:text mean sd low high",
    ),
    Result(
        "resamples",
        f"{RUN}/resamples.csv",
        "evaluation",
        "the scores in each of these samples of the cells, which are the same for all representations of a data set",
        columns="labels:text space:text draw nmi ari knn_accuracy",
    ),
    Result(
        "health",
        f"{RUN}/health.csv",
        "evaluation",
        "diagnostics of each latent dimension, and of `all` together",
        columns="latent:text measure:text value",
    ),
    Result(
        "latent_genes",
        "{dataset}/{model}/latent_genes.csv",
        "evaluation",
        "change of a gene's expression when an active latent dimension moves from `low` to `high` (its 5th and 95th "
        "percentile; `switch`: a gate from off to on), mean over cells; up to 20 genes of each sign",
        columns="seed latent:text move:text low high gene:text effect",
    ),
    Result(
        "latent_matches",
        "{dataset}/{model}/latent_matches.csv",
        "evaluation",
        "whether other seeds find each latent dimension again, against random rotations; empty with one seed",
        columns="seed latent:text others agreement null_mean null_95 p p_holm reproducible",
    ),
    Result(
        "latent_sets",
        "{dataset}/{model}/latent_sets.csv",
        "evaluation",
        "gene sets (`gene_sets`) that are enriched among the 50 genes that rise, or fall, most",
        columns="seed latent:text sign:text set:text shared of expected p q genes:text",
    ),
    Result(
        "latent_traversals",
        "{dataset}/{model}/latent_traversals.csv",
        "evaluation",
        "decoded expression of the strongest genes along each latent dimension; empty without a decoder",
        columns="seed latent:text gene:text value expression",
    ),
    Result(
        "generated",
        "{dataset}/{model}/generated.csv",
        "evaluation",
        "reconstructed and generated cells against real ones: correlation over genes and ratio of mean, variance and "
        "zeros; empty without a decoder",
        columns="seed cells:text statistic:text correlation ratio",
    ),
    Result(
        "generated_genes",
        "{dataset}/{model}/generated_genes.csv",
        "evaluation",
        "the same gene by gene, for the first seed",
        columns="seed cells:text gene:text mean variance zeros",
    ),
    Result(
        "stability",
        "{dataset}/stability.csv",
        "evaluation",
        "agreement between seeds: ARI of the clusters and canonical correlation of the latents, mean over pairs",
        columns="model:text space:text measure:text pairs value",
    ),
    Result(
        "cell_stability",
        "{dataset}/cell_stability.csv",
        "evaluation",
        "share of its cluster-mates that a cell keeps under another seed",
        columns="model:text cell:text kept_tsne2d kept_latent",
    ),
    Result(
        "held_out",
        "{dataset}/held_out.csv",
        "evaluation",
        "how well the nearest cells, in each representation of the training half, predict the molecules of the test "
        "half: nats per 1,000 molecules above the overall profile, with its spread over cells",
        columns="model:text seed metric:text mean sd low high",
        of="split",
    ),
    Result(
        "held_out_resamples",
        "{dataset}/held_out_resamples.csv",
        "evaluation",
        "this score in each resample of the cells",
        columns="model:text seed draw held_out",
        of="split",
    ),
    Result(
        "held_out_sizes",
        "{dataset}/held_out_sizes.csv",
        "evaluation",
        "the same for 2 to 50 principal components, with its standard error over cells; how far it is below the best "
        "number, also with its standard error; `both_halves`: with neighbours from all molecules, as an upper bound",
        columns="components held_out sd below below_sd both_halves",
        of="split",
    ),
    Result(
        "embeddings",
        "{dataset}/embeddings.h5ad",
        "evaluation",
        "the cells for scanpy or cellxgene, with the first seed: expression, `label`, `clusters_{model}`, `X_{model}`, "
        "`X_{model}_tsne`, `X_tsne` and `X_umap` of `pca` (or else of the first model), and the obsm of the source",
    ),
    Result(
        "embeddings_seeds",
        "{dataset}/embeddings_seeds.h5ad",
        "evaluation",
        "labels, clusters, latents and t-SNE of all seeds, without expression: `X_{model}_seed{seed}`, …",
    ),
    Result(
        "all_metrics",
        "metrics.csv",
        "evaluation",
        "the scores of all runs",
        columns="dataset:text model:text seed labels:text space:text metric:text value",
    ),
    Result(
        "all_recalls",
        "recalls.csv",
        "evaluation",
        "the recalls of all runs",
        columns="dataset:text model:text seed labels:text space:text label:text cells recall",
    ),
    Result(
        "all_health",
        "health.csv",
        "evaluation",
        "the diagnostics of all runs",
        columns="dataset:text model:text seed latent:text measure:text value",
    ),
    Result(
        "all_stability",
        "stability.csv",
        "evaluation",
        "the agreement between seeds of all data sets",
        columns="dataset:text model:text space:text measure:text pairs value",
    ),
    Result(
        "references",
        "references.csv",
        "evaluation",
        "scores of the labels themselves: shuffled (chance), and clustered again (upper bound)",
        columns="dataset:text reference:text seed labels:text metric:text value",
    ),
    Result(
        "intervals",
        "intervals.csv",
        "evaluation",
        "each score with its 95 % CI over seeds (from 3 seeds on) and its spread over cells",
        columns="dataset:text model:text labels:text origin:text space:text metric:text over:text n mean sd low high",
    ),
    Result(
        "differences",
        "differences.csv",
        "evaluation",
        "first − second, for each pair of a model with a baseline or another model: 95 % CI over seeds and over cells; "
        "`question` says why the pair is tested, if it is; `p` is the larger one over seeds and over both, `p_holm` is "
        "adjusted for the tested pairs of a score, and so is the interval that follows it; `detectable` is the "
        "smallest difference that could have been shown, `seeds_needed` the number of seeds that would show this one",
        columns="dataset:text labels:text origin:text space:text metric:text first:text second:text question:text n "
        "mean sd low high p_seeds cells_low cells_high p_cells p p_holm adjusted_low adjusted_high detectable "
        "seeds_needed",
    ),
    Result(
        "training_times",
        "training_times.csv",
        "evaluation",
        "the durations of all trainings",
        columns="dataset:text model:text seed epochs seconds cells_per_second device:text threads",
        same=False,
    ),
    Result("verdict", "verdict.txt", "evaluation", "the answer in a few sentences"),
    # report
    Result(
        "clusters_png",
        f"{RUN}/clusters.png",
        "report",
        "2-D t-SNE by cell type, by cluster and by batch, for the first seed",
        of="first_seed",
    ),
    Result("losses_png", "{dataset}/{model}/losses.png", "report", "loss curves of every seed", of="trained"),
    Result("latents_png", "{dataset}/{model}/latents.png", "report", "genes of each latent dimension, first seed"),
    Result("generated_png", "{dataset}/{model}/generated.png", "report", "generated against real cells", of="own"),
    Result("quality_png", "{dataset}/quality/quality.png", "report", "quality control"),
    Result("stability_png", "{dataset}/stability.png", "report", "agreement between seeds, cell by cell"),
    *(
        Result(f"{name}_{suffix}", f"figures/{{dataset}}/{name}.{suffix}", "report", says)
        for name, says in (
            ("scores", "scores with their intervals; the .pdf is one column wide (89 mm), for a paper"),
            ("embeddings", "all representations side by side; the .pdf is one column wide"),
            ("recalls", "recall of each cell type"),
        )
        for suffix in ("svg", "pdf")
    ),
    *(
        Result(f"sweep_{suffix}", f"figures/{{dataset}}/sweeps/{{sweep}}.{suffix}", "report", "scores along a sweep")
        for suffix in ("svg", "pdf")
    ),
    Result("heatmap_png", "heatmap.png", "report", "all scores at a glance"),
    Result("heatmap_svg", "heatmap.svg", "report", "all scores at a glance"),
    Result("report", "report.html", "report", "everything on one page that needs no network", same=False),
]
BY_NAME = {result.name: result for result in CONTRACT}


def paths(result, values):
    """The paths of a result for all combinations of wildcard values.

    Args:
        result: entry of `CONTRACT`.
        values: {wildcard: list of values}.
    """
    names = result.wildcards
    return [
        result.path.format(**dict(zip(names, some, strict=True))) for some in product(*(values[name] for name in names))
    ]
