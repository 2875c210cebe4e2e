"""Draw the pictures of a data set: quality control, stability, scores, all embeddings, recalls and sweeps."""

import scae.jobs.runtime as runtime

from scae import style, tables
from scae.evaluation.main_scores import select
from scae.plots import cells, drawing, paper, quality, scores, stability, sweep

with runtime.job(snakemake):
    params, dataset = snakemake.params, snakemake.wildcards.dataset
    inputs, outputs = (tables.Files(paths) for paths in (snakemake.input, snakemake.output))
    sources, models = params.label_sources[dataset], params.order["models"]
    labels = tables.read_labels(inputs.path("labels"))
    points = {model: tables.read_points(inputs.path("tsne2d", model=model), cells=labels.index) for model in models}
    intervals = select(inputs.read("intervals"), dataset=dataset)
    metrics = select(inputs.read("all_metrics"), dataset=dataset)
    recalls = select(inputs.read("all_recalls"), dataset=dataset, space="latent")

    quality_tables = [inputs.read(name) for name in ("cells", "limits", "top_genes")]
    drawing.save(quality.quality(*quality_tables, f"quality control of {dataset}"), outputs.path("quality_png"))
    kept = inputs.read("cell_stability")
    orders = {model: rows["cell"] for model, rows in kept.groupby("model")}
    of_cells = {model: points[model].loc[orders[model]] for model in models}
    figure = stability.stability(inputs.read("stability"), kept, of_cells, f"stability on {dataset}")
    drawing.save(figure, outputs.path("stability_png"))

    styles = style.read(inputs.path("colors"))
    arrays = {model: of_model.to_numpy() for model, of_model in points.items()}
    figures = {
        "scores": scores.scores(intervals, params.roles, params.metric_info, sources, metrics),
        "embeddings": cells.embeddings(arrays, labels, styles),
        "recalls": scores.recalls(recalls, intervals, params.roles, next(iter(sources))),
    }
    for name, figure in figures.items():
        drawing.save(figure, outputs.path(f"{name}_svg"), editable=True)
    of_paper = {
        "scores": paper.scores(intervals, params.roles, params.metric_info, next(iter(sources))),
        "embeddings": paper.embeddings(arrays, labels, styles),
        "recalls": scores.recalls(recalls, intervals, params.roles, next(iter(sources))),
    }
    for name, figure in of_paper.items():
        drawing.save(figure, outputs.path(f"{name}_pdf"), editable=True, is_exact=name != "recalls")
    for name, of_sweep in params.sweeps.items():
        figure = sweep.sweep(intervals, of_sweep, params.roles, params.metric_info, sources)
        for suffix in ("svg", "pdf"):
            drawing.save(figure, outputs.path(f"sweep_{suffix}", sweep=name), editable=True)
