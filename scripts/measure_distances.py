"""Measure the distances between cells in the input."""

import scae.workflow.runtime as runtime

import numpy as np

from scae.evaluation import reference
from scae.training import expression

with runtime.job(snakemake):
    data = expression.read(snakemake.input.expression)
    cells, squared = reference.distances(data, snakemake.params.neighbors["reference"])
    np.savez(snakemake.output.distances, cells=data.cells[cells].astype(str), squared=squared)
