"""From latents to scores and the verdict.

Needs latent.csv and labels.csv. Makes the t-SNE embeddings, clusters, scores and diagnostics of each model, the tables
over all of them, and embeddings.h5ad of each data set.
"""


rule project_tsne:
    """t-SNE of the latent of the first seed, which is also drawn in three dimensions."""
    input:
        latent="<results>/{dataset}/{model}/seed{seed}/latent.csv",
    output:
        tsne2d="<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
        tsne3d="<results>/{dataset}/{model}/seed{seed}/tsne3d.csv",
    log:
        "<logs>/project_tsne/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/project_tsne/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        seed=one_of(SEEDS[:1]),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 2, of="../../expression.h5ad"),
        runtime=growing(60, 0.06, of="../../expression.h5ad"),
    params:
        code=plan.code("project_tsne"),
        tsne=config["tsne"],
    script:
        "../scripts/project_tsne.py"


use rule project_tsne as project_tsne_2d with:
    output:
        tsne2d="<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
    log:
        "<logs>/project_tsne_2d/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/project_tsne_2d/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        seed=one_of(SEEDS[1:]),
    params:
        code=plan.code("project_tsne"),
        tsne={key: value for key, value in config["tsne"].items() if key != "max_cells_3d"},


rule measure_distances:
    """Distances between cells in the input, for scores that compare the neighbours in a representation with them."""
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
        code=plan.code("measure_distances"),
        neighbors=config["neighbors"],
    script:
        "../scripts/measure_distances.py"


rule score_clusters:
    """k-means of the 2-D t-SNE and of the latent, and scores against cell types and input, for all seeds of a model."""
    input:
        batches=plan.only("batched", "<results>/{dataset}/batches.csv"),
        distances="<results>/{dataset}/distances.npz",
        labels="<results>/{dataset}/labels.csv",
        more_labels=plan.more_labels,
        latent=expand("<results>/{{dataset}}/{{model}}/seed{seed}/latent.csv", seed=SEEDS),
        tsne2d=expand("<results>/{{dataset}}/{{model}}/seed{seed}/tsne2d.csv", seed=SEEDS),
    output:
        clusters=expand("<results>/{{dataset}}/{{model}}/seed{seed}/clusters.csv", seed=SEEDS),
        metrics=expand("<results>/{{dataset}}/{{model}}/seed{seed}/metrics.csv", seed=SEEDS),
        recalls=expand("<results>/{{dataset}}/{{model}}/seed{seed}/recalls.csv", seed=SEEDS),
        spreads=expand("<results>/{{dataset}}/{{model}}/seed{seed}/spreads.csv", seed=SEEDS),
        resamples=expand("<results>/{{dataset}}/{{model}}/seed{seed}/resamples.csv", seed=SEEDS),
    log:
        "<logs>/score_clusters/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/score_clusters/{dataset}/{model}.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 50),
        runtime=growing(15, 1),
    params:
        code=plan.code("score_clusters"),
        kmeans=config["kmeans"],
        label_sets=plan.label_names,
        seeds=SEEDS,
    script:
        "../scripts/score_clusters.py"


rule diagnose_latents:
    """What each latent dimension does, for all seeds of a model: use, genes, reproducibility, generated cells."""
    input:
        user_files("gene_sets"),
        batches=plan.only("batch_conditioned", "<results>/{dataset}/batches.csv"),
        counts=plan.only("simulated", "<results>/{dataset}/counts.h5ad"),
        expression="<results>/{dataset}/expression.h5ad",
        labels="<results>/{dataset}/labels.csv",
        history=plan.only("trained", "<results>/{dataset}/{model}/seed{seed}/history.csv", seed=SEEDS),
        kl=plan.only("external", "<results>/{dataset}/{model}/seed{seed}/kl.csv", seed=SEEDS),
        latent=expand("<results>/{{dataset}}/{{model}}/seed{seed}/latent.csv", seed=SEEDS),
        model=plan.only("own", "<results>/{dataset}/{model}/seed{seed}/model.pt", seed=SEEDS),
    output:
        health=expand("<results>/{{dataset}}/{{model}}/seed{seed}/health.csv", seed=SEEDS),
        latent_genes="<results>/{dataset}/{model}/latent_genes.csv",
        latent_matches="<results>/{dataset}/{model}/latent_matches.csv",
        latent_sets="<results>/{dataset}/{model}/latent_sets.csv",
        latent_traversals="<results>/{dataset}/{model}/latent_traversals.csv",
        generated="<results>/{dataset}/{model}/generated.csv",
        generated_genes="<results>/{dataset}/{model}/generated_genes.csv",
    log:
        "<logs>/diagnose_latents/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/diagnose_latents/{dataset}/{model}.tsv"
    conda:
        "../envs/torch.yaml"
    resources:
        mem_mb=growing(1500, 4),
        runtime=growing(30, 0.02),
    params:
        code=plan.code("diagnose_latents", plan.model_module, plan.inspection_module, plan.counts_module),
        content=plan.content("gene_sets"),
        expression=plan.expression,
        gene_sets=plan.dataset("gene_sets"),
        model=plan.model,
        runs=plan.run_settings,
        training=plan.training,
    script:
        "../scripts/diagnose_latents.py"


rule score_held_out:
    """How well the nearest cells in each representation of a training half predict the molecules of its test half."""
    input:
        labels="<results>/{dataset}/labels.csv",
        expression=plan.on_each_half("<results>/{half}/expression.h5ad"),
        test=plan.on_each_half("<results>/{half}/test.h5ad"),
        latent=plan.on_each_half("<results>/{half}/{model}/seed{seed}/latent.csv", "run"),
    output:
        scores="<results>/{dataset}/held_out.csv",
        resamples="<results>/{dataset}/held_out_resamples.csv",
    log:
        "<logs>/score_held_out/{dataset}.log",
    benchmark:
        "<benchmarks>/score_held_out/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.split),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 4),
        runtime=growing(30, 0.5),
    params:
        code=plan.code("score_held_out"),
        seeds=plan.seeds_by_model(),
    script:
        "../scripts/score_held_out.py"


rule score_sizes:
    """The same score for 2 to 50 principal components."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
        training=plan.on_each_half("<results>/{half}/expression.h5ad"),
        test=plan.on_each_half("<results>/{half}/test.h5ad"),
    output:
        sizes="<results>/{dataset}/held_out_sizes.csv",
    log:
        "<logs>/score_sizes/{dataset}.log",
    benchmark:
        "<benchmarks>/score_sizes/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(plan.split),
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1500, 4),
        runtime=growing(30, 0.5),
    params:
        code=plan.code("score_sizes"),
    script:
        "../scripts/score_sizes.py"


rule compare_seeds:
    """Whether another seed gives the same: clusters, cell by cell, and the space that the latents span."""
    input:
        clusters=expand("<results>/{{dataset}}/{model}/seed{seed}/clusters.csv", model=MODELS, seed=SEEDS),
        latent=expand("<results>/{{dataset}}/{model}/seed{seed}/latent.csv", model=MODELS, seed=SEEDS),
    output:
        stability="<results>/{dataset}/stability.csv",
        cell_stability="<results>/{dataset}/cell_stability.csv",
    log:
        "<logs>/compare_seeds/{dataset}.log",
    benchmark:
        "<benchmarks>/compare_seeds/{dataset}.tsv"
    conda:
        "../envs/evaluation.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(15, 0.1),
    params:
        code=plan.code("compare_seeds"),
        run={"models": MODELS, "seeds": SEEDS},
    script:
        "../scripts/compare_seeds.py"


rule score_baselines:
    """Scores of the labels themselves: shuffled, and clustered again where they are a clustering."""
    input:
        labels=plan.named("labels", "label_set"),
        expression=expand("<results>/{dataset}/expression.h5ad", dataset=DATASETS),
    output:
        references="<results>/references.csv",
    log:
        "<logs>/score_baselines/all.log",
    benchmark:
        "<benchmarks>/score_baselines/all.tsv"
    conda:
        "../envs/scanpy.yaml"
    resources:
        mem_mb=growing(2000, 6),
        runtime=growing(30, 0.03),
    params:
        code=plan.code("score_baselines"),
        seeds=SEEDS,
        sets=plan.clusterings(),
    script:
        "../scripts/score_baselines.py"


rule summarize_scores:
    """All tables over data sets, models and seeds; every score with its intervals, the differences, and the verdict."""
    input:
        metrics=per_run("<results>/{dataset}/{model}/seed{seed}/metrics.csv"),
        recalls=per_run("<results>/{dataset}/{model}/seed{seed}/recalls.csv"),
        spreads=per_run("<results>/{dataset}/{model}/seed{seed}/spreads.csv"),
        resamples=per_run("<results>/{dataset}/{model}/seed{seed}/resamples.csv"),
        health=per_run("<results>/{dataset}/{model}/seed{seed}/health.csv"),
        timing=per_run("<results>/{dataset}/{model}/seed{seed}/timing.csv", models=plan.trained),
        stability=expand("<results>/{dataset}/stability.csv", dataset=DATASETS),
        held_out=plan.named("held_out", "held_out_resamples", "held_out_sizes"),
        references="<results>/references.csv",
    output:
        metrics=report("<results>/metrics.csv", caption="captions/metrics.rst", category="2. Scores"),
        recalls="<results>/recalls.csv",
        health="<results>/health.csv",
        stability="<results>/stability.csv",
        training_times=report(
            "<results>/training_times.csv", caption="captions/training_times.rst", category="3. Training times"
        ),
        intervals="<results>/intervals.csv",
        differences="<results>/differences.csv",
        verdict="<results>/verdict.txt",
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
        code=plan.code("summarize_scores"),
        fixed=[name for name in sorted(MODELS) if plan.kinds[name].deterministic],
        label_sources=plan.label_sources(),
        roles=plan.roles(),
    script:
        "../scripts/summarize_scores.py"


rule collect_embeddings:
    """Everything about the cells of a data set in one file for scanpy, cellxgene and the lab."""
    input:
        counts="<results>/{dataset}/counts.h5ad",
        expression="<results>/{dataset}/expression.h5ad",
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        more_labels=plan.more_labels,
        clusters=expand("<results>/{{dataset}}/{model}/seed{seed}/clusters.csv", model=MODELS, seed=SEEDS),
        latent=expand("<results>/{{dataset}}/{model}/seed{seed}/latent.csv", model=MODELS, seed=SEEDS),
        metrics=expand("<results>/{{dataset}}/{model}/seed{seed}/metrics.csv", model=MODELS, seed=SEEDS),
        tsne2d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne2d.csv", model=MODELS, seed=SEEDS),
        tsne3d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne3d.csv", model=MODELS, seed=SEEDS[:1]),
    output:
        embeddings="<results>/{dataset}/embeddings.h5ad",
        embeddings_seeds="<results>/{dataset}/embeddings_seeds.h5ad",
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
        code=plan.code("collect_embeddings"),
        genes=plan.dataset("genes"),
        label_sets=plan.label_names,
        runs=plan.runs(),
    script:
        "../scripts/collect_embeddings.py"
