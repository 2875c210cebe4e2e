"""Draw the main figures of a data set: its scores, its representations side by side, the types that are lost."""

import scae.jobs.runtime as runtime

from scae import style, tables
from scae.plots import drawing, scores

with runtime.job(snakemake):
    files, params, dataset = snakemake.input, snakemake.params, snakemake.wildcards.dataset
    labels = tables.read_labels(files.labels)
    intervals, recalls = (tables.read(files[name]) for name in ("intervals", "recalls"))
    intervals = intervals[intervals["dataset"] == dataset]
    recalls = recalls[(recalls["dataset"] == dataset) & (recalls["space"] == "latent")] if len(recalls) else recalls
    runs = {
        model: tables.read_points(path, cells=labels.index).to_numpy()
        for model, path in zip(params.models, files.tsne2d, strict=True)
    }
    drawn = {
        "scores": scores.scores(intervals, params.roles, params.described, params.origins[dataset]),
        "embeddings": scores.embeddings(
            {model: runs[model] for model in params.order["models"]}, labels, style.read(files.colors)
        ),
        "recalls": scores.recalls(recalls, intervals, params.roles, next(iter(params.origins[dataset]))),
    }
    for name, figure in drawn.items():
        for suffix in ("svg", "pdf"):
            drawing.save(figure, snakemake.output[f"{name}_{suffix}"], editable=True)
