"""From scores and embeddings to pictures and the report.

Needs everything that the evaluation made. Makes the pictures of each model and data set, the heatmap and report.html.
"""


rule plot_model:
    """t-SNE by cell type and cluster, and the genes of the latents, of the first seed."""
    input:
        batches=plan.only("batched", "<results>/{dataset}/batches.csv"),
        colors="<results>/{dataset}/colors.csv",
        expression="<results>/{dataset}/expression.h5ad",
        labels="<results>/{dataset}/labels.csv",
        latent_genes="<results>/{dataset}/{model}/latent_genes.csv",
        latent_traversals="<results>/{dataset}/{model}/latent_traversals.csv",
        clusters=expand("<results>/{{dataset}}/{{model}}/seed{seed}/clusters.csv", seed=SEEDS[:1]),
        tsne2d=expand("<results>/{{dataset}}/{{model}}/seed{seed}/tsne2d.csv", seed=SEEDS[:1]),
    output:
        clusters=expand("<results>/{{dataset}}/{{model}}/seed{seed}/clusters.png", seed=SEEDS[:1]),
        latents="<results>/{dataset}/{model}/latents.png",
    log:
        "<logs>/plot_model/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/plot_model/{dataset}/{model}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 10),
        runtime=growing(20, 0.01),
    params:
        code=plan.code("plot_model"),
        seeds=SEEDS,
    script:
        "../scripts/plot_model.py"


rule plot_training:
    """Loss curves of the trained models of a data set, and the cells that they generate against real ones."""
    input:
        history=expand("<results>/{{dataset}}/{model}/seed{seed}/history.csv", model=plan.trained, seed=SEEDS),
        generated_genes=expand("<results>/{{dataset}}/{model}/generated_genes.csv", model=plan.own),
    output:
        losses=expand("<results>/{{dataset}}/{model}/losses.png", model=plan.trained),
        generated=expand("<results>/{{dataset}}/{model}/generated.png", model=plan.own),
    log:
        "<logs>/plot_training/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_training/{dataset}.tsv"
    wildcard_constraints:
        dataset=one_of(DATASETS if plan.trained else []),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(20),
    params:
        code=plan.code("plot_training"),
        seed=SEEDS[0],
    script:
        "../scripts/plot_training.py"


rule plot_dataset:
    """Quality control, stability, and the main figures: scores, representations side by side, recall, sweeps."""
    input:
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        cells="<results>/{dataset}/quality/cells.csv",
        limits="<results>/{dataset}/quality/limits.csv",
        top_genes="<results>/{dataset}/quality/top_genes.csv",
        stability="<results>/{dataset}/stability.csv",
        cell_stability="<results>/{dataset}/cell_stability.csv",
        tsne2d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne2d.csv", model=MODELS, seed=SEEDS[:1]),
        intervals="<results>/intervals.csv",
        metrics="<results>/metrics.csv",
        recalls="<results>/recalls.csv",
    output:
        quality="<results>/{dataset}/quality/quality.png",
        stability="<results>/{dataset}/stability.png",
        figures=expand(
            "<results>/figures/{{dataset}}/{figure}.{suffix}",
            figure=["scores", "embeddings", "recalls"],
            suffix=["svg", "pdf"],
        ),
        sweeps=expand("<results>/figures/{{dataset}}/sweeps/{sweep}.{suffix}", sweep=SWEEPS, suffix=["svg", "pdf"]),
    log:
        "<logs>/plot_dataset/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_dataset/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(20),
    params:
        code=plan.code("plot_dataset"),
        label_sources=plan.label_sources(),
        metric_info=metrics.metric_info(),
        order=plan.order("models"),
        roles=plan.roles(),
        sweeps=plan.sweep_points(),
    script:
        "../scripts/plot_dataset.py"


rule plot_heatmap:
    """All scores at a glance, beside published ones where the config gives some."""
    input:
        metrics="<results>/metrics.csv",
        references="<results>/references.csv",
    output:
        png=report("<results>/heatmap.png", caption="captions/heatmap.rst", category="2. Scores"),
        svg="<results>/heatmap.svg",
    log:
        "<logs>/plot_heatmap/all.log",
    benchmark:
        "<benchmarks>/plot_heatmap/all.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=plan.code("plot_heatmap"),
        metric_info=metrics.metric_info(),
        published=plan.published(),
        roles=plan.roles(),
    script:
        "../scripts/plot_heatmap.py"


rule write_report:
    """One self-contained HTML page with every picture and table."""
    input:
        expand(
            "<results>/{table}.csv",
            table="metrics intervals differences recalls references health stability training_times".split(),
        ),
        expand(
            "<results>/{dataset}/{file}",
            dataset=DATASETS,
            file=["colors.csv", "labels.csv", "quality/cells.csv", "quality/limits.csv"],
        ),
        expand("<results>/{dataset}/batches.csv", dataset=plan.batched),
        expand("<results>/{dataset}/{file}", dataset=DATASETS, file=["quality/quality.png", "stability.png"]),
        expand("<results>/figures/{dataset}/scores.svg", dataset=DATASETS),
        expand("<results>/figures/{dataset}/sweeps/{sweep}.svg", dataset=DATASETS, sweep=SWEEPS),
        expand(
            "<results>/{dataset}/{model}/{file}",
            dataset=DATASETS,
            model=MODELS,
            file=["latent_genes.csv", "latent_matches.csv", "latent_sets.csv", "latents.png"],
        ),
        expand(
            "<results>/{dataset}/{model}/{file}",
            dataset=DATASETS,
            model=plan.own,
            file=["generated.csv", "generated.png"],
        ),
        per_run("<results>/{dataset}/{model}/seed{seed}/clusters.csv"),
        per_run("<results>/{dataset}/{model}/seed{seed}/tsne2d.csv"),
        expand("<results>/{dataset}/{model}/losses.png", dataset=DATASETS, model=plan.trained),
        expand(
            "<results>/{dataset}/{model}/seed{seed}/{file}",
            dataset=DATASETS,
            model=MODELS,
            seed=SEEDS[:1],
            file=["clusters.png", "tsne3d.csv"],
        ),
        verdict="<results>/verdict.txt",
    output:
        report=report("<results>/report.html", caption="captions/report.rst", category="1. Report"),
    log:
        "<logs>/write_report/all.log",
    benchmark:
        "<benchmarks>/write_report/all.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=plan.code("write_report"),
        label_sources=plan.label_sources(),
        metric_info=metrics.metric_info(),
        models=plan.model_info(),
        order=plan.order("datasets", "models"),
        published=plan.published(),
        roles=plan.roles(),
        run=config["run"],
        settings=plan.report_settings(),
        sweeps=plan.sweep_points(),
    script:
        "../scripts/write_report.py"
