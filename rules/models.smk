"""From expression to latents; no label is used here.

Needs expression.h5ad, of a data set or of a training half of its molecules. Makes latent.csv of each data set, model and
seed; history.csv and timing.csv of trained models; model.pt of those trained here, kl.csv of those that an external
package trains.
"""


rule train_model:
    """Train one autoencoder with one seed on the expression alone."""
    input:
        counts=plan.only("batch_conditioned", "<results>/{source}/counts.h5ad"),
        expression="<results>/{dataset}/expression.h5ad",
    output:
        model="<results>/{dataset}/{model}/seed{seed}/model.pt",
        history="<results>/{dataset}/{model}/seed{seed}/history.csv",
        timing="<results>/{dataset}/{model}/seed{seed}/timing.csv",
    log:
        "<logs>/train_model/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/train_model/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(plan.jobs_of("own")),
    conda:
        "../envs/torch.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(1500, 2),
        runtime=growing(50, 0.2),
        checkpoint_minutes=str(config["training"]["checkpoint_minutes"]),
    params:
        code=plan.code("train_model", plan.model_module, plan.batch_module, plan.counts_module),
        expression=plan.expression,
        model=plan.model,
        training=plan.training,
    script:
        "../scripts/train_model.py"


rule embed_cells:
    """Latent of every cell from a trained model."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
        model="<results>/{dataset}/{model}/seed{seed}/model.pt",
    output:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    log:
        "<logs>/embed_cells/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/embed_cells/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(plan.jobs_of("own")),
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(1500, 2),
        runtime=growing(15, 0.01),
    params:
        code=plan.code("embed_cells", plan.model_module),
        expression=plan.expression,
        latent=plan.latent,
    script:
        "../scripts/embed_cells.py"


rule fit_external:
    """Train one model with an external package on the counts, and embed the cells."""
    input:
        counts=plan.only("batched", "<results>/{source}/counts.h5ad"),
        expression="<results>/{dataset}/expression.h5ad",
    output:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
        history="<results>/{dataset}/{model}/seed{seed}/history.csv",
        kl="<results>/{dataset}/{model}/seed{seed}/kl.csv",
        timing="<results>/{dataset}/{model}/seed{seed}/timing.csv",
    log:
        "<logs>/fit_external/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/fit_external/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(plan.jobs_of("external")),
    conda:
        "../envs/scvi.yaml"
    resources:
        mem_mb=growing(2500, 3),
        runtime=growing(60, 2),
    params:
        code=plan.code("fit_external", plan.model_module, plan.batch_module),
        batch=plan.dataset("batch"),
        model=plan.model,
    script:
        "../scripts/fit_external.py"


rule represent_cells:
    """Latent of every cell by a method that needs no training, or from a given embedding."""
    input:
        user_files("given"),
        expression="<results>/{dataset}/expression.h5ad",
    output:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    log:
        "<logs>/represent_cells/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/represent_cells/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(plan.jobs_of("untrained")),
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 3),
        runtime=growing(15, 0.01),
    params:
        code=plan.code("represent_cells", plan.model_module),
        content=plan.content("given"),
        expression=plan.untrained_expression,
        model=plan.model,
        source=plan.given_source,
    script:
        "../scripts/represent_cells.py"
