"""Draw how much of its cluster each cell keeps under another seed."""

import scae.jobs.runtime as runtime

from scae import tables
from scae.plots import drawing, stability

with runtime.job(snakemake):
    inputs = snakemake.input
    of_models, of_cells = tables.read(inputs.stability), tables.read(inputs.cell_stability)
    points = {
        model: tables.read_points(path, cells=of_cells["cell"][of_cells["model"] == model])
        for model, path in zip(snakemake.params.models, inputs.tsne2d, strict=True)
    }
    figure = stability.stability(of_models, of_cells, points, f"stability on {snakemake.wildcards.dataset}")
    drawing.save(figure, snakemake.output[0])
