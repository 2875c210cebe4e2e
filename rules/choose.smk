"""`snakemake choose`: which number of dimensions, from the molecules alone.

Needs both halves of the molecules. Makes latents of the models of the section `choose`, and choice.csv of each data set,
and only when asked; prints the answer.
"""


rule choose_size:
    """Which number of dimensions predicts held-out molecules best; made for `snakemake choose` alone."""
    input:
        expression=plan.on_each_half("<results>/{half}/expression.h5ad"),
        test=plan.on_each_half("<results>/{half}/test.h5ad"),
        latent=plan.on_each_half("<results>/{half}/{model}/seed{seed}/latent.csv", "choice"),
    output:
        choice="<results>/{dataset}/choice.csv",
    log:
        "<logs>/choose_size/{dataset}.log",
    benchmark:
        "<benchmarks>/choose_size/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.split),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 4),
        runtime=growing(30, 0.5),
    params:
        code=plan.code("choose_size"),
        candidates=plan.choice(),
    script:
        "../scripts/choose_size.py"


# Where Snakemake runs, since its answer is read at once.
rule choose:
    """Print which representation, and how many dimensions, predict held-out molecules best."""
    input:
        expand("<results>/{dataset}/choice.csv", dataset=plan.split),
    log:
        "<logs>/choose/all.log",
    localrule: True
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000),
        runtime=growing(10),
    params:
        code=plan.code("choose"),
        datasets=plan.datasets,
        kinds=plan.kinds_to_choose(),
        split=plan.split,
    script:
        "../scripts/choose.py"
