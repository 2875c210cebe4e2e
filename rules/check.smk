"""The check before a run, and what is printed at the end of one.

Needs the sources of the data sets, and the logs of the jobs. Makes no file: it prints what was found, and the verdict.
"""

import time

STARTED = time.time()


# Where Snakemake runs, since its result is read at once and not kept.
rule check:
    """Check every data set before any job: what it holds, what would stop a run, and what a run would take."""
    log:
        "<logs>/check/all.log",
    localrule: True
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=plan.code("check"),
        config=config,
        is_local=workflow.local_exec,
        missing=[] if is_conda() else plan.missing_packages(),
        processors=os.cpu_count(),
    script:
        "../scripts/check.py"


onsuccess:
    if not CHECKING:
        notes.show(placed("<logs>"), OURS, ASKED)
        of_run = {job.rule.name for job in workflow.dag.jobs}
        report = Path(placed("<results>/report.html"))
        terminal.show_results(
            placed("<results>/verdict.txt") if "summarize_scores" in of_run else None,
            (report.absolute() if workflow.overwrite_workdir else report) if "write_report" in of_run else None,
        )


onerror:
    if not CHECKING:
        notes.show(placed("<logs>"), OURS, ASKED, since=STARTED)
    if TERMINAL:
        TERMINAL.show_end(is_check=CHECKING)


if TERMINAL:
    TERMINAL.targets = [rule.name for rule in workflow.rules if not rule.output]
