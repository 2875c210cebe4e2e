"""From latents to scores.

Needs latent.csv and labels.csv. Makes the t-SNE embeddings, clusters and metrics of each model, the tables over all of
them, and embeddings.h5ad of each data set.
"""


rule project_tsne:
    """t-SNE of the latent in two or three dimensions."""
    input:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    output:
        tsne="<results>/{dataset}/{model}/seed{seed}/tsne{dimensions}d.csv",
    log:
        "<logs>/project_tsne/{dataset}/{model}/seed{seed}.{dimensions}d.log",
    benchmark:
        "<benchmarks>/project_tsne/{dataset}/{model}/seed{seed}.{dimensions}d.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 2, of="../../expression.h5ad"),
        runtime=growing(30, 0.02, of="../../expression.h5ad"),
    params:
        code=code("project_tsne"),
        tsne=tsne_settings,
    script:
        "../scripts/project_tsne.py"


rule cluster_cells:
    """k-means, with as many clusters as cell types, of the 2-D t-SNE and of the latent."""
    input:
        labels="<results>/{dataset}/labels.csv",
        tsne2d="<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    output:
        clusters="<results>/{dataset}/{model}/seed{seed}/clusters.csv",
    log:
        "<logs>/cluster_cells/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/cluster_cells/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 30),
        runtime=growing(15, 1),
    params:
        code=code("cluster_cells"),
        kmeans=config["kmeans"],
    script:
        "../scripts/cluster_cells.py"


rule measure_distances:
    """Distances between cells in the input, which the neighbours in each representation are held against."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
    output:
        distances="<results>/{dataset}/distances.npz",
    log:
        "<logs>/measure_distances/{dataset}.log",
    benchmark:
        "<benchmarks>/measure_distances/{dataset}.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(2500, 4),
        runtime=growing(15, 0.01),
    params:
        code=code("measure_distances"),
        neighbors=config["neighbors"],
    script:
        "../scripts/measure_distances.py"


rule score_clusters:
    """Agreement of the clusters, and of the neighbours of each cell, with the cell types and with the input."""
    input:
        batches=batch_table,
        distances="<results>/{dataset}/distances.npz",
        labels="<results>/{dataset}/labels.csv",
        more_labels=further_labels,
        clusters="<results>/{dataset}/{model}/seed{seed}/clusters.csv",
        tsne2d="<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    output:
        metrics="<results>/{dataset}/{model}/seed{seed}/metrics.csv",
        recalls="<results>/{dataset}/{model}/seed{seed}/recalls.csv",
        spreads="<results>/{dataset}/{model}/seed{seed}/spreads.csv",
    log:
        "<logs>/score_clusters/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/score_clusters/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 50),
        runtime=growing(15, 0.3),
    params:
        code=code("score_clusters"),
        label_sets=label_names,
    script:
        "../scripts/score_clusters.py"


rule check_latents:
    """What each latent says of a cell, how it is used, and what is left of the expression."""
    input:
        batches=of_batch_aware("<results>/{dataset}/batches.csv"),
        expression="<results>/{dataset}/expression.h5ad",
        history=of_models(TRAINED, "<results>/{dataset}/{model}/seed{seed}/history.csv"),
        kl=of_models(PEERS, "<results>/{dataset}/{model}/seed{seed}/kl.csv"),
        labels="<results>/{dataset}/labels.csv",
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
        model=of_models(OWN, "<results>/{dataset}/{model}/seed{seed}/model.pt"),
        counts=of_simulated("<results>/{dataset}/counts.h5ad"),
    output:
        health="<results>/{dataset}/{model}/seed{seed}/health.csv",
    log:
        "<logs>/check_latents/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/check_latents/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(1000, 4),
        runtime=growing(15, 0.01),
    params:
        code=model_code("check_latents"),
        expression=config["expression"],
        training=training_of_model,
    script:
        "../scripts/check_latents.py"


rule interpret_latents:
    """What each latent means: the genes it moves, whether other seeds find it again, the gene sets it is rich in."""
    input:
        by_content(gene_set_paths),
        expression="<results>/{dataset}/expression.h5ad",
        kl=of_models_seeds(PEERS, "<results>/{dataset}/{model}/seed{seed}/kl.csv"),
        latent=expand("<results>/{{dataset}}/{{model}}/seed{seed}/latent.csv", seed=SEEDS),
        model=of_models_seeds(OWN, "<results>/{dataset}/{model}/seed{seed}/model.pt"),
    output:
        genes="<results>/{dataset}/{model}/latent_genes.csv",
        matches="<results>/{dataset}/{model}/latent_matches.csv",
        sets="<results>/{dataset}/{model}/latent_sets.csv",
        traversals="<results>/{dataset}/{model}/latent_traversals.csv",
    log:
        "<logs>/interpret_latents/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/interpret_latents/{dataset}/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(1500, 4),
        runtime=growing(15, 0.01),
    params:
        code=model_code("interpret_latents"),
        content=content(gene_set_paths),
        expression=config["expression"],
        gene_sets=dataset_settings("gene_sets"),
        runs=runs_of_model,
    script:
        "../scripts/interpret_latents.py"


rule generate_cells:
    """Cells that a model makes, of the posterior of real ones and of its prior, held against real ones gene by gene."""
    input:
        counts=of_batch_aware("<results>/{dataset}/counts.h5ad"),
        expression="<results>/{dataset}/expression.h5ad",
        model=expand("<results>/{{dataset}}/{{model}}/seed{seed}/model.pt", seed=SEEDS),
    output:
        genes="<results>/{dataset}/{model}/generated_genes.csv",
        summary="<results>/{dataset}/{model}/generated.csv",
    log:
        "<logs>/generate_cells/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/generate_cells/{dataset}/{model}.tsv"
    wildcard_constraints:
        model=one_of(OWN),
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(1500, 4),
        runtime=growing(15, 0.01),
    params:
        code=training_code("generate_cells"),
        expression=config["expression"],
        model=model_settings,
        runs=runs_of_model,
    script:
        "../scripts/generate_cells.py"


rule collect_metrics:
    """The scores of all data sets, models and seeds in one long table, and the recall of each cell type in another."""
    input:
        metrics=per_run("<results>/{dataset}/{model}/seed{seed}/metrics.csv"),
        recalls=per_run("<results>/{dataset}/{model}/seed{seed}/recalls.csv"),
    output:
        recalls="<results>/recalls.csv",
        metrics=report(
            "<results>/metrics.csv",
            caption="captions/metrics.rst",
            category="2. Scores",
            labels={"what": "all scores", "type": "table"},
        ),
    log:
        "<logs>/collect_metrics/all.log",
    benchmark:
        "<benchmarks>/collect_metrics/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(10),
    params:
        code=code("collect_metrics"),
    script:
        "../scripts/collect_metrics.py"


rule collect_health:
    """The health of the latents of all data sets, models and seeds in one table."""
    input:
        per_run("<results>/{dataset}/{model}/seed{seed}/health.csv"),
    output:
        "<results>/health.csv",
    log:
        "<logs>/collect_health/all.log",
    benchmark:
        "<benchmarks>/collect_health/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(10),
    params:
        code=code("collect_health"),
    script:
        "../scripts/collect_health.py"


rule measure_stability:
    """Whether another seed tells the same: of the clusters, cell by cell, and of the space that the latents span."""
    input:
        clusters=expand("<results>/{{dataset}}/{model}/seed{seed}/clusters.csv", model=MODELS, seed=SEEDS),
        latent=expand("<results>/{{dataset}}/{model}/seed{seed}/latent.csv", model=MODELS, seed=SEEDS),
    output:
        stability="<results>/{dataset}/stability.csv",
        cell_stability="<results>/{dataset}/cell_stability.csv",
    log:
        "<logs>/measure_stability/{dataset}.log",
    benchmark:
        "<benchmarks>/measure_stability/{dataset}.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(15, 0.1),
    params:
        code=code("measure_stability"),
        runs={model: len(SEEDS) for model in MODELS},
    script:
        "../scripts/measure_stability.py"


rule collect_stability:
    """The stability of all data sets in one table."""
    input:
        expand("<results>/{dataset}/stability.csv", dataset=DATASETS),
    output:
        "<results>/stability.csv",
    log:
        "<logs>/collect_stability/all.log",
    benchmark:
        "<benchmarks>/collect_stability/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(10),
    params:
        code=code("collect_stability"),
    script:
        "../scripts/collect_stability.py"


rule score_references:
    """What scores are held against: the labels shuffled, and where they are clusters the same clustering again."""
    input:
        all_labels=[path for dataset in DATASETS for path in files_of_labels(dataset)],
        expression=expand("<results>/{dataset}/expression.h5ad", dataset=DATASETS),
    output:
        references="<results>/references.csv",
    log:
        "<logs>/score_references/all.log",
    benchmark:
        "<benchmarks>/score_references/all.tsv"
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(2000, 6),
        runtime=growing(30, 0.03),
    params:
        code=code("score_references"),
        seeds=SEEDS,
        sets=sets_of_labels(),
    script:
        "../scripts/score_references.py"


rule summarize_scores:
    """Every score with its intervals over seeds and over cells, and the differences between representations."""
    input:
        metrics="<results>/metrics.csv",
        references="<results>/references.csv",
        spreads=per_run("<results>/{dataset}/{model}/seed{seed}/spreads.csv"),
    output:
        intervals="<results>/intervals.csv",
        differences="<results>/differences.csv",
    log:
        "<logs>/summarize_scores/all.log",
    benchmark:
        "<benchmarks>/summarize_scores/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(10),
    params:
        code=code("summarize_scores"),
        origins=label_origins(),
        roles=model_roles(),
    script:
        "../scripts/summarize_scores.py"


rule write_verdict:
    """The answer in a few sentences, from intervals and the origin of the labels alone."""
    input:
        differences="<results>/differences.csv",
        health="<results>/health.csv",
        intervals="<results>/intervals.csv",
        stability="<results>/stability.csv",
    output:
        verdict="<results>/verdict.txt",
    log:
        "<logs>/write_verdict/all.log",
    benchmark:
        "<benchmarks>/write_verdict/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(10),
    params:
        code=code("write_verdict"),
        origins=label_origins(),
        roles=model_roles(),
    script:
        "../scripts/write_verdict.py"


rule collect_training_times:
    """How long every trained model took, in one table."""
    input:
        per_run("<results>/{dataset}/{model}/seed{seed}/timing.csv", models=TRAINED),
    output:
        report(
            "<results>/training_times.csv",
            caption="captions/training_times.rst",
            category="4. Training times",
            labels={"what": "training times", "type": "table"},
        ),
    log:
        "<logs>/collect_training_times/all.log",
    benchmark:
        "<benchmarks>/collect_training_times/all.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(10),
    params:
        code=code("collect_training_times"),
    script:
        "../scripts/collect_training_times.py"


rule collect_embeddings:
    """All that is known of the cells of a data set in one file for scanpy, cellxgene and the lab."""
    input:
        counts="<results>/{dataset}/counts.h5ad",
        expression="<results>/{dataset}/expression.h5ad",
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        more_labels=further_labels,
        clusters=expand("<results>/{{dataset}}/{model}/seed{seed}/clusters.csv", model=MODELS, seed=SEEDS),
        latent=expand("<results>/{{dataset}}/{model}/seed{seed}/latent.csv", model=MODELS, seed=SEEDS),
        tsne2d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne2d.csv", model=MODELS, seed=SEEDS),
        metrics=expand("<results>/{{dataset}}/{model}/seed{seed}/metrics.csv", model=MODELS, seed=SEEDS),
        tsne3d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne3d.csv", model=MODELS, seed=SEEDS),
    output:
        embeddings="<results>/{dataset}/embeddings.h5ad",
    log:
        "<logs>/collect_embeddings/{dataset}.log",
    benchmark:
        "<benchmarks>/collect_embeddings/{dataset}.tsv"
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(1500, 1.5),
        runtime=growing(15, 0.01),
    params:
        code=code("collect_embeddings"),
        genes=dataset_settings("genes"),
        label_sets=label_names,
        runs=runs_of_a_dataset(),
    script:
        "../scripts/collect_embeddings.py"
