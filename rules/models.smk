"""From expression to latents; nothing here sees a label.

Needs expression.h5ad. Makes latent.csv of each data set, model and seed; history.csv and timing.csv of the models that
are trained; and model.pt of those that are trained here, kl.csv of those that a package of their own trains.
"""


rule train_model:
    """Train one autoencoder with one seed on the expression alone."""
    input:
        counts=of_batch_aware("<results>/{dataset}/counts.h5ad"),
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
        model=one_of(OWN),
    conda:
        "../envs/torch.yaml"
    threads: config["training"]["threads"]
    resources:
        mem_mb=growing(1500, 2),
        runtime=growing(50, 0.2),
        checkpoint_minutes=str(config["training"]["checkpoint_minutes"]),
    params:
        code=training_code("train_model"),
        expression=config["expression"],
        model=model_settings,
        training=training_settings(),
    script:
        "../scripts/train_model.py"


rule embed_cells:
    """Latent of every cell."""
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
        model=one_of(OWN),
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(1500, 2),
        runtime=growing(15, 0.01),
    params:
        code=model_code("embed_cells"),
        expression=config["expression"],
        latent=latent_settings,
    script:
        "../scripts/embed_cells.py"


rule fit_counts:
    """Train one model of the field with its own package on the counts, and embed the cells."""
    input:
        counts=batch_source,
        expression="<results>/{dataset}/expression.h5ad",
    output:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
        history="<results>/{dataset}/{model}/seed{seed}/history.csv",
        kl="<results>/{dataset}/{model}/seed{seed}/kl.csv",
        timing="<results>/{dataset}/{model}/seed{seed}/timing.csv",
    log:
        "<logs>/fit_counts/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/fit_counts/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(PEERS),
    conda:
        "../envs/scvi.yaml"
    resources:
        mem_mb=growing(2500, 3),
        runtime=growing(60, 2),
    params:
        code=peer_code("fit_counts"),
        batch=dataset_settings("batch"),
        model=model_settings,
    script:
        "../scripts/fit_counts.py"


rule represent_cells:
    """Latent of every cell in a representation that needs no training, or that is given."""
    input:
        by_content(given_paths),
        expression="<results>/{dataset}/expression.h5ad",
    output:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    log:
        "<logs>/represent_cells/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/represent_cells/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        model=one_of(UNTRAINED),
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 3),
        runtime=growing(15, 0.01),
    params:
        code=model_code("represent_cells"),
        content=content(given_paths),
        expression=expression_settings,
        model=model_settings,
        source=given_source,
    script:
        "../scripts/represent_cells.py"
