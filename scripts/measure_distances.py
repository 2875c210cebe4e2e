"""Measure the distances between cells in the input."""

import scae.jobs.runtime as runtime

import numpy as np

from scae.data import expression
from scae.evaluation import input_distances

with runtime.job(snakemake):
    data = expression.read(snakemake.input.expression)
    cells, squared = input_distances.distances(data, snakemake.params.neighbors["reference"])
    np.savez(snakemake.output.distances, cells=data.cells[cells].astype(str), squared=squared)
