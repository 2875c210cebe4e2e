"""Write the answer in a few sentences."""

import scae.jobs.runtime as runtime

from pathlib import Path

from scae import tables
from scae.evaluation import verdict

with runtime.job(snakemake):
    inputs = snakemake.input
    scores = tables.read(inputs.intervals)
    verdicts = verdict.write(
        scores[scores["over"] == "seeds"],
        tables.read(inputs.differences),
        tables.read(inputs.health),
        snakemake.params.roles,
        snakemake.params.origins,
        tables.read(inputs.stability),
    )
    Path(snakemake.output.verdict).write_text(verdict.text(verdicts), encoding="utf-8")
