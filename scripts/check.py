"""Look at every data set of the run before any job."""

import scae.jobs.runtime as runtime

import logging

from scae.config import check
from scae.errors import UserError

with runtime.job(snakemake) as terminal:
    table, problems = check.check(snakemake.params.config, snakemake.params.processors, snakemake.params.missing)
    terminal.print(f"\n{table}\n")
    for line in table.splitlines():
        logging.info("%s", line)
    for problem in problems:
        logging.warning("%s", problem)
    if problems:
        raise UserError(f"{len(problems)} problems would stop a run")
