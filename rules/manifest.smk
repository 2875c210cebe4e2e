"""What to compare two runs by.

Needs every result. Makes results/MANIFEST.sha256, and only when asked: `snakemake manifest`.
"""


rule write_manifest:
    """Digests of all results but durations, with the software and the machine that made them."""
    input:
        plan.targets(same=True),
    output:
        "<results>/MANIFEST.sha256",
    log:
        "<logs>/write_manifest/all.log",
    benchmark:
        "<benchmarks>/write_manifest/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 0),
        runtime=growing(10, 0.01),
    params:
        code=plan.code("write_manifest"),
    script:
        "../scripts/write_manifest.py"
