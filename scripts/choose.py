"""Print which number of dimensions predicts held-out molecules best, for each data set."""

import scae.jobs.runtime as runtime

import logging

import pandas as pd

from scae.errors import UserError
from scae.evaluation import held_out

with runtime.job(snakemake) as terminal:
    params = snakemake.params
    if without := [name for name in params.datasets if name not in params.split]:
        logging.warning("%s: held_out_molecules is off, so nothing is recommended", ", ".join(without))
    if not params.split:
        raise UserError("no data set has held-out molecules; set held_out_molecules of a data set to true")
    for dataset, path in zip(params.split, snakemake.input, strict=True):
        lines = held_out.sentences(pd.read_csv(path, dtype={"model": str}), params.kinds)
        terminal.print("\n".join([f"\n{dataset}", *(f"  {line}" for line in lines)]))
