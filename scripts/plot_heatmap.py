"""Draw the heatmap of all scores."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.evaluation import summary
from scae.plots import drawing, heatmap

with runtime.job(snakemake):
    params = snakemake.params
    inputs, outputs = (tables.Files(paths) for paths in (snakemake.input, snakemake.output))
    scores = summary.with_references(inputs.read("all_metrics"), inputs.read("references"))
    figure = heatmap.heatmap(scores, params.published, params.metric_info, params.roles)
    for suffix in ("png", "svg"):
        drawing.save(figure, outputs.path(f"heatmap_{suffix}"))
