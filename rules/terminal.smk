"""What stands on the terminal before a run, when asked for, and at the end of each.

Needs the sources of the data sets, and the logs of the jobs. Makes no file: it prints what was found and noted, and the verdict.
"""


# Where Snakemake runs, since it is looked at and not kept.
rule check:
    """Look at every data set before any job: what it holds, what would stop a run, and what a run would take."""
    log:
        "<logs>/check/all.log",
    localrule: True
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(2000),
        runtime=growing(10),
    params:
        code=code("check"),
        config=config,
        missing=missing_packages(),
        processors=os.cpu_count(),
    script:
        "../scripts/check.py"


onsuccess:
    notes.show(placed("<logs>"), config["run"], CHECKING)
    if Path(placed("<results>/verdict.txt")).exists() and not CHECKING:
        print(Path(placed("<results>/verdict.txt")).read_text(encoding="utf-8"), end="", file=sys.stderr)


onerror:
    notes.show(placed("<logs>"), config["run"], CHECKING)
