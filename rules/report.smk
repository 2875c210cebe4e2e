"""From scores and embeddings to pictures and the report, and the targets for a part of the workflow.

Needs everything the evaluation made. Makes the pictures of each model, the heatmap and report.html.
"""


rule color_types:
    """The colour of each cell type, far from those of the types whose mean expression is like its own."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
        labels="<results>/{dataset}/labels.csv",
    output:
        colors="<results>/{dataset}/colors.csv",
    log:
        "<logs>/color_types/{dataset}.log",
    benchmark:
        "<benchmarks>/color_types/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 4),
        runtime=growing(10, 0.01),
    params:
        code=code("color_types"),
    script:
        "../scripts/color_types.py"


rule plot_clusters:
    """2-D t-SNE coloured by cell type beside the k-means partition (figures 1 to 3 of the study)."""
    input:
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        tsne2d="<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
        clusters="<results>/{dataset}/{model}/seed{seed}/clusters.csv",
    output:
        report(
            "<results>/{dataset}/{model}/seed{seed}/clusters.png",
            caption="captions/clusters.rst",
            category="3. Pictures of {dataset}",
            subcategory="{model}",
            labels={"what": "t-SNE and k-means", "seed": "{seed}"},
        ),
    log:
        "<logs>/plot_clusters/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_clusters/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_clusters"),
    script:
        "../scripts/plot_clusters.py"


rule plot_batches:
    """2-D t-SNE coloured by cell type beside the same by batch."""
    input:
        batches="<results>/{dataset}/batches.csv",
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        tsne2d="<results>/{dataset}/{model}/seed{seed}/tsne2d.csv",
    output:
        report(
            "<results>/{dataset}/{model}/seed{seed}/batches.png",
            caption="captions/batches.rst",
            category="3. Pictures of {dataset}",
            subcategory="{model}",
            labels={"what": "types and batches", "seed": "{seed}"},
        ),
    log:
        "<logs>/plot_batches/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_batches/{dataset}/{model}/seed{seed}.tsv"
    wildcard_constraints:
        dataset=one_of(BATCHED),
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_batches"),
    script:
        "../scripts/plot_batches.py"


rule plot_tsne3d:
    """3-D t-SNE coloured by cell type."""
    input:
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        tsne3d="<results>/{dataset}/{model}/seed{seed}/tsne3d.csv",
    output:
        report(
            "<results>/{dataset}/{model}/seed{seed}/tsne3d.png",
            caption="captions/tsne3d.rst",
            category="3. Pictures of {dataset}",
            subcategory="{model}",
            labels={"what": "3-D t-SNE", "seed": "{seed}"},
        ),
    log:
        "<logs>/plot_tsne3d/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_tsne3d/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_tsne3d"),
    script:
        "../scripts/plot_tsne3d.py"


rule plot_losses:
    """Loss terms over the epochs of training."""
    input:
        history="<results>/{dataset}/{model}/seed{seed}/history.csv",
    output:
        report(
            "<results>/{dataset}/{model}/seed{seed}/losses.png",
            caption="captions/losses.rst",
            category="3. Pictures of {dataset}",
            subcategory="{model}",
            labels={"what": "loss curves", "seed": "{seed}"},
        ),
    log:
        "<logs>/plot_losses/{dataset}/{model}/seed{seed}.log",
    benchmark:
        "<benchmarks>/plot_losses/{dataset}/{model}/seed{seed}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_losses"),
    script:
        "../scripts/plot_losses.py"


rule plot_latents:
    """The genes that each latent of the first seed moves most, in each cell type and along the move."""
    input:
        expression="<results>/{dataset}/expression.h5ad",
        latent_genes="<results>/{dataset}/{model}/latent_genes.csv",
        latent_traversals="<results>/{dataset}/{model}/latent_traversals.csv",
        labels="<results>/{dataset}/labels.csv",
    output:
        report(
            "<results>/{dataset}/{model}/latents.png",
            caption="captions/latents.rst",
            category="3. Pictures of {dataset}",
            subcategory="{model}",
            labels={"what": "genes of the latents", "seed": str(SEEDS[0])},
        ),
    log:
        "<logs>/plot_latents/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/plot_latents/{dataset}/{model}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 4),
        runtime=growing(10, 0.01),
    params:
        code=code("plot_latents"),
        seed=SEEDS[0],
    script:
        "../scripts/plot_latents.py"


rule plot_generated:
    """Mean, variance and zeros of each gene in the cells that a model makes, against those of real ones."""
    input:
        generated_genes="<results>/{dataset}/{model}/generated_genes.csv",
    output:
        report(
            "<results>/{dataset}/{model}/generated.png",
            caption="captions/generated.rst",
            category="3. Pictures of {dataset}",
            subcategory="{model}",
            labels={"what": "made and real cells", "seed": str(SEEDS[0])},
        ),
    log:
        "<logs>/plot_generated/{dataset}/{model}.log",
    benchmark:
        "<benchmarks>/plot_generated/{dataset}/{model}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_generated"),
        seed=SEEDS[0],
    script:
        "../scripts/plot_generated.py"


rule plot_quality:
    """What cells have before and after quality control, the limits, and whom they remove."""
    input:
        cells="<results>/{dataset}/quality/cells.csv",
        limits="<results>/{dataset}/quality/limits.csv",
        top_genes="<results>/{dataset}/quality/top_genes.csv",
    output:
        report(
            "<results>/{dataset}/quality/quality.png",
            caption="captions/quality.rst",
            category="3. Pictures of {dataset}",
            labels={"what": "quality control", "type": "picture"},
        ),
    log:
        "<logs>/plot_quality/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_quality/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_quality"),
    script:
        "../scripts/plot_quality.py"


rule plot_stability:
    """Which cells keep their cluster under another seed, on the t-SNE of the first."""
    input:
        stability="<results>/{dataset}/stability.csv",
        cell_stability="<results>/{dataset}/cell_stability.csv",
        tsne2d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne2d.csv", model=MODELS, seed=SEEDS[0]),
    output:
        report(
            "<results>/{dataset}/stability.png",
            caption="captions/stability.rst",
            category="3. Pictures of {dataset}",
            labels={"what": "stability over seeds", "type": "picture"},
        ),
    log:
        "<logs>/plot_stability/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_stability/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_stability"),
        models=MODELS,
    script:
        "../scripts/plot_stability.py"


rule plot_heatmap:
    """All scores at a glance, beside published ones where the config gives some (figure 4 of the study)."""
    input:
        metrics="<results>/metrics.csv",
        references="<results>/references.csv",
    output:
        png=report(
            "<results>/heatmap.png",
            caption="captions/heatmap.rst",
            category="2. Scores",
            labels={"what": "heatmap", "type": "picture"},
        ),
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
        code=code("plot_heatmap"),
        described=metrics.described(),
        published=published_scores(),
        roles=model_roles(),
    script:
        "../scripts/plot_heatmap.py"


rule plot_figures:
    """The main figures of a data set: scores with intervals, representations side by side, types that are lost."""
    input:
        intervals="<results>/intervals.csv",
        recalls="<results>/recalls.csv",
        colors="<results>/{dataset}/colors.csv",
        labels="<results>/{dataset}/labels.csv",
        tsne2d=expand("<results>/{{dataset}}/{model}/seed{seed}/tsne2d.csv", model=MODELS, seed=SEEDS[:1]),
    output:
        scores_svg=report(
            "<results>/figures/{dataset}/scores.svg",
            caption="captions/scores.rst",
            category="2. Scores",
            labels={"what": "scores of {dataset}", "type": "picture"},
        ),
        scores_pdf="<results>/figures/{dataset}/scores.pdf",
        embeddings_svg=report(
            "<results>/figures/{dataset}/embeddings.svg",
            caption="captions/embeddings.rst",
            category="3. Pictures of {dataset}",
            labels={"what": "side by side", "type": "picture"},
        ),
        embeddings_pdf="<results>/figures/{dataset}/embeddings.pdf",
        recalls_svg=report(
            "<results>/figures/{dataset}/recalls.svg",
            caption="captions/recalls.rst",
            category="3. Pictures of {dataset}",
            labels={"what": "types that are lost", "type": "picture"},
        ),
        recalls_pdf="<results>/figures/{dataset}/recalls.pdf",
    log:
        "<logs>/plot_figures/{dataset}.log",
    benchmark:
        "<benchmarks>/plot_figures/{dataset}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_figures"),
        described=metrics.described(),
        models=MODELS,
        order=shown_order("models"),
        origins=label_origins(),
        roles=model_roles(),
    script:
        "../scripts/plot_figures.py"


rule plot_sweep:
    """Scores over the values of a sweep."""
    input:
        intervals="<results>/intervals.csv",
    output:
        svg=report(
            "<results>/figures/{dataset}/sweeps/{sweep}.svg",
            caption="captions/sweep.rst",
            category="2. Scores",
            labels={"what": "sweep {sweep} on {dataset}", "type": "picture"},
        ),
        pdf="<results>/figures/{dataset}/sweeps/{sweep}.pdf",
    log:
        "<logs>/plot_sweep/{dataset}/{sweep}.log",
    benchmark:
        "<benchmarks>/plot_sweep/{dataset}/{sweep}.tsv"
    conda:
        "../envs/report.yaml"
    resources:
        mem_mb=growing(1000, 20),
        runtime=growing(10),
    params:
        code=code("plot_sweep"),
        described=metrics.described(),
        origins=label_origins(),
        points=points_of_sweep,
        roles=model_roles(),
    script:
        "../scripts/plot_sweep.py"


rule write_report:
    """One self-contained HTML page with every picture and table."""
    input:
        metrics="<results>/metrics.csv",
        intervals="<results>/intervals.csv",
        differences="<results>/differences.csv",
        recalls="<results>/recalls.csv",
        references="<results>/references.csv",
        health="<results>/health.csv",
        stability="<results>/stability.csv",
        training_times="<results>/training_times.csv",
        scores_svg=expand("<results>/figures/{dataset}/scores.svg", dataset=DATASETS),
        embeddings_svg=expand("<results>/figures/{dataset}/embeddings.svg", dataset=DATASETS),
        recalls_svg=expand("<results>/figures/{dataset}/recalls.svg", dataset=DATASETS),
        stability_png=expand("<results>/{dataset}/stability.png", dataset=DATASETS),
        latent_genes=expand("<results>/{dataset}/{model}/latent_genes.csv", dataset=DATASETS, model=MODELS),
        latent_matches=expand("<results>/{dataset}/{model}/latent_matches.csv", dataset=DATASETS, model=MODELS),
        latent_sets=expand("<results>/{dataset}/{model}/latent_sets.csv", dataset=DATASETS, model=MODELS),
        latents_png=expand("<results>/{dataset}/{model}/latents.png", dataset=DATASETS, model=MODELS),
        generated=expand("<results>/{dataset}/{model}/generated.csv", dataset=DATASETS, model=OWN),
        generated_png=expand("<results>/{dataset}/{model}/generated.png", dataset=DATASETS, model=OWN),
        sweeps_svg=expand("<results>/figures/{dataset}/sweeps/{sweep}.svg", dataset=DATASETS, sweep=sorted(SWEEPS)),
        heatmap="<results>/heatmap.png",
        batches=expand("<results>/{dataset}/batches.csv", dataset=BATCHED),
        colors=expand("<results>/{dataset}/colors.csv", dataset=DATASETS),
        labels=expand("<results>/{dataset}/labels.csv", dataset=DATASETS),
        cells=expand("<results>/{dataset}/quality/cells.csv", dataset=DATASETS),
        limits=expand("<results>/{dataset}/quality/limits.csv", dataset=DATASETS),
        quality_png=expand("<results>/{dataset}/quality/quality.png", dataset=DATASETS),
        clusters=per_run("<results>/{dataset}/{model}/seed{seed}/clusters.csv"),
        tsne2d=per_run("<results>/{dataset}/{model}/seed{seed}/tsne2d.csv"),
        tsne3d=per_run("<results>/{dataset}/{model}/seed{seed}/tsne3d.csv"),
        clusters_png=per_run("<results>/{dataset}/{model}/seed{seed}/clusters.png"),
        batches_png=per_run("<results>/{dataset}/{model}/seed{seed}/batches.png", datasets=BATCHED),
        losses_png=per_run("<results>/{dataset}/{model}/seed{seed}/losses.png", models=TRAINED),
        verdict="<results>/verdict.txt",
    output:
        report=report(
            "<results>/report.html",
            caption="captions/report.rst",
            category="1. Report",
            labels={"what": "everything on one page", "type": "page"},
        ),
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
        code=code("write_report"),
        described=metrics.described(),
        models=model_descriptions(),
        order=shown_order("datasets", "models"),
        origins=label_origins(),
        published=published_scores(),
        roles=model_roles(),
        run=config["run"],
        settings=report_settings(),
        sweeps=points_of_sweeps(),
    script:
        "../scripts/write_report.py"


rule data:
    """Part of the workflow: expression, labels and the CSV export."""
    input:
        data_files(),


rule models:
    """Part of the workflow: trained models and latents."""
    input:
        model_files(),


rule evaluation:
    """Part of the workflow: t-SNE, clusters and scores."""
    input:
        evaluation_files(),


rule report:
    """Part of the workflow: pictures, heatmap and report.html."""
    input:
        report_files(),
