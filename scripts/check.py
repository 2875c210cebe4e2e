"""Look at every data set of the run before any job."""

import scae.jobs.runtime as runtime

import logging

from scae.config import check
from scae.errors import UserError, counted

with runtime.job(snakemake) as terminal:
    params = snakemake.params
    table, problems = check.check(params.config, params.processors, params.missing, params.is_local)
    terminal.print("\n".join([f"\n{table}\n", *problems]))
    for line in table.splitlines():
        logging.info("%s", line)
    for problem in problems:
        logging.info("problem: %s", problem)
    if problems:
        raise UserError(f"{counted(len(problems), 'problem')} would stop a run; correct the config and check again")
    terminal.print("No problem found. The same command without `check` starts the run.")
