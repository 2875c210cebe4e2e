"""The check before a run, and what is printed at the end of one.

Needs the sources of the data sets, and the logs of the jobs. Makes no file: it prints what was found, and the verdict.
"""


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
        missing=[] if is_conda() else plan.missing_packages(),
        processors=os.cpu_count(),
    script:
        "../scripts/check.py"


onsuccess:
    notes.show(placed("<logs>"), set() if CHECKING else OURS, ASKED)
    if Path(placed("<results>/verdict.txt")).exists() and not ASKED:
        print(Path(placed("<results>/verdict.txt")).read_text(encoding="utf-8"), end="", file=sys.stderr)


onerror:
    notes.show(placed("<logs>"), set() if CHECKING else OURS, ASKED)
